//! What steps wait for although no rank is to blame: samples, or the copy of the state. A pure function of the newest
//! steps' times.

use crate::ledger::RankRow;
use crate::straggler::{LEAST_STEPS, Window};
use fratmae_telemetry::Account;
use serde::{Deserialize, Serialize};

/// The share of the steps' time from which on it is worth saying.
const SHARE: f64 = 0.15;

/// Where the store shows.
const ACCOUNTS: [Account; 2] = [Account::Load, Account::Checkpoint];

/// An account that takes much of the steps' time, and the rank in which it takes most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bottleneck {
    pub account: String,
    pub rank: u32,
    pub worker: String,
    pub host: String,
    /// Of the rank's time in steps.
    pub share: f64,
    /// Milliseconds of a step, on average.
    pub own_ms: f64,
}

/// The worst bottleneck, if there is one in the older half of the newest steps and in the newer half.
#[must_use]
pub fn bottleneck(rows: &[RankRow]) -> Option<Bottleneck> {
    let window = Window::of(rows);
    let (older, newer) = window.steps.split_at(window.steps.len() / 2);
    if window.steps.len() < LEAST_STEPS {
        return None;
    }
    let ranks = (0..window.ranks).flat_map(|rank| ACCOUNTS.map(|account| (rank, account)));
    let shares = ranks.map(|(rank, account)| {
        let share = |steps| share(steps, rank, account);
        (rank, account, share(older).min(share(newer)))
    });
    let worst = shares.max_by(|(.., one), (.., other)| one.total_cmp(other));
    let (rank, account, share) = worst.filter(|(.., share)| *share >= SHARE)?;
    let row = window.steps.last()?[rank];
    let taken: u64 = window
        .steps
        .iter()
        .map(|step| step[rank].accounts[account])
        .sum();
    Some(Bottleneck {
        account: account.name().to_owned(),
        rank: row.rank,
        worker: row.worker.clone(),
        host: row.host.clone(),
        share,
        own_ms: taken as f64 / window.steps.len() as f64 / 1e6,
    })
}

fn share(steps: &[Vec<&RankRow>], rank: usize, account: Account) -> f64 {
    let rows = || steps.iter().map(|step| &step[rank].accounts);
    let taken: u64 = rows().map(|accounts| accounts[account]).sum();
    let total: u64 = rows().map(fratmae_telemetry::Accounts::total).sum();
    taken as f64 / total.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(loads: impl Fn(u64, u32) -> u64) -> Vec<RankRow> {
        let row = |step: u64, rank: u32| RankRow {
            step,
            rank,
            worker: format!("w{rank}"),
            accounts: [(Account::Load, loads(step, rank)), (Account::Forward, 80)]
                .into_iter()
                .collect(),
            ..RankRow::default()
        };
        (1..=50)
            .flat_map(|step| [row(step, 0), row(step, 1)])
            .collect()
    }

    #[test]
    fn steps_that_wait_for_samples_are_seen_with_the_worst_rank() {
        let found = bottleneck(&rows(|_, rank| 20 + u64::from(rank))).unwrap();
        assert_eq!((found.account.as_str(), found.rank), ("load", 1));
        assert_eq!(found.worker, "w1");
        assert!((found.share - 21.0 / 101.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn little_waiting_one_hitch_and_few_steps_are_none() {
        assert_eq!(bottleneck(&rows(|_, _| 8)), None);
        let hitch = |step, _| if step == 7 { 9_000 } else { 1 };
        assert_eq!(bottleneck(&rows(hitch)), None);
        assert_eq!(bottleneck(&rows(|_, _| 50)[..60]), None);
        assert_eq!(bottleneck(&[]), None);
    }
}
