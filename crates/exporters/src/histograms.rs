//! Counts and sums of durations and bytes, kept where they arise. A clone is the same set.
//!
//! Adding one takes a lock for a few instructions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::families::{Buckets, Families, Value};
use crate::metric::{Kind, Metric};
use crate::table::TABLE;

/// The upper bounds of every histogram's buckets, in seconds: from 1 ms to 100 s.
pub(crate) const BOUNDS: [f64; 16] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];

/// Told of every value as well: an instrument of OTLP.
pub(crate) type Echo = dyn Fn(&'static Metric, &[&str], f64) + Send + Sync;

/// Histograms and counters of this process, by metric and labels.
#[derive(Clone, Default)]
pub struct Histograms(Arc<Inner>);

#[derive(Default)]
struct Inner {
    kept: Mutex<BTreeMap<Key, Kept>>,
    echo: OnceLock<Box<Echo>>,
}

/// A metric's place in the table, and its labels.
type Key = (usize, Vec<String>);

#[derive(Clone)]
enum Kept {
    Sum(f64),
    Buckets(Buckets),
}

impl Histograms {
    /// Takes in a value of a histogram or an addition to a counter.
    pub fn add(&self, metric: &'static Metric, labels: &[&str], value: f64) {
        let Some(place) = TABLE.iter().position(|it| std::ptr::eq(*it, metric)) else {
            return;
        };
        let key = (
            place,
            labels.iter().map(|&label| label.to_owned()).collect(),
        );
        match self.lock().entry(key).or_insert_with(|| empty(metric)) {
            Kept::Sum(sum) => *sum += value,
            Kept::Buckets(buckets) => {
                buckets.sum += value;
                buckets.counts[BOUNDS.partition_point(|bound| *bound < value)] += 1;
            }
        }
        if let Some(echo) = self.0.echo.get() {
            echo(metric, labels, value);
        }
    }

    /// Has every later value told to `echo` too; the first one that is given stays.
    pub(crate) fn echo(&self, echo: Box<Echo>) {
        let _ = self.0.echo.set(echo);
    }

    /// All of them now.
    #[must_use]
    pub fn read(&self) -> Families {
        let kept = self.lock().clone();
        let mut families = Families::default();
        for ((place, labels), kept) in kept {
            let value = match kept {
                Kept::Sum(sum) => Value::Number(sum),
                Kept::Buckets(buckets) => Value::Buckets(buckets),
            };
            families.push(TABLE[place], labels, value);
        }
        families
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Kept>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Histograms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histograms").finish_non_exhaustive()
    }
}

fn empty(metric: &Metric) -> Kept {
    match metric.kind {
        Kind::Histogram => Kept::Buckets(Buckets {
            counts: vec![0; BOUNDS.len() + 1],
            sum: 0.0,
        }),
        Kind::Counter | Kind::Gauge => Kept::Sum(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{STORE_DURATION, STORE_IO};

    #[test]
    fn a_value_is_in_the_first_bucket_that_holds_it_and_counters_add_up() {
        let histograms = Histograms::default();
        for value in [0.001, 0.0011, 100.0, 101.0] {
            histograms.add(&STORE_DURATION, &["get"], value);
        }
        histograms.add(&STORE_IO, &["get"], 5.0);
        histograms.add(&STORE_IO, &["get"], 6.0);
        let families = histograms.read();
        let values: Vec<_> = families
            .iter()
            .map(|family| &family.points[0].value)
            .collect();
        let Value::Buckets(buckets) = values[0] else {
            panic!("a histogram");
        };
        let full: Vec<_> = buckets
            .counts
            .iter()
            .enumerate()
            .filter(|(_, n)| **n > 0)
            .collect();
        assert_eq!(full, [(0, &1), (1, &1), (15, &1), (16, &1)]);
        assert!(matches!(values[1], Value::Number(sum) if *sum == 11.0));
    }
}
