//! What there is to see of a run: a snapshot of it, the ledger of its workers' time, and figures of each rank.
//!
//! It decides nothing that a run does. A coordinator fills these in; status, pages, metrics and detectors read them.

mod bottleneck;
mod breaks;
mod compaction;
mod file;
mod finding;
mod goodput;
mod ledger;
mod name;
mod read;
mod report;
mod signs;
mod snapshot;
mod straggler;
mod table;

pub use bottleneck::{Bottleneck, bottleneck};
pub use breaks::{Blame, Break, Group, Reliability, breaks, current, steps_applied};
pub use compaction::{RankBlock, compact, is_due, join_stretches};
pub use file::Row;
pub use finding::{Finding, FindingKind, findings};
pub use goodput::{OF_A_STEP, Ratios, Totals, WINDOWS};
pub use ledger::{CapacityRow, Counts, LedgerRow, Lost, RankRow};
pub use name::{FILE_ROWS, HISTORY, RankFile, TimeFile};
pub use read::{Kept, Records};
pub use report::{Evidence, Report, VerdictCost, WindowRatios};
pub use signs::{Losses, Score, Signs, Watch};
pub use snapshot::{RunState, Seat, Snapshot, WorkerView};
pub use straggler::{NEWEST_STEPS, Straggler, paces, relative_scores, stragglers};
