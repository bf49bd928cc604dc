//! `cargo xtask services start|stop`, and the same services for `cargo xtask test`.
//!
//! There are two: SeaweedFS as an S3 store, from PyPI, and a Slurm cluster, from Debian's archive. Both are on loopback
//! ports that nobody else has, with data that is thrown away. What is started by hand lives until it is stopped by hand;
//! what is started for tests lives with them.

mod debian;
mod fetch;
mod http;
mod observers;
mod ports;
mod process;
mod seaweed;
mod slurm;
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::program;
pub(crate) use observers::observers;
pub(crate) use slurm::Cluster;
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

/// Starts a Slurm cluster that lives on and prints the line to export.
///
/// # Errors
/// It cannot be fetched or started.
pub(crate) fn start_slurm() -> Result<ExitCode> {
    let cluster = Cluster::start(&slurm::fetch()?, &hand_slurm(), Span::UntilStopped)?;
    let commands = cluster.commands().display().to_string();
    println!("# a Slurm cluster of four nodes, partition work; its commands are in {commands}");
    println!("export PATH={commands}:$PATH");
    println!("# `cargo xtask services stop` ends it and its jobs");
    Ok(ExitCode::SUCCESS)
}

/// Stops what was started by hand and throws its data away; that there is nothing is no failure.
///
/// # Errors
/// A process does not end, or its data cannot be removed.
pub(crate) fn stop() -> Result<ExitCode> {
    match process::end(&hand_folder())? {
        Some(process) => println!("stopped the store, process {process}"),
        None => println!("no store is running"),
    }
    match slurm::end(&hand_slurm())? {
        true => println!("stopped the Slurm cluster"),
        false => println!("no Slurm cluster is running"),
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

/// Starts a Slurm cluster that ends with the answer's life, where there is one to be had.
pub(crate) fn slurm_for_tests() -> Option<Cluster> {
    let folder = services_folder().join(format!("slurm-{}", std::process::id()));
    let cluster = slurm::fetch().and_then(|root| Cluster::start(&root, &folder, Span::ThisRun));
    cluster
        .inspect_err(|error| println!("test: without Slurm: {error:#}"))
        .ok()
}

fn services_folder() -> PathBuf {
    program::own_folder().join("services")
}

fn hand_folder() -> PathBuf {
    services_folder().join("hand")
}

fn hand_slurm() -> PathBuf {
    services_folder().join("hand-slurm")
}

/// Ends the services of test runs that are gone: their folders name the process of the run.
fn end_orphans(services: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(services) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_gone = |run: &str| run.parse().is_ok_and(|run| !process::is_alive(run));
        if name.strip_prefix("test-").is_some_and(is_gone) {
            process::end(&entry.path())?;
        }
        if name.strip_prefix("slurm-").is_some_and(is_gone) {
            slurm::end(&entry.path())?;
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
