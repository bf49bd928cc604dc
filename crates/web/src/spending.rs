//! Where the time of a run's workers went: in all, by worker, and as the run went on.

use fratmae_observe::{CapacityRow, LedgerRow, Lost, Ratios, Totals};
use fratmae_telemetry::Accounts;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Pieces of time at most that the course of a run is shown in.
const PIECES: u64 = 120;
/// The shortest of them, in milliseconds: rows are not written more often.
const SHORTEST_MS: u64 = 5_000;

/// What the ledger of a run comes to.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spending {
    pub(crate) total: Totals,
    pub(crate) ratios: Ratios,
    /// In the order of their names.
    pub(crate) workers: Vec<Worker>,
    pub(crate) course: Course,
}

/// The time of all processes of one name.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Worker {
    pub(crate) worker: String,
    pub(crate) host: String,
    /// How many processes.
    pub(crate) incarnations: usize,
    pub(crate) accounts: Accounts,
    pub(crate) lost: Lost,
}

/// Shares of time in pieces of the run.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Course {
    /// The middle of each piece.
    pub(crate) unix_ms: Vec<u64>,
    pub(crate) availability: Vec<Option<f64>>,
    pub(crate) goodput: Vec<Option<f64>>,
}

impl Spending {
    pub(crate) fn of(ledger: &[LedgerRow], capacity: &[CapacityRow]) -> Self {
        let total = Totals::sum(ledger, capacity);
        Self {
            total,
            ratios: total.ratios(),
            workers: workers(ledger),
            course: Course::of(ledger, capacity),
        }
    }
}

fn workers(ledger: &[LedgerRow]) -> Vec<Worker> {
    let mut workers = BTreeMap::<&str, (Worker, BTreeSet<u64>)>::new();
    for row in ledger {
        let (worker, processes) = workers.entry(&row.worker).or_default();
        worker.worker.clone_from(&row.worker);
        worker.host.clone_from(&row.host);
        worker.accounts += row.accounts;
        worker.lost += row.lost;
        processes.insert(row.incarnation);
    }
    let counted = workers.into_values().map(|(worker, processes)| Worker {
        incarnations: processes.len(),
        ..worker
    });
    counted.collect()
}

impl Course {
    fn of(ledger: &[LedgerRow], capacity: &[CapacityRow]) -> Self {
        let stretches = ledger
            .iter()
            .map(|row| (row.begin_unix_ms, row.end_unix_ms));
        let begin = stretches.clone().map(|(begin, _)| begin).min().unwrap_or(0);
        let end = stretches.map(|(_, end)| end).max().unwrap_or(0);
        let piece = end.saturating_sub(begin).div_ceil(PIECES).max(SHORTEST_MS);
        let mut course = Self::default();
        let mut from = begin;
        while from < end {
            let to = from.saturating_add(piece).min(end);
            let ratios = Totals::between(ledger, capacity, from, to).ratios();
            course.unix_ms.push(from.midpoint(to));
            course.availability.push(ratios.availability);
            course.goodput.push(ratios.goodput);
            from = to;
        }
        course
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_telemetry::Account;

    fn row(worker: &str, incarnation: u64, (begin, end): (u64, u64), forward: u64) -> LedgerRow {
        LedgerRow {
            worker: worker.to_owned(),
            incarnation,
            begin_unix_ms: begin,
            end_unix_ms: end,
            accounts: [(Account::Forward, forward), (Account::Wait, 100 - forward)]
                .into_iter()
                .collect(),
            ..LedgerRow::default()
        }
    }

    #[test]
    fn processes_of_one_name_are_one_worker() {
        let ledger = [
            row("a", 1, (0, 10_000), 80),
            row("a", 2, (10_000, 20_000), 60),
            row("b", 3, (0, 20_000), 100),
        ];
        let spending = Spending::of(&ledger, &[]);
        let shown: Vec<_> = spending
            .workers
            .iter()
            .map(|it| (it.worker.as_str(), it.incarnations, it.accounts.total()))
            .collect();
        assert_eq!(shown, [("a", 2, 200), ("b", 1, 100)]);
        assert_eq!(spending.total.accounts.total(), 300);
        assert_eq!(spending.ratios.goodput, Some(0.8));
        assert_eq!(spending.course.unix_ms, [2_500, 7_500, 12_500, 17_500]);
        assert_eq!(spending.course.availability, [None; 4]);
    }

    #[test]
    fn a_long_run_has_no_more_pieces_and_an_empty_one_none() {
        let year = [row("a", 1, (0, 365 * 86_400_000), 50)];
        assert_eq!(Spending::of(&year, &[]).course.unix_ms.len(), 120);
        assert_eq!(Spending::of(&[], &[]), Spending::default());
        let moment = [row("a", 1, (7, 7), 50)];
        assert!(Spending::of(&moment, &[]).course.unix_ms.is_empty());
        let odd = [
            row("a", 1, (u64::MAX, 0), 50),
            row("b", 1, (0, u64::MAX), 50),
        ];
        assert!(Spending::of(&odd, &[]).course.unix_ms.len() <= 120);
    }
}
