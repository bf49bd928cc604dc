//! Whether every sample was trained on once: from what a run recorded of each sample, from its journal, and from the
//! records of the same run undisturbed.

use fratmae_coordinator::{HistoryRow, missing_steps};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What a run's records come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SampleAudit {
    /// Positions of the order that no step trained on although the steps they belong to are recorded.
    pub samples_lost: u64,
    /// Times that a position was trained on beyond its first, and positions that belong to no step of the job.
    pub samples_doubled: u64,
    /// Positions at which the undisturbed run trained on another case; nothing where that run is not there to compare
    /// with.
    pub samples_unlike: Option<u64>,
    /// First and last step of each row of steps that the history lacks: nothing is known of their samples.
    pub history_missing: Vec<(u64, u64)>,
    /// Steps whose loss has other bits than the undisturbed run's; nothing where that run is not there to compare with.
    pub steps_unlike: Option<u64>,
    /// Commits of one checkpoint beyond its first.
    pub commits_doubled: u64,
    /// Steps that were committed again by a later generation, because their checkpoint was damaged or never finished.
    pub commits_again: u64,
}

/// What a run left.
#[derive(Clone, Copy, Debug)]
pub struct Left<'a> {
    /// The figures of every step, and what it was trained on.
    pub rows: &'a [HistoryRow],
    /// Step and generation of each commit, as the journal has them.
    pub commits: &'a [(u64, u64)],
    /// Samples of a step.
    pub batch: u64,
    /// The step that the run began at, and the samples in its lineage before.
    pub began: (u64, u64),
    /// The last step of which there should be records.
    pub last: u64,
}

impl SampleAudit {
    /// Works it out.
    #[must_use]
    pub fn of(left: Left<'_>, undisturbed: Option<&[HistoryRow]>) -> Self {
        let positions = Positions::of(left);
        let commits = commits(left.commits);
        let commits_of_one = commits
            .values()
            .flat_map(|generations| generations.values());
        Self {
            samples_lost: positions.lost.len() as u64,
            samples_doubled: positions.doubled.iter().map(|(_, times)| times).sum(),
            samples_unlike: undisturbed.map(|rows| unlike(&cases(left.rows), &cases(rows))),
            history_missing: positions
                .missing
                .iter()
                .map(|steps| (*steps.start(), *steps.end()))
                .collect(),
            steps_unlike: undisturbed.map(|rows| unlike(&losses(left.rows), &losses(rows))),
            commits_doubled: commits_of_one.map(|times| times - 1).sum(),
            commits_again: commits
                .values()
                .map(|generations| generations.len() as u64 - 1)
                .sum(),
        }
    }

    /// How many steps the history lacks.
    #[must_use]
    pub fn n_missing(&self) -> u64 {
        let lengths = self.history_missing.iter();
        lengths.map(|(first, last)| last - first + 1).sum()
    }
}

/// What became of the positions of the order that a run's steps cover.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Positions {
    /// Those that no step trained on although the steps they belong to are recorded.
    pub(crate) lost: Vec<u64>,
    /// Those that were trained on again, and those of no step of the run, with how often too much.
    pub(crate) doubled: Vec<(u64, u64)>,
    /// Steps without a record.
    pub(crate) missing: Vec<RangeInclusive<u64>>,
}

impl Positions {
    pub(crate) fn of(left: Left<'_>) -> Self {
        let (step, first) = left.began;
        let missing = missing_steps(left.rows, step, left.last);
        let is_missing = |position: &u64| {
            let step = left.step_of(*position);
            missing.iter().any(|steps| steps.contains(&step))
        };
        let times = times(left.rows);
        let all = first..first + left.last.saturating_sub(step) * left.batch;
        let lost = all.clone().filter(|position| !times.contains_key(position));
        let too_often = |(position, times): (&u64, &u64)| {
            let wanted = u64::from(all.contains(position));
            (*position, times - wanted)
        };
        Self {
            lost: lost.filter(|position| !is_missing(position)).collect(),
            doubled: times
                .iter()
                .map(too_often)
                .filter(|(_, n)| *n > 0)
                .collect(),
            missing,
        }
    }
}

impl Left<'_> {
    /// The step that a position belongs to.
    pub(crate) fn step_of(&self, position: u64) -> u64 {
        let (step, first) = self.began;
        step + position.saturating_sub(first) / self.batch.max(1) + 1
    }
}

/// How often each checkpoint was committed, by step and generation.
pub(crate) fn commits(commits: &[(u64, u64)]) -> BTreeMap<u64, BTreeMap<u64, u64>> {
    let mut times: BTreeMap<u64, BTreeMap<u64, u64>> = BTreeMap::new();
    for (step, generation) in commits {
        let of_step = times.entry(*step).or_default();
        *of_step.entry(*generation).or_default() += 1;
    }
    times
}

/// Position and case of every sample of some steps.
fn samples(rows: &[HistoryRow]) -> impl Iterator<Item = (u64, u32)> + '_ {
    let trained = rows.iter().filter_map(|row| row.trained.as_ref());
    trained.flat_map(|trained| {
        let positions = trained.positions.iter().copied();
        positions.zip(trained.cases.iter().copied())
    })
}

/// How often each position was trained on.
fn times(rows: &[HistoryRow]) -> BTreeMap<u64, u64> {
    let mut times = BTreeMap::new();
    for (position, _) in samples(rows) {
        *times.entry(position).or_default() += 1;
    }
    times
}

fn cases(rows: &[HistoryRow]) -> BTreeMap<u64, u64> {
    let samples = samples(rows);
    samples
        .map(|(position, case)| (position, u64::from(case)))
        .collect()
}

fn losses(rows: &[HistoryRow]) -> BTreeMap<u64, u64> {
    let bits = |row: &HistoryRow| (row.step, row.loss().to_bits());
    rows.iter().map(bits).collect()
}

/// How many keys both have, with another value.
fn unlike(ours: &BTreeMap<u64, u64>, theirs: &BTreeMap<u64, u64>) -> u64 {
    let differs =
        |(key, value): &(&u64, &u64)| theirs.get(key).is_some_and(|other| other != *value);
    ours.iter().filter(differs).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_telemetry::LOSS;

    const BATCH: u64 = 8;

    fn with_loss(step: u64, loss: f64) -> HistoryRow {
        HistoryRow {
            step,
            generation: 1,
            metrics: [(LOSS, loss)].into_iter().collect(),
            ..HistoryRow::default()
        }
    }

    /// A step as it should be recorded.
    fn row(step: u64) -> HistoryRow {
        let positions: Vec<u64> = ((step - 1) * BATCH..step * BATCH).collect();
        let cases = positions.iter().map(|position| (position % 5) as u32);
        let mut row = with_loss(step, 1.0 / step as f64);
        row.samples = step * BATCH;
        let trained = row.trained.get_or_insert_default();
        trained.cases = cases.collect();
        trained.positions = positions;
        row
    }

    fn audit(
        rows: &[HistoryRow],
        commits: &[(u64, u64)],
        undisturbed: Option<&[HistoryRow]>,
    ) -> SampleAudit {
        let (batch, last) = (BATCH, 3);
        SampleAudit::of(
            Left {
                rows,
                commits,
                batch,
                began: (0, 0),
                last,
            },
            undisturbed,
        )
    }

    fn whole() -> Vec<HistoryRow> {
        (1..=3).map(row).collect()
    }

    #[test]
    fn a_run_with_each_sample_once_and_the_same_losses_is_whole() {
        let whole = whole();
        let expected = SampleAudit {
            steps_unlike: Some(0),
            samples_unlike: Some(0),
            ..SampleAudit::default()
        };
        assert_eq!(audit(&whole, &[(2, 1), (3, 2)], Some(&whole)), expected);
    }

    #[test]
    fn a_lost_sample_is_found_although_the_count_of_samples_is_right() {
        let mut rows = whole();
        for list in [1, 4] {
            rows[1]
                .trained
                .get_or_insert_default()
                .positions
                .remove(list);
            rows[1].trained.get_or_insert_default().cases.remove(list);
        }
        let found = audit(&rows, &[], None);
        assert_eq!((found.samples_lost, found.samples_doubled), (2, 0));
        assert_eq!(rows[1].samples, 16);
    }

    #[test]
    fn a_sample_in_two_steps_or_twice_in_one_is_doubled() {
        let mut rows = whole();
        // In the place of another one, which is lost.
        rows[2].trained.get_or_insert_default().positions[0] = 3;
        let found = audit(&rows, &[], None);
        assert_eq!((found.samples_lost, found.samples_doubled), (1, 1));
        let mut rows = whole();
        rows[0].trained.get_or_insert_default().positions.push(2);
        rows[0].trained.get_or_insert_default().cases.push(2);
        let found = audit(&rows, &[], None);
        assert_eq!((found.samples_lost, found.samples_doubled), (0, 1));
    }

    #[test]
    fn a_slot_that_two_ranks_trained_on_in_place_of_the_next_is_lost_and_doubled() {
        let mut rows = whole();
        rows[0].trained.get_or_insert_default().positions = vec![0, 1, 2, 3, 0, 1, 2, 3];
        let found = audit(&rows, &[], None);
        assert_eq!((found.samples_lost, found.samples_doubled), (4, 4));
    }

    #[test]
    fn a_step_beyond_the_last_is_doubled() {
        let mut rows = whole();
        rows.push(row(4));
        let found = audit(&rows, &[], None);
        assert_eq!((found.samples_lost, found.samples_doubled), (0, 8));
    }

    #[test]
    fn a_step_that_the_history_lacks_is_no_lost_sample() {
        let found = audit(&whole()[1..], &[], None);
        assert_eq!((found.samples_lost, found.samples_doubled), (0, 0));
        assert_eq!(
            (found.history_missing.as_slice(), found.n_missing()),
            (&[(1, 1)][..], 1)
        );
        let none = audit(&[], &[], None);
        assert_eq!((none.samples_lost, none.n_missing()), (0, 3));
    }

    #[test]
    fn a_fork_begins_at_its_step_and_at_the_samples_of_the_other_run() {
        let rows: Vec<_> = (2..=3).map(row).collect();
        let left = |began| Left {
            rows: &rows,
            commits: &[],
            batch: BATCH,
            began,
            last: 3,
        };
        let found = Positions::of(left((1, BATCH)));
        assert!(found.lost.is_empty() && found.doubled.is_empty() && found.missing.is_empty());
        assert_eq!(left((1, BATCH)).step_of(2 * BATCH), 3);
        let found = Positions::of(left((1, 0)));
        assert_eq!((found.lost.len(), found.doubled.len()), (8, 8));
    }

    #[test]
    fn a_step_whose_record_is_empty_has_lost_its_samples() {
        let mut rows = whole();
        rows[1].trained = None;
        assert_eq!(audit(&rows, &[], None).samples_lost, 8);
    }

    #[test]
    fn another_case_in_a_position_is_found() {
        let mut rows = whole();
        rows[1].trained.get_or_insert_default().cases[3] += 1;
        assert_eq!(audit(&rows, &[], Some(&whole())).samples_unlike, Some(1));
        assert_eq!(audit(&rows, &[], None).samples_unlike, None);
    }

    #[test]
    fn another_loss_is_found() {
        let mut rows = whole();
        rows[2].metrics = with_loss(3, rows[2].loss() + 1e-12).metrics;
        assert_eq!(audit(&rows, &[], Some(&whole())).steps_unlike, Some(1));
        assert_eq!(audit(&rows, &[], None).steps_unlike, None);
    }

    #[test]
    fn a_checkpoint_committed_twice_is_told_from_one_that_a_later_generation_wrote_again() {
        let found = audit(&whole(), &[(2, 1), (2, 1), (3, 1), (3, 2)], None);
        assert_eq!((found.commits_doubled, found.commits_again), (1, 1));
    }
}
