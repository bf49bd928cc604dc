//! How a run keeps its state: checkpoints, and the stores that they lie on. None of it changes the bits of the result.

use serde::{Deserialize, Serialize};

use crate::rules::{Allowed, DAY_S, MILLION, Rule};

/// How often and in what pieces the state is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Checkpoint {
    /// Steps between checkpoints; the last step is always stored.
    pub every: u64,
    /// Seconds after which the newest checkpoint is followed by another one, whatever the step; 0 for none.
    pub every_s: u64,
    /// Largest size of a part in MiB.
    pub part_mib: u64,
    /// Milliseconds that a step may wait for its checkpoint.
    pub max_stall_ms: u64,
    /// Percent by which steps may slow down while a checkpoint is written.
    pub max_slowdown_pct: f64,
    /// MiB of copied state that may wait for their upload, in each worker.
    pub memory_mib: u64,
    /// Newest checkpoints that are kept.
    pub keep_last: u64,
    /// Checkpoints of the multiples of so many steps are kept for good; 0 for none.
    pub keep_every: u64,
    /// Seconds that the parts of a checkpoint stay after it is taken off the list.
    pub delete_after_s: u64,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self {
            // A loss of some minutes at most on the hardware the paper's size needs.
            every: 50,
            // Whoever pays for time knows what a loss of it may cost.
            every_s: 0,
            // A few requests a rank at the paper's size, and a retried upload stays cheap.
            part_mib: 64,
            // Lost in the spread of any step that takes a second; a share below 50 MiB is copied within it at once.
            max_stall_ms: 50,
            // What ten minutes of writing may cost an hour is half a percent; below that the noise of steps rules.
            max_slowdown_pct: 3.0,
            // The whole state at the paper's size on a single worker, 2.6 GB; with less, steps wait for uploads.
            memory_mib: 4096,
            // One to go on from, and some to walk back to should it be damaged.
            keep_last: 5,
            // Which older ones are worth their space is the user's to say.
            keep_every: 0,
            // Longer than anybody takes to read a checkpoint of the paper's size over a slow line.
            delete_after_s: 600,
        }
    }
}

/// How a store that fails or is slow is borne with, by workers and coordinator alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Milliseconds of silence after which a request is dropped and sent again.
    pub stall_ms: u64,
    /// Seconds that one read or write goes on trying; a second more for each MiB.
    pub patience_s: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            // Far above an honest answer across oceans (under a second), so that no living transfer is cut.
            stall_ms: 5000,
            // Rides out a store's restart; below `collective.deadline_s`, so that the store is named and not the group.
            patience_s: 60,
        }
    }
}

/// What the keys of this file's sections may be, and what they are for.
pub(crate) const RULES: &[Rule] = &[
    (
        "checkpoint.every",
        Allowed::Whole(1, 1_000 * MILLION),
        "Save a checkpoint every N steps, and at the end.",
    ),
    (
        "checkpoint.every_s",
        Allowed::Whole(0, 30 * DAY_S),
        "Also save one when the newest is older than this many seconds; 0: by steps only.",
    ),
    (
        "checkpoint.part_mib",
        Allowed::Whole(1, 4096),
        "Largest part of a checkpoint in MiB; the workers share the parts.",
    ),
    (
        "checkpoint.max_stall_ms",
        Allowed::Whole(1, 600_000),
        "Milliseconds that a step should wait for a checkpoint at most; a longer wait gives a warning.",
    ),
    (
        "checkpoint.max_slowdown_pct",
        Allowed::Number(0.1, 100.0),
        "Percent by which steps may slow down while a checkpoint is written.",
    ),
    (
        "checkpoint.memory_mib",
        Allowed::Whole(1, MILLION),
        "Memory in MiB per worker for copied state that is not uploaded yet; with less than a worker's share steps wait.",
    ),
    (
        "checkpoint.keep_last",
        Allowed::Whole(1, MILLION),
        "Number of newest checkpoints to keep.",
    ),
    (
        "checkpoint.keep_every",
        Allowed::Whole(0, 1_000 * MILLION),
        "Also keep every checkpoint whose step is a multiple of N; 0: none.",
    ),
    (
        "checkpoint.delete_after_s",
        Allowed::Whole(0, DAY_S),
        "Seconds between removing a checkpoint from the list and deleting its files, so that readers can finish.",
    ),
    (
        "store.stall_ms",
        Allowed::Whole(50, 600_000),
        "Milliseconds without an answer from the store before a request is sent again.",
    ),
    (
        "store.patience_s",
        Allowed::Whole(1, DAY_S),
        "Seconds for which one read or write is retried, plus one second per MiB.",
    ),
];
