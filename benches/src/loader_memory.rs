//! `loader-memory`: what the loader takes in memory while it hands out thousands of stacks of the paper's size.
//!
//! Whoever takes the stacks does little with them, so that as many as may be are on their way, each at its largest.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use fratmae_config::Config;
use fratmae_dataset::{BadSample, DataSet, Loader, LoaderOptions, SampleOrder};
use fratmae_phantom::{PhantomSize, write_phantoms};
use fratmae_prepare::{Layout, PrepareOptions, prepare, survey};
use fratmae_store::Location;
use fratmae_trainer::stack_options;

const GRID: [usize; 3] = [160, 160, 192];
const CASES: usize = 4;
const LINES: usize = 20;

/// Reads `stacks` stacks within a bound of `mib` MiB, and prints memory as it goes and at its peak.
///
/// # Errors
/// Phantoms cannot be made or read, or the system tells nothing of memory.
pub(crate) fn watch(stacks: usize, mib: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let data = runtime.block_on(make(folder.path()))?;
    let order = SampleOrder {
        seed: 1,
        cases: CASES as u32,
    };
    let options = LoaderOptions {
        bytes: mib << 20,
        bad_sample: BadSample::Fail,
    };
    let before = memory("VmRSS:")?;
    let started = Instant::now();
    let samples = Box::new(order.samples(0).take(stacks));
    let mut loader = Loader::start(
        Arc::new(data),
        stack_options(&Config::default(), false),
        samples,
        options,
        runtime.handle(),
    );
    println!("seconds,stacks,rss_mib,above_start_mib");
    let mut largest = before;
    for number in 1..=stacks {
        let stack = loader.next().context("the loader ended early")??;
        // Something to do with it: the whole stack is touched, as a training step would.
        std::hint::black_box(stack.pet.iter().chain(&stack.ct).sum::<f32>());
        drop(stack);
        let now = memory("VmRSS:")?;
        largest = largest.max(now);
        if number.is_multiple_of(stacks.div_ceil(LINES)) {
            let seconds = started.elapsed().as_secs_f64();
            println!("{seconds:.1},{number},{now:.1},{:.1}", now - before);
        }
    }
    println!(
        "bound {mib} MiB, start {before:.1} MiB, largest {largest:.1} MiB: {:.1} MiB above the start",
        largest - before
    );
    Ok(())
}

/// Makes a data set of phantoms of the paper's grid.
async fn make(folder: &Path) -> Result<DataSet> {
    let (source, out) = (folder.join("phantoms"), folder.join("data"));
    write_phantoms(&source, CASES, 1, PhantomSize::default(), &|_| {})?;
    let out = Location::open(&out.to_string_lossy())?;
    let options = PrepareOptions {
        grid: GRID,
        ..PrepareOptions::default()
    };
    prepare(survey(&source, Layout::Auto)?, &out, &options, &mut |_| {}).await?;
    Ok(DataSet::open(&out).await?)
}

/// A figure of this process's memory in MiB, by its name in `/proc/self/status`.
fn memory(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .context("the system tells nothing of memory")?
        .parse()?;
    Ok(kib / 1024.0)
}
