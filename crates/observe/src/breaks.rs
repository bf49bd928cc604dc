//! How often a run broke, how long it took to get further, and what that cost. Pure functions of its records.

use crate::compaction::RankBlock;
use crate::ledger::RankRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A generation and the verdicts while it lasted, as the journal has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub generation: u64,
    /// Its members' names in rank order.
    pub members: Vec<String>,
    pub verdicts: Vec<Blame>,
}

/// A verdict on a worker, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blame {
    pub worker: String,
    pub host: String,
    /// Of a member.
    pub rank: Option<u32>,
    pub reason: String,
}

/// From the last step that a group applied to the next step that had never been applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Break {
    /// The group that broke, and the one that got further.
    pub generation: u64,
    pub recovered_in: u64,
    /// The newest step before.
    pub step: u64,
    /// When that step ended, and when the next one did.
    pub from_unix_ms: u64,
    pub to_unix_ms: u64,
    /// Steps in between that had been applied before.
    pub repeated: u64,
    /// Members of the group that broke.
    pub workers: u32,
    /// Their time in between, beyond that of one step.
    pub worker_seconds: f64,
    /// None if nobody was to blame: a worker came or left.
    pub verdicts: Vec<Blame>,
}

impl Break {
    /// How long it took.
    #[must_use]
    pub const fn seconds(&self) -> f64 {
        self.to_unix_ms.saturating_sub(self.from_unix_ms) as f64 / 1e3
    }
}

/// How a run stood up to failures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Verdicts on workers.
    pub failures: u64,
    /// Seconds from the last step to the first new one, over the breaks with a verdict.
    pub recovery_median_s: Option<f64>,
    pub recovery_longest_s: Option<f64>,
    /// Worker-hours for each failure.
    pub worker_hours_between_failures: Option<f64>,
    /// Worker-hours that breaks with a verdict cost.
    pub worker_hours_lost: f64,
}

impl Reliability {
    /// Of a run whose workers lived for so many nanoseconds altogether.
    #[must_use]
    pub fn of(groups: &[Group], breaks: &[Break], lived_ns: u64) -> Self {
        let failures: usize = groups.iter().map(|group| group.verdicts.len()).sum();
        let blamed = breaks.iter().filter(|it| !it.verdicts.is_empty());
        let mut seconds: Vec<f64> = blamed.clone().map(Break::seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let hours = lived_ns as f64 / 3.6e12;
        Self {
            failures: failures as u64,
            recovery_median_s: seconds.get(seconds.len() / 2).copied(),
            recovery_longest_s: seconds.last().copied(),
            worker_hours_between_failures: (failures > 0).then(|| hours / failures as f64),
            worker_hours_lost: blamed.fold(0.0, |sum, it| sum + it.worker_seconds) / 3.6e3,
        }
    }
}

/// The rows of steps that still count: a later generation that began at or before a step has replaced it.
#[must_use]
pub fn current(rows: Vec<RankRow>) -> Vec<RankRow> {
    let mut firsts: BTreeMap<u64, u64> = BTreeMap::new();
    for row in &rows {
        let first = firsts.entry(row.generation).or_insert(row.step);
        *first = row.step.min(*first);
    }
    let mut bound = u64::MAX;
    let ends: BTreeMap<u64, u64> = firsts
        .iter()
        .rev()
        .map(|(generation, first)| {
            let end = bound;
            bound = bound.min(*first);
            (*generation, end)
        })
        .collect();
    let counts = |row: &RankRow| ends.get(&row.generation).is_some_and(|end| row.step < *end);
    rows.into_iter().filter(counts).collect()
}

/// The breaks of a run, oldest first. Rows and blocks are those of all generations, replaced ones too.
#[must_use]
pub fn breaks(groups: &[Group], rows: &[RankRow], blocks: &[RankBlock]) -> Vec<Break> {
    let mut breaks = Vec::new();
    // The newest step so far, when it ended, and in which generation.
    let mut newest: Option<(u64, u64, u64)> = None;
    // Steps that generations did again which then got no further.
    let mut in_vain = 0;
    for (generation, course) in courses(rows, blocks) {
        let Some((last, ended)) = course.last() else {
            continue;
        };
        if let Some((step, from, broken)) = newest {
            let again = step.min(last).saturating_add(1);
            let repeated = again.saturating_sub(course.first()) + in_vain;
            let Some(to) = course.when_beyond(step) else {
                in_vain = repeated;
                continue;
            };
            in_vain = 0;
            let beyond = to.saturating_sub(from) as f64 / 1e3 - course.step_seconds();
            let group = of_groups(groups, broken, generation);
            breaks.push(Break {
                generation: broken,
                recovered_in: generation,
                step,
                from_unix_ms: from,
                to_unix_ms: to,
                repeated,
                worker_seconds: beyond.max(0.0) * f64::from(group.workers),
                ..group
            });
        }
        newest = Some((last, ended, generation));
    }
    breaks
}

/// Steps that were applied, by all generations together.
///
/// A group that breaks cannot tell how long its last step took: the next group's first step shows that it was applied.
#[must_use]
pub fn steps_applied(rows: &[RankRow], blocks: &[RankBlock]) -> u64 {
    let (mut applied, mut newest) = (0, None::<u64>);
    for course in courses(rows, blocks).values() {
        let Some((last, _)) = course.last() else {
            continue;
        };
        let untold = newest.map_or(0, |step| course.first().saturating_sub(step + 1));
        applied += untold + (last - course.first() + 1);
        newest = newest.max(Some(last));
    }
    applied
}

/// Whom the group had that broke, and what was said of workers until another one got further.
fn of_groups(groups: &[Group], broken: u64, recovered_in: u64) -> Break {
    let group = groups.iter().find(|group| group.generation == broken);
    let workers = group.map_or(0, |group| group.members.len());
    let between = groups
        .iter()
        .filter(|group| (broken..recovered_in).contains(&group.generation));
    Break {
        workers: u32::try_from(workers).unwrap_or(u32::MAX),
        verdicts: between.flat_map(|group| group.verdicts.clone()).collect(),
        ..Break::default()
    }
}

/// When a generation ended some of its steps; of the others it is worked out from these.
#[derive(Debug, Default)]
struct Course(BTreeMap<u64, u64>);

impl Course {
    fn add(&mut self, step: u64, unix_ms: u64) {
        let ended = self.0.entry(step).or_default();
        *ended = unix_ms.max(*ended);
    }

    fn first(&self) -> u64 {
        self.0.first_key_value().map_or(0, |(step, _)| *step)
    }

    fn last(&self) -> Option<(u64, u64)> {
        self.0.last_key_value().map(|(step, ended)| (*step, *ended))
    }

    /// When it ended its first step beyond this one.
    fn when_beyond(&self, step: u64) -> Option<u64> {
        let (&after, &ended) = self.0.range(step.saturating_add(1)..).next()?;
        let before = self.0.range(..=step).next_back();
        Some(match before {
            Some((&before, &began)) => {
                let part = (step + 1 - before) as f64 / (after - before) as f64;
                began + (ended.saturating_sub(began) as f64 * part).round() as u64
            }
            None => ended,
        })
    }

    /// Seconds of one of its steps; zero if it ended a single one.
    fn step_seconds(&self) -> f64 {
        let ends = self.0.first_key_value().zip(self.last());
        let Some(((&first, &began), (last, ended))) = ends else {
            return 0.0;
        };
        ended.saturating_sub(began) as f64 / 1e3 / (last - first).max(1) as f64
    }
}

fn courses(rows: &[RankRow], blocks: &[RankBlock]) -> BTreeMap<u64, Course> {
    let mut courses: BTreeMap<u64, Course> = BTreeMap::new();
    for row in rows {
        courses
            .entry(row.generation)
            .or_default()
            .add(row.step, row.unix_ms);
    }
    for block in blocks {
        let course = courses.entry(block.generation).or_default();
        course.add(block.first_step, block.first_unix_ms);
        course.add(block.last_step, block.last_unix_ms);
    }
    courses
}

#[cfg(test)]
mod tests;
