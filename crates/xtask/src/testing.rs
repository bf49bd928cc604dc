//! `cargo xtask test`: runs the tests with the services they need around them; it decides nothing about tests.

use std::process::ExitCode;

use anyhow::Result;

use crate::program;
use crate::services::{self, Store};

/// Starts the services, runs `cargo test --release`, stops the services, and ends as cargo did.
///
/// # Errors
/// A service cannot be fetched or started, or cargo cannot be started. The services are stopped in each case.
pub(crate) fn run(with_services: bool, arguments: &[String]) -> Result<ExitCode> {
    let mut test = program::cargo(&["test", "--release", "--locked"]);
    if !arguments
        .iter()
        .any(|word| word == "-p" || word.starts_with("--package"))
    {
        test.arg("--workspace");
    }
    test.args(arguments);
    let store = if with_services {
        Some(start_store()?)
    } else {
        None
    };
    match &store {
        Some(store) => {
            test.envs(store.variables());
        }
        None => {
            println!("without services: the tests that need an S3 store say so and return");
            test.env_remove(services::URL_VARIABLE);
        }
    }
    services::FOREIGN_VARIABLES.iter().for_each(|name| {
        test.env_remove(name);
    });
    let status = program::watch(&mut test);
    drop(store);
    let code = status?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
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
