//! This worker's part of the trace that the coordinator began with a generation.

use fratmae_control::Assignment;
use fratmae_telemetry::{TRACE, follow, is_traced};
use tracing::{Span, debug_span, info_span};

/// The trace of one generation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// As the coordinator carried it here; empty where nobody traces.
    carried: String,
    generation: u64,
    rank: u32,
    /// The step that the generation goes on from.
    from: u64,
}

impl Trace {
    pub(crate) fn of(assignment: &Assignment, carried: &str) -> Self {
        Self {
            carried: carried.to_owned(),
            generation: assignment.generation.get(),
            rank: assignment.rank.get(),
            from: assignment.source.step().get(),
        }
    }

    /// From the order to the group that is made.
    pub(crate) fn join(&self) -> Span {
        let Self {
            generation, rank, ..
        } = *self;
        self.part(info_span!(target: TRACE, parent: None, "join", generation, rank))
    }

    /// A step; of most of them no trace is kept.
    pub(crate) fn step(&self, step: u64) -> Span {
        let Self {
            generation, rank, ..
        } = *self;
        match is_traced(step, self.from) {
            true => {
                self.part(info_span!(target: TRACE, parent: None, "step", step, generation, rank))
            }
            false => debug_span!(target: TRACE, parent: None, "step"),
        }
    }

    /// This rank's parts of a checkpoint, until they are on the store.
    pub(crate) fn checkpoint(&self, step: u64) -> Span {
        let Self {
            generation, rank, ..
        } = *self;
        self.part(info_span!(target: TRACE, parent: None, "checkpoint", step, generation, rank))
    }

    fn part(&self, span: Span) -> Span {
        follow(&span, &self.carried);
        span
    }
}
