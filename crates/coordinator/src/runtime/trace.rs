//! The trace of a generation: it begins with the decision and goes on in the members, and its span ends with the first step.

use fratmae_telemetry::{TRACE, carried, follow};
use tracing::{Span, info_span};

/// The newest generation's trace.
pub(super) struct Trace {
    forming: Span,
    carried: String,
}

impl Trace {
    pub(super) const fn none() -> Self {
        Self {
            forming: Span::none(),
            carried: String::new(),
        }
    }

    /// A generation was decided on.
    pub(super) fn begin(&mut self, generation: u64, members: usize) {
        self.forming = info_span!(target: TRACE, parent: None, "generation", generation, members = members as u64);
        self.carried = carried(&self.forming);
    }

    /// It has applied a step.
    pub(super) fn formed(&mut self) {
        self.forming = Span::none();
    }

    /// What its members are told.
    pub(super) fn carried(&self) -> String {
        self.carried.clone()
    }

    /// The decision, as long as its group forms.
    pub(super) fn forming(&self) -> Span {
        self.forming.clone()
    }

    /// The commit of a checkpoint that the generation has written.
    pub(super) fn commit(&self, step: u64) -> Span {
        let span = info_span!(target: TRACE, parent: None, "commit", step);
        follow(&span, &self.carried);
        span
    }
}
