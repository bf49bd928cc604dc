//! What the end-to-end tests share: starting the real program, watching and ending its processes, and its tiny inputs.
//!
//! It knows the command line and what lies on a store, and but for a task of its own nothing of the crates behind them.
//! Each promise has a file of its own under `tests/`.

mod call;
mod dice;
mod disk;
mod events;
mod faults;
mod freezing;
mod image;
mod job;
mod late_link;
mod led;
mod memory;
mod namespaces;
mod observing;
mod other_version;
mod processes;
mod python;
mod real;
mod running;
mod scratch;
mod seeded;
mod skipping;
mod slurm;
mod small_store;
mod snapshot;
mod undisturbed;
mod waiting;

pub use call::{Call, Finished, fratmae, program, program_call};
pub use dice::{Dice, Pace};
pub use disk::SmallDisk;
pub use events::{applied, events, logged};
pub use faults::{Fault, SickNetwork, Sickness};
pub use fratmae_coordinator::RunEvent;
pub use freezing::Frozen;
pub use image::Image;
pub use job::{Job, Outcome, committed_steps, journal, losses, status};
pub use late_link::LateLink;
pub use led::{address_of, coordinator, coordinator_on, worker};
pub use memory::{StuckBit, flip_bit};
pub use namespaces::{Host, TwoHosts};
pub use nix::sys::signal::Signal;
pub use observing::{http_get, metrics_of, otlp_receiver, prometheus};
pub use other_version::OtherVersion;
pub use processes::{children_of, is_alive, memory_of, send};
pub use python::{call_python, python};
pub use real::{RealCase, real_cases};
pub use running::Running;
pub use scratch::{Phantoms, phantoms, scratch};
pub use seeded::Seeded;
pub use skipping::{lacks_files, lacks_right, skip, variable};
pub use slurm::Slurm;
pub use small_store::SmallStore;
pub use snapshot::{copy_folder, snapshot};
pub use undisturbed::Undisturbed;
pub use waiting::{wait_for, wait_until};
