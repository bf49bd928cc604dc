//! How the program ends: the one place that declares its exit codes.

use std::{fmt, process::ExitCode};

use fratmae_config::ConfigError;
use fratmae_network::AddressError;

/// An end of the program, as whoever started it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did what it was asked to.
    Finished,
    /// It failed.
    Failed,
    /// The command line or the job file is wrong: the same call fails again.
    Usage,
    /// It was stopped as it was asked to, and the same command resumes.
    Stopped,
    /// It was told a second time to stop, and ended at once.
    StoppedAtOnce,
}

impl Exit {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Finished,
        Self::Failed,
        Self::Usage,
        Self::Stopped,
        Self::StoppedAtOnce,
    ];

    /// The exit code. A scheduler may run a command again that ended with [`Exit::Stopped`], `EX_TEMPFAIL` of
    /// sysexits.h; 2 is what clap takes, and 130 what shells give for Ctrl-C.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Finished => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Stopped => 75,
            Self::StoppedAtOnce => 130,
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed; the last line has the reason",
            Self::Usage => "wrong command line or job file",
            Self::Stopped => "stopped as asked; run the same command to resume",
            Self::StoppedAtOnce => {
                "stopped at once by a second Ctrl-C; run the same command to resume"
            }
        }
    }

    /// The exit code that an error of a command leads to.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let is_usage =
            error.is::<Misuse>() || error.is::<ConfigError>() || error.is::<AddressError>();
        match error.downcast_ref::<Stopped>() {
            Some(stopped) => stopped.exit,
            None if is_usage => Self::Usage,
            None => Self::Failed,
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
