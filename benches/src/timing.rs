//! The time of one piece of work: the median of a few runs after one that warms up.

use std::time::{Duration, Instant};

use anyhow::Result;

const RUNS: usize = 7;

/// Measures `work`.
///
/// # Errors
/// The first error of `work`.
pub(crate) fn median(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    median_of(|| {
        let begin = Instant::now();
        work()?;
        Ok(begin.elapsed())
    })
}

/// Takes the times that `work` measured itself.
///
/// # Errors
/// The first error of `work`.
pub(crate) fn median_of(mut work: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    work()?;
    let mut times = (0..RUNS).map(|_| work()).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times[RUNS / 2])
}
