//! `--pictures`: pictures of fixed cases after checkpoints. A process of its own draws them from the store, at the lowest
//! priority, so that no step waits; one at a time, and a checkpoint that is committed meanwhile waits for a newer one.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use fratmae_coordinator::RunEvent;
use tokio::{
    process::Command,
    sync::broadcast::{Receiver, error::RecvError},
    task::JoinHandle,
};

/// How long the pictures of one step may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long the end of a run waits for its last pictures.
const LAST_PICTURES: Duration = Duration::from_secs(60);

/// Draws pictures of a run.
#[derive(Debug)]
pub(crate) struct Painting {
    program: PathBuf,
    run: String,
    cases: u16,
    /// Where the cases are, if not in the data set of the job.
    data: Option<String>,
    has_failed: bool,
}

impl Painting {
    /// Of so many cases of the run at `run`, or of the data set at `data`.
    ///
    /// # Errors
    /// The system does not say where this program is.
    pub(crate) fn of(run: &str, cases: u16, data: Option<&str>) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        Ok(Self {
            program,
            run: run.to_owned(),
            cases,
            data: data.map(str::to_owned),
            has_failed: false,
        })
    }

    /// Begins to follow a run.
    pub(crate) fn start(self, events: Receiver<RunEvent>) -> Follower {
        Follower(tokio::spawn(self.follow(events)))
    }

    async fn follow(mut self, mut events: Receiver<RunEvent>) {
        let mut newest = None;
        loop {
            match events.recv().await {
                Ok(event) => newest = committed(&event).or(newest),
                // What was missed lies on the store as well; the next checkpoint is drawn.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
            if events.is_empty()
                && let Some(step) = newest.take()
            {
                self.draw(step).await;
            }
        }
    }

    /// Draws the pictures of a step; a failure is told once.
    async fn draw(&mut self, step: u64) {
        let (step, cases) = (step.to_string(), self.cases.to_string());
        let mut command = Command::new("nice");
        command
            .args(["-n", "19"])
            .arg(&self.program)
            .args(["model", "pictures", &self.run])
            .args(["--step", &step, "--cases", &cases])
            .args(self.data.iter().flat_map(|url| ["--data", url.as_str()]))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let reason = match tokio::time::timeout(PATIENCE, command.output()).await {
            Ok(Ok(ended)) if ended.status.success() => return,
            Ok(Ok(ended)) => {
                let said = String::from_utf8_lossy(&ended.stderr).into_owned();
                said.lines().last().unwrap_or_default().to_owned()
            }
            Ok(Err(error)) => format!("cannot start `nice`: {error}"),
            Err(_) => format!("they took longer than {} s", PATIENCE.as_secs()),
        };
        match self.has_failed {
            true => tracing::debug!("no pictures of step {step}: {reason}"),
            false => tracing::warn!("no pictures of step {step}: {reason}; the run goes on"),
        }
        self.has_failed = true;
    }
}

/// Draws until the run is over.
pub(crate) struct Follower(JoinHandle<()>);

impl Follower {
    /// Waits for the last pictures, for a while.
    pub(crate) async fn end(mut self) {
        if tokio::time::timeout(LAST_PICTURES, &mut self.0)
            .await
            .is_err()
        {
            self.0.abort();
        }
    }
}

fn committed(event: &RunEvent) -> Option<u64> {
    match event {
        RunEvent::Committed { step } => Some(*step),
        _ => None,
    }
}
