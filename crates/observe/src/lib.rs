//! What there is to see of a run: a snapshot of it, the ledger of its workers' time, and figures of each rank.
//!
//! It decides nothing that a run does. A coordinator fills these in; status, pages, metrics and detectors read them.

mod ledger;
mod snapshot;

pub use ledger::{CapacityRow, LedgerRow, Lost, RankRow};
pub use snapshot::{Counts, RunState, Seat, Snapshot, WorkerView};
