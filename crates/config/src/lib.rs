//! The job file: every value a run can be told, its default with the reason, where it came from, and what it may be.
//!
//! It knows no clock, no store and no environment. Whoever uses it hands it a path and the `--set` texts.

mod model;

pub use model::{Decoder, ModalityDraw, Model, Text, Transformer};
