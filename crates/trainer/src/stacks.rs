//! How a job cuts stacks from cases, for whichever task.

use config::{Axis, Config};
use dataset::{StackAxis, StackOptions};

/// The stacks of a job.
pub fn stack_options(config: &Config, with_label: bool) -> StackOptions {
    let data = &config.data;
    StackOptions {
        axis: match data.axis {
            Axis::Coronal => StackAxis::Coronal,
            Axis::Axial => StackAxis::Axial,
            Axis::Sagittal => StackAxis::Sagittal,
        },
        depth: config.model.stack[0],
        stride: data.stride,
        suv_window: data.suv_window.map(|edge| edge as f32),
        hu_window: data.hu_window.map(|edge| edge as f32),
        seed: config.run.seed,
        with_diagnosis: data.diagnosis_in_sentence,
        with_label,
    }
}
