//! How a worker is started as a child process of this one. When it is, is `fleet.rs`'s.

use crate::error::CoordinatorError;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::{Child, Command};

/// How to start local workers.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program; it is called as `program worker --coordinator URL …`.
    pub program: PathBuf,
    /// How many to start.
    pub workers: usize,
    /// Threads each may use.
    pub threads: usize,
    /// Further arguments for each.
    pub arguments: Vec<String>,
    /// How often within an hour each is started again after it died.
    pub restarts_per_hour: u32,
}

impl Launcher {
    /// The name of the worker at a place.
    pub(crate) fn name(number: usize) -> String {
        format!("local-{number}")
    }

    /// Starts the worker of a place against the coordinator at `address`.
    pub(crate) fn spawn(&self, address: &str, number: usize) -> Result<Child, CoordinatorError> {
        Command::new(&self.program)
            .args(&self.arguments)
            .args(["worker", "--launched", "--coordinator", address])
            .args(["--name", &Self::name(number)])
            .args(["--place", &number.to_string()])
            .args(["--threads", &self.threads.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| CoordinatorError::Launch {
                program: self.program.clone(),
                source,
            })
    }
}
