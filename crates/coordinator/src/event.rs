//! What a run tells whoever follows it: the progress bar, a line of JSON, a test, a page.
//!
//! An event is declared here once. Its JSON is the log line's own message and fields, and reads back from them.

use crate::bad_batch::BadBatch;
use crate::summary::Summary;
use crate::verdict::WorkerVerdict;
use fratmae_telemetry::Metrics;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast;
use tracing::{Level, event};

/// The log target of events. People see them as progress; a log in JSON asks for this target instead.
pub const EVENTS: &str = "run";

/// One thing worth showing. The names of its fields are those in `docs/logs.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message")]
pub enum RunEvent {
    /// Workers can join at this address.
    #[serde(rename = "serving workers")]
    Serving {
        /// A URL for `worker --coordinator`.
        address: String,
    },
    /// Something is worth knowing and not odd.
    #[serde(rename = "job note")]
    Noted { note: String },
    /// Something about the job is odd, and the run goes on.
    #[serde(rename = "job warning")]
    Warned { warning: String },
    /// Workers are waited for.
    #[serde(rename = "waiting for workers")]
    Waiting {
        /// How many are there.
        registered: usize,
        /// With how many it begins.
        wanted: usize,
        /// Seconds until it gives up.
        left_s: u64,
        /// A URL for `worker --coordinator`.
        address: String,
    },
    /// A worker is there.
    #[serde(rename = "worker registered")]
    Registered {
        name: String,
        /// Where its peers reach it.
        address: String,
        /// How many are registered now.
        registered: usize,
    },
    /// A worker has no seat, since all are taken.
    #[serde(rename = "worker stands by")]
    StandsBy {
        name: String,
        /// How many seats there are.
        seats: usize,
    },
    /// The run exists and goes on from a checkpoint.
    #[serde(rename = "resuming from a checkpoint")]
    Resuming {
        step: u64,
        /// Steps of the whole job.
        steps: u64,
        /// Checkpoints that were passed over, and why, a line each.
        damaged: Vec<String>,
    },
    /// A group trains.
    #[serde(rename = "generation began")]
    Began {
        generation: u64,
        /// The step it goes on from.
        step: u64,
        /// Steps of the whole job.
        steps: u64,
        /// Names in rank order.
        members: Vec<String>,
    },
    /// A step was applied.
    #[serde(rename = "step applied")]
    Applied {
        step: u64,
        /// Steps of the whole job.
        steps: u64,
        /// Samples in the lineage of the weights after the step.
        samples: u64,
        /// How long it took.
        seconds: f64,
        /// Samples of the step in each of them.
        samples_per_second: f64,
        /// Its metrics.
        #[serde(flatten)]
        metrics: Metrics,
    },
    /// How long a step takes here, and the steps that are left.
    #[serde(rename = "estimate")]
    Estimated {
        /// Seconds of a step.
        step_seconds: f64,
        /// Steps that are left.
        steps: u64,
        /// Seconds of all of them.
        seconds: f64,
    },
    /// The run was asked to stop.
    #[serde(rename = "stopping")]
    Stopping {
        /// The step after which it does; none if it does so at once.
        after_step: Option<u64>,
        /// How long that will take, as far as it is known.
        seconds: Option<f64>,
    },
    /// A checkpoint is committed.
    #[serde(rename = "checkpoint committed")]
    Committed { step: u64 },
    /// A checkpoint that a generation was to begin from is damaged; the run goes on from an older one.
    #[serde(rename = "checkpoint passed over")]
    PassedOver {
        /// Which, who found it, and what is wrong with it, in one line.
        line: String,
    },
    /// A damaged sample was passed over, and another case trained on in its place.
    #[serde(rename = "damaged sample skipped")]
    Skipped {
        /// The step that it belongs to.
        step: u64,
        /// Its slot in the step.
        slot: u32,
        /// What was damaged and what was taken.
        #[serde(flatten)]
        sample: SkippedSample,
    },
    /// A batch moved no weight, since its loss or gradient is not finite.
    #[serde(rename = "bad batch passed over")]
    BadBatch {
        step: u64,
        /// What is wrong with it.
        #[serde(flatten)]
        batch: BadBatch,
    },
    /// Workers of this machine that had died were started again.
    #[serde(rename = "workers started again")]
    Restarted { names: Vec<String> },
    /// A worker may not take part.
    #[serde(rename = "worker refused")]
    Refused { name: String, reason: String },
    /// A worker without a seat is gone; the run misses nothing.
    #[serde(rename = "worker gone")]
    Gone { name: String, reason: String },
    /// A worker left as it was asked to.
    #[serde(rename = "worker left as asked")]
    Left { name: String },
    /// A live worker saw its group fail; a verdict on whose fault that is may follow.
    #[serde(rename = "group broken")]
    Broken { worker: String, reason: String },
    /// Something went wrong with a worker, and the run goes on.
    #[serde(rename = "worker in trouble")]
    Verdict {
        /// With whom, where and why.
        #[serde(flatten)]
        verdict: Box<WorkerVerdict>,
    },
    /// A worker process of this machine ended although it was not told to.
    #[serde(rename = "worker process ended")]
    Exited { line: String },
    /// Every step is applied and committed.
    #[serde(rename = "run finished")]
    Finished {
        /// What it came to.
        #[serde(flatten)]
        summary: Box<Summary>,
    },
}

impl RunEvent {
    /// Reads the event that a line of a log in JSON tells; most lines tell none.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let is_event = line["target"] == EVENTS;
        is_event.then(|| serde_json::from_value(line).ok())?
    }

    /// Writes the event to the log.
    fn log(&self) {
        // Every event is an object of text and numbers.
        let event = serde_json::to_string(self).unwrap_or_default();
        match self {
            Self::Warned { .. }
            | Self::PassedOver { .. }
            | Self::Skipped { .. }
            | Self::BadBatch { .. }
            | Self::Refused { .. }
            | Self::Gone { .. }
            | Self::Broken { .. }
            | Self::Verdict { .. }
            | Self::Exited { .. } => event!(target: EVENTS, Level::WARN, event.json = event),
            _ => event!(target: EVENTS, Level::INFO, event.json = event),
        }
    }
}

/// The way to whoever follows the run. None of them is waited for: one that is slow misses the oldest events.
#[derive(Clone, Debug)]
pub(crate) struct EventSink(broadcast::Sender<RunEvent>);

impl EventSink {
    pub(crate) const fn new(followers: broadcast::Sender<RunEvent>) -> Self {
        Self(followers)
    }

    /// Logs an event and hands it to everybody who follows; there may be nobody.
    pub(crate) fn emit(&self, event: RunEvent) {
        event.log();
        let _ = self.0.send(event);
    }

    #[cfg(test)]
    pub(crate) fn nobody() -> Self {
        Self::new(broadcast::Sender::new(1))
    }
}

/// A damaged sample and what took its place, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedSample {
    pub case: String,
    /// Name of the shard.
    pub shard: String,
    /// Row group of the case in the shard.
    pub row_group: u32,
    /// The damaged coronal slice.
    pub slice: u32,
    /// Byte of the shard at which its voxels begin.
    pub offset: u64,
    /// The case that was trained on.
    pub replacement: String,
}

impl std::fmt::Display for SkippedSample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            case,
            shard,
            row_group,
            slice,
            offset,
            replacement,
        } = self;
        write!(
            f,
            "slice {slice} of case {case} is damaged ({shard}, row group {row_group}, byte {offset}); case {replacement} takes its place"
        )
    }
}

#[cfg(test)]
mod tests;
