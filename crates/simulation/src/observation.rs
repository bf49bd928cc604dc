//! What laws get to see.

use fratmae_control::{CheckpointId, Generation, Source, Step};

/// A fact of the simulated world, whoever knows of it there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Observation {
    /// A record is durable.
    Appended { fence: u64 },
    /// A generation is durable.
    Recorded { generation: Generation },
    /// A worker was told of a generation.
    Announced { generation: Generation },
    /// A group was told to begin.
    Begun {
        generation: Generation,
        members: Vec<u64>,
        source: Source,
        /// The newest state that one of its members truly holds, or that its coordinator could know to be committed.
        newest: Step,
    },
    /// A coordinator found a group whole, and takes this worker for one of its members.
    Adopted { place: usize, had_seat: bool },
    /// A process applied a step.
    Applied {
        generation: Generation,
        process: u64,
        step: Step,
        /// What its state has come to.
        digest: u64,
    },
    /// A manifest is durable.
    Manifest {
        step: Step,
        /// Parts that it does not name, or that are not there as it names them.
        wrong_parts: Vec<u32>,
    },
    /// A checkpoint is taken for lost, as this part is not on the store.
    Lost {
        step: Step,
        part: u32,
        /// Whether the member whose part it is lost it.
        is_lost: bool,
    },
    /// The record that a checkpoint is given up is durable.
    GivenUp {
        checkpoint: CheckpointId,
        /// Checkpoints that are kept and were whole when they were committed.
        n_kept: usize,
    },
    /// A checkpoint is passed over, as somebody said that it is damaged.
    PassedOver {
        checkpoint: CheckpointId,
        is_damaged: bool,
    },
    /// The record of a checkpoint is durable.
    Committed {
        checkpoint: CheckpointId,
        /// Whether the coordinator found it when it took the run over.
        is_found: bool,
    },
    /// Whoever asked for a checkpoint is told that one of this step is durable.
    Saved { step: Step, is_durable: bool },
    /// A part of a checkpoint is not what was written any more.
    Damaged {
        /// The newest step that is recorded as committed and good.
        newest: Step,
    },
    /// A coordinator gave a worker up.
    StruckOff {
        place: usize,
        reason: String,
        /// How long ago anything of it had come to the coordinator.
        silence: u64,
        /// For how long it had been up, on its stream, not paused and not cut off.
        undisturbed: u64,
    },
    /// A coordinator says what was wrong with a worker.
    Blamed {
        place: usize,
        reason: String,
        /// How long it had been back, if what it blames the worker for is its own absence.
        back_for: Option<u64>,
    },
    /// The run is over, or should have been.
    Over {
        /// What kept it from finishing.
        trouble: Option<String>,
    },
}
