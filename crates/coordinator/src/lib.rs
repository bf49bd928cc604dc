//! The runtime around `control`: it serves workers, keeps the journal, commits checkpoints and starts local
//! workers. What is decided, and why, is `control`'s.

mod addresses;
mod admission;
mod bad_batch;
mod beat;
mod bounds;
mod clock;
mod collection;
mod conclusion;
mod ear;
mod error;
mod estimate;
mod event;
mod fleet;
mod fork;
mod history;
mod host_probes;
mod incumbent;
mod job;
mod job_match;
mod launch;
mod leader;
mod ledger;
mod lives;
mod mesh_key;
mod observed;
mod opening;
mod restarts;
mod rollback;
mod run;
mod runtime;
mod seats;
mod secret;
mod server;
mod service;
mod shares;
mod status;
mod stopping;
mod summary;
mod verdict;
mod waiting;

pub use admission::Allowed;
pub use bad_batch::{BadBatch, BadSlot};
pub use clock::{ClockReading, compare_clocks};
pub use conclusion::Outcome;
pub use ear::Ear;
pub use error::CoordinatorError;
pub use event::{EVENTS, RunEvent, SkippedSample};
pub use fork::{Fork, Origin};
pub use history::{
    HistoryFile, HistoryRow, KeptHistory, is_history_file, missing_steps, read_history,
    read_history_file, read_history_files, read_kept_history, steps_of,
};
pub use job::{Job, RunFile, ensure_run, read_run_file, stored_config, stored_config_of};
pub use job_match::lineage;
pub use launch::{LAUNCH_TOKEN, Launcher, Listener};
pub use leader::{live_snapshot, save};
pub use observed::{report, snapshot};
pub use rollback::{RolledBack, rollback};
pub use run::run;
pub use status::{Look, RunStatus, WorkerTime, look, status};
pub use stopping::StopRequests;
pub use summary::{Recent, Summary};
pub use verdict::WorkerVerdict;
