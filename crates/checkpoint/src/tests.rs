//! What the tests of several modules stand on.
//! Owns no test.

mod faults;
mod life;
mod samples;

pub(crate) use faults::{Fault, FaultyStore};
pub(crate) use samples::{damage, manifest, sample, write_sample};
