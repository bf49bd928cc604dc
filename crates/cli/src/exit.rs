//! How the program ends: the one place that declares its exit codes.

use std::{fmt, process::ExitCode};

use fratmae_config::ConfigError;
use fratmae_control::Parting;
use fratmae_coordinator::CoordinatorError;
use fratmae_network::AddressError;
use fratmae_worker::{ProcessError, WorkerError};

/// An end of the program, as whoever started it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did what it was asked to; of a coordinator and its workers: the run is finished.
    Finished,
    /// It failed, and so would the same call, here or elsewhere.
    Failed,
    /// The command line or the job file is wrong: the same call fails again.
    Usage,
    /// It was stopped as it was asked to, or is of no use for now: the run goes on without it or when the same command
    /// is run again.
    Stopped,
    /// This machine cannot do its part; another one may.
    Unfit,
    /// It is of another version, job or data set than the run.
    Refused,
    /// It panicked.
    Panicked,
    /// It was told a second time to stop, and ended at once.
    StoppedAtOnce,
}

impl Exit {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Finished,
        Self::Failed,
        Self::Usage,
        Self::Stopped,
        Self::Unfit,
        Self::Refused,
        Self::Panicked,
        Self::StoppedAtOnce,
    ];

    /// The exit code: [`Parting`]'s where it tells a scheduler what to do; 2 is what clap takes, 101 what Rust gives for a
    /// panic, and 130 what shells give for Ctrl-C.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Finished => Parting::Finished.exit_code(),
            Self::Failed => Parting::Failed.exit_code(),
            Self::Usage => 2,
            Self::Stopped => Parting::Stopped.exit_code(),
            Self::Unfit => Parting::Unfit.exit_code(),
            Self::Refused => Parting::Refused.exit_code(),
            Self::Panicked => 101,
            Self::StoppedAtOnce => 130,
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed; the last line has the reason",
            Self::Usage => "wrong command line or job file",
            Self::Stopped => "stopped or left, and the run goes on; run the same command again",
            Self::Unfit => "this machine cannot do its part; start it on another one",
            Self::Refused => "refused: of another version, job or data set than the run",
            Self::Panicked => "a fault of fratmae; please report the last line",
            Self::StoppedAtOnce => {
                "stopped at once by a second Ctrl-C; run the same command to resume"
            }
        }
    }

    /// The exit code that an error of a command leads to.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let is_usage =
            error.is::<Misuse>() || error.is::<ConfigError>() || error.is::<AddressError>();
        if let Some(stopped) = error.downcast_ref::<Stopped>() {
            return stopped.exit;
        }
        let panicked = |error: &WorkerError| {
            matches!(error, WorkerError::Process(ProcessError::Panicked { .. }))
        };
        let worker = error.downcast_ref::<WorkerError>();
        let coordinator = error.downcast_ref::<CoordinatorError>();
        match (
            worker.map(WorkerError::parting),
            coordinator.map(CoordinatorError::parting),
        ) {
            _ if is_usage => Self::Usage,
            _ if worker.is_some_and(panicked) => Self::Panicked,
            (Some(parting), _) | (_, Some(parting)) => parting.into(),
            (None, None) => Self::Failed,
        }
    }
}

/// What the end of a coordinator or a worker tells whoever started it.
impl From<Parting> for Exit {
    fn from(parting: Parting) -> Self {
        match parting {
            Parting::Finished => Self::Finished,
            Parting::Left | Parting::Stopped | Parting::Replaced => Self::Stopped,
            Parting::Unfit => Self::Unfit,
            Parting::Failed => Self::Failed,
            Parting::Refused => Self::Refused,
        }
    }
}

/// What a command was not told, or was told wrong.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A stop that was asked for: an end before the work is done, and no failure.
#[derive(Debug)]
pub(crate) struct Stopped {
    line: String,
    exit: Exit,
}

impl Stopped {
    /// It stopped in an orderly way, and resumes.
    pub(crate) fn resumable(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            exit: Exit::Stopped,
        }
    }

    /// It was ended at once.
    pub(crate) fn at_once(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            exit: Exit::StoppedAtOnce,
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for Stopped {}

/// The exit codes as help and docs list them.
pub(crate) fn table() -> String {
    let line = |exit: &Exit| format!("  {:<4} {}\n", exit.code(), exit.meaning());
    let lines: String = Exit::ALL.iter().map(line).collect();
    format!("Exit codes:\n{}", lines.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_that_was_asked_for_is_no_failure() {
        let stopped = anyhow::Error::from(Stopped::resumable("stopped at step 3"));
        assert_eq!(Exit::of(&stopped).code(), 75);
        let at_once = anyhow::Error::from(Stopped::at_once("stopped at once"));
        assert_eq!(Exit::of(&at_once).code(), 130);
        assert_eq!(Exit::of(&anyhow::anyhow!("no such file")).code(), 1);
    }

    #[test]
    fn a_call_that_can_never_work_is_told_apart_from_a_failure() {
        let set = fratmae_config::Config::load(None, &["train.stepz=4".to_owned()]);
        assert_eq!(Exit::of(&anyhow::Error::from(set.unwrap_err())).code(), 2);
        let address = fratmae_network::Endpoint::parse("localhost").unwrap_err();
        let address = anyhow::Error::from(address).context("--coordinator");
        assert_eq!(Exit::of(&address).code(), 2);
        let misuse = Misuse("no coordinator is named".to_owned());
        assert_eq!(Exit::of(&misuse.into()).code(), 2);
    }

    #[test]
    fn what_ended_a_worker_or_a_coordinator_says_whether_another_takes_its_place() {
        let worker = |parting| {
            let reason = "r".to_owned();
            let error = fratmae_worker::ConnectionError::Stopped { reason, parting };
            Exit::of(&anyhow::Error::from(WorkerError::from(error))).code()
        };
        for (parting, code) in [
            (Parting::Replaced, 75),
            (Parting::Unfit, 76),
            (Parting::Failed, 1),
            (Parting::Refused, 78),
        ] {
            assert_eq!(worker(parting), code, "{parting:?}");
        }
        let reason = "t".to_owned();
        let panicked = WorkerError::from(ProcessError::Panicked { reason });
        assert_eq!(Exit::of(&panicked.into()).code(), 101);
        let no_gpu = fratmae_worker::JobError::NoGpu {
            reason: String::new(),
            help: "",
        };
        assert_eq!(Exit::of(&WorkerError::from(no_gpu).into()).code(), 76);
        let coordinator = |error: CoordinatorError| Exit::of(&error.into()).code();
        let run = || "r".to_owned();
        let address = String::new();
        let led = CoordinatorError::Led {
            run: run(),
            address,
            step: 1,
        };
        assert_eq!(coordinator(led), 75);
        let differences = Vec::new();
        let other = CoordinatorError::OtherJob {
            run: run(),
            differences,
        };
        assert_eq!(coordinator(other), 78);
        let reason = "no progress".to_owned();
        assert_eq!(coordinator(CoordinatorError::Failed { reason }), 1);
    }

    #[test]
    fn the_readme_lists_them_as_the_help_does() {
        let readme = include_str!("../../../README.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(readme.contains(&row), "{row}");
        }
    }

    #[test]
    fn every_code_is_listed_once() {
        let table = table();
        for exit in Exit::ALL {
            let code = format!("  {:<4} ", exit.code());
            let listed = table.lines().filter(|line| line.starts_with(&code));
            assert_eq!(listed.count(), 1, "{table}");
        }
    }
}
