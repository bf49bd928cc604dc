//! `cargo xtask test`: runs the tests with the services they need around them; it decides nothing about tests.

use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use crate::parity;
use crate::program;
use crate::services::{self, Store};

/// Tells tests that nothing is missing here: one that lacks a tool or a service fails.
const COMPLETE: &str = "FRATMAE_TEST_COMPLETE";

/// What is tested, and with what around it.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    with_services: bool,
    is_complete: bool,
    /// Arguments of `cargo test`.
    arguments: Vec<String>,
}

impl Plan {
    /// Takes our own words out of cargo's.
    pub(crate) fn parse(words: &[&str]) -> Self {
        const OURS: [&str; 2] = ["--without-services", "--complete"];
        let [without_services, is_complete] = OURS.map(|ours| words.contains(&ours));
        let others = words.iter().filter(|word| !OURS.contains(word));
        Self {
            with_services: !without_services,
            is_complete,
            arguments: others.map(ToString::to_string).collect(),
        }
    }
}

/// Builds the program, starts the services, runs `cargo test --release`, stops the services, and ends as cargo did.
///
/// # Errors
/// A service cannot be fetched or started, or cargo cannot be started. The services are stopped in each case.
pub(crate) fn run(plan: &Plan) -> Result<ExitCode> {
    if plan.is_complete {
        parity::install()?;
    }
    build_program()?;
    let store = plan.with_services.then(start_store).transpose()?;
    let mut variables = store
        .as_ref()
        .map_or_else(Vec::new, |store| store.variables().to_vec());
    let slurm = plan.with_services.then(services::slurm_for_tests).flatten();
    if plan.with_services {
        variables.extend(services::observers());
        variables.extend(slurm.as_ref().map(services::Cluster::variable));
    }
    if store.is_none() {
        println!("test: without services: tests that need an S3 store say so and return");
    }
    let mut test = command(&plan.arguments, &variables);
    if plan.is_complete {
        test.env(COMPLETE, "1");
    }
    let status = program::watch(&mut test);
    drop((store, slurm));
    let code = status?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The end-to-end tests start the program itself: it must be there, and of these sources.
fn build_program() -> Result<()> {
    let mut build = program::cargo(&["build", "--release", "--locked", "-p", "fratmae"]);
    ensure!(
        program::watch(&mut build)?.success(),
        "the program does not build"
    );
    Ok(())
}

fn start_store() -> Result<Store> {
    println!(
        "test: 1. fetch and start an S3 store (SeaweedFS) on loopback, 2. run the tests, 3. stop the store"
    );
    let store = services::start_for_tests()?;
    println!(
        "test: the store is ready at {} (process {})",
        store.endpoint(),
        store.process()
    );
    Ok(store)
}

/// Prepares `cargo test` so that it sees this store's variables and none of another.
fn command(arguments: &[String], variables: &[(&str, String)]) -> Command {
    let mut test = program::cargo(&["test", "--release", "--locked"]);
    let is_package = |word: &String| word.starts_with("-p") || word.starts_with("--package");
    if !arguments.iter().any(is_package) {
        test.arg("--workspace");
    }
    test.args(arguments);
    for name in services::FOREIGN_VARIABLES {
        test.env_remove(name);
    }
    test.env_remove(services::URL_VARIABLE);
    if let Some(python) = parity::installed() {
        test.env(parity::VARIABLE, python);
    }
    test.envs(variables.iter().map(|(name, value)| (name, value)));
    test
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let command = command(&arguments, &[]);
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn cargo_keeps_its_arguments_and_we_take_ours() {
        let plan = |line: &str| Plan::parse(&line.split_whitespace().collect::<Vec<_>>());
        let everything = Plan {
            with_services: true,
            is_complete: false,
            arguments: Vec::new(),
        };
        assert_eq!(plan(""), everything);
        let one = Plan {
            with_services: false,
            is_complete: true,
            arguments: vec!["-p".to_owned(), "fratmae-store".to_owned()],
        };
        assert_eq!(plan("-p fratmae-store --complete --without-services"), one);
    }

    #[test]
    fn the_whole_workspace_is_tested_unless_packages_are_named() {
        assert_eq!(words(&[])[1..], ["--release", "--locked", "--workspace"]);
        assert_eq!(
            words(&["-p", "fratmae-store"])[3..],
            ["-p", "fratmae-store"]
        );
        assert!(!words(&["--package=fratmae-store"]).contains(&"--workspace".to_owned()));
    }

    #[test]
    fn tests_see_this_store_and_no_other() {
        let value = |command: &Command, name: &str| {
            let found = command.get_envs().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.map(|value| value.to_string_lossy().into_owned()))
        };
        let with = command(&[], &[(services::URL_VARIABLE, "s3://here".to_owned())]);
        assert_eq!(
            value(&with, services::URL_VARIABLE),
            Some(Some("s3://here".to_owned()))
        );
        assert_eq!(value(&with, "AWS_PROFILE"), Some(None));
        assert_eq!(
            value(&command(&[], &[]), services::URL_VARIABLE),
            Some(None)
        );
    }
}
