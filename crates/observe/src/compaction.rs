//! How rows of the past become fewer: many steps of a rank become one row, and stretches of a process one stretch.

use crate::ledger::{LedgerRow, RankRow};
use crate::name::RankFile;
use fratmae_telemetry::{Account, Accounts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Steps of a block.
const BLOCK: u64 = 100;

/// Rows of single steps that a run keeps at most, whatever its number of ranks.
const ROWS: u64 = 2_000_000;

/// Newest steps that keep a row each, as long as that does not make more than [`ROWS`].
const STEPS: u64 = 10_000;

/// One rank's time in up to a hundred steps of one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankBlock {
    pub first_step: u64,
    pub last_step: u64,
    /// Steps that it is of: fewer than lie between if some had no row.
    pub steps: u32,
    pub generation: u64,
    pub rank: u32,
    pub worker: String,
    pub host: String,
    pub slots: u32,
    /// When its first and its last step ended, in milliseconds since 1970 by the coordinator's clock.
    pub first_unix_ms: u64,
    pub last_unix_ms: u64,
    /// Nanoseconds of all its steps.
    pub sum: Accounts,
    /// Of each account by itself, over the steps.
    pub least: Accounts,
    pub median: Accounts,
    pub most: Accounts,
}

/// Whether a file's rows are old enough to become blocks, in a run of so many ranks whose newest step this is.
#[must_use]
pub fn is_due(file: RankFile, newest: u64, ranks: u32) -> bool {
    let kept = STEPS.min(ROWS / u64::from(ranks.max(1)));
    file.last().saturating_add(kept) <= newest
}

/// The blocks of some rows, in the order of steps and ranks.
#[must_use]
pub fn compact(rows: &[RankRow]) -> Vec<RankBlock> {
    let mut blocks: BTreeMap<_, Vec<&RankRow>> = BTreeMap::new();
    for row in rows {
        let block = row.step.saturating_sub(1) / BLOCK;
        let key = (block, row.generation, row.rank, row.slots, &row.worker);
        blocks.entry(key).or_default().push(row);
    }
    blocks
        .into_values()
        .filter_map(|rows| block(&rows))
        .collect()
}

fn block(rows: &[&RankRow]) -> Option<RankBlock> {
    let first = rows.iter().min_by_key(|row| row.step)?;
    let last = rows.iter().max_by_key(|row| row.step)?;
    let mut block = RankBlock {
        first_step: first.step,
        last_step: last.step,
        steps: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        generation: first.generation,
        rank: first.rank,
        worker: first.worker.clone(),
        host: first.host.clone(),
        slots: first.slots,
        first_unix_ms: first.unix_ms,
        last_unix_ms: last.unix_ms,
        ..RankBlock::default()
    };
    for account in Account::ALL.iter().copied() {
        let mut values: Vec<u64> = rows.iter().map(|row| row.accounts[account]).collect();
        values.sort_unstable();
        block.sum[account] = values
            .iter()
            .fold(0, |sum, value| sum.saturating_add(*value));
        block.least[account] = values[0];
        block.median[account] = values[values.len() / 2];
        block.most[account] = values[values.len() - 1];
    }
    Some(block)
}

/// Joins stretches of the same process and generation that follow each other, as long as a stretch is shorter than
/// `shortest_ms`. No nanosecond is lost. Rows of a process must be in their order.
#[must_use]
pub fn join_stretches(
    rows: impl IntoIterator<Item = LedgerRow>,
    shortest_ms: u64,
) -> Vec<LedgerRow> {
    let mut joined: Vec<LedgerRow> = Vec::new();
    // Where the newest stretch of each process is.
    let mut newest: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for row in rows {
        let process = (row.worker.clone(), row.incarnation);
        let before = newest.get(&process).map(|place| &mut joined[*place]);
        match before {
            Some(before) if follows(before, &row, shortest_ms) => {
                before.to_step = row.to_step;
                before.end_unix_ms = row.end_unix_ms;
                before.accounts += row.accounts;
                before.lost += row.lost;
            }
            _ => {
                newest.insert(process, joined.len());
                joined.push(row);
            }
        }
    }
    joined
}

fn follows(before: &LedgerRow, row: &LedgerRow, shortest_ms: u64) -> bool {
    let lasted = before.end_unix_ms.saturating_sub(before.begin_unix_ms);
    lasted < shortest_ms && before.generation == row.generation && before.host == row.host
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Lost;

    fn row(step: u64, rank: u32, load: u64) -> RankRow {
        RankRow {
            step,
            generation: 1,
            rank,
            unix_ms: step * 1_000,
            accounts: [(Account::Load, load), (Account::Forward, 5)]
                .into_iter()
                .collect(),
            ..RankRow::default()
        }
    }

    #[test]
    fn a_block_keeps_the_sum_and_how_far_its_steps_were_apart() {
        let rows: Vec<_> = (1..=150)
            .flat_map(|step| [row(step, 0, step), row(step, 1, 7)])
            .collect();
        let blocks = compact(&rows);
        let steps: Vec<_> = blocks
            .iter()
            .map(|block| (block.first_step, block.last_step, block.rank, block.steps))
            .collect();
        assert_eq!(
            steps,
            [
                (1, 100, 0, 100),
                (1, 100, 1, 100),
                (101, 150, 0, 50),
                (101, 150, 1, 50)
            ]
        );
        let first = &blocks[0];
        let load = |accounts: &Accounts| accounts[Account::Load];
        assert_eq!(load(&first.sum), 5_050);
        assert_eq!(
            [&first.least, &first.median, &first.most].map(load),
            [1, 51, 100]
        );
        assert_eq!((first.first_unix_ms, first.last_unix_ms), (1_000, 100_000));
        let sum = |accounts: Vec<Accounts>| accounts.iter().map(Accounts::total).sum::<u64>();
        assert_eq!(
            sum(blocks.iter().map(|block| block.sum).collect()),
            sum(rows.iter().map(|row| row.accounts).collect())
        );
        assert!(compact(&[]).is_empty());
    }

    #[test]
    fn generations_stay_apart() {
        let mut again = row(3, 0, 1);
        again.generation = 2;
        assert_eq!(compact(&[row(3, 0, 1), again]).len(), 2);
    }

    #[test]
    fn rows_stay_for_as_long_as_they_are_few() {
        let file = RankFile {
            first: 1,
            generation: 1,
            fence: 1,
        };
        assert!(!is_due(file, 10_999, 4));
        assert!(is_due(file, 11_000, 4));
        assert!(!is_due(file, 4_905, 512));
        assert!(is_due(file, 4_906, 512));
        assert!(is_due(file, u64::MAX, 0));
    }

    fn stretch(worker: &str, begin_s: u64, generation: u64) -> LedgerRow {
        LedgerRow {
            worker: worker.to_owned(),
            generation,
            from_step: begin_s,
            to_step: begin_s + 1,
            begin_unix_ms: begin_s * 1_000,
            end_unix_ms: (begin_s + 1) * 1_000,
            accounts: [(Account::Wait, 3)].into_iter().collect(),
            lost: Lost {
                partial: 1,
                ..Lost::default()
            },
            ..LedgerRow::default()
        }
    }

    #[test]
    fn short_stretches_of_one_process_and_generation_are_joined_and_nothing_is_lost() {
        let rows = (0..10).flat_map(|second| {
            [
                stretch("a", second, 1 + second / 5),
                stretch("b", second, 1),
            ]
        });
        let joined = join_stretches(rows, 3_000);
        let shown: Vec<_> = joined
            .iter()
            .map(|row| {
                (
                    row.worker.as_str(),
                    row.generation,
                    row.from_step,
                    row.to_step,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("a", 1, 0, 3),
                ("b", 1, 0, 3),
                ("a", 1, 3, 5),
                ("b", 1, 3, 6),
                ("a", 2, 5, 8),
                ("b", 1, 6, 9),
                ("a", 2, 8, 10),
                ("b", 1, 9, 10)
            ]
        );
        let wait: u64 = joined.iter().map(|row| row.accounts[Account::Wait]).sum();
        let partial: u64 = joined.iter().map(|row| row.lost.partial).sum();
        assert_eq!((wait, partial), (60, 20));
        assert_eq!(joined[0].end_unix_ms, 3_000);
    }
}
