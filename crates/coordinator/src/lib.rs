//! The runtime around `control`: it serves workers, keeps the journal, commits checkpoints and starts local
//! workers. What is decided, and why, is `control`'s.

mod addresses;
mod admission;
mod bad_batch;
mod beat;
mod clock;
mod collection;
mod conclusion;
mod error;
mod event;
mod fleet;
mod history;
mod incumbent;
mod job;
mod knock;
mod launch;
mod lineage;
mod opening;
mod restarts;
mod run;
mod runtime;
mod service;
mod shares;
mod status;
mod summary;
mod verdict;
mod waiting;

pub use admission::Allowed;
pub use bad_batch::{BadBatch, BadSlot};
pub use clock::{ClockReading, compare_clocks};
pub use conclusion::Outcome;
pub use error::CoordinatorError;
pub use event::{EVENTS, RunEvent, SkippedSample};
pub use history::{HistoryRow, KeptHistory, missing_steps, read_history, read_kept_history};
pub use job::{Job, stored_config_of};
pub use launch::Launcher;
pub use lineage::lineage;
pub use run::run;
pub use status::{RunStatus, status};
pub use summary::{Recent, Summary};
pub use verdict::WorkerVerdict;
