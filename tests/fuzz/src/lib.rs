//! Hostile bytes at every door: what is run on each input, and the bounds that each run must keep.
//!
//! A target takes any bytes, hands them to the public functions of the crates as a file, an object or a message would
//! bring them, and must neither panic nor take memory without measure. Two programs call it: libFuzzer, through the
//! package in `libfuzzer/`, and the test that replays the kept corpus. Nothing here knows which of the two it is.

mod corpus;
mod memory;
mod panics;
mod places;
mod prepared;
mod seeds;
mod target;
mod targets;

pub use corpus::{kept, pack, unpack};
pub use panics::end_on_panic;
pub use seeds::{Seed, seeds};
pub use target::{TARGETS, Target, run};
