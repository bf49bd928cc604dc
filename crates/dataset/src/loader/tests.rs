//! The loader's order, bound and errors, over a small prepared data set.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::*;
use crate::manifest::shard_name;
use crate::order::SampleOrder;
use crate::reader::tests::places;
use crate::shard::tests::{GRID, prepared, stored};
use crate::stack::StackAxis;

fn options() -> StackOptions {
    StackOptions {
        axis: StackAxis::Coronal,
        depth: 3,
        stride: 2,
        suv_window: [0.0, 10.0],
        hu_window: [-1000.0, 1000.0],
        seed: 4,
        with_diagnosis: false,
        with_label: false,
    }
}

fn open(runtime: &Runtime, cases: u64) -> Arc<DataSet> {
    Arc::new(runtime.block_on(async { DataSet::open(&stored(cases, 2).await).await.unwrap() }))
}

fn start(
    runtime: &Runtime,
    data: &Arc<DataSet>,
    samples: impl Iterator<Item = Sample> + Send + 'static,
    bytes: u64,
) -> Loader {
    Loader::start(
        Arc::clone(data),
        options(),
        Box::new(samples),
        reading(bytes),
        runtime.handle(),
    )
}

fn reading(bytes: u64) -> LoaderOptions {
    LoaderOptions {
        bytes,
        bad_sample: BadSample::Fail,
    }
}

fn order() -> SampleOrder {
    SampleOrder { seed: 1, cases: 5 }
}

#[test]
fn stacks_come_in_the_order_asked_however_much_is_read_ahead() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    for bytes in [0, 10_000, 40_000, 1 << 30] {
        let mut loader = start(&runtime, &data, order().samples(3).take(12), bytes);
        let stacks: Vec<Stack> = std::iter::from_fn(|| loader.next())
            .map(Result::unwrap)
            .collect();
        let read: Vec<Sample> = stacks.iter().map(|stack| stack.sample).collect();
        assert_eq!(read, order().samples(3).take(12).collect::<Vec<_>>());
        assert!(
            stacks
                .iter()
                .all(|stack| stack.case_id == format!("case-{}", stack.sample.case))
        );
        assert!(loader.next().is_none());
    }
}

#[test]
fn a_stack_holds_the_windowed_slices_of_its_sample() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    let mut loader = start(&runtime, &data, order().samples(7), 1 << 20);
    let stack = loader.next().unwrap().unwrap();
    let case = prepared(stack.sample.case.into());
    let rows = options().rows(&data.manifest, stack.sample).unwrap();
    let plane = GRID[0] * GRID[2];
    let places = rows
        .iter()
        .flat_map(|&row| row as usize * plane..(row as usize + 1) * plane);
    let pet: Vec<f32> = places
        .clone()
        .map(|place| (case.pet[place].to_f32() / 10.0).min(1.0))
        .collect();
    let ct: Vec<f32> = places
        .map(|place| ((case.ct[place].to_f32() + 1000.0) / 2000.0).clamp(0.0, 1.0))
        .collect();
    let close = |read: &[f32], made: &[f32]| {
        read.len() == made.len() && read.iter().zip(made).all(|(a, b)| (a - b).abs() < 1e-6)
    };
    assert!(close(&stack.pet, &pet) && close(&stack.ct, &ct));
    assert!(stack.sentence.contains("18F-FDG"), "{}", stack.sentence);
}

/// The endless order, and how many of its samples were taken.
fn counted_samples() -> (
    impl Iterator<Item = Sample> + Send + 'static,
    Arc<AtomicUsize>,
) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let samples = order().samples(0).inspect(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    (samples, taken)
}

#[test]
fn no_more_than_the_prefetch_is_read_ahead() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    let (samples, taken) = counted_samples();
    // Room for three stacks on their way.
    let footprint = options().footprint(&data);
    let mut loader = start(&runtime, &data, samples, 3 * (footprint.largest + 1024));
    let waiting = 3 * (footprint.largest + 1024) / footprint.finished;
    for handed_out in 1..20 {
        loader.next().unwrap().unwrap();
        // One more sample may be in hand, waiting for room.
        assert!(taken.load(Ordering::SeqCst) as u64 <= handed_out + waiting + 1);
    }
}

#[test]
fn a_loader_that_has_begun_leaves_the_cores_to_others() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    let (samples, taken) = counted_samples();
    let mut loader = start(&runtime, &data, samples, 1 << 30);
    for handed_out in 1..40 {
        loader.next().unwrap().unwrap();
        // One more sample may be in hand, waiting to be allowed.
        assert!(taken.load(Ordering::SeqCst) <= AT_ONCE + FOR_ONE * handed_out + 1);
    }
    // Who takes what is read gets further ahead all the same.
    let far = AT_ONCE + FOR_ONE * 39;
    let begun = Instant::now();
    while taken.load(Ordering::SeqCst) < far {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::yield_now();
    }
}

/// Tells when it is dropped.
struct Watched(SyncSender<()>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.try_send(()).ok();
    }
}

#[test]
fn dropping_the_loader_stops_the_reading() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    let (sender, stopped) = sync_channel(1);
    let watched = Watched(sender);
    let samples = order().samples(0).inspect(move |_| {
        let _ = &watched;
    });
    let mut loader = start(&runtime, &data, samples, 20_000);
    loader.next().unwrap().unwrap();
    assert!(
        stopped.try_recv().is_err(),
        "the endless order goes on while the loader lives"
    );
    drop(loader);
    assert!(stopped.recv_timeout(Duration::from_secs(20)).is_ok());
}

#[test]
fn a_missing_shard_fails_at_its_place_and_the_others_go_on() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    runtime
        .block_on(data.location.delete(&shard_name(1)))
        .unwrap();
    let mut loader = start(&runtime, &data, order().samples(0).take(5), 1 << 20);
    for sample in order().samples(0).take(5) {
        let stack = loader.next().unwrap();
        assert_eq!(
            stack.is_err(),
            [2, 3].contains(&sample.case),
            "case {}",
            sample.case
        );
    }
}

#[test]
fn a_stack_that_does_not_fit_is_an_error_and_no_panic() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 1);
    let wide = StackOptions {
        depth: 13,
        stride: 1,
        ..options()
    };
    let mut loader = Loader::start(
        data,
        wide,
        Box::new(SampleOrder { seed: 1, cases: 1 }.samples(0)),
        reading(1),
        runtime.handle(),
    );
    assert!(matches!(
        loader.next(),
        Some(Err(DataSetError::Options { .. }))
    ));
}

#[test]
fn stacks_along_every_axis_hold_their_voxels() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 2);
    let [side_r, _, side_s] = GRID;
    for axis in [StackAxis::Axial, StackAxis::Sagittal] {
        let options = StackOptions {
            axis,
            depth: 2,
            ..options()
        };
        let samples = Box::new(SampleOrder { seed: 1, cases: 2 }.samples(0));
        let mut loader = Loader::start(
            Arc::clone(&data),
            options.clone(),
            samples,
            reading(1),
            runtime.handle(),
        );
        let stack = loader.next().unwrap().unwrap();
        let case = prepared(stack.sample.case.into());
        let slices = options.rows(&data.manifest, stack.sample).unwrap();
        let [depth, height, width] = axis.stack_shape(2, GRID);
        assert_eq!(stack.pet.len(), depth * height * width);
        for (at, value) in stack.pet.iter().enumerate() {
            let slice = slices[at / (height * width)] as usize;
            let (h, w) = (at / width % height, at % width);
            let (r, a, s) = match axis {
                StackAxis::Axial => (h, w, slice),
                _ => (slice, h, w),
            };
            let made = case.pet[(a * side_r + r) * side_s + s].to_f32();
            assert!((value - (made / 10.0).min(1.0)).abs() < 1e-6, "{axis:?}");
        }
    }
}

#[test]
fn a_stack_of_full_depth_and_stride_one_is_the_whole_case_along_every_axis() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 2);
    let [side_r, side_a, side_s] = GRID;
    for axis in [StackAxis::Coronal, StackAxis::Axial, StackAxis::Sagittal] {
        let whole = StackOptions {
            axis,
            depth: axis.slices(GRID),
            stride: 1,
            // Windows that halves pass through unchanged but for the scale.
            suv_window: [0.0, 32.0],
            hu_window: [-2048.0, 2048.0],
            with_label: true,
            ..options()
        };
        let samples = Box::new(SampleOrder { seed: 1, cases: 2 }.samples(0).take(2));
        let mut loader = Loader::start(
            Arc::clone(&data),
            whole,
            samples,
            reading(0),
            runtime.handle(),
        );
        for stack in std::iter::from_fn(|| loader.next()).map(Result::unwrap) {
            let case = prepared(stack.sample.case.into());
            let [_, height, width] = axis.stack_shape(1, GRID);
            assert_eq!(stack.pet.len(), side_r * side_a * side_s);
            assert_eq!(stack.label.is_some(), case.label.is_some());
            for at in 0..stack.pet.len() {
                let (d, h, w) = (at / (height * width), at / width % height, at % width);
                let (r, a, s) = match axis {
                    StackAxis::Coronal => (h, d, w),
                    StackAxis::Axial => (h, w, d),
                    StackAxis::Sagittal => (d, h, w),
                };
                let place = (a * side_r + r) * side_s + s;
                let ct = (case.ct[place].to_f32() + 2048.0) / 4096.0;
                assert_eq!(stack.pet[at], case.pet[place].to_f32() / 32.0, "{axis:?}");
                assert_eq!(stack.ct[at], ct, "{axis:?}");
                let labels = stack.label.iter().zip(&case.label);
                for (read, made) in labels {
                    assert_eq!(read[at], made[place], "{axis:?}");
                }
            }
        }
    }
}

#[test]
fn a_label_comes_only_where_it_was_asked_for() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    let mut loader = start(&runtime, &data, order().samples(0).take(5), 1 << 20);
    let stacks = std::iter::from_fn(|| loader.next()).map(Result::unwrap);
    assert!(stacks.map(|stack| stack.label).all(|label| label.is_none()));
    let with_label = StackOptions {
        with_label: true,
        ..options()
    };
    let more = |options: StackOptions| options.footprint(&data).finished;
    let voxels: usize = options().axis.stack_shape(3, GRID).iter().product();
    assert_eq!(more(with_label), more(options()) + voxels as u64);
}

/// Damages every slice of a case.
fn damage(runtime: &Runtime, data: &DataSet, case: u32) {
    runtime.block_on(async {
        let shard = shard_name(data.manifest.cases[case as usize].shard);
        let mut bytes = data.location.get(&shard).await.unwrap().to_vec();
        let rows: Vec<u32> = (0..GRID[1] as u32).collect();
        for place in places(data, case, &rows).await.iter().take(GRID[1]) {
            bytes[place.end as usize - 3] ^= 1;
        }
        data.location.put(&shard, bytes).await.unwrap();
    });
}

fn read(
    runtime: &Runtime,
    data: &Arc<DataSet>,
    bad_sample: BadSample,
) -> Vec<Result<Stack, DataSetError>> {
    let options_of_loader = LoaderOptions {
        bad_sample,
        ..reading(1 << 20)
    };
    let samples = Box::new(order().samples(0).take(10));
    let mut loader = Loader::start(
        Arc::clone(data),
        options(),
        samples,
        options_of_loader,
        runtime.handle(),
    );
    std::iter::from_fn(|| loader.next()).collect()
}

#[test]
fn a_damaged_sample_fails_or_another_case_takes_its_place() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    let sound = read(&runtime, &data, BadSample::Skip);
    damage(&runtime, &data, 3);
    let failed = read(&runtime, &data, BadSample::Fail);
    let skipped = read(&runtime, &data, BadSample::Skip);
    for (sample, ((sound, failed), skipped)) in order()
        .samples(0)
        .zip(sound.iter().zip(&failed).zip(&skipped))
    {
        let (sound, skipped) = (sound.as_ref().unwrap(), skipped.as_ref().unwrap());
        assert_eq!(skipped.sample.position, sample.position);
        if sample.case != 3 {
            assert_eq!(failed.as_ref().unwrap(), sound);
            assert_eq!(skipped, sound);
            continue;
        }
        let line = failed.as_ref().unwrap_err().to_string();
        let damage = &skipped.skipped[0];
        let SkippedSample {
            case_id,
            slice,
            offset,
            ..
        } = damage;
        assert!(
            line.starts_with(&format!("slice {slice} of case {case_id} ")),
            "{line}"
        );
        assert!(
            line.contains(&format!("row group 1, byte {offset}")),
            "{line}"
        );
        assert_ne!(skipped.sample.case, 3);
        assert_eq!(skipped.case_id, format!("case-{}", skipped.sample.case));
    }
}

#[test]
fn a_data_set_that_is_damaged_all_over_is_an_error_all_the_same() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    (0..5).for_each(|case| damage(&runtime, &data, case));
    let read = read(&runtime, &data, BadSample::Skip);
    let is_damage =
        |stack: &Result<Stack, _>| matches!(stack, Err(DataSetError::ChecksumMismatch { .. }));
    assert!(read.len() == 10 && read.iter().all(is_damage));
}

#[test]
fn damage_in_the_cache_alone_is_read_past() {
    let runtime = Runtime::new().unwrap();
    let Some(folder) = crate::cache::tests::disk() else {
        return;
    };
    let data = open(&runtime, 5);
    let sound = read(&runtime, &data, BadSample::Fail);
    // What the cache takes in is damaged, and mended on the store afterwards.
    let cached = || {
        let data = runtime.block_on(DataSet::open(&data.location)).unwrap();
        Arc::new(data.with_cache(Some(crate::cache::tests::open(folder.path(), 64))))
    };
    damage(&runtime, &data, 3);
    assert!(
        read(&runtime, &cached(), BadSample::Fail)
            .iter()
            .any(Result::is_err)
    );
    damage(&runtime, &data, 3);
    let mended = read(&runtime, &cached(), BadSample::Fail);
    assert!(
        mended
            .iter()
            .zip(&sound)
            .all(|(a, b)| a.as_ref().unwrap() == b.as_ref().unwrap())
    );
}
