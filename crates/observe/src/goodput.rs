//! Goodput: which part of the time that workers were asked for moved the weights. Pure arithmetic over counters.

use crate::ledger::{CapacityRow, LedgerRow, Lost};
use crate::snapshot::Snapshot;
use fratmae_telemetry::{Account, Accounts};
use serde::{Deserialize, Serialize};

/// Windows over which goodput is shown beside that of the whole run, in seconds.
pub const WINDOWS: [u64; 3] = [60, 300, 900];

/// Time of a run's workers, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub accounts: Accounts,
    pub lost: Lost,
    /// Nanoseconds of workers that were there, and of those that were asked for and not there.
    pub present_ns: u64,
    pub missing_ns: u64,
}

/// Shares of time, from 0 to 1; none where there was no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// Of the workers that were asked for: those that were there.
    pub availability: Option<f64>,
    /// Of their time: what moved the weights and was not lost.
    pub goodput: Option<f64>,
    /// Both together: of the time that was asked for, what moved the weights.
    pub overall: Option<f64>,
    /// Of the time in steps: forward, backward and optimizer.
    pub compute_share: Option<f64>,
}

/// The accounts that steps are made of.
pub const OF_A_STEP: [Account; 7] = [
    Account::Load,
    Account::Forward,
    Account::Backward,
    Account::Optimizer,
    Account::Transfer,
    Account::Wait,
    Account::Checkpoint,
];

/// Those in which a worker computes.
const COMPUTE: [Account; 3] = [Account::Forward, Account::Backward, Account::Optimizer];

impl Totals {
    /// Of the run up to a snapshot.
    #[must_use]
    pub const fn of(snapshot: &Snapshot) -> Self {
        Self {
            accounts: snapshot.accounts,
            lost: snapshot.lost,
            present_ns: snapshot.capacity.present_ns,
            missing_ns: snapshot.capacity.missing_ns,
        }
    }

    /// Of all stretches.
    #[must_use]
    pub fn sum(ledger: &[LedgerRow], capacity: &[CapacityRow]) -> Self {
        Self::between(ledger, capacity, 0, u64::MAX)
    }

    /// Of the stretches between two moments; one that lies across a moment counts by its share.
    #[must_use]
    pub fn between(ledger: &[LedgerRow], capacity: &[CapacityRow], from: u64, to: u64) -> Self {
        let mut totals = Self::default();
        for row in ledger {
            let part = Part::of((row.begin_unix_ms, row.end_unix_ms), (from, to));
            totals.accounts += row
                .accounts
                .iter()
                .map(|(it, ns)| (it, part.of_ns(ns)))
                .collect();
            totals.lost += Lost {
                rewind: part.of_ns(row.lost.rewind),
                partial: part.of_ns(row.lost.partial),
                silent: part.of_ns(row.lost.silent),
            };
        }
        for row in capacity {
            let part = Part::of((row.begin_unix_ms, row.end_unix_ms), (from, to));
            let (present, missing) = (part.of_ns(row.present_ns), part.of_ns(row.missing_ns));
            totals.present_ns = totals.present_ns.saturating_add(present);
            totals.missing_ns = totals.missing_ns.saturating_add(missing);
        }
        totals
    }

    /// What was added since an earlier reading of the same run.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let (now, before) = (self.lost, earlier.lost);
        Self {
            accounts: self.accounts.since(&earlier.accounts),
            lost: Lost {
                rewind: now.rewind.saturating_sub(before.rewind),
                partial: now.partial.saturating_sub(before.partial),
                silent: now.silent.saturating_sub(before.silent),
            },
            present_ns: self.present_ns.saturating_sub(earlier.present_ns),
            missing_ns: self.missing_ns.saturating_sub(earlier.missing_ns),
        }
    }

    /// The shares.
    #[must_use]
    pub fn ratios(&self) -> Ratios {
        let of =
            |accounts: &[Account]| -> u64 { accounts.iter().map(|it| self.accounts[*it]).sum() };
        let useful = self.accounts.productive().saturating_sub(self.lost.total());
        let asked = self.present_ns.saturating_add(self.missing_ns);
        let availability = ratio(self.present_ns, asked);
        let goodput = ratio(useful, self.accounts.total());
        Ratios {
            availability,
            goodput,
            overall: availability.zip(goodput).map(|(one, other)| one * other),
            compute_share: ratio(of(&COMPUTE), of(&OF_A_STEP)),
        }
    }
}

/// A share; none of nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The part of a stretch that lies between two moments.
struct Part {
    within: u128,
    whole: u128,
}

impl Part {
    fn of((begin, end): (u64, u64), (from, to): (u64, u64)) -> Self {
        let within = end.min(to).saturating_sub(begin.max(from));
        let is_moment = end <= begin;
        match is_moment {
            // A stretch without a length is there or not.
            true => Self {
                within: u128::from((from..=to).contains(&begin)),
                whole: 1,
            },
            false => Self {
                within: within.into(),
                whole: (end - begin).into(),
            },
        }
    }

    fn of_ns(&self, nanoseconds: u64) -> u64 {
        let part = u128::from(nanoseconds) * self.within / self.whole;
        u64::try_from(part).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(values: &[(Account, u64)]) -> Accounts {
        values.iter().copied().collect()
    }

    fn stretch(begin: u64, end: u64, values: &[(Account, u64)]) -> LedgerRow {
        LedgerRow {
            begin_unix_ms: begin,
            end_unix_ms: end,
            accounts: accounts(values),
            ..LedgerRow::default()
        }
    }

    fn capacity(begin: u64, end: u64, present_ns: u64, missing_ns: u64) -> CapacityRow {
        CapacityRow {
            begin_unix_ms: begin,
            end_unix_ms: end,
            present_ns,
            missing_ns,
            ..CapacityRow::default()
        }
    }

    #[test]
    fn overall_goodput_is_what_moved_the_weights_of_what_was_asked_for() {
        let ledger = [stretch(
            0,
            100,
            &[
                (Account::Start, 10),
                (Account::Load, 5),
                (Account::Forward, 20),
                (Account::Backward, 40),
                (Account::Optimizer, 5),
                (Account::Transfer, 15),
                (Account::Wait, 5),
            ],
        )];
        let mut totals = Totals::sum(&ledger, &[capacity(0, 100, 75, 25)]);
        totals.lost.rewind = 16;
        let ratios = totals.ratios();
        assert_eq!(ratios.availability, Some(0.75));
        assert_eq!(ratios.goodput, Some(0.64));
        assert_eq!(ratios.overall, Some(0.48));
        assert_eq!(ratios.compute_share, Some(65.0 / 90.0));
    }

    #[test]
    fn no_time_has_no_shares_and_no_share_is_below_zero() {
        assert_eq!(Totals::default().ratios(), Ratios::default());
        let totals = Totals {
            accounts: accounts(&[(Account::Forward, 1)]),
            lost: Lost {
                silent: 9,
                ..Lost::default()
            },
            ..Totals::default()
        };
        assert_eq!(totals.ratios().goodput, Some(0.0));
    }

    #[test]
    fn a_window_counts_stretches_by_their_share() {
        let ledger = [
            stretch(0, 100, &[(Account::Forward, 1_000)]),
            stretch(100, 200, &[(Account::Wait, 1_000)]),
            stretch(150, 150, &[(Account::Join, 7)]),
        ];
        let capacity = [capacity(0, 200, 400, 400)];
        let window = Totals::between(&ledger, &capacity, 75, 125);
        let expected = accounts(&[(Account::Forward, 250), (Account::Wait, 250)]);
        assert_eq!(window.accounts, expected);
        assert_eq!((window.present_ns, window.missing_ns), (100, 100));
        let halves = [(0, 100), (100, 200)];
        let halves = halves.map(|(from, to)| Totals::between(&ledger, &capacity, from, to));
        let sum = halves[0].accounts.total() + halves[1].accounts.total();
        assert_eq!(sum, 2_007);
    }

    #[test]
    fn what_was_added_is_the_difference_of_two_readings() {
        let before = Totals {
            accounts: accounts(&[(Account::Forward, 5)]),
            present_ns: 5,
            ..Totals::default()
        };
        let now = Totals {
            accounts: accounts(&[(Account::Forward, 9), (Account::Wait, 4)]),
            present_ns: 13,
            ..Totals::default()
        };
        let added = now.since(&before);
        assert_eq!(added.ratios().goodput, Some(0.5));
        assert_eq!(added.present_ns, 8);
        assert_eq!(before.since(&now), Totals::default());
    }
}
