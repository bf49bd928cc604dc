//! What can be typed after `fratmae`: the global options and the list of commands.
//! Each command's own options stand with the command.

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        audit, chaos, checkpoint, completions, config, convert, coordinator, dataset, doctor,
        export, goodput, keys, launch, model, phantom, prepare, pretrain, replay, serve, status,
        tensorboard, top, trace, worker,
    },
    identity::KeysOption,
    logging::{LogForm, Logging},
    terminal,
};

/// Pre-trains FratMAE, a masked autoencoder for PET/CT, on one machine or many.
#[derive(Debug, Parser)]
#[command(
    name = "fratmae",
    version = env!("FRATMAE_BUILD"),
    about,
    max_term_width = 100
)]
#[command(after_help = format!("\
Examples:
  fratmae pretrain quickstart                a first run: phantoms, two minutes
  fratmae status runs/quickstart/run         the state of a run
  fratmae prepare cases.csv --out data/mine  your own PET/CT cases
  fratmae config > mine.toml                 a job file with every key, to edit
  fratmae pretrain job.toml --data data/mine --run runs/mine

Environment:
  RUST_LOG                        what is logged: RUST_LOG=warn,fratmae=debug
  NO_COLOR, CLICOLOR, TERM        colours; TERM=dumb gives lines without escapes
  CUDA_VISIBLE_DEVICES            the GPUs that workers may use
  AWS_*, GOOGLE_*, AZURE_*        credentials and endpoints of object stores
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY  proxies on the way to object stores

{}

docs/logs.md describes log lines and history files.", crate::exit::table()))]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) logging: Logging,
    #[command(flatten)]
    pub(crate) keys: KeysOption,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// What was typed; else the exit code, after help, version or the error was printed.
    ///
    /// # Errors
    /// 0 for help and version, 2 for a wrong line.
    pub(crate) fn typed() -> Result<Self, ExitCode> {
        let error = match Self::try_parse() {
            Ok(arguments) => return Ok(arguments),
            Err(error) => error,
        };
        if error.use_stderr() && wants_json(std::env::args_os()) {
            terminal::start(LogForm::Json);
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            terminal::error(first.trim_start_matches("error: "));
            return Err(ExitCode::from(2));
        }
        // A reader that is gone (`fratmae --help | head`) is no failure.
        let _ = error.print();
        Err(match error.use_stderr() {
            true => ExitCode::from(2),
            false => ExitCode::SUCCESS,
        })
    }
}

/// Whether a line that cannot be parsed asks for JSON all the same.
fn wants_json(words: impl Iterator<Item = OsString>) -> bool {
    let words: Vec<OsString> = words.collect();
    let pair = |pair: &[OsString]| pair[0] == "--log" && pair[1] == "json";
    words.iter().any(|word| word == "--log=json") || words.windows(2).any(pair)
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write synthetic PET/CT cases in the AutoPET layout
    Phantom(phantom::Arguments),
    /// Convert PET/CT cases (NIfTI or DICOM) to a data set, on disk or on an object store
    Prepare(prepare::Arguments),
    /// Convert one DICOM series or NIfTI image to NIfTI in SUV or HU
    Convert(convert::Arguments),
    /// Train on this machine: a coordinator and its workers
    Pretrain(pretrain::Arguments),
    /// Print a job file with every key, its value and what it is for
    Config(config::Arguments),
    /// Join a run as a worker
    Worker(worker::Arguments),
    /// Start a coordinator for workers on other machines
    Coordinator(coordinator::Arguments),
    /// Make the keys by which the processes of a run know each other
    Keys(keys::Arguments),
    /// Start a run on this machine, Slurm or Kubernetes, in the background
    Launch(launch::Arguments),
    /// Show the status of a run
    Status(status::Arguments),
    /// Show where the time of runs went and what failures cost
    Goodput(goodput::Arguments),
    /// Show a run on the whole terminal, as it goes
    Top(top::Arguments),
    /// Write the time of some steps on all ranks as a trace for Perfetto
    Trace(trace::Arguments),
    /// Write a run's figures as event files for TensorBoard
    Tensorboard(tensorboard::Arguments),
    /// Serve a page that shows runs
    Serve(serve::Arguments),
    /// Check whether this host can run a job
    Doctor(doctor::Arguments),
    /// Inspect a prepared data set
    Dataset(dataset::Arguments),
    /// List, verify and save checkpoints of a run, or reset the run to one
    Checkpoint(checkpoint::Arguments),
    /// Inject faults into a test run and check that the weights do not change
    Chaos(chaos::Arguments),
    /// Compute steps of a run again and compare them with its records, bit for bit
    Replay(replay::Arguments),
    /// Prove from a run's records that every sample counted once and its weights are what they say
    Audit(audit::Arguments),
    /// Write a run's weights as safetensors for PyTorch
    Export(export::Arguments),
    /// Show the network's parts and cost; run it standalone
    Model(model::Arguments),
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
    fn a_line_that_cannot_be_parsed_is_asked_for_its_form() {
        let asks = |line: &str| wants_json(line.split_whitespace().map(OsString::from));
        assert!(asks("fratmae train --log json") && asks("fratmae --log=json"));
        assert!(!asks("fratmae --log human") && !asks("fratmae --log"));
    }

    #[test]
    fn every_help_fits_80_columns_and_no_command_has_a_version_of_its_own() {
        fn check(command: &mut clap::Command) {
            let help = command
                .clone()
                .term_width(80)
                .render_long_help()
                .to_string();
            // Clap does not wrap the line of usage.
            for line in help.lines().filter(|line| !line.starts_with("Usage:")) {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
            let examples = command.get_after_help().map(ToString::to_string);
            for line in examples.iter().flat_map(|text| text.lines()) {
                let is_wrapped = line.starts_with("  ") && !help.contains(line.trim_end());
                assert!(!is_wrapped, "wrapped: {line}");
            }
            command.get_subcommands_mut().for_each(|command| {
                assert!(command.get_version().is_none(), "{}", command.get_name());
                check(command);
            });
        }
        let mut command = Arguments::command();
        command.build();
        check(&mut command);
    }

    #[test]
    fn global_options_stand_apart() {
        let mut command = Arguments::command();
        command.build();
        let status = command.find_subcommand_mut("status").unwrap();
        let help = status.render_long_help().to_string();
        let (own, global) = help.split_once("Global options:").unwrap();
        assert!(
            global.contains("--log") && global.contains("--quiet"),
            "{help}"
        );
        assert!(own.contains("--json") && !own.contains("--log"), "{help}");
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
