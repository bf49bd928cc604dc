//! The steps of all ranks on one clock, from how long each rank took for each part of a step.
//!
//! No rank's clock is read. Ranks leave a collective call together, as none can before the last has entered: that is what
//! aligns them, call by call. How far a rank's own durations are from that is measured, and is the error of the clock.
//! Where a row of steps begins is told by the coordinator's clock.

use fratmae_observe::RankRow;
use fratmae_telemetry::Account;

/// Steps in the order of time.
#[derive(Debug, Default)]
pub(crate) struct Timeline<'a> {
    pub(crate) steps: Vec<PlacedStep<'a>>,
    /// The farthest that a rank's own durations put the end of a call from where the timeline has it.
    pub(crate) clock_error_ns: u64,
}

/// One step of one generation.
#[derive(Debug)]
pub(crate) struct PlacedStep<'a> {
    pub(crate) generation: u64,
    pub(crate) step: u64,
    /// In rank order.
    pub(crate) ranks: Vec<PlacedRank<'a>>,
}

/// A rank's part of a step: parts that follow each other without gaps.
#[derive(Debug)]
pub(crate) struct PlacedRank<'a> {
    pub(crate) row: &'a RankRow,
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) spans: Vec<Span>,
}

/// What a rank did for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) what: Part,
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Account(Account),
    /// A collective call by its number in the step, from 0, and how long it waited for the last to enter.
    Call {
        call: Call,
        number: usize,
        wait: u64,
    },
}

/// A collective call of a step, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// What follows the step before and counts to this one: ranks tell each other what they were asked for.
    Agree,
    /// Messages of all slots.
    Gather,
    /// The sum of the gradients.
    Reduce,
}

impl Call {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Gather => "gather",
            Self::Reduce => "reduce",
        }
    }

    /// The call with this number of so many. A group's first step has none before it to agree after, and a batch
    /// without a loss has no gradient.
    fn of(number: usize, n_calls: usize, follows: bool) -> Self {
        let is_agreed = n_calls > 2 || n_calls == 2 && follows;
        match (is_agreed, number) {
            (true, 0) => Self::Agree,
            (true, 1) | (false, 0) => Self::Gather,
            _ => Self::Reduce,
        }
    }
}

impl PlacedStep<'_> {
    pub(crate) fn begin(&self) -> u64 {
        self.ranks.iter().map(|rank| rank.begin).min().unwrap_or(0)
    }

    pub(crate) fn end(&self) -> u64 {
        self.ranks.iter().map(|rank| rank.end).max().unwrap_or(0)
    }
}

/// Places rows, in whichever order they are.
pub(crate) fn place(rows: &[RankRow]) -> Timeline<'_> {
    let mut rows: Vec<&RankRow> = rows.iter().collect();
    rows.sort_by_key(|row| (row.generation, row.step, row.rank));
    rows.dedup_by_key(|row| (row.generation, row.step, row.rank));
    let mut timeline = Timeline::default();
    for rows in rows.chunk_by(|a, b| (a.generation, a.step) == (b.generation, b.step)) {
        let before = timeline.steps.last();
        let follows = before.is_some_and(|before| follows(before, rows));
        let begins = begins(before, rows, follows);
        let (step, error) = place_step(rows, begins, follows);
        timeline.steps.push(step);
        timeline.clock_error_ns = timeline.clock_error_ns.max(error);
    }
    timeline
}

/// Whether a step is the next one of the same ranks.
fn follows(before: &PlacedStep<'_>, rows: &[&RankRow]) -> bool {
    let place = |row: &RankRow| (row.generation, row.step, row.rank);
    let expected = before.ranks.iter().map(|rank| place(rank.row));
    let expected =
        expected.map(|(generation, step, rank)| (generation, step.saturating_add(1), rank));
    expected.eq(rows.iter().map(|row| place(row)))
}

/// When each rank begins a step: at the end of the step that it follows, or all together where there is none.
fn begins(before: Option<&PlacedStep<'_>>, rows: &[&RankRow], follows: bool) -> Vec<u64> {
    if let Some(before) = before.filter(|_| follows) {
        return before.ranks.iter().map(|rank| rank.end).collect();
    }
    let end = rows.iter().map(|row| row.unix_ms).max().unwrap_or(0);
    let longest = rows.iter().map(|row| row.accounts.total()).max();
    let begin = end
        .saturating_mul(1_000_000)
        .saturating_sub(longest.unwrap_or(0));
    // The coordinator hears of a step a little later at one time than at another; time does not go back for that.
    let begin = begin.max(before.map_or(0, PlacedStep::end));
    vec![begin; rows.len()]
}

/// Places one step whose ranks begin when they do, and gives the error of its clock.
fn place_step<'a>(rows: &[&'a RankRow], begins: Vec<u64>, follows: bool) -> (PlacedStep<'a>, u64) {
    let calls: Vec<Vec<u64>> = rows.iter().map(|row| calls(row)).collect();
    let n_calls = calls.iter().map(Vec::len).max().unwrap_or(0);
    let mut laying = Laying {
        rows,
        at: begins.clone(),
        spans: vec![Vec::new(); rows.len()],
        error: 0,
    };
    let named = (0..n_calls).map(|number| Call::of(number, n_calls, follows));
    let named: Vec<(usize, Call)> = named.enumerate().collect();
    let lay = |laying: &mut Laying<'a, '_>, sought: Call| {
        for (number, call) in named.iter().filter(|(_, call)| *call == sought) {
            let durations = calls.iter().map(|calls| calls.get(*number).copied());
            let durations: Vec<u64> = durations.map(Option::unwrap_or_default).collect();
            laying.call(*call, *number, &durations);
        }
    };
    lay(&mut laying, Call::Agree);
    laying.spend(|account| account <= Account::Forward);
    lay(&mut laying, Call::Gather);
    laying.spend(|account| account == Account::Backward);
    lay(&mut laying, Call::Reduce);
    let is_in_calls = |account| matches!(account, Account::Transfer | Account::Wait);
    laying
        .spend(|account| account >= Account::Optimizer && (n_calls == 0 || !is_in_calls(account)));
    let Laying {
        at, spans, error, ..
    } = laying;
    let ends = begins.into_iter().zip(at);
    let ranks = rows.iter().zip(ends).zip(spans);
    let ranks = ranks.map(|((row, (begin, end)), spans)| PlacedRank {
        row,
        begin,
        end,
        spans,
    });
    let placed = PlacedStep {
        generation: rows[0].generation,
        step: rows[0].step,
        ranks: ranks.collect(),
    };
    (placed, error)
}

/// A rank's time in each call. What its accounts have beyond them is of the last one.
fn calls(row: &RankRow) -> Vec<u64> {
    let mut calls = row.calls.clone();
    let inside = row.accounts[Account::Transfer].saturating_add(row.accounts[Account::Wait]);
    let known = calls
        .iter()
        .fold(0_u64, |sum, call| sum.saturating_add(*call));
    if let Some(last) = calls.last_mut() {
        *last = last.saturating_add(inside.saturating_sub(known));
    }
    calls
}

/// A step that is being laid out: how far each rank is.
struct Laying<'a, 'b> {
    rows: &'b [&'a RankRow],
    at: Vec<u64>,
    spans: Vec<Vec<Span>>,
    error: u64,
}

impl Laying<'_, '_> {
    /// Each rank spends its time in these accounts, in the order of a worker's life.
    fn spend(&mut self, is_meant: impl Fn(Account) -> bool) {
        for ((row, at), spans) in self.rows.iter().zip(&mut self.at).zip(&mut self.spans) {
            let meant = row
                .accounts
                .iter()
                .filter(|(account, _)| is_meant(*account));
            for (account, nanoseconds) in meant.filter(|(_, nanoseconds)| *nanoseconds > 0) {
                let (begin, end) = (*at, at.saturating_add(nanoseconds));
                spans.push(Span {
                    what: Part::Account(account),
                    begin,
                    end,
                });
                *at = end;
            }
        }
    }

    /// All ranks leave a call that each took so long in: together, and not before the last has entered.
    fn call(&mut self, call: Call, number: usize, durations: &[u64]) {
        // Of steps that one rank measured not every call is known.
        if durations.iter().all(|lasts| *lasts == 0) {
            return;
        }
        let least = durations.iter().min().copied().unwrap_or(0);
        let ends = self.at.iter().zip(durations);
        let ends: Vec<u64> = ends.map(|(at, lasts)| at.saturating_add(*lasts)).collect();
        let sum: u128 = ends.iter().map(|end| u128::from(*end)).sum();
        let mean = u64::try_from(sum / ends.len().max(1) as u128).unwrap_or(u64::MAX);
        let last_entry = self.at.iter().max().copied().unwrap_or(0);
        let end = mean.max(last_entry);
        let parts = self.at.iter_mut().zip(durations).zip(&mut self.spans);
        for (((at, lasts), spans), own_end) in parts.zip(ends) {
            self.error = self.error.max(end.abs_diff(own_end));
            let begin = std::mem::replace(at, end);
            let wait = (lasts - least).min(end - begin);
            spans.push(Span {
                what: Part::Call { call, number, wait },
                begin,
                end,
            });
        }
    }
}

#[cfg(test)]
mod tests;
