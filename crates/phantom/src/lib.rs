//! Phantoms out: made-up whole-body PET/CT studies with organs and lesions, in the layout of AutoPET III.
//!
//! Phantoms stand in for patients where there are none: for a first run and for tests. They are a pure function of
//! seed, case index and size. Nothing here reads images.

mod anatomy;
mod error;
mod folder;
mod lesions;
mod person;
mod render;
mod scanner;
mod staging;
mod write;

pub use error::PhantomError;
pub use write::{PhantomSize, write_phantoms};
