//! The loader's order, bound and errors, over a small prepared data set.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::*;
use crate::manifest::shard_name;
use crate::order::Order;
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
    }
}

fn open(runtime: &Runtime, cases: u64) -> Arc<DataSet> {
    Arc::new(runtime.block_on(async { DataSet::open(&stored(cases, 2).await).await.unwrap() }))
}

fn start(
    runtime: &Runtime,
    data: &Arc<DataSet>,
    samples: impl Iterator<Item = Sample> + Send + 'static,
    prefetch: usize,
) -> Loader {
    Loader::start(
        Arc::clone(data),
        options(),
        Box::new(samples),
        prefetch,
        runtime.handle(),
    )
}

fn order() -> Order {
    Order { seed: 1, cases: 5 }
}

#[test]
fn stacks_come_in_the_order_asked_whatever_the_prefetch() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    for prefetch in [0, 1, 4, 100] {
        let mut loader = start(&runtime, &data, order().samples(3).take(12), prefetch);
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
    let mut loader = start(&runtime, &data, order().samples(7), 2);
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

#[test]
fn no_more_than_the_prefetch_is_read_ahead() {
    let runtime = Runtime::new().unwrap();
    let data = open(&runtime, 5);
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let samples = order().samples(0).inspect(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let mut loader = start(&runtime, &data, samples, 3);
    for handed_out in 1..20 {
        loader.next().unwrap().unwrap();
        // One more sample may be in hand, waiting for room.
        assert!(taken.load(Ordering::SeqCst) <= handed_out + 3 + 1);
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
    let mut loader = start(&runtime, &data, samples, 2);
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
    let mut loader = start(&runtime, &data, order().samples(0).take(5), 3);
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
        Box::new(Order { seed: 1, cases: 1 }.samples(0)),
        1,
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
        let samples = Box::new(Order { seed: 1, cases: 2 }.samples(0));
        let mut loader = Loader::start(
            Arc::clone(&data),
            options.clone(),
            samples,
            1,
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
