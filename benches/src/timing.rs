//! The time of one piece of work: the median of a few runs after one that warms up.

use std::time::{Duration, Instant};

use anyhow::Result;

const RUNS: usize = 7;

/// Measures `work`.
///
/// # Errors
/// The first error of `work`.
pub(crate) fn median(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    work()?;
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let begin = Instant::now();
        work()?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times[RUNS / 2])
}
