//! The training engine: one step of any task, with the same bits for every number of ranks.
//!
//! It owns the cut of a global batch into slots, the sum of their gradients, clipping, the schedule, AdamW, the state,
//! and the checks of memory and batches. Network, samples and losses are a [`Task`]'s. It needs a process group and no
//! coordinator: what a worker does around a step is behind [`Hooks`]. Read [`Engine::step`] first.

mod bad_batch;
mod batches;
mod clip;
mod device_sum;
mod digest;
mod engine;
mod error;
mod gradient;
mod group;
mod hooks;
mod integrity;
mod messages;
mod metrics;
mod optimizer;
mod replicate;
mod schedule;
mod solo;
mod stacks;
mod task;
mod train_state;

pub use bad_batch::{BadBatch, BadSlot};
pub use batches::Batches;
pub use checkpoint::SharedWeights;
pub use digest::{state_digest, tensor_specs, weights_digest};
pub use engine::{Engine, StepReport};
pub use error::TrainError;
pub use group::Group;
pub use hooks::{Hooks, Pass, in_phase};
pub use metrics::{GRADIENT_NORM, LEARNING_RATE};
pub use optimizer::AdamW;
pub use replicate::replicate;
pub use schedule::learning_rate;
pub use solo::{Solo, first_state};
pub use stacks::stack_options;
pub use task::{Opening, Operations, Samples, Task, TaskError};
pub use train_state::{DeviceState, TrainState};
