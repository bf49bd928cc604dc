//! Ten thousand stacks go through the loader, and its memory stays within its bound. A test program of its own, because
//! memory is counted by process.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use fratmae_dataset::{
    BadSample, DataSet, Loader, LoaderOptions, SampleOrder, StackAxis, StackOptions,
};
use fratmae_phantom::{PhantomSize, write_phantoms};
use fratmae_prepare::{Layout, PrepareOptions, prepare, survey};
use fratmae_store::Location;

const BOUND: u64 = 8 << 20;
/// What threads, the runtime and an allocator's unused pages may take besides, in bytes.
const CONSTANT: u64 = 32 << 20;
const STACKS: usize = 10_000;
const CASES: usize = 3;

async fn made(folder: &Path) -> DataSet {
    let size = PhantomSize {
        shape: [16, 20, 24],
        spacing: [40.0, 32.0, 40.0],
        varies: false,
    };
    let source = folder.join("phantoms");
    write_phantoms(&source, CASES, 1, size, &|_| {}).unwrap();
    let out = Location::open(&folder.join("data").to_string_lossy()).unwrap();
    let options = PrepareOptions {
        grid: [32, 40, 48],
        ..PrepareOptions::default()
    };
    prepare(
        survey(&source, Layout::Auto).unwrap(),
        &out,
        &options,
        &mut |_| {},
    )
    .await
    .unwrap();
    DataSet::open(&out).await.unwrap()
}

/// Bytes of memory that this process has now; none where the system does not tell.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

#[test]
fn ten_thousand_stacks_stay_within_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let data = Arc::new(runtime.block_on(made(folder.path())));
    let Some(before) = resident() else { return };
    let stacks = StackOptions {
        axis: StackAxis::Coronal,
        depth: 16,
        stride: 2,
        suv_window: [0.0, 20.0],
        hu_window: [-1000.0, 1000.0],
        seed: 1,
        with_diagnosis: false,
        with_label: false,
    };
    let order = SampleOrder {
        seed: 1,
        cases: CASES as u32,
    };
    let options = LoaderOptions {
        bytes: BOUND,
        bad_sample: BadSample::Fail,
    };
    let samples = Box::new(order.samples(0).take(STACKS));
    let mut loader = Loader::start(data, stacks, samples, options, runtime.handle());
    let (mut read, mut largest) = (0, 0);
    while let Some(stack) = loader.next() {
        stack.unwrap();
        read += 1;
        largest = largest.max(resident().unwrap_or_default());
    }
    assert_eq!(read, STACKS);
    let above = largest.saturating_sub(before);
    assert!(
        above <= BOUND + CONSTANT,
        "{} KiB above the start",
        above >> 10
    );
}
