//! `loaders`: one cold epoch of a prepared data set, shuffled and read ahead, and what its decompressor alone takes.
//!
//! `benches/loaders.py` starts the store, prepares the samples, runs this beside other projects' loaders and prints the
//! table. Each epoch is a process of its own, so that its CPU seconds and its peak memory are its own.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fratmae_config::Config;
use fratmae_dataset::{
    BadSample, DataSet, Loader, LoaderOptions, SampleOrder, Stack, StackOptions, shard_name,
};
use fratmae_prepare::{Layout, PrepareOptions, survey};
use fratmae_store::Location;
use fratmae_trainer::stack_options;
use half::f16;
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::json;
use tokio::runtime::Runtime;

/// Windows that lose nothing: their widths are powers of two, so that the stored `f16` can be told from the `f32`.
const SUV_WINDOW: [f32; 2] = [0.0, 65_536.0];
const HU_WINDOW: [f32; 2] = [-1024.0, 3072.0];
/// Bytes read ahead: about eight samples that wait.
const AHEAD: u64 = 64 << 20;
/// Voxels in a line of 64 bytes as they are stored; the checksum takes one of each, as the other loaders' does.
const LINE: usize = 32;
/// How a zstd frame begins.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A page's header is shorter than this.
const LONGEST_HEADER: usize = 256;

/// Prepares the cases of a table as they are, each a stack of the grid (R, A, S).
///
/// # Errors
/// A case cannot be read or the data set cannot be written.
pub(crate) fn prepare(table: &str, url: &str, grid: [usize; 3]) -> Result<()> {
    let options = PrepareOptions {
        grid,
        ..PrepareOptions::default()
    };
    let cases = survey(Path::new(table), Layout::Auto)?;
    let out = Location::open(url)?;
    let runtime = Runtime::new()?;
    runtime.block_on(fratmae_prepare::prepare(cases, &out, &options, &mut |_| ()))?;
    Ok(())
}

/// Reads every case of the data set once and prints one JSON object.
///
/// # Errors
/// The data set cannot be read.
pub(crate) fn epoch(url: &str, depth: usize) -> Result<()> {
    let runtime = Runtime::new()?;
    let (cpu, begin) = (cpu()?, Instant::now());
    let data = Arc::new(runtime.block_on(DataSet::open(&Location::open(url)?))?);
    let cases = u32::try_from(data.manifest.cases.len())?;
    let samples = SampleOrder { seed: 1, cases }
        .samples(0)
        .take(cases as usize);
    let options = LoaderOptions {
        bytes: AHEAD,
        bad_sample: BadSample::Fail,
    };
    let mut loader = Loader::start(
        data,
        stacks(depth),
        Box::new(samples),
        options,
        runtime.handle(),
    );
    let (mut first, mut sum) = (None, 0);
    let mut n = 0;
    while let Some(stack) = loader.next() {
        first.get_or_insert_with(|| begin.elapsed());
        let stack = stack?;
        sum += checksum(&stack);
        n += 1;
    }
    let seconds = |time: Duration| time.as_secs_f64();
    report(&json!({
        "n": n,
        "sum": sum,
        "wall": seconds(begin.elapsed()),
        "cpu": seconds(self::cpu()? - cpu),
        "first": first.map(seconds),
        "rss_mb": peak_mib()?,
    }));
    Ok(())
}

/// Decompresses every page of voxels of a data set from memory and prints one JSON object.
///
/// # Errors
/// The data set cannot be read.
pub(crate) fn decompressor(url: &str) -> Result<()> {
    let runtime = Runtime::new()?;
    let location = Location::open(url)?;
    let data = runtime.block_on(DataSet::open(&location))?;
    let shards = data.manifest.cases.iter().map(|case| case.shard).max();
    let shards = (0..=shards.context("no case")?)
        .map(|shard| Ok(runtime.block_on(location.get_at_most(&shard_name(shard), u64::MAX))?))
        .collect::<Result<Vec<_>>>()?;
    let pages = shards
        .iter()
        .map(pages)
        .collect::<Result<Vec<_>>>()?
        .concat();
    let mut zstd = zstd::bulk::Decompressor::new()?;
    let mut page = Vec::with_capacity(1 << 20);
    let (cpu, begin) = (cpu()?, Instant::now());
    for packed in &pages {
        page.clear();
        zstd.decompress_to_buffer(packed, &mut page)?;
    }
    report(&json!({
        "n": data.manifest.cases.len(),
        "bytes": pages.iter().map(|page| page.len()).sum::<usize>(),
        "wall": begin.elapsed().as_secs_f64(),
        "cpu": (self::cpu()? - cpu).as_secs_f64(),
    }));
    Ok(())
}

/// Finds the compressed pages of PET and CT in a shard.
fn pages(shard: &bytes::Bytes) -> Result<Vec<&[u8]>> {
    let footer = parquet::file::metadata::ParquetMetaDataReader::new()
        .with_offset_index_policy(parquet::file::metadata::PageIndexPolicy::Required)
        .parse_and_finish(shard)?;
    let mut found = Vec::new();
    for group in 0..footer.num_row_groups() {
        let index = footer.page_index_for_row_group(group);
        for (place, column) in footer.row_group(group).columns().iter().enumerate() {
            if !["pet", "ct"].contains(&column.column_path().parts()[0].as_str()) {
                continue;
            }
            let index = index.offset_index(place).context("no offset index")?;
            for page in index.page_locations() {
                let (start, length) = (page.offset as usize, page.compressed_page_size as usize);
                found.push(payload(&shard[start..start + length])?);
            }
        }
    }
    Ok(found)
}

fn payload(page: &[u8]) -> Result<&[u8]> {
    let header = page.windows(FRAME.len()).position(|bytes| bytes == FRAME);
    let header = header.context("a page is not compressed by zstd")?;
    ensure!(header < LONGEST_HEADER, "a page is not compressed by zstd");
    Ok(&page[header..])
}

fn stacks(depth: usize) -> StackOptions {
    StackOptions {
        depth,
        stride: 1,
        suv_window: SUV_WINDOW,
        hu_window: HU_WINDOW,
        ..stack_options(&Config::default(), false)
    }
}

/// Sums the stored bits of one voxel of each line.
fn checksum(stack: &Stack) -> i64 {
    let of = |values: &[f32], [low, high]: [f32; 2]| -> i64 {
        let bits = |line: &[f32; LINE]| {
            let stored = f16::from_f32(line[0] * (high - low) + low);
            i64::from(stored.to_bits().cast_signed())
        };
        values.as_chunks().0.iter().map(bits).sum()
    };
    of(&stack.pet, SUV_WINDOW) + of(&stack.ct, HU_WINDOW)
}

/// The most memory that this process had; `getrusage` would also count that of the process which started it.
fn peak_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    Ok(peak.context("/proc does not say it")?.parse::<f64>()? / 1024.0)
}

/// User and system time of this process so far.
fn cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_usec())
        .sum::<i64>();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

#[expect(clippy::print_stdout, reason = "a benchmark talks to a script")]
fn report(result: &serde_json::Value) {
    println!("{result}");
}
