//! The tiny job of `configs/invariance.toml`, what it answers, and what lies on its run's store.

use std::path::Path;

use serde_json::Value;

use crate::call::{Call, Finished, fratmae};
use crate::running::Running;
use crate::scratch::phantoms;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");

/// A call of `fratmae pretrain`.
#[derive(Debug, Clone)]
pub struct Job {
    call: Call,
    run: String,
}

/// What a finished job printed last.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The line as it stands.
    pub line: String,
    /// The line read as JSON.
    pub figures: Value,
    /// The call that printed it.
    pub finished: Finished,
}

impl Job {
    /// The job as it is, on the shared phantoms, with its run at `run`.
    pub fn tiny(run: impl AsRef<Path>) -> Self {
        Self::on(
            &phantoms().data.display().to_string(),
            &run.as_ref().display().to_string(),
        )
    }

    /// The job on a data set and with a run anywhere.
    pub fn on(data: &str, run: &str) -> Self {
        let call = fratmae([
            "pretrain", "--json", "--config", CONFIG, "--data", data, "--run", run,
        ]);
        let run = run.to_owned();
        Self { call, run }
    }

    /// The job with more steps and checkpoints, so that there is time to disturb it.
    pub fn long(run: impl AsRef<Path>) -> Self {
        Self::tiny(run)
            .set("train.steps=24")
            .set("checkpoint.every=4")
    }

    /// Changes a value of the job file.
    #[must_use]
    pub fn set(mut self, assignment: &str) -> Self {
        self.call = self.call.and("--set").and(assignment);
        self
    }

    /// Starts so many workers.
    #[must_use]
    pub fn workers(mut self, count: u32) -> Self {
        self.call = self.call.and("--workers").and(count.to_string());
        self
    }

    /// Lets it tell what happens as JSON, which [`events`](crate::events) reads.
    #[must_use]
    pub fn told_as_json(mut self) -> Self {
        self.call = self.call.and("--log").and("json");
        self
    }

    /// Lets it serve metrics at an address.
    #[must_use]
    pub fn metrics(mut self, address: &str) -> Self {
        self.call = self.call.and("--metrics").and(address);
        self
    }

    /// Lets it take its run over from a live coordinator.
    #[must_use]
    pub fn take_over(mut self) -> Self {
        self.call = self.call.and("--take-over");
        self
    }

    /// Lets its run begin from another one, given as `RUN[@STEP]`.
    #[must_use]
    pub fn fork(mut self, origin: &str) -> Self {
        self.call = self.call.and("--fork").and(origin);
        self
    }

    /// Sets a variable of its surroundings.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.call = self.call.with(name, value);
        self
    }

    /// The call behind the job.
    pub fn call(&self) -> Call {
        self.call.clone()
    }

    /// The place of its run.
    pub fn run_url(&self) -> &str {
        &self.run
    }

    /// Starts it.
    pub fn start(&self) -> Running {
        self.call.start()
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it fails, or its last line is not the promised object.
    pub fn finish(&self) -> Outcome {
        let finished = self.call.run().succeeded();
        let figures = finished.json();
        for key in ["step", "loss", "samples_seen", "seconds"] {
            assert!(figures[key].is_number(), "{key} in {figures}");
        }
        let digest = figures["weights_digest"].as_str().unwrap_or_default();
        assert_eq!(digest.len(), 64, "weights_digest in {figures}");
        let line = finished.last_line();
        Outcome {
            line,
            figures,
            finished,
        }
    }
}

impl Outcome {
    /// The digest of the weights.
    pub fn digest(&self) -> &str {
        self.figures["weights_digest"].as_str().unwrap_or_default()
    }
}

/// What `fratmae status` says of a run, with its history.
///
/// # Panics
/// When the run cannot be looked up.
pub fn status(run: &str) -> Value {
    let call = fratmae(["status", run, "--json", "--history"]);
    call.run().succeeded().json()
}

/// The loss of every step of a run as it was written, with its step, in step order.
///
/// # Panics
/// When the run has no history.
pub fn losses(run: &str) -> Vec<(u64, String)> {
    let status = status(run);
    let history = status["history"]
        .as_array()
        .expect("status gives the history");
    let loss = |row: &Value| Some((row["step"].as_u64()?, row["loss"].to_string()));
    history
        .iter()
        .map(|row| loss(row).expect("each row has step and loss"))
        .collect()
}

/// The steps of a local run's committed checkpoints, as they lie in its folder, in order.
pub fn committed_steps(run: &Path) -> Vec<u64> {
    let Ok(folders) = std::fs::read_dir(run.join("checkpoints")) else {
        return Vec::new();
    };
    let committed = folders
        .flatten()
        .filter(|folder| folder.path().join("manifest.json").is_file());
    let step = |name: &str| name.strip_prefix("step-")?.split('.').next()?.parse().ok();
    let mut steps: Vec<u64> = committed
        .filter_map(|folder| step(folder.file_name().to_str()?))
        .collect();
    steps.sort_unstable();
    steps
}

/// The records of a local run's journal, in their order.
///
/// # Panics
/// When there is no journal.
pub fn journal(run: &Path) -> Vec<Value> {
    let entries = std::fs::read_dir(run.join("journal")).expect("a run has a journal");
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let record = |path| {
        let text = std::fs::read_to_string(path).ok()?;
        let entry: Value = serde_json::from_str(&text).ok()?;
        Some(entry["record"].clone())
    };
    paths.into_iter().filter_map(record).collect()
}
