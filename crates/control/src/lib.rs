//! The run as a pure, synchronous state machine.
//!
//! [`Cluster::handle`] takes the time and one [`Event`] as data and answers with [`Command`]s as data.
//! There is no clock, no randomness, no channel, no log and no I/O in this crate: the coordinator's
//! runtime turns sockets and timers into events and carries the commands out.

#![deny(
    clippy::wildcard_enum_match_arm,
    clippy::panic,
    clippy::indexing_slicing
)]

mod assignment;
mod cluster;
mod command;
mod deadlines;
mod event;
mod gate;
mod handle;
mod ids;
mod journal;
mod lineage;
mod membership;
mod progress;
mod registered;
mod state;
mod take_over;
mod tasks;
mod trained;
mod trouble;
mod verdict;

pub use assignment::{Seat, deal_slots};
pub use cluster::{Cluster, Recorded, Settings};
pub use command::{Assignment, Cause, Command, HostProbe, Leaving, Parting, RunOutcome, Source};
pub use deadlines::{Basis, Limit};
pub use event::{Accusation, Departure, Event, Past};
pub use ids::{Fence, Generation, Millis, Rank, Slot, Step, WorkerId};
pub use journal::{
    CheckpointId, JournalAnswer, JournalFact, JournalProgress, JournalRequest, JournalState,
    JournalTask, JournalWriter,
};
pub use progress::{Call, Lap, Pace, Phase, Progress};
pub use registered::Gathering;
pub use state::{MOST_SHARES, RunPhase};
pub use take_over::{Found, TakeOver, TakeOverStep, TakenOver};
pub use tasks::{Operation, Task, Tasks};
pub use verdict::Verdict;
