//! What can be typed after `fratmae`: the global options and the list of commands.
//! Each command's own options stand with the command.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        chaos, checkpoint, completions, convert, coordinator, dataset, doctor, export, model,
        phantom, prepare, pretrain, status, worker,
    },
    logging::Logging,
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
#[command(after_help = format!("\
Examples:
  fratmae pretrain --config configs/quickstart.toml      a first run on phantoms, under two minutes
  fratmae prepare cases.csv --out data/mine               your own PET/CT cases
  fratmae status runs/quickstart/run                      what a run has done

{}

RUST_LOG sets what is logged, such as RUST_LOG=debug or RUST_LOG=warn,fratmae_worker=debug.", crate::exit::table()))]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) logging: Logging,
    #[command(subcommand)]
    pub(crate) command: Command,
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
    /// Say what this host lacks for a job, and what to do about it
    Doctor(doctor::Arguments),
    /// Look at a prepared data set
    Dataset(dataset::Arguments),
    /// Look at the checkpoints of a run
    Checkpoint(checkpoint::Arguments),
    /// Disturb a run with every kind of fault, and see whether its weights notice
    Chaos(chaos::Arguments),
    /// Write a run's weights as files that PyTorch loads
    Export(export::Arguments),
    /// Show what a network is made of and costs; run it by itself
    Model(model::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::logging::LogForm;

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
