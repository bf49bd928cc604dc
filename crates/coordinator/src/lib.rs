//! The runtime around `control`: it serves workers, keeps the journal, commits checkpoints and starts local
//! workers. What is decided, and why, is `control`'s.

mod admission;
mod bad_batch;
mod clock;
mod collection;
mod conclusion;
mod error;
mod estimate;
mod event;
mod fleet;
mod history;
mod job;
mod knock;
mod launch;
mod leader;
mod lineage;
mod opening;
mod restarts;
mod rollback;
mod run;
mod runtime;
mod service;
mod shares;
mod status;
mod stopping;
mod summary;
mod verdict;

pub use admission::Allowed;
pub use bad_batch::{BadBatch, BadSlot};
pub use clock::{ClockReading, compare_clocks};
pub use conclusion::Outcome;
pub use error::CoordinatorError;
pub use event::{EVENTS, RunEvent, SkippedSample};
pub use history::{HistoryRow, missing_steps, read_history};
pub use job::{Job, ensure_run};
pub use launch::{Launcher, Listener};
pub use leader::save;
pub use lineage::{Fork, Origin};
pub use rollback::{RolledBack, rollback};
pub use run::run;
pub use status::{RunStatus, status};
pub use stopping::StopRequests;
pub use summary::{Recent, Summary};
pub use verdict::WorkerVerdict;
