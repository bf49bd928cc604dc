//! Checkpoints and the journal of a run on an object store.
//! Owns parts, manifests, the journal and its fence, and how parts are written while training goes on; owns no decision
//! about when to write any of them.
//!
//! Two rules carry everything, and both need only create-if-absent from the store:
//!
//! - **A checkpoint is its manifest.** Parts are written first and never change; the manifest names them with their
//!   digests and is created last. Without it the parts are nothing. What is read is checked against it, and a damaged
//!   checkpoint gives way to the one before ([`newest_good`]).
//! - **The journal has one writer.** Its records are numbered objects, each created once. A coordinator takes over by
//!   creating the next number as a `fence` record ([`Journal::take_over`]); whoever wrote before finds its next number
//!   taken, gets [`CheckpointError::Fenced`] and stops.
//!
//! Checkpoints that are no longer wanted go in three steps, each of which may be the last: a record in the journal, which
//! binds whoever takes over; the manifest; and much later the parts ([`Collector`]).
//!
//! Every write may be repeated with the same contents: an object that is found to be our own counts as written.

mod background;
mod catalogue;
mod collector;
mod copy;
mod draft;
mod error;
mod identity;
mod journal;
mod layout;
mod lineage;
mod manifest;
mod part;
mod plan;
mod pool;
mod progress;
mod restore;
mod retention;
mod sealed;
mod state;
mod sweep;
#[cfg(test)]
mod tests;
mod weights;
mod writer;

pub use background::{
    BackgroundWriter, Copier, OnProgress, OnWritten, SharedWeights, WriterSettings, WrittenPart,
};
pub use catalogue::{
    Newest, list, load_manifest, newest_good, newest_good_but, newest_of, verify_leisurely,
    verify_of,
};
pub use collector::Collector;
pub use copy::copy_parts;
pub use draft::{Vectors, borrowed};
pub use error::{Action, CheckpointError};
pub use identity::{RUN_FILE, run_id};
pub use journal::record::{CommitDigests, CoordinatorMark, Entry, Record, WorkerKind};
pub use journal::{Journal, Replayed};
pub use layout::CheckpointId;
pub use lineage::Lineage;
pub use manifest::{FORMAT_VERSION, Manifest, PartRecord};
pub use plan::{PartPlan, plan_parts};
pub use progress::Progress;
pub use restore::{restore, restore_telling, verify};
pub use retention::Retention;
pub use state::{Role, State, TensorSpec};
pub use sweep::{Swept, Work, sweep};
pub use weights::{TensorHash, weights_root};
pub use writer::{commit, write_part};
