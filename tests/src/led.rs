//! A coordinator of the tiny job whose workers are started by the test.

use std::path::Path;
use std::time::Duration;

use crate::call::{Call, fratmae};
use crate::events::events;
use crate::running::Running;
use crate::scratch::phantoms;
use fratmae_coordinator::RunEvent;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");

/// How long a coordinator may take to serve.
const PATIENCE: Duration = Duration::from_secs(90);

/// A call of `fratmae coordinator` for a run of the tiny job, on the shared phantoms.
pub fn coordinator(run: &Path) -> Call {
    coordinator_on(&phantoms().data, run)
}

/// The same on another data set.
pub fn coordinator_on(data: &Path, run: &Path) -> Call {
    fratmae(["coordinator", "--json", "--log", "json", "--config", CONFIG])
        .and("--data")
        .and(data)
        .and("--run")
        .and(run)
}

/// A call of `fratmae worker` with one thread, for the coordinator at an address.
pub fn worker(address: &str) -> Call {
    fratmae(["worker", "--threads", "1", "--coordinator", address])
}

/// Waits for a coordinator that is told as JSON to serve; gives its address.
///
/// # Panics
/// When it ends before, or takes too long.
pub fn address_of(coordinator: &mut Running) -> String {
    let mut address = String::new();
    coordinator.runs_until("an address", PATIENCE, |running| {
        let events = events(&running.said());
        let serving = events.into_iter().find_map(|event| match event {
            RunEvent::Serving { address } => Some(address),
            _ => None,
        });
        address = serving.unwrap_or_default();
        !address.is_empty()
    });
    address
}
