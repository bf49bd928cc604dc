//! Where the time of steps went, by TensorBoard's tags.

use std::{collections::BTreeMap, iter::Peekable, vec::IntoIter};

use anyhow::Result;
use fratmae_observe::{LedgerRow, OF_A_STEP, RankRow, Records, Snapshot, Totals, current};
use fratmae_telemetry::Accounts;

/// Of a run that was recorded.
#[derive(Debug)]
pub(super) struct Times {
    /// The ranks of each step.
    ranks: BTreeMap<u64, Vec<RankRow>>,
    /// In the order of their ends.
    ledger: Peekable<IntoIter<LedgerRow>>,
    /// Of the rows that were taken.
    totals: Totals,
}

impl Default for Times {
    fn default() -> Self {
        Self::of(Vec::new(), Vec::new())
    }
}

impl Times {
    /// What the records of a run say of single steps; further, files that cannot be read, a line each.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn read(records: &Records) -> Result<(Self, Vec<String>)> {
        let (ranks, ledger) = (records.ranks(0..=u64::MAX).await?, records.ledger().await?);
        let damaged = [ranks.damaged, ledger.damaged].concat();
        Ok((Self::of(ranks.rows, ledger.rows), damaged))
    }

    fn of(ranks: Vec<RankRow>, mut ledger: Vec<LedgerRow>) -> Self {
        let mut steps: BTreeMap<u64, Vec<RankRow>> = BTreeMap::new();
        for row in current(ranks) {
            steps.entry(row.step).or_default().push(row);
        }
        ledger.sort_by_key(|row| row.end_unix_ms);
        Self {
            ranks: steps,
            ledger: ledger.into_iter().peekable(),
            totals: Totals::default(),
        }
    }

    /// The values of a step; steps are asked for in their order.
    pub(super) fn of_step(&mut self, step: u64) -> Vec<(String, f64)> {
        let Some(rows) = self.ranks.remove(&step) else {
            return Vec::new();
        };
        let end = rows.iter().map(|row| row.unix_ms).max().unwrap_or(0);
        while let Some(row) = self.ledger.next_if(|row| row.end_unix_ms <= end) {
            self.totals.accounts += row.accounts;
            self.totals.lost += row.lost;
        }
        let mut sum = Accounts::default();
        rows.iter().for_each(|row| sum += row.accounts);
        tagged(&sum, rows.len(), self.totals)
    }
}

/// Of a run that goes on, from one snapshot of it to the next.
#[derive(Debug, Default)]
pub(super) struct Course {
    unix_ms: u64,
    step: u64,
    accounts: Accounts,
}

impl Course {
    /// The values since the snapshot before; none if this is the same, or tells of no step.
    pub(super) fn take(&mut self, snapshot: &Snapshot) -> Vec<(String, f64)> {
        let before = Self {
            unix_ms: snapshot.unix_ms,
            step: snapshot.step,
            accounts: snapshot.accounts,
        };
        let before = match snapshot.unix_ms == self.unix_ms {
            true => return Vec::new(),
            false => std::mem::replace(self, before),
        };
        let steps = snapshot.step.saturating_sub(before.step);
        if before.unix_ms == 0 || steps == 0 {
            return Vec::new();
        }
        let members = snapshot.workers.iter().filter(|it| it.rank.is_some());
        let shares = members.count() * usize::try_from(steps).unwrap_or(usize::MAX);
        let spent = snapshot.accounts.since(&before.accounts);
        tagged(&spent, shares, Totals::of(snapshot))
    }
}

/// Seconds in each account of a step, of a sum over so many steps of ranks, and goodput until then.
fn tagged(sum: &Accounts, shares: usize, totals: Totals) -> Vec<(String, f64)> {
    let spent = OF_A_STEP.into_iter().map(|account| (account, sum[account]));
    let spent = spent.filter(|(_, nanoseconds)| *nanoseconds > 0 && shares > 0);
    let spent = spent.map(|(account, nanoseconds)| {
        let seconds = nanoseconds as f64 / 1e9 / shares as f64;
        (format!("time/{}", account.name()), seconds)
    });
    let goodput = totals.ratios().goodput;
    let goodput = goodput.map(|goodput| ("goodput".to_owned(), goodput));
    spent.chain(goodput).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_observe::WorkerView;
    use fratmae_telemetry::Account;

    fn accounts(forward: u64, wait: u64) -> Accounts {
        let spent = [(Account::Forward, forward), (Account::Wait, wait)];
        let spent = spent.map(|(account, seconds)| (account, seconds * 1_000_000_000));
        spent.into_iter().collect()
    }

    fn row(step: u64, rank: u32, wait: u64) -> RankRow {
        RankRow {
            step,
            rank,
            unix_ms: 1_000 * step,
            accounts: accounts(2, wait),
            ..RankRow::default()
        }
    }

    fn named(values: Vec<(String, f64)>) -> BTreeMap<String, f64> {
        values.into_iter().collect()
    }

    #[test]
    fn a_step_has_the_mean_of_its_ranks_and_goodput_of_what_had_ended_by_then() {
        let ledger = [(1_500, 1), (2_500, 5)].map(|(end_unix_ms, wait)| LedgerRow {
            end_unix_ms,
            accounts: accounts(3, wait),
            ..LedgerRow::default()
        });
        let ranks = vec![row(1, 0, 0), row(2, 0, 1), row(2, 1, 3), row(3, 0, 0)];
        let mut times = Times::of(ranks, ledger.to_vec());
        let first = named(times.of_step(1));
        assert_eq!(first, named(vec![("time/forward".to_owned(), 2.0)]));
        let second = named(times.of_step(2));
        assert_eq!((second["time/wait"], second["goodput"]), (2.0, 0.75));
        assert_eq!(named(times.of_step(3))["goodput"], 0.5);
        assert_eq!(times.of_step(4), []);
    }

    #[test]
    fn of_a_run_that_goes_on_it_is_what_steps_took_since_the_snapshot_before() {
        let member = |rank| WorkerView {
            rank,
            ..WorkerView::default()
        };
        let snapshot = |unix_ms, step, accounts| Snapshot {
            unix_ms,
            step,
            accounts,
            workers: vec![member(Some(0)), member(Some(1)), member(None)],
            ..Snapshot::default()
        };
        let mut course = Course::default();
        assert_eq!(course.take(&Snapshot::default()), []);
        assert_eq!(course.take(&snapshot(1, 4, accounts(40, 0))), []);
        let next = snapshot(2, 8, accounts(56, 8));
        let values = named(course.take(&next));
        assert_eq!((values["time/forward"], values["time/wait"]), (2.0, 1.0));
        assert_eq!(values["goodput"], 0.875);
        assert_eq!(course.take(&next), []);
    }
}
