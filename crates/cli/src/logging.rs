//! The options for standard error: how much is written there, and in what form.

use clap::{Args, ValueEnum};
use fratmae_coordinator::EVENTS;

/// How much is written to standard error, and in what form.
#[derive(Debug, Args)]
pub(crate) struct Logging {
    /// Form of the lines on standard error
    #[arg(
        long,
        value_enum,
        global = true,
        default_value_t = LogForm::Human,
        value_name = "FORM",
        help_heading = "Global options"
    )]
    pub(crate) log: LogForm,
    /// Suppress progress and all messages but errors
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
}

impl Logging {
    /// The filter that the options ask for; where they ask for none, `RUST_LOG` and the default decide.
    ///
    /// Lines in JSON are for machines: what people see as progress is in them.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks whether the user set RUST_LOG"
    )]
    pub(crate) fn filter(&self) -> Option<String> {
        let is_told = std::env::var_os("RUST_LOG").is_some();
        match (self.quiet, self.log) {
            (true, _) => Some("error".to_owned()),
            (false, LogForm::Json) if !is_told => Some(format!("warn,fratmae=info,{EVENTS}=info")),
            _ => None,
        }
    }

    /// Log targets that this form leaves out: people see the events of a run as progress.
    pub(crate) fn hidden(&self) -> &'static [&'static str] {
        match self.log {
            LogForm::Human => &[EVENTS],
            LogForm::Json => &[],
        }
    }

    /// Whether progress is drawn for people.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && self.log == LogForm::Human
    }

    /// The same options with lines that another process reads.
    pub(crate) fn as_json(&self) -> Self {
        Self {
            log: LogForm::Json,
            quiet: self.quiet,
        }
    }

    /// The same options as arguments for a process started from this one.
    pub(crate) fn as_typed(&self) -> Vec<String> {
        let form = match self.log {
            LogForm::Human => "--log=human",
            LogForm::Json => "--log=json",
        };
        let quiet = self.quiet.then_some("--quiet");
        [form]
            .into_iter()
            .chain(quiet)
            .map(ToOwned::to_owned)
            .collect()
    }
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// Lines for people
    Human,
    /// One JSON object per line
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logging(log: LogForm, quiet: bool) -> Logging {
        Logging { log, quiet }
    }

    #[test]
    fn quiet_wins_over_the_form() {
        for form in [LogForm::Human, LogForm::Json] {
            assert_eq!(logging(form, true).filter().as_deref(), Some("error"));
            assert!(!logging(form, true).shows_progress());
        }
    }

    #[test]
    fn lines_in_json_replace_progress() {
        assert!(logging(LogForm::Human, false).shows_progress());
        assert!(!logging(LogForm::Json, false).shows_progress());
    }

    #[test]
    fn options_are_handed_on_as_they_were_typed() {
        assert_eq!(logging(LogForm::Human, false).as_typed(), ["--log=human"]);
        let json = logging(LogForm::Json, true).as_typed();
        assert_eq!(json, ["--log=json", "--quiet"]);
    }
}
