//! The trainer process: it registers with a coordinator, trains its slots of every step, and leaves when told.
//!
//! [`run()`] is its life, for whatever task it is given; the step itself is `trainer`'s.

mod activity;
mod allocator;
mod device;
mod error;
mod fault;
mod figures;
mod generation;
mod handover;
mod hooks;
mod leaving;
mod link;
mod note;
mod outbox;
mod panics;
mod parts;
mod reach;
mod run;
mod search;
mod session;
mod shared;
mod state_source;
mod step;
mod stream;
mod tempo;
mod training_thread;

pub use allocator::{Allocator, keep_memory};
pub use error::WorkerError;
pub use run::{Ended, Options, run};
