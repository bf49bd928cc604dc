//! The job file: every value a run can be told, its default with the reason, where it came from, and what it may be.
//!
//! It knows no clock, no store and no environment. Whoever uses it hands it a path and the `--set` texts.

mod data;
mod error;
mod host;
mod identity;
mod job;
mod launch;
mod layers;
mod model;
mod operation;
mod preset;
mod printed;
mod relations;
mod rules;
mod storage;
mod suggest;
mod train;

pub use data::{Axis, BadSample, Data, Run};
pub use error::{ConfigError, Origin};
pub use host::Host;
pub use identity::Difference;
pub use job::Config;
pub use launch::{Container, Kubernetes, Launch, Layout, Replace, Slurm};
pub use model::{Decoder, Masking, ModalityDraw, Model, Text, Transformer};
pub use operation::{Backend, Collective, Coordinator, Device, Reduction, StatePlace, Workers};
pub use preset::NAMES as PRESETS;
pub use printed::Key;
pub use storage::{Checkpoint, Store};
pub use train::{BadBatch, Precision, Train};
