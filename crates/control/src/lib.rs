//! The run as a pure, synchronous state machine.
//!
//! Time and events come in as data, commands go out as data. No clock, no randomness, no I/O.

mod ids;

pub use ids::{Fence, Generation, Millis, Rank, Slot, Step, WorkerId};
