//! Checkpoints of a run on an object store.
//! Owns parts and manifests; owns no decision about when to write any of them.
//!
//! A checkpoint is its manifest: parts are written first and never change; the manifest names them with their digests
//! and is created last, only if absent. A damaged checkpoint gives way to the one before ([`newest_good`]).
//!
//! Every write may be repeated with the same contents: an object that is found to be our own counts as written.

mod catalogue;
mod error;
#[cfg(test)]
mod faults;
mod layout;
mod manifest;
mod part;
mod plan;
mod restore;
mod sealed;
mod state;
mod writer;

pub use catalogue::{Newest, list, load_manifest, newest_good};
pub use error::{Action, CheckpointError};
pub use layout::CheckpointId;
pub use manifest::{FORMAT_VERSION, Manifest, PartRecord};
pub use plan::{PartPlan, plan_parts};
pub use restore::{restore, verify};
pub use state::{Role, State, TensorSpec};
pub use writer::{commit, write_part};
