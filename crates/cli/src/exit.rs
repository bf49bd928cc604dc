//! How the program ends: the one place that declares its exit codes.

use std::{fmt, process::ExitCode};

/// An end of the program, as whoever started it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did what it was asked to.
    Finished,
    /// It failed.
    Failed,
    /// The command line is wrong.
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
            Self::Usage => "wrong command line",
            Self::Stopped => "stopped as asked; run the same command to resume",
            Self::StoppedAtOnce => {
                "stopped at once by a second Ctrl-C; run the same command to resume"
            }
        }
    }

    /// The exit code that an error of a command leads to.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        error
            .downcast_ref::<Stopped>()
            .map_or(Self::Failed, |stopped| stopped.exit)
    }
}

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
