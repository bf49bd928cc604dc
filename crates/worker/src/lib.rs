//! The trainer process: it registers with a coordinator, trains its slots of every step, and leaves when told.
//!
//! [`run()`] is its life; the step itself is in `step.rs`.

mod activity;
mod allocator;
mod bad_batch;
mod beginning;
mod clip;
mod device;
mod digest;
mod error;
mod exchange;
mod fault;
mod figures;
mod generation;
mod gradient;
mod group;
mod handover;
mod integrity;
mod leaving;
mod link;
mod optimizer;
mod outbox;
mod pace;
mod panics;
mod plan;
mod reach;
mod rehearsal;
mod resident;
mod run;
mod schedule;
mod search;
mod session;
mod shared;
mod shares;
mod snapshot;
mod snapshots;
mod state;
mod step;
mod stream;
mod tempo;
mod throttle;
mod trainer;
mod upload;

pub use allocator::{Allocator, keep_memory};
pub use beginning::{fill_digests, first_weights};
pub use clip::{clip_factor, global_norm};
pub use error::WorkerError;
pub use optimizer::AdamW;
pub use rehearsal::{Rehearsal, RehearsedStep};
pub use run::{Ended, Options, run};
pub use snapshot::{Lendable, Reader};
pub use snapshots::{Report, SnapshotSettings, Snapshots};
pub use state::state_digest;
pub use tempo::least_step_seconds;
pub use upload::{Progress, WrittenPart};
