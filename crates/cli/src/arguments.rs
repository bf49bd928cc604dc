//! What can be typed after `fratmae`: the global options and the list of commands.
//! Each command's own options stand with the command.

use clap::{Args, Parser, Subcommand, ValueEnum};

use fratmae_coordinator::EVENTS;

use crate::commands::{
    checkpoint, completions, convert, coordinator, dataset, phantom, prepare, pretrain, status,
    worker,
};

/// Pre-trains FratMAE, a masked autoencoder for PET/CT, on one machine or many.
#[derive(Debug, Parser)]
#[command(
    name = "fratmae",
    version,
    about,
    propagate_version = true,
    max_term_width = 110
)]
#[command(after_help = "\
Examples:
  fratmae pretrain --config configs/quickstart.toml      a first run on phantoms, under two minutes
  fratmae prepare cases.csv --out data/mine               your own PET/CT cases
  fratmae status runs/quickstart/run                      what a run has done

RUST_LOG sets what is logged, such as RUST_LOG=debug or RUST_LOG=warn,fratmae_worker=debug.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) logging: Logging,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How much is said on standard error, and in what form.
#[derive(Debug, Args)]
pub(crate) struct Logging {
    /// Form of the log lines on standard error
    #[arg(long, value_enum, global = true, default_value_t = LogForm::Human, value_name = "FORM")]
    pub(crate) log: LogForm,
    /// No progress, no log lines below errors
    #[arg(long, short, global = true)]
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

    /// Whether progress is drawn for people.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && self.log == LogForm::Human
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
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write synthetic PET/CT cases in the AutoPET layout
    Phantom(phantom::Arguments),
    /// Turn PET/CT cases, NIfTI or DICOM, into a data set on any object store
    Prepare(prepare::Arguments),
    /// Turn one DICOM series or NIfTI image into NIfTI in SUV or HU
    Convert(convert::Arguments),
    /// Train on this machine: a coordinator and its workers, from one command
    Pretrain(pretrain::Arguments),
    /// Join a run as a worker
    Worker(worker::Arguments),
    /// Lead a run whose workers come from elsewhere
    Coordinator(coordinator::Arguments),
    /// Say what a run has done, from what it stored
    Status(status::Arguments),
    /// Look at a prepared data set
    Dataset(dataset::Arguments),
    /// Look at the checkpoints of a run
    Checkpoint(checkpoint::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_has_no_clash() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_may_stand_after_the_command() {
        let arguments = parse("fratmae status runs/a --log json --quiet").unwrap();
        assert_eq!(arguments.logging.log, LogForm::Json);
        assert!(arguments.logging.quiet);
    }

    #[test]
    fn a_wrong_line_exits_with_two() {
        for line in [
            "fratmae",
            "fratmae train",
            "fratmae status",
            "fratmae prepare a",
            "fratmae phantom --out d --cases x",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        assert_eq!(parse("fratmae --help").unwrap_err().exit_code(), 0);
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            let name = command.get_name();
            if command.has_subcommands() {
                command.get_subcommands().for_each(check);
            } else {
                let help = command.get_after_help().map(ToString::to_string);
                assert!(help.is_some_and(|help| help.contains("fratmae ")), "{name}");
            }
        }
        check(&Arguments::command());
    }

    #[test]
    fn a_child_is_told_to_log_as_its_parent_does() {
        let mut line = vec!["fratmae".to_owned()];
        let logging = Logging {
            log: LogForm::Json,
            quiet: true,
        };
        line.extend(logging.as_typed());
        line.extend(["worker", "--coordinator", "http://h:1"].map(ToOwned::to_owned));
        let child = Arguments::try_parse_from(line).unwrap();
        assert_eq!(
            (child.logging.log, child.logging.quiet),
            (LogForm::Json, true)
        );
    }
}
