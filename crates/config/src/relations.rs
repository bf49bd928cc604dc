//! Values that are right alone and wrong together. Each function judges one relation and says how to mend it.

use crate::{Axis, Backend, ConfigError, Device, Precision, Reduction, job::Config};

type Relation = fn(&Config) -> Result<(), ConfigError>;

const RELATIONS: &[Relation] = &[
    slots_divide_the_batch,
    workers_have_slots,
    fewest_workers_are_no_more_than_most,
    patches_fill_the_stack,
    widths_divide_into_heads,
    widths_hold_three_axes,
    masking_leaves_both_kinds,
    stack_spans_the_grid,
    stack_depth_fits_the_grid,
    store_is_given_up_before_the_group,
    stall_is_shorter_than_patience,
    cache_lies_on_a_disk,
    silence_is_longer_than_a_heartbeat,
    fast_sums_have_nccl,
    half_precision_has_a_gpu,
];

/// Judges every relation; the first one broken is returned.
///
/// # Errors
/// `Relation`.
pub(crate) fn check_relations(config: &Config) -> Result<(), ConfigError> {
    RELATIONS.iter().try_for_each(|relation| relation(config))
}

/// What is odd but allowed, one line each.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let batch = config.train.batch;
    let few = config.model.contrastive && batch < 8;
    few.then(|| {
        format!(
            "train.batch = {batch} gives the contrastive loss too few negatives; use at least 8"
        )
    })
    .into_iter()
    .collect()
}

fn refuse(conflict: String, remedy: String) -> Result<(), ConfigError> {
    Err(ConfigError::Relation { conflict, remedy })
}

fn slots_divide_the_batch(config: &Config) -> Result<(), ConfigError> {
    let (batch, slots) = (config.train.batch, config.train.slots);
    if batch.is_multiple_of(slots) {
        return Ok(());
    }
    let below = batch / slots * slots;
    let choices = match below {
        0 => format!("{slots}"),
        _ => format!("{below} or {}", below + slots),
    };
    refuse(
        format!("train.batch = {batch} cannot be cut into train.slots = {slots} equal slots"),
        format!("a batch of {choices} can"),
    )
}

fn workers_have_slots(config: &Config) -> Result<(), ConfigError> {
    let (workers, slots) = (config.workers.count, config.train.slots);
    if workers <= slots {
        return Ok(());
    }
    refuse(
        format!("workers.count = {workers} is more than train.slots = {slots}"),
        format!("a worker needs a slot of its own: start at most {slots} workers"),
    )
}

fn fewest_workers_are_no_more_than_most(config: &Config) -> Result<(), ConfigError> {
    let (least, most) = (config.workers.min, config.workers.count);
    if least <= most {
        return Ok(());
    }
    refuse(
        format!("workers.min = {least} is more than workers.count = {most}"),
        "the first is the least and the second the most: with --workers, write MIN:MAX".to_owned(),
    )
}

fn patches_fill_the_stack(config: &Config) -> Result<(), ConfigError> {
    let (stack, patch) = (config.model.stack, config.model.patch);
    if stack.iter().zip(patch).all(|(s, p)| s.is_multiple_of(p)) {
        return Ok(());
    }
    refuse(
        format!("model.stack = {stack:?} cannot be cut into patches of model.patch = {patch:?}"),
        "each size of the stack must be a multiple of the patch's".to_owned(),
    )
}

fn widths_divide_into_heads(config: &Config) -> Result<(), ConfigError> {
    let model = &config.model;
    [
        ("encoder", model.encoder.width, model.encoder.heads),
        ("decoder", model.decoder.width, model.decoder.heads),
        ("text", model.text.width, model.text.heads),
    ]
    .into_iter()
    .find(|(_, width, heads)| !width.is_multiple_of(*heads))
    .map_or(Ok(()), |(part, width, heads)| {
        refuse(
            format!(
                "model.{part}.width = {width} cannot be shared among model.{part}.heads = {heads}"
            ),
            "the width must be a multiple of the heads".to_owned(),
        )
    })
}

fn widths_hold_three_axes(config: &Config) -> Result<(), ConfigError> {
    let model = &config.model;
    [
        ("encoder", model.encoder.width),
        ("decoder", model.decoder.width),
    ]
    .into_iter()
    .find(|(_, width)| !width.is_multiple_of(6))
    .map_or(Ok(()), |(part, width)| {
        refuse(
            format!("model.{part}.width = {width} is not a multiple of 6"),
            format!(
                "positions take a sine and a cosine for each of 3 axes: {} or {} would do",
                width / 6 * 6,
                (width / 6 + 1) * 6
            ),
        )
    })
}

fn masking_leaves_both_kinds(config: &Config) -> Result<(), ConfigError> {
    let model = &config.model;
    let patches: usize = model
        .stack
        .iter()
        .zip(model.patch)
        .map(|(s, p)| s / p)
        .product();
    let visible = (patches as f64 * (1.0 - model.mask_ratio)) as usize;
    if visible >= 1 && visible < patches {
        return Ok(());
    }
    refuse(
        format!(
            "model.mask_ratio = {} leaves {visible} of {patches} patches visible",
            model.mask_ratio
        ),
        "at least one must be visible and one hidden: change the ratio or make the patches smaller"
            .to_owned(),
    )
}

fn stack_spans_the_grid(config: &Config) -> Result<(), ConfigError> {
    let ([depth, height, width], axis) = (config.model.stack, config.data.axis);
    let [across, down] = across(axis, config.data.grid);
    if (height, width) == (across, down) {
        return Ok(());
    }
    refuse(
        format!(
            "model.stack = {:?} does not span the {} slices of data.grid = {:?} (data.axis)",
            config.model.stack,
            name(axis),
            config.data.grid
        ),
        format!("the stack must be [depth, {across}, {down}], as in [{depth}, {across}, {down}]"),
    )
}

fn stack_depth_fits_the_grid(config: &Config) -> Result<(), ConfigError> {
    let (depth, stride, axis) = (config.model.stack[0], config.data.stride, config.data.axis);
    let slices = slices(axis, config.data.grid);
    let spanned = (depth - 1) * stride + 1;
    if spanned <= slices {
        return Ok(());
    }
    refuse(
        format!(
            "a stack of {depth} slices with data.stride = {stride} spans {spanned} {} slices (data.axis) and data.grid = {:?} has {slices}",
            name(axis),
            config.data.grid
        ),
        "lower the stride or the depth of model.stack".to_owned(),
    )
}

/// How many slices a grid (R, A, S) has along an axis.
fn slices(axis: Axis, [right, anterior, superior]: [usize; 3]) -> usize {
    match axis {
        Axis::Coronal => anterior,
        Axis::Axial => superior,
        Axis::Sagittal => right,
    }
}

/// The sides of a slice across an axis of a grid (R, A, S), in the order of a stack's.
fn across(axis: Axis, [right, anterior, superior]: [usize; 3]) -> [usize; 2] {
    match axis {
        Axis::Coronal => [right, superior],
        Axis::Axial => [right, anterior],
        Axis::Sagittal => [anterior, superior],
    }
}

fn name(axis: Axis) -> &'static str {
    match axis {
        Axis::Coronal => "coronal",
        Axis::Axial => "axial",
        Axis::Sagittal => "sagittal",
    }
}

fn store_is_given_up_before_the_group(config: &Config) -> Result<(), ConfigError> {
    let (patience, deadline) = (config.store.patience_s, config.collective.deadline_s);
    if patience < deadline {
        return Ok(());
    }
    refuse(
        format!(
            "store.patience_s = {patience} is not below collective.deadline_s = {deadline}"
        ),
        "a worker that waits for the store would be taken for a lost one: lower the first or raise the second"
            .to_owned(),
    )
}

fn stall_is_shorter_than_patience(config: &Config) -> Result<(), ConfigError> {
    let (stall, patience) = (config.store.stall_ms, config.store.patience_s);
    if stall < patience * 1000 {
        return Ok(());
    }
    refuse(
        format!("store.stall_ms = {stall} is not below store.patience_s = {patience}"),
        "no request would be sent a second time: lower the first or raise the second".to_owned(),
    )
}

fn cache_lies_on_a_disk(config: &Config) -> Result<(), ConfigError> {
    let folder = config.data.cache_dir.as_str();
    if !std::path::Path::new(folder).starts_with("/dev/shm") {
        return Ok(());
    }
    refuse(
        format!("data.cache_dir = {folder:?} is shared memory"),
        "name a folder on a disk".to_owned(),
    )
}

fn silence_is_longer_than_a_heartbeat(config: &Config) -> Result<(), ConfigError> {
    let (beat, silence) = (
        config.coordinator.heartbeat_ms,
        config.coordinator.worker_timeout_s,
    );
    if silence * 1000 >= beat * 4 {
        return Ok(());
    }
    refuse(
        format!(
            "coordinator.worker_timeout_s = {silence} is less than four heartbeats of coordinator.heartbeat_ms = {beat}"
        ),
        "a live worker would be given up: raise the first or lower the second".to_owned(),
    )
}

fn fast_sums_have_nccl(config: &Config) -> Result<(), ConfigError> {
    let collective = &config.collective;
    if collective.reduction == Reduction::Exact || collective.backend != Backend::Tcp {
        return Ok(());
    }
    refuse(
        "collective.reduction = \"fast\" is NCCL's and collective.backend = \"tcp\"".to_owned(),
        "over TCP sums are exact: take \"exact\", or another backend".to_owned(),
    )
}

fn half_precision_has_a_gpu(config: &Config) -> Result<(), ConfigError> {
    if config.train.precision == Precision::F32 || config.workers.device != Device::Cpu {
        return Ok(());
    }
    refuse(
        "train.precision = \"bf16\" needs a GPU and workers.device = \"cpu\"".to_owned(),
        "take \"f32\", or another device".to_owned(),
    )
}

#[cfg(test)]
mod tests;
