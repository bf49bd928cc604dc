//! Time of each rank in each step, and maps of it with no more columns than are asked for.

use fratmae_observe::{RankBlock, RankRow};
use fratmae_telemetry::{Account, Accounts};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Rows at most: the oldest are dropped beyond them.
const MOST: usize = 1_000_000;

/// What a rank does by itself in a step.
const OWN: [Account; 4] = [
    Account::Load,
    Account::Forward,
    Account::Backward,
    Account::Optimizer,
];

/// One rank's time in one step, or in several in a row.
#[derive(Clone, Debug)]
struct Cell {
    first: u64,
    last: u64,
    generation: u64,
    rank: u32,
    slots: u32,
    /// Its worker and host, by their place in the names.
    who: u32,
    /// Mean seconds of a step, by account.
    seconds: [f32; Account::ALL.len()],
}

/// What is known of ranks, file by file, since a file is written again while it grows.
#[derive(Debug, Default)]
pub(crate) struct Ranks {
    files: BTreeMap<String, Vec<Cell>>,
    names: Vec<(String, String)>,
}

/// What a map shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The whole step.
    Step,
    /// What the rank does by itself: load, forward, backward, optimizer.
    Own,
    One(Account),
}

/// Ranks by steps.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Map {
    pub(crate) metric: &'static str,
    /// What can be asked for.
    pub(crate) metrics: Vec<&'static str>,
    pub(crate) relative: bool,
    /// Of the values: seconds of a step, or none if they are relative to the median rank's.
    pub(crate) unit: &'static str,
    /// Steps in a column, at most.
    pub(crate) per_column: u64,
    /// First and last step of each column.
    pub(crate) first: Vec<u64>,
    pub(crate) last: Vec<u64>,
    pub(crate) ranks: Vec<Rank>,
    /// A row for each rank; null where there is no figure.
    pub(crate) values: Vec<Vec<Option<f32>>>,
}

/// A row of a map: a rank, and who had it last.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rank {
    pub(crate) rank: u32,
    pub(crate) worker: String,
    pub(crate) host: String,
}

impl Measure {
    /// All of them, by name.
    pub(crate) fn all() -> Vec<&'static str> {
        let accounts = Account::ALL
            .iter()
            .filter(|account| is_of_a_step(**account));
        let accounts = accounts.map(|account| account.name());
        ["step", "compute"].into_iter().chain(accounts).collect()
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "step" => Some(Self::Step),
            "compute" => Some(Self::Own),
            name => Account::ALL
                .iter()
                .copied()
                .find(|account| account.name() == name && is_of_a_step(*account))
                .map(Self::One),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Own => "compute",
            Self::One(account) => account.name(),
        }
    }

    fn of_cell(self, cell: &Cell) -> f32 {
        let one = |account: &Account| cell.seconds[*account as usize];
        match self {
            Self::Step => cell.seconds.iter().sum(),
            Self::Own => OWN.iter().map(one).sum(),
            Self::One(account) => one(&account),
        }
    }
}

const fn is_of_a_step(account: Account) -> bool {
    matches!(
        account,
        Account::Load
            | Account::Forward
            | Account::Backward
            | Account::Optimizer
            | Account::Transfer
            | Account::Wait
            | Account::Checkpoint
    )
}

impl Ranks {
    /// Takes a file's rows in, instead of what it had before.
    pub(crate) fn replace(&mut self, file: &str, rows: &[RankRow]) {
        let cell = |row: &RankRow| Cell {
            first: row.step,
            last: row.step,
            generation: row.generation,
            rank: row.rank,
            slots: row.slots,
            who: self.who(&row.worker, &row.host),
            seconds: seconds(&row.accounts, 1),
        };
        let cells = rows.iter().map(cell).collect();
        self.insert(file, cells);
    }

    /// The same with rows of many steps each.
    pub(crate) fn replace_blocks(&mut self, file: &str, blocks: &[RankBlock]) {
        let cell = |block: &RankBlock| Cell {
            first: block.first_step,
            last: block.last_step.max(block.first_step),
            generation: block.generation,
            rank: block.rank,
            slots: block.slots,
            who: self.who(&block.worker, &block.host),
            seconds: seconds(&block.sum, block.steps),
        };
        let cells = blocks.iter().map(cell).collect();
        self.insert(file, cells);
    }

    fn insert(&mut self, file: &str, cells: Vec<Cell>) {
        self.files.insert(file.to_owned(), cells);
        self.bound();
    }

    /// Keeps only the files that are still there.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.files.retain(|file, _| is_there(file));
    }

    /// Drops the oldest files beyond what is kept; their names sort by step.
    fn bound(&mut self) {
        let mut total: usize = self.files.values().map(Vec::len).sum();
        while total > MOST && self.files.len() > 1 {
            let dropped = self.files.pop_first();
            total -= dropped.map_or(0, |(_, cells)| cells.len());
        }
    }

    fn who(&mut self, worker: &str, host: &str) -> u32 {
        let is_known = |(known, at): &(String, String)| known == worker && at == host;
        let place = self.names.iter().position(is_known).unwrap_or_else(|| {
            self.names.push((worker.to_owned(), host.to_owned()));
            self.names.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// A map of some steps, of `columns` columns at most.
    pub(crate) fn map(
        &self,
        measure: Measure,
        is_relative: bool,
        steps: RangeInclusive<u64>,
        columns: u64,
    ) -> Map {
        let cells = self.valid(&steps);
        let first = cells.first().map_or(0, |cell| cell.first);
        let end = cells.iter().map(|cell| cell.last).max().unwrap_or(0);
        let n_steps = match cells.is_empty() {
            true => 0,
            false => end.saturating_add(1).saturating_sub(first),
        };
        let per_column = n_steps.div_ceil(columns.max(1)).max(1);
        let n_columns = usize::try_from(n_steps.div_ceil(per_column)).unwrap_or(0);
        let who: BTreeMap<u32, u32> = cells.iter().map(|cell| (cell.rank, cell.who)).collect();
        let rows: BTreeMap<u32, usize> = who.keys().copied().zip(0..).collect();
        let mut sums = vec![vec![(0.0_f32, 0.0_f32); n_columns]; rows.len()];
        for group in cells.chunk_by(|one, next| one.first == next.first) {
            let median =
                is_relative.then(|| median(group.iter().map(|cell| per_slot(measure, cell))));
            for cell in group {
                let value = match median {
                    Some(median) => per_slot(measure, cell) / median,
                    None => measure.of_cell(cell),
                };
                // A block of many steps lies in all columns that it covers.
                let columns = (cell.first - first) / per_column..=(cell.last - first) / per_column;
                for column in columns.filter_map(|column| usize::try_from(column).ok()) {
                    let (sum, count) = &mut sums[rows[&cell.rank]][column];
                    if value.is_finite() {
                        *sum += value;
                        *count += 1.0;
                    }
                }
            }
        }
        let value = |(sum, count): (f32, f32)| (count > 0.0).then(|| sum / count);
        let bounds = (0..n_columns as u64).map(|column| first.saturating_add(column * per_column));
        let rank = |(rank, who): (&u32, &u32)| {
            let (worker, host) = self.names[*who as usize].clone();
            Rank {
                rank: *rank,
                worker,
                host,
            }
        };
        Map {
            metric: measure.name(),
            metrics: Measure::all(),
            relative: is_relative,
            unit: if is_relative { "" } else { "s" },
            per_column,
            first: bounds.clone().collect(),
            last: bounds
                .map(|first| first.saturating_add(per_column - 1).min(end))
                .collect(),
            ranks: who.iter().map(rank).collect(),
            values: sums
                .into_iter()
                .map(|row| row.into_iter().map(value).collect())
                .collect(),
        }
    }

    /// The rows of some steps in order, each step as its newest generation applied it.
    fn valid(&self, steps: &RangeInclusive<u64>) -> Vec<&Cell> {
        let cells = self.files.values().flatten();
        let inside = |cell: &&Cell| cell.last >= *steps.start() && cell.first <= *steps.end();
        let mut cells: Vec<&Cell> = cells.filter(inside).collect();
        cells.sort_by_key(|cell| (cell.first, std::cmp::Reverse(cell.generation), cell.rank));
        let mut seen = BTreeSet::new();
        let groups = cells.chunk_by(|one, next| one.first == next.first);
        let newest = groups.flat_map(|group| {
            let newest = group[0].generation;
            group
                .iter()
                .copied()
                .filter(move |cell| cell.generation == newest)
        });
        newest
            .filter(|cell| seen.insert((cell.first, cell.rank)))
            .collect()
    }
}

fn seconds(accounts: &Accounts, steps: u32) -> [f32; Account::ALL.len()] {
    let mut seconds = [0.0; Account::ALL.len()];
    for (account, nanoseconds) in accounts.iter() {
        seconds[account as usize] = (nanoseconds as f64 / 1e9 / f64::from(steps.max(1))) as f32;
    }
    seconds
}

/// Ranks that have more slots take longer, and are not slower for that.
fn per_slot(measure: Measure, cell: &Cell) -> f32 {
    measure.of_cell(cell) / cell.slots.max(1) as f32
}

fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut sorted: Vec<f32> = values.collect();
    sorted.sort_by(f32::total_cmp);
    let upper = sorted[sorted.len() / 2];
    let lower = sorted[(sorted.len() - 1) / 2];
    f32::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64, rank: u32, forward_ms: u64) -> RankRow {
        RankRow {
            step,
            generation: 1,
            rank,
            worker: format!("local-{rank}"),
            host: "h".to_owned(),
            slots: 2,
            accounts: [(Account::Forward, forward_ms * 1_000_000)]
                .into_iter()
                .collect(),
            ..RankRow::default()
        }
    }

    fn ranks(rows: &[RankRow]) -> Ranks {
        let mut ranks = Ranks::default();
        ranks.replace("history/ranks-1", rows);
        ranks
    }

    const FORWARD: Measure = Measure::One(Account::Forward);

    #[test]
    fn a_missing_figure_is_null_and_not_zero() {
        let ranks = ranks(&[row(1, 0, 10), row(1, 1, 20), row(3, 0, 30)]);
        let map = ranks.map(FORWARD, false, 0..=u64::MAX, 512);
        assert_eq!(
            (map.first.clone(), map.last.clone()),
            (vec![1, 2, 3], vec![1, 2, 3])
        );
        assert_eq!(map.values[0], [Some(0.01), None, Some(0.03)]);
        assert_eq!(map.values[1], [Some(0.02), None, None]);
        assert_eq!((map.ranks[1].worker.as_str(), map.unit), ("local-1", "s"));
    }

    #[test]
    fn a_rank_with_more_slots_is_not_slower() {
        let mut rows: Vec<_> = (0..4).map(|rank| row(1, rank, 20)).collect();
        rows[3].slots = 3;
        rows[3].accounts[Account::Forward] = 30_000_000;
        let map = ranks(&rows).map(FORWARD, true, 0..=u64::MAX, 512);
        assert!(map.values.iter().all(|row| row[0] == Some(1.0)), "{map:?}");
        rows[3].accounts[Account::Forward] = 60_000_000;
        let map = ranks(&rows).map(FORWARD, true, 0..=u64::MAX, 512);
        assert_eq!(map.values[3], [Some(2.0)]);
    }

    #[test]
    fn many_steps_become_columns_of_means() {
        let rows: Vec<_> = (1..=10).map(|step| row(step, 0, step * 10)).collect();
        let map = ranks(&rows).map(FORWARD, false, 0..=u64::MAX, 3);
        assert_eq!((map.per_column, map.first.clone()), (4, vec![1, 5, 9]));
        assert_eq!(map.last, [4, 8, 10]);
        let shown: Vec<i32> = map.values[0]
            .iter()
            .map(|it| (it.unwrap() * 1e3).round() as i32)
            .collect();
        assert_eq!(shown, [25, 65, 95]);
        let part = ranks(&rows).map(FORWARD, false, 4..=5, 3);
        assert_eq!(part.first, [4, 5]);
    }

    #[test]
    fn a_step_that_was_done_again_is_shown_as_its_newest_group_did_it() {
        let mut ranks = ranks(&[row(1, 0, 10), row(1, 1, 10), row(2, 0, 10)]);
        let mut again = row(1, 0, 50);
        again.generation = 2;
        ranks.replace("history/ranks-2", &[again.clone()]);
        let map = ranks.map(FORWARD, false, 0..=u64::MAX, 9);
        assert_eq!(map.values, [[Some(0.05), Some(0.01)]]);
        again.accounts[Account::Forward] = 0;
        ranks.replace("history/ranks-2", &[]);
        ranks.retain(|file| file == "history/ranks-1");
        assert_eq!(ranks.map(FORWARD, false, 0..=u64::MAX, 9).ranks.len(), 2);
        ranks.retain(|_| false);
        assert!(ranks.map(Measure::Step, true, 0..=9, 9).first.is_empty());
    }

    #[test]
    fn a_block_of_many_steps_fills_the_columns_that_it_covers() {
        let mut ranks = ranks(&[row(101, 0, 30)]);
        let block = RankBlock {
            first_step: 1,
            last_step: 100,
            steps: 50,
            slots: 2,
            sum: [(Account::Forward, 500_000_000)].into_iter().collect(),
            ..RankBlock::default()
        };
        ranks.replace_blocks("history/blocks-1", &[block]);
        let map = ranks.map(FORWARD, false, 0..=u64::MAX, 3);
        assert_eq!(map.per_column, 34);
        assert_eq!(map.values[0][..2], [Some(0.01), Some(0.01)]);
        assert_eq!(map.values[0][2].map(|it| (it * 1e3).round()), Some(20.0));
    }

    #[test]
    fn every_measure_has_a_name_that_finds_it() {
        for name in Measure::all() {
            assert_eq!(Measure::of(name).map(Measure::name), Some(name));
        }
        assert_eq!(Measure::of("standby"), None);
    }
}
