//! Workers as child processes of this one, on this machine.

use crate::error::CoordinatorError;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

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
}

/// The running children; dropping it kills those that still run.
#[derive(Default)]
pub(crate) struct Children {
    waiting: JoinSet<std::io::Result<ExitStatus>>,
}

impl Launcher {
    /// Starts the workers against the coordinator at `address`.
    pub(crate) fn start(&self, address: &str) -> Result<Children, CoordinatorError> {
        let mut children = Children::default();
        for number in 0..self.workers {
            let mut child = self.spawn(address, number)?;
            children.waiting.spawn(async move { child.wait().await });
        }
        Ok(children)
    }

    fn spawn(&self, address: &str, number: usize) -> Result<Child, CoordinatorError> {
        Command::new(&self.program)
            .args(&self.arguments)
            .args(["worker", "--launched", "--coordinator", address])
            .args(["--name", &format!("local-{number}")])
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

impl Children {
    /// Waits for the next child to end; never returns when there is none.
    pub(crate) async fn next_exit(&mut self) -> String {
        match self.waiting.join_next().await {
            Some(Ok(Ok(status))) => status.to_string(),
            Some(Ok(Err(error))) => error.to_string(),
            Some(Err(error)) => error.to_string(),
            None => std::future::pending().await,
        }
    }

    /// Waits until every child has ended by itself.
    pub(crate) async fn wait(&mut self) {
        while self.waiting.join_next().await.is_some() {}
    }
}
