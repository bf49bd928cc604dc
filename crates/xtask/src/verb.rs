//! Chooses the verb named on the command line; each verb's work is in the file of its name.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::fuzz::Plan;
use crate::testing;

const USAGE: &str = "\
usage: cargo xtask VERB

  check                     format, house rules, dependency law, clippy; changes nothing
  fix                       format the code and let clippy repair what it can
  test [--without-services] [--complete] [ARGUMENT ...]
                            start the services that tests need, run the tests, stop the services;
                            arguments go to `cargo test` (default: --workspace); with --complete, install PyTorch first
                            (5 GB), and let a test fail that lacks a tool or a service
  services start|slurm|stop the same services by hand: an S3 store, a Slurm cluster; prints the variables to export
  fuzz [--for TIME] [TARGET]
                            hostile bytes at every door that reads some (needs cargo-fuzz); TIME is 90s, 30m
                            or 2h for all targets together (default: 30m)
  sim [--seeds N | --seed N | --market MINUTES]
                            simulated runs of `control` (default: 100,000 seeds, every mutation, 10,000 workers)
  parity                    install PyTorch from PyPI (once, 5 GB) and compare the model with it
  cuda                      check that the program compiles with the `cuda` feature
  gpu build                 build and link the program with CUDA (LLVM comes from PyPI; no GPU needed) and pack it with
                            the script that measures on a machine with a card
  gpu rehearse              train for some steps with the kernels that a GPU would run, compiled for the CPU by the same
                            LLVM, and compare losses and gradients with the CPU's own kernels
  gpu run [ARGUMENT ...]    that script here, with that program; `--dry-run` goes through its steps without a card";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Verb {
    Check,
    Fix,
    Test(testing::Plan),
    ServicesStart,
    ServicesSlurm,
    ServicesStop,
    Fuzz(Plan),
    Sim(Vec<String>),
    Parity,
    Cuda,
    GpuBuild,
    GpuRehearse,
    GpuRun(Vec<String>),
    Help,
}

/// Runs the verb that `words` name and answers with the exit code of the process.
///
/// # Errors
/// A command line that names no verb, and whatever stopped the verb before it had an answer.
pub(crate) fn run(words: &[String]) -> Result<ExitCode> {
    match parse(words)? {
        Verb::Check => crate::check::run(),
        Verb::Fix => crate::fix::run(),
        Verb::Test(plan) => testing::run(&plan),
        Verb::ServicesStart => crate::services::start(),
        Verb::ServicesSlurm => crate::services::start_slurm(),
        Verb::ServicesStop => crate::services::stop(),
        Verb::Fuzz(plan) => crate::fuzz::run(&plan),
        Verb::Sim(words) => crate::sim::run(&words),
        Verb::Parity => crate::parity::run(),
        Verb::Cuda => crate::cuda::run(),
        Verb::GpuBuild => crate::gpu::build(),
        Verb::GpuRehearse => crate::gpu::rehearse(),
        Verb::GpuRun(arguments) => crate::gpu::run(&arguments),
        Verb::Help => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn parse(words: &[String]) -> Result<Verb> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match words.as_slice() {
        ["check"] => Verb::Check,
        ["fix"] => Verb::Fix,
        ["test", words @ ..] => Verb::Test(testing::Plan::parse(words)),
        ["services", "start"] => Verb::ServicesStart,
        ["services", "slurm"] => Verb::ServicesSlurm,
        ["services", "stop"] => Verb::ServicesStop,
        ["fuzz", words @ ..] => Verb::Fuzz(Plan::parse(words)?),
        ["sim", words @ ..] => Verb::Sim(owned(words)),
        ["parity"] => Verb::Parity,
        ["cuda"] => Verb::Cuda,
        ["gpu", "build"] => Verb::GpuBuild,
        ["gpu", "rehearse"] => Verb::GpuRehearse,
        ["gpu", "run", words @ ..] => Verb::GpuRun(owned(words)),
        ["help" | "-h" | "--help"] => Verb::Help,
        _ => bail!("no such command: `{}`\n\n{USAGE}", words.join(" ")),
    })
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Verb> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn verbs_are_recognised() {
        assert_eq!(parsed("check").unwrap(), Verb::Check);
        assert_eq!(parsed("parity").unwrap(), Verb::Parity);
        assert_eq!(parsed("services stop").unwrap(), Verb::ServicesStop);
        assert_eq!(parsed("services slurm").unwrap(), Verb::ServicesSlurm);
        assert_eq!(parsed("--help").unwrap(), Verb::Help);
        assert_eq!(parsed("gpu build").unwrap(), Verb::GpuBuild);
        assert_eq!(parsed("gpu rehearse").unwrap(), Verb::GpuRehearse);
        let arguments = vec!["--dry-run".to_owned()];
        assert_eq!(
            parsed("gpu run --dry-run").unwrap(),
            Verb::GpuRun(arguments)
        );
    }

    #[test]
    fn anything_else_is_refused_with_the_usage() {
        for line in ["", "chekc", "check now", "services", "services restart"] {
            let message = parsed(line).unwrap_err().to_string();
            assert!(message.contains("usage: cargo xtask"), "{line}: {message}");
        }
    }
}
