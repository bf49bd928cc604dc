//! Whether every sample was trained on once: from the history and the journal that a run left, and an undisturbed one's.

use std::collections::BTreeMap;

use fratmae_coordinator::HistoryRow;
use serde::Serialize;

/// What a run's records come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Ledger {
    /// Samples of steps that have no row, and those that the weights' lineage lacks at some step.
    pub(crate) samples_lost: u64,
    /// Samples that the lineage has at some step beyond a batch a step, and those of steps beyond the last.
    pub(crate) samples_doubled: u64,
    /// Steps whose loss has other bits than the undisturbed run's; nothing where that run is not there to compare with.
    pub(crate) steps_unlike: Option<u64>,
    /// Commits of one checkpoint beyond its first.
    pub(crate) commits_doubled: u64,
    /// Steps that were committed again by a later generation, because their checkpoint was damaged or never finished.
    pub(crate) commits_again: u64,
}

/// What a run left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left<'a> {
    /// The figures of every step.
    pub(crate) rows: &'a [HistoryRow],
    /// Step and generation of each commit, as the journal has them.
    pub(crate) commits: &'a [(u64, u64)],
    /// Samples of a step.
    pub(crate) batch: u64,
    /// The last step of the job.
    pub(crate) last: u64,
}

impl Ledger {
    /// Works it out.
    pub(crate) fn of(left: Left<'_>, undisturbed: Option<&[HistoryRow]>) -> Self {
        let missing = (1..=left.last).filter(|step| !left.rows.iter().any(|row| row.step == *step));
        let beyond = left.rows.iter().filter(|row| row.step > left.last);
        let (missing, beyond) = (missing.count() as u64, beyond.count() as u64);
        let wanted = |row: &HistoryRow| row.step * left.batch;
        let lacking = left
            .rows
            .iter()
            .map(|row| wanted(row).saturating_sub(row.figures.samples));
        let further = left
            .rows
            .iter()
            .map(|row| row.figures.samples.saturating_sub(wanted(row)));
        let mut commits: BTreeMap<u64, BTreeMap<u64, u64>> = BTreeMap::new();
        for (step, generation) in left.commits {
            *commits
                .entry(*step)
                .or_default()
                .entry(*generation)
                .or_default() += 1;
        }
        let times = commits
            .values()
            .flat_map(|generations| generations.values());
        Self {
            samples_lost: missing * left.batch + lacking.max().unwrap_or(0),
            samples_doubled: beyond * left.batch + further.max().unwrap_or(0),
            steps_unlike: undisturbed.map(|rows| unlike(left.rows, rows)),
            commits_doubled: times.map(|times| times - 1).sum(),
            commits_again: commits
                .values()
                .map(|generations| generations.len() as u64 - 1)
                .sum(),
        }
    }
}

/// Steps of which both have a row, with another loss.
fn unlike(rows: &[HistoryRow], undisturbed: &[HistoryRow]) -> u64 {
    let losses = |rows: &[HistoryRow]| -> BTreeMap<u64, u64> {
        rows.iter()
            .map(|row| (row.step, row.figures.loss.to_bits()))
            .collect()
    };
    let (ours, theirs) = (losses(rows), losses(undisturbed));
    let differs =
        |(step, loss): &(&u64, &u64)| theirs.get(step).is_some_and(|other| other != *loss);
    ours.iter().filter(differs).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step's figures; samples are of the whole lineage.
    fn row(step: u64) -> HistoryRow {
        let mut row = HistoryRow {
            step,
            generation: 1,
            figures: Default::default(),
        };
        (row.figures.samples, row.figures.loss) = (8 * step, 1.0 / step as f64);
        row
    }

    fn ledger(
        rows: &[HistoryRow],
        commits: &[(u64, u64)],
        undisturbed: Option<&[HistoryRow]>,
    ) -> Ledger {
        let (batch, last) = (8, 3);
        Ledger::of(
            Left {
                rows,
                commits,
                batch,
                last,
            },
            undisturbed,
        )
    }

    fn whole() -> Vec<HistoryRow> {
        (1..=3).map(row).collect()
    }

    #[test]
    fn a_run_with_each_step_once_and_the_same_losses_is_whole() {
        let whole = whole();
        let expected = Ledger {
            steps_unlike: Some(0),
            ..Ledger::default()
        };
        assert_eq!(ledger(&whole, &[(2, 1), (3, 2)], Some(&whole)), expected);
    }

    #[test]
    fn a_missing_step_is_lost_and_a_further_one_doubled() {
        assert_eq!(ledger(&whole()[1..], &[], None).samples_lost, 8);
        let mut rows = whole();
        rows.push(row(4));
        let found = ledger(&rows, &[], None);
        assert_eq!((found.samples_lost, found.samples_doubled), (0, 8));
    }

    #[test]
    fn a_lineage_with_too_few_or_too_many_samples_is_found() {
        let mut rows = whole();
        rows[1].figures.samples -= 3;
        assert_eq!(ledger(&rows, &[], None).samples_lost, 3);
        rows[2].figures.samples += 5;
        assert_eq!(ledger(&rows, &[], None).samples_doubled, 5);
    }

    #[test]
    fn another_loss_is_another_sample() {
        let mut rows = whole();
        rows[2].figures.loss += 1e-12;
        assert_eq!(ledger(&rows, &[], Some(&whole())).steps_unlike, Some(1));
        assert_eq!(ledger(&rows, &[], None).steps_unlike, None);
    }

    #[test]
    fn a_checkpoint_committed_twice_is_told_from_one_that_a_later_generation_wrote_again() {
        let found = ledger(&whole(), &[(2, 1), (2, 1), (3, 1), (3, 2)], None);
        assert_eq!((found.commits_doubled, found.commits_again), (1, 1));
    }
}
