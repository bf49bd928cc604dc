//! What a run's records prove: every sample counted once, no step lost, weights that follow from job and data.
//!
//! Two things only a run with exact bits can have. [`judge`] compares the records of a run with each other and with what
//! job, seed and data set say they must be: a pure function of what [`Evidence::gather`] read. [`Replay`] computes steps
//! again, from a checkpoint before them, and compares every figure and the weights by their bits. [`Provenance`] says
//! what came of both, and what is not proved. Nothing here changes a run.

mod audit;
mod draw;
mod error;
mod evidence;
mod known;
mod provenance;
mod replay;
mod samples;
mod subject;

pub use audit::{Check, Finding, Judgement, judge};
pub use draw::{Drawn, draw};
pub use error::ProofError;
pub use evidence::{Evidence, FoundCheckpoint, FoundData};
pub use known::Known;
pub use provenance::{Provenance, ReplayProof};
pub use replay::{Asked, Replay, ReplayedStep, SampleFigures, Split, Start, StepSamples};
pub use samples::{Left, SampleAudit};
pub use subject::Subject;

/// Whether two figures have the same bits; what is not a number is like any other that is none.
pub(crate) fn is_same(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan()
}
