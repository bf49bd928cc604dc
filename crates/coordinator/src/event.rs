//! What a run tells whoever watches it: the progress bar, a test, a page.

use crate::bad_batch::BadBatch;
use crate::verdict::WorkerVerdict;
use fratmae_protocol::pb::Figures;
use serde::Serialize;
use tokio::sync::mpsc;
use tracing::{info, warn};

/// The log target of events. People see them as progress; a log in JSON asks for this target instead.
pub const EVENTS: &str = "run";

/// One thing worth showing.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    /// Workers can join at this address.
    Serving {
        /// A URL for `worker --coordinator`.
        address: String,
    },
    /// Something is worth knowing and not odd.
    Noted {
        /// In one line.
        line: String,
    },
    /// Workers are waited for.
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
    Registered {
        /// Its name.
        name: String,
        /// Where its peers reach it.
        address: String,
        /// How many are registered now.
        registered: usize,
    },
    /// A worker has no seat, since all are taken.
    StandsBy {
        /// Its name.
        name: String,
        /// How many seats there are.
        seats: usize,
    },
    /// Something about the job is odd, and the run goes on.
    Warned {
        /// In one line.
        line: String,
    },
    /// The run exists and goes on from a checkpoint.
    Resuming {
        /// Its step.
        step: u64,
        /// Checkpoints that were passed over, and why, a line each.
        damaged: Vec<String>,
    },
    /// A group trains.
    Began {
        /// Its generation.
        generation: u64,
        /// Names in rank order.
        members: Vec<String>,
        /// The step it goes on from.
        step: u64,
    },
    /// A step was applied.
    Applied {
        /// Which.
        step: u64,
        /// Its figures.
        figures: Figures,
    },
    /// How long a step takes here, and the steps that are left.
    Estimated {
        /// Seconds of a step.
        step_seconds: f64,
        /// Steps that are left.
        steps: u64,
        /// Seconds of all of them.
        seconds: f64,
    },
    /// The run was asked to stop.
    Stopping {
        /// The step after which it does; none if it does so at once.
        after_step: Option<u64>,
        /// How long that will take, as far as it is known.
        seconds: Option<f64>,
    },
    /// A checkpoint is committed.
    Committed {
        /// Its step.
        step: u64,
    },
    /// A checkpoint that a generation was to begin from is damaged; the run goes on from an older one.
    PassedOver {
        /// Which, who found it, and what is wrong with it, in one line.
        line: String,
    },
    /// A damaged sample was passed over, and another case trained on in its place.
    Skipped {
        /// The step that it belongs to.
        step: u64,
        /// Its slot in the step.
        slot: u32,
        /// What was damaged and what was taken.
        sample: SkippedSample,
    },
    /// A batch moved no weight, since its loss or gradient is not finite.
    BadBatch {
        /// The step.
        step: u64,
        /// What is wrong with it.
        batch: BadBatch,
    },
    /// Workers of this machine that had died were started again.
    Restarted {
        /// Their names.
        names: Vec<String>,
    },
    /// A worker may not take part.
    Refused {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A worker left as it was asked to.
    Left {
        /// Its name.
        name: String,
    },
    /// A live worker saw its group fail; a verdict on whose fault that is may follow.
    Broken {
        /// Who says it.
        worker: String,
        /// What it saw.
        reason: String,
    },
    /// Something went wrong with a worker, and the run goes on.
    Verdict {
        /// With whom, where and why.
        verdict: Box<WorkerVerdict>,
    },
    /// A worker process of this machine ended although it was not told to.
    Exited {
        /// In one line.
        line: String,
    },
}

/// The way to whoever watches; one that has left is no reason to stop.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    events: mpsc::Sender<RunEvent>,
    /// Those of the whole job, for the log.
    steps: u64,
    /// Samples of a step.
    batch: u64,
}

impl Telling {
    pub(crate) const fn new(events: mpsc::Sender<RunEvent>, (steps, batch): (u64, u64)) -> Self {
        Self {
            events,
            steps,
            batch,
        }
    }

    /// Tells and logs an event.
    pub(crate) async fn tell(&self, event: RunEvent) {
        event.log(self.steps, self.batch);
        let _ = self.events.send(event).await;
    }

    #[cfg(test)]
    pub(crate) fn nobody() -> Self {
        Self::new(mpsc::channel(1).0, (0, 0))
    }
}

/// A damaged sample and what took its place, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedSample {
    /// Its case.
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

impl RunEvent {
    /// Writes the event to the log, with its parts as fields. `steps` are those of the whole job, each of `batch` samples.
    fn log(&self, steps: u64, batch: u64) {
        match self {
            Self::Serving { address } => info!(target: EVENTS, address, "serving workers"),
            Self::Warned { line } => warn!(target: EVENTS, warning = line, "job warning"),
            Self::Noted { line } => info!(target: EVENTS, note = line, "job note"),
            Self::Waiting { .. } | Self::Registered { .. } | Self::StandsBy { .. } => {
                self.log_wait()
            }
            Self::Resuming { step, damaged } => {
                info!(target: EVENTS, step, steps, damaged.json = json(damaged), "resuming from a checkpoint");
            }
            Self::Began {
                generation,
                members,
                step,
            } => info!(
                target: EVENTS,
                generation,
                step,
                steps,
                members.json = json(members),
                "generation began"
            ),
            Self::Applied { step, figures } => log_step((*step, steps), batch, figures),
            Self::Estimated {
                step_seconds,
                steps,
                seconds,
            } => info!(target: EVENTS, step_seconds, steps, seconds, "estimate"),
            Self::Stopping {
                after_step,
                seconds,
            } => info!(target: EVENTS, after_step, seconds, "stopping"),
            Self::Committed { step } => info!(target: EVENTS, step, "checkpoint committed"),
            Self::PassedOver { line } => warn!(target: EVENTS, line, "checkpoint passed over"),
            Self::Skipped { step, slot, sample } => log_skipped(*step, *slot, sample),
            Self::BadBatch { step, batch } => {
                warn!(target: EVENTS, step, %batch, "bad batch passed over");
            }
            Self::Restarted { names } => {
                let count = names.len();
                info!(target: EVENTS, count, names.json = json(names), "workers started again");
            }
            Self::Refused { name, reason } => {
                warn!(target: EVENTS, name, reason, "worker refused");
            }
            Self::Left { name } => info!(target: EVENTS, name, "worker left as asked"),
            Self::Verdict { verdict } => verdict.log(),
            Self::Broken { worker, reason } => {
                warn!(target: EVENTS, worker, reason, "group broken");
            }
            Self::Exited { line } => warn!(target: EVENTS, line, "worker process ended"),
        }
    }

    /// Writes an event of workers that wait; any other writes nothing here.
    fn log_wait(&self) {
        if let Self::Waiting {
            registered,
            wanted,
            left_s,
            address,
        } = self
        {
            info!(target: EVENTS, registered, wanted, left_s, address, "waiting for workers");
        }
        if let Self::Registered {
            name,
            address,
            registered,
        } = self
        {
            info!(target: EVENTS, name, address, registered, "worker registered");
        }
        if let Self::StandsBy { name, seats } = self {
            info!(target: EVENTS, name, seats, "worker stands by");
        }
    }
}

fn log_skipped(step: u64, slot: u32, sample: &SkippedSample) {
    warn!(
        target: EVENTS,
        step,
        slot,
        case = sample.case,
        shard = sample.shard,
        row_group = sample.row_group,
        slice = sample.slice,
        offset = sample.offset,
        replacement = sample.replacement,
        "damaged sample skipped"
    );
}

fn log_step((step, steps): (u64, u64), batch: u64, figures: &Figures) {
    info!(
        target: EVENTS,
        step,
        steps,
        loss = figures.loss,
        reconstruction = figures.reconstruction,
        pet_reconstruction = figures.pet_reconstruction,
        ct_reconstruction = figures.ct_reconstruction,
        mean_baseline = figures.mean_baseline,
        contrastive = figures.contrastive,
        gradient_norm = figures.gradient_norm,
        learning_rate = figures.learning_rate,
        samples = figures.samples,
        seconds = figures.seconds,
        samples_per_second = batch as f64 / figures.seconds,
        "step applied"
    );
}

/// A list for a field whose name ends in `.json`, which the log shows as a list.
pub(crate) fn json(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}
