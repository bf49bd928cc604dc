//! Which rank the others wait for, why, and what that costs. Pure functions of the newest steps' times.
//!
//! A rank is late by how much sooner all could have left a collective call without it: a call takes the rank that enters
//! last the least time, so no clocks are compared. Whether the rank is to blame is seen from its own time for a slot: a
//! rank with one slot more is late and no straggler.

use crate::ledger::RankRow;
use fratmae_telemetry::Account;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Newest steps that are looked at.
pub const NEWEST_STEPS: usize = 50;

/// Steps without which nobody is named.
pub(crate) const LEAST_STEPS: usize = 40;

/// Steps of the window in which a straggler is the last, at least.
const LAST_SHARE: f64 = 0.6;

/// What a straggler costs at least, as a share of a step, where its own time shows it and where only the calls do; and in
/// nanoseconds.
const COST_SHARE: f64 = 0.05;
const LINK_SHARE: f64 = 0.1;
const COST_NS: f64 = 1e6;

/// How many times the others' time a straggler takes in the account that is named, at least.
const TIMES: f64 = 1.2;

/// What a rank does by itself, and which of it grows with the number of its slots.
const OWN: [(Account, bool); 5] = [
    (Account::Load, true),
    (Account::Forward, true),
    (Account::Backward, true),
    (Account::Optimizer, false),
    (Account::Checkpoint, false),
];

/// A rank that the others wait for, step after step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Straggler {
    pub rank: u32,
    pub worker: String,
    pub host: String,
    pub generation: u64,
    /// Where it is slow: `transfer` if the others wait although it computes as fast as they do.
    pub account: String,
    /// Milliseconds of a step that it spends there, and that the others would with as many slots.
    pub own_ms: f64,
    pub others_ms: f64,
    /// How many milliseconds sooner a step would end without that, and which share of a step this is.
    pub cost_ms: f64,
    pub cost_share: f64,
    /// Of the steps: those in which the others waited for it most.
    pub last_share: f64,
    /// The steps that this is seen from.
    pub first_step: u64,
    pub last_step: u64,
}

/// The newest steps of the newest generation that all its ranks have a row of.
pub(crate) struct Window<'a> {
    /// Rows of each step in rank order.
    pub(crate) steps: Vec<Vec<&'a RankRow>>,
    pub(crate) ranks: usize,
}

impl<'a> Window<'a> {
    pub(crate) fn of(rows: &'a [RankRow]) -> Self {
        let newest = rows.iter().map(|row| row.generation).max();
        let mut steps: BTreeMap<u64, BTreeMap<u32, &RankRow>> = BTreeMap::new();
        for row in rows.iter().filter(|row| Some(row.generation) == newest) {
            steps.entry(row.step).or_default().insert(row.rank, row);
        }
        let ranks = steps.values().map(BTreeMap::len).max().unwrap_or(0);
        let whole = steps.into_values().filter(|step| step.len() == ranks);
        let mut steps: Vec<Vec<_>> = whole.map(|step| step.into_values().collect()).collect();
        steps.drain(..steps.len().saturating_sub(NEWEST_STEPS));
        Self { steps, ranks }
    }
}

/// The stragglers among the ranks of these rows; usually none. Of a window that is too short there are none.
#[must_use]
pub fn stragglers(rows: &[RankRow]) -> Vec<Straggler> {
    let window = Window::of(rows);
    if window.ranks < 2 || window.steps.len() < LEAST_STEPS {
        return Vec::new();
    }
    let figures: Vec<Figures> = window.steps.iter().map(|step| Figures::of(step)).collect();
    let step_ns = median(figures.iter().map(|step| step.longest).collect());
    let named = |rank| {
        let found = Suspect::of(&figures, rank).verdict(step_ns)?;
        let (first, newest) = (window.steps.first()?[rank], window.steps.last()?[rank]);
        Some(Straggler {
            rank: newest.rank,
            worker: newest.worker.clone(),
            host: newest.host.clone(),
            generation: newest.generation,
            first_step: first.step,
            last_step: newest.step,
            ..found
        })
    };
    (0..window.ranks).filter_map(named).collect()
}

/// What one step says of each rank, in rank order.
struct Figures {
    /// Of each account of [`OWN`], then of transfer: what a rank took, and the median of what the others would have taken
    /// with as many slots.
    accounts: Vec<Vec<(f64, f64)>>,
    /// How much sooner the calls could have ended without the rank.
    costs: Vec<f64>,
    /// What of this neither its own time beyond the slowest of the others nor a number of slots explains.
    unexplained: Vec<f64>,
    /// How long the step took.
    longest: f64,
}

impl Figures {
    fn of(step: &[&RankRow]) -> Self {
        let own = |row: &RankRow| OWN.iter().map(|(it, _)| row.accounts[*it]).sum::<u64>();
        let owns = each(step, own);
        let slowest = Sorted::of(owns.iter().copied());
        let costs = costs(step);
        let explained = owns
            .iter()
            .map(|own| (own - slowest.most_but(*own)).max(0.0));
        let slots = each(step, |row| row.slots.into());
        let usual = median(slots.clone());
        // Whoever has more slots than most is the last for that alone, and its data take a moment more to be there.
        let unexplained = costs.iter().zip(explained).zip(slots);
        let unexplained = unexplained.map(|((cost, own), slots)| match slots > usual {
            true => 0.0,
            false => cost - own,
        });
        let accounts = OWN.into_iter().chain([(Account::Transfer, false)]);
        let totals = each(step, |row| row.accounts.total());
        Self {
            accounts: accounts
                .map(|(it, grows)| beside_others(step, it, grows))
                .collect(),
            unexplained: unexplained.collect(),
            costs,
            longest: totals.into_iter().fold(0.0, f64::max),
        }
    }
}

/// How much sooner the calls of a step could have ended without each rank: by how much the shortest of the others' times
/// is longer than its own.
fn costs(step: &[&RankRow]) -> Vec<f64> {
    let calls = step.first().map_or(0, |row| row.calls.len());
    let are_comparable = calls > 0 && step.iter().all(|row| row.calls.len() == calls);
    let margins = |times: Vec<f64>| {
        let sorted = Sorted::of(times.iter().copied());
        let margin = move |own: f64| (sorted.least_but(own) - own).max(0.0);
        times.into_iter().map(margin).collect::<Vec<f64>>()
    };
    if !are_comparable {
        return margins(each(step, |row| row.accounts[Account::Wait]));
    }
    let mut costs = vec![0.0; step.len()];
    for call in 0..calls {
        let margins = margins(each(step, |row| row.calls[call]));
        costs
            .iter_mut()
            .zip(margins)
            .for_each(|(cost, margin)| *cost += margin);
    }
    costs
}

/// What each rank took in an account, and the median of what the others would have taken with as many slots, if the
/// account grows with them.
fn beside_others(step: &[&RankRow], account: Account, grows: bool) -> Vec<(f64, f64)> {
    let taken = each(step, |row| row.accounts[account]);
    let slots = each(step, |row| if grows { row.slots.into() } else { 1 });
    // A rank without slots tells nothing of what one takes.
    let of_slot = || taken.iter().zip(&slots).filter(|(_, slots)| **slots > 0.0);
    let sorted = Sorted::of(of_slot().map(|(taken, slots)| taken / slots));
    let both = |(taken, slots): (&f64, &f64)| (*taken, slots * sorted.median_but(taken / slots));
    taken.iter().zip(&slots).map(both).collect()
}

fn each(step: &[&RankRow], time: impl Fn(&RankRow) -> u64) -> Vec<f64> {
    step.iter().map(|row| time(row) as f64).collect()
}

/// Figures of all ranks, to be looked at without one of them.
struct Sorted(Vec<f64>);

impl Sorted {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    /// The one at `place` of those that stay without `own`; `own` itself where none stays.
    fn but(&self, own: f64, place: impl Fn(usize) -> usize) -> f64 {
        let left_out = self.0.partition_point(|figure| *figure < own);
        let is_there = self.0.get(left_out) == Some(&own);
        let place = place(self.0.len() - usize::from(is_there));
        let place = place + usize::from(is_there && place >= left_out);
        self.0.get(place).copied().unwrap_or(own)
    }

    fn least_but(&self, own: f64) -> f64 {
        self.but(own, |_| 0)
    }

    fn most_but(&self, own: f64) -> f64 {
        self.but(own, |count| count.saturating_sub(1))
    }

    fn median_but(&self, own: f64) -> f64 {
        let lower = self.but(own, |count| count.saturating_sub(1) / 2);
        f64::midpoint(lower, self.but(own, |count| count / 2))
    }
}

/// What a window says of one rank; of each figure what holds in both halves of the window.
struct Suspect {
    last_share: f64,
    cost: f64,
    unexplained: f64,
    /// The account in which it takes the most beyond the others, and how much that is.
    slowest: (Account, f64),
    /// What it takes in each account, and what the others do.
    taken: Vec<(Account, f64, f64)>,
}

impl Suspect {
    fn of(figures: &[Figures], rank: usize) -> Self {
        let of = |figure: &dyn Fn(&Figures) -> f64| figures.iter().map(figure).collect::<Vec<_>>();
        let is_last = |step: &&Figures| {
            let most = step.costs.iter().copied().fold(0.0, f64::max);
            most > 0.0 && step.costs[rank] >= most
        };
        let accounts = OWN.map(|(account, _)| account);
        let accounts = accounts.into_iter().chain([Account::Transfer]).enumerate();
        let beyond =
            |place: usize| of(&|step| step.accounts[place][rank].0 - step.accounts[place][rank].1);
        let excesses = accounts.clone().take(OWN.len());
        let excesses = excesses.map(|(place, account)| (account, steady(beyond(place))));
        let slowest = excesses.max_by(|(_, one), (_, other)| one.total_cmp(other));
        let taken = |(place, account): (usize, Account)| {
            let own = of(&|step| step.accounts[place][rank].0);
            let others = of(&|step| step.accounts[place][rank].1);
            (account, median(own), median(others))
        };
        Self {
            last_share: figures.iter().filter(is_last).count() as f64 / figures.len() as f64,
            cost: steady(of(&|step| step.costs[rank])),
            unexplained: steady(of(&|step| step.unexplained[rank])),
            slowest: slowest.unwrap_or((Account::Load, 0.0)),
            taken: accounts.map(taken).collect(),
        }
    }

    /// Whether it is a straggler among steps of that length, and why.
    fn verdict(&self, step_ns: f64) -> Option<Straggler> {
        let least = |share: f64| (step_ns * share).max(COST_NS);
        if self.last_share < LAST_SHARE || self.cost < least(COST_SHARE) {
            return None;
        }
        let (account, excess) = self.slowest;
        let is_slow = |account| {
            let (own, others) = self.taken_in(account);
            own >= TIMES * others
        };
        let (account, cost) = match excess >= least(COST_SHARE) && is_slow(account) {
            true => (account, excess.min(self.cost)),
            false if self.unexplained >= least(LINK_SHARE) => (Account::Transfer, self.unexplained),
            false => return None,
        };
        let (own, others) = self.taken_in(account);
        Some(Straggler {
            account: account.name().to_owned(),
            own_ms: own / 1e6,
            others_ms: others / 1e6,
            cost_ms: cost / 1e6,
            cost_share: cost / step_ns,
            last_share: self.last_share,
            ..Straggler::default()
        })
    }

    fn taken_in(&self, account: Account) -> (f64, f64) {
        let taken = self.taken.iter().find(|(it, ..)| *it == account);
        taken.map_or((0.0, 0.0), |(_, own, others)| (*own, *others))
    }
}

/// Nanoseconds that each rank takes for a slot by itself: the median of the newest steps. Ranks without slots are left
/// out.
#[must_use]
pub fn paces(rows: &[RankRow]) -> BTreeMap<u32, f64> {
    let window = Window::of(rows);
    let of_slot = |row: &RankRow| {
        let scaled = OWN.iter().filter(|(_, is_scaled)| *is_scaled);
        let own: u64 = scaled.map(|(account, _)| row.accounts[*account]).sum();
        own as f64 / f64::from(row.slots)
    };
    let pace = |rank: usize| {
        let row = window.steps.last()?[rank];
        let pace = median(
            window
                .steps
                .iter()
                .map(|step| of_slot(step[rank]))
                .collect(),
        );
        (row.slots > 0 && pace > 0.0 && pace.is_finite()).then_some((row.rank, pace))
    };
    (0..window.ranks).filter_map(pace).collect()
}

/// What each rank's pace is worth beside the best one: 1 is best, 0.5 takes twice as long.
#[must_use]
pub fn relative_scores(paces: &BTreeMap<u32, f64>) -> BTreeMap<u32, f64> {
    let best = paces.values().copied().fold(f64::INFINITY, f64::min);
    let score = |(rank, pace): (&u32, &f64)| (*rank, best / pace);
    paces.iter().map(score).collect()
}

/// What holds in the older half of some figures and in the newer one: the smaller of their medians.
fn steady(figures: Vec<f64>) -> f64 {
    let (older, newer) = figures.split_at(figures.len() / 2);
    median(older.to_vec()).min(median(newer.to_vec()))
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.get(middle) {
        None => 0.0,
        Some(value) if figures.len() % 2 == 1 => *value,
        Some(value) => f64::midpoint(figures[middle - 1], *value),
    }
}

#[cfg(test)]
mod tests;
