//! Tests that each relation is caught, alone, with the line an operator reads.

use super::*;

fn complaint(change: impl FnOnce(&mut Config)) -> String {
    let mut config = Config::default();
    change(&mut config);
    config.check().unwrap_err().to_string()
}

#[test]
fn the_default_keeps_every_relation() {
    Config::default().check().unwrap();
    assert!(Config::default().warnings().is_empty());
}

#[test]
fn a_batch_that_slots_do_not_divide_is_refused() {
    assert_eq!(
        complaint(|c| c.train.batch = 12),
        "train.batch = 12 cannot be cut into train.slots = 8 equal slots; a batch of 8 or 16 can"
    );
    assert_eq!(
        complaint(|c| c.train.batch = 5),
        "train.batch = 5 cannot be cut into train.slots = 8 equal slots; a batch of 8 can"
    );
}

#[test]
fn a_worker_without_a_slot_is_refused() {
    assert_eq!(
        complaint(|c| c.workers.count = 9),
        "workers.count = 9 is more than train.slots = 8; a worker needs a slot of its own: start at most 8 workers"
    );
}

#[test]
fn a_stack_that_patches_do_not_fill_is_refused() {
    let text = complaint(|c| c.model.patch = [16, 16, 10]);
    assert!(
        text.contains("[32, 160, 192]") && text.contains("[16, 16, 10]"),
        "{text}"
    );
}

#[test]
fn widths_must_divide_into_heads() {
    for (part, text) in [
        ("encoder", complaint(|c| c.model.encoder.heads = 7)),
        ("decoder", complaint(|c| c.model.decoder.heads = 7)),
        ("text", complaint(|c| c.model.text.heads = 7)),
    ] {
        assert!(
            text.starts_with(&format!("model.{part}.width = ")),
            "{text}"
        );
        assert!(text.contains(&format!("model.{part}.heads = 7")), "{text}");
    }
}

#[test]
fn widths_must_hold_three_axes_of_positions() {
    assert_eq!(
        complaint(|c| {
            c.model.decoder.width = 512;
            c.model.decoder.heads = 16;
        }),
        "model.decoder.width = 512 is not a multiple of 6; positions take a sine and a cosine for each of 3 axes: 510 or 516 would do"
    );
}

#[test]
fn masking_must_leave_visible_and_hidden_patches() {
    for (ratio, visible) in [(0.999, 0), (1e-20, 240)] {
        let text = complaint(|c| c.model.mask_ratio = ratio);
        let expected = format!("leaves {visible} of 240 patches visible");
        assert!(text.contains(&expected), "{text}");
    }
}

#[test]
fn a_stack_must_span_the_coronal_slice() {
    let text = complaint(|c| c.data.grid = [128, 160, 192]);
    assert!(
        text.ends_with("the stack must be [depth, 128, 192], as in [32, 128, 192]"),
        "{text}"
    );
}

#[test]
fn a_stack_must_fit_the_grid_in_depth() {
    let mut config = Config::default();
    config.data.grid = [160, 63, 192];
    config.check().unwrap();
    assert!(complaint(|c| c.data.grid = [160, 62, 192]).contains("spans 63 coronal slices"));
    assert!(complaint(|c| c.data.stride = 6).contains("spans 187 coronal slices"));
}

#[test]
fn a_stack_along_another_axis_spans_that_axis() {
    let with = |axis, stack| {
        let mut config = Config::default();
        (config.data.axis, config.data.grid) = (axis, [160, 128, 192]);
        config.model.stack = stack;
        config.check().map_err(|error| error.to_string())
    };
    with(Axis::Axial, [96, 160, 128]).unwrap();
    with(Axis::Sagittal, [80, 128, 192]).unwrap();
    assert_eq!(
        with(Axis::Axial, [32, 160, 192]).unwrap_err(),
        "model.stack = [32, 160, 192] does not span the axial slices of data.grid = [160, 128, 192] (data.axis); \
         the stack must be [depth, 160, 128], as in [32, 160, 128]"
    );
    let deep = with(Axis::Sagittal, [96, 128, 192]).unwrap_err();
    assert!(deep.contains("spans 191 sagittal slices"), "{deep}");
    assert!(deep.contains("has 160"), "{deep}");
}

#[test]
fn the_store_is_given_up_before_the_group_and_asked_more_than_once() {
    let text = complaint(|c| c.store.patience_s = 120);
    assert!(
        text.starts_with("store.patience_s = 120 is not below collective.deadline_s = 120"),
        "{text}"
    );
    let text = complaint(|c| c.store.stall_ms = 60_000);
    assert!(text.starts_with("store.stall_ms = 60000"), "{text}");
}

#[test]
fn a_cache_in_shared_memory_is_refused() {
    let text = complaint(|c| c.data.cache_dir = "/dev/shm/cache".to_owned());
    assert_eq!(
        text,
        "data.cache_dir = \"/dev/shm/cache\" is shared memory; name a folder on a disk"
    );
}

#[test]
fn a_worker_gets_at_least_four_heartbeats() {
    let text = complaint(|c| {
        c.coordinator.worker_timeout_s = 3;
        c.coordinator.heartbeat_ms = 1000;
    });
    assert!(
        text.starts_with("coordinator.worker_timeout_s = 3"),
        "{text}"
    );
}

#[test]
fn a_small_batch_is_warned_of_only_when_pairs_matter() {
    let mut config = Config::default();
    config.train.batch = 4;
    assert_eq!(config.warnings().len(), 1);
    config.model.contrastive = false;
    assert!(config.warnings().is_empty());
}

#[test]
fn fast_sums_over_tcp_are_refused() {
    let text = complaint(|c| {
        c.collective.reduction = Reduction::Fast;
        c.collective.backend = Backend::Tcp;
    });
    assert_eq!(
        text,
        "collective.reduction = \"fast\" is NCCL's and collective.backend = \"tcp\"; \
         over TCP sums are exact: take \"exact\", or another backend"
    );
    let mut config = Config::default();
    config.collective.reduction = Reduction::Fast;
    config.check().unwrap();
}

#[test]
fn half_precision_on_cpus_is_refused() {
    let text = complaint(|c| {
        c.train.precision = Precision::Bf16;
        c.workers.device = Device::Cpu;
    });
    assert_eq!(
        text,
        "train.precision = \"bf16\" needs a GPU and workers.device = \"cpu\"; take \"f32\", or another device"
    );
    let mut config = Config::default();
    config.train.precision = Precision::Bf16;
    config.check().unwrap();
}
