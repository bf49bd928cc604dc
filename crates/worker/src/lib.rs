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
mod group;
mod handover;
mod hooks;
mod job;
mod note;
mod outbox;
mod panics;
mod parts;
mod preemption;
mod reach;
mod rediscovery;
mod run;
mod session;
mod signals;
mod step;
mod stream;
mod tempo;
mod trace;
mod training;
mod training_thread;
mod transport;
mod whereabouts;

pub use activity::Activity;
pub use allocator::{Allocator, keep_memory};
pub use error::{ConnectionError, JobError, ProcessError, WorkerError};
pub use fratmae_collective::Traffic;
pub use run::{Ended, Options, run};
pub use whereabouts::Whereabouts;
