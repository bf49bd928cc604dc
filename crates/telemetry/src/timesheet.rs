//! Where a process's time went: a state machine that has every nanosecond of it in exactly one account.
//!
//! It reads no clock: whoever drives it says what time it is, in nanoseconds since the process began.

use crate::account::{Account, Accounts};

/// The time of a process so far.
///
/// How much of a collective call was waiting for slower ranks is known once all ranks have told how long it took each:
/// until then its time is in no account, and is told beside them.
#[derive(Clone, Debug)]
pub struct Timesheet {
    settled: Accounts,
    /// The account that time goes to; none in a collective call.
    open: Option<Account>,
    /// Since when it does.
    since: u64,
    /// Calls of the step at hand.
    calls: Vec<u64>,
    /// Calls of the step before, until they are divided.
    undivided: Vec<u64>,
    /// What had been settled when the step before ended, or the first one began; none outside of steps.
    step: Option<Accounts>,
    /// Whether the next one has begun.
    is_stepping: bool,
    partial: u64,
}

/// What a timesheet shows at a moment. Accounts and `undivided` add up to the process's age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeReading {
    pub accounts: Accounts,
    /// In collective calls whose waiting is not known yet.
    pub undivided: u64,
    /// Productive time of the step at hand, which may come to nothing yet.
    pub unfinished: u64,
    /// Productive time of steps that came to nothing.
    pub partial: u64,
    /// Where time goes now; none in a collective call.
    pub open: Option<Account>,
}

/// One rank's time from the end of the step before to the end of a step, or from the beginning of a generation's first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepTime {
    /// Without collective calls.
    pub accounts: Accounts,
    /// How long each collective call took this rank, in their order.
    pub calls: Vec<u64>,
}

impl Default for Timesheet {
    fn default() -> Self {
        Self {
            settled: Accounts::default(),
            open: Some(Account::Start),
            since: 0,
            calls: Vec::new(),
            undivided: Vec::new(),
            step: None,
            is_stepping: false,
            partial: 0,
        }
    }
}

impl Timesheet {
    /// Time goes to another account from now on; to none while a collective call lasts.
    pub fn switch(&mut self, now: u64, account: Option<Account>) {
        self.settle(now);
        if self.open.is_none() {
            self.calls.push(now.saturating_sub(self.since));
        }
        (self.open, self.since) = (account, self.since.max(now));
    }

    /// A step begins; what came since the step before is of its time.
    pub fn begin_step(&mut self, now: u64) {
        self.settle(now);
        self.step.get_or_insert(self.settled);
        self.is_stepping = true;
    }

    /// A step is applied.
    pub fn end_step(&mut self, now: u64) -> StepTime {
        self.settle(now);
        self.is_stepping = false;
        let before = self.step.replace(self.settled);
        let calls = std::mem::take(&mut self.calls);
        self.undivided.extend(&calls);
        StepTime {
            accounts: self.settled.since(&before.unwrap_or(self.settled)),
            calls,
        }
    }

    /// Divides the calls of the steps that were ended, given the shortest time that each of them took any rank.
    pub fn divide(&mut self, shortest: &[u64]) {
        let divided = divided(&std::mem::take(&mut self.undivided), shortest);
        self.settled += divided;
        if let Some(step) = &mut self.step {
            *step += divided;
        }
    }

    /// The group is left: nothing more is to be known of its calls, and a step that is under way comes to nothing.
    pub fn break_off(&mut self, now: u64) {
        self.settle(now);
        self.partial += self.unfinished(&self.settled);
        (self.step, self.is_stepping) = (None, false);
        self.undivided.append(&mut self.calls);
        self.divide(&[]);
    }

    /// What there is to tell now.
    #[must_use]
    pub fn reading(&self, now: u64) -> TimeReading {
        let mut accounts = self.settled;
        let calls = self.undivided.iter().chain(&self.calls);
        let mut undivided: u64 = calls.sum();
        let running = now.saturating_sub(self.since);
        match self.open {
            Some(account) => accounts[account] += running,
            None => undivided += running,
        }
        TimeReading {
            accounts,
            undivided,
            unfinished: self.unfinished(&accounts),
            partial: self.partial,
            open: self.open,
        }
    }

    /// Productive time of the step at hand, given all accounts.
    fn unfinished(&self, accounts: &Accounts) -> u64 {
        let step = self.step.as_ref().filter(|_| self.is_stepping);
        step.map_or(0, |step| accounts.since(step).productive())
    }

    /// Counts the time until now, unless a call lasts, which is counted as one.
    fn settle(&mut self, now: u64) {
        if let Some(account) = self.open {
            self.settled[account] += now.saturating_sub(self.since);
            self.since = self.since.max(now);
        }
    }
}

/// The shortest time that each call took any rank, for as many calls as all ranks made.
pub fn shortest_calls<'a>(ranks: impl IntoIterator<Item = &'a [u64]>) -> Vec<u64> {
    let shorter = |shortest: Vec<u64>, calls: &[u64]| {
        let both = shortest.into_iter().zip(calls);
        both.map(|(one, other)| one.min(*other)).collect()
    };
    let mut ranks = ranks.into_iter();
    let first = ranks.next().unwrap_or_default().to_vec();
    ranks.fold(first, shorter)
}

/// A rank's calls as transfer, which is what they took the rank that entered last, and waiting for it. Those of which
/// that is not known are waiting.
#[must_use]
pub fn divided(calls: &[u64], shortest: &[u64]) -> Accounts {
    let mut accounts = Accounts::default();
    let shortest = shortest.iter().copied().chain(std::iter::repeat(0));
    for (call, shortest) in calls.iter().zip(shortest) {
        let transfer = shortest.min(*call);
        accounts[Account::Transfer] += transfer;
        accounts[Account::Wait] += call - transfer;
    }
    accounts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies one step: 10 of load, 20 of forward, calls of 7 and 5 around 30 of backward, 4 of optimizer.
    fn step(sheet: &mut Timesheet, mut now: u64) -> (StepTime, u64) {
        sheet.begin_step(now);
        let stages = [
            (Some(Account::Load), 10),
            (Some(Account::Forward), 20),
            (None, 7),
            (Some(Account::Backward), 30),
            (None, 5),
            (Some(Account::Optimizer), 4),
        ];
        for (account, lasts) in stages {
            sheet.switch(now, account);
            now += lasts;
        }
        (sheet.end_step(now), now)
    }

    #[test]
    fn a_step_tells_its_work_and_calls_and_waiting_is_what_others_were_not_held_up_by() {
        let mut sheet = Timesheet::default();
        sheet.switch(100, Some(Account::Join));
        let (took, now) = step(&mut sheet, 150);
        assert_eq!((took.accounts.total(), now), (64, 226));
        assert_eq!(took.calls, [7, 5]);
        let before = sheet.reading(now);
        assert_eq!((before.undivided, before.unfinished), (12, 0));
        assert_eq!(before.accounts.total() + before.undivided, now);
        let shortest = shortest_calls([&took.calls[..], &[2, 9, 4], &[3, 5]]);
        assert_eq!(shortest, [2, 5]);
        sheet.divide(&shortest);
        let after = sheet.reading(now);
        assert_eq!(after.accounts[Account::Transfer], 7);
        assert_eq!(after.accounts[Account::Wait], 5);
        assert_eq!((after.accounts.total(), after.unfinished), (now, 0));
        // What was divided is of the step before, and not of the next.
        let (next, _) = step(&mut sheet, now);
        assert_eq!(next.accounts, took.accounts);
    }

    #[test]
    fn a_group_that_breaks_leaves_its_calls_as_waiting_and_its_step_as_lost() {
        let mut sheet = Timesheet::default();
        let (_, now) = step(&mut sheet, 0);
        sheet.divide(&[7, 5]);
        // What is left of the last step is not of one that comes to nothing.
        let mut ended = sheet.clone();
        ended.break_off(now + 3);
        assert_eq!(ended.reading(now + 3).partial, 0);
        sheet.begin_step(now);
        sheet.switch(now, Some(Account::Forward));
        sheet.switch(now + 9, None);
        let amid = sheet.reading(now + 10);
        assert_eq!((amid.unfinished, amid.undivided, amid.open), (9, 1, None));
        sheet.switch(now + 50, Some(Account::Regroup));
        sheet.break_off(now + 50);
        let after = sheet.reading(now + 60);
        assert_eq!(
            (after.partial, after.unfinished, after.undivided),
            (9, 0, 0)
        );
        assert_eq!(after.accounts[Account::Wait], 41);
        assert_eq!(after.accounts[Account::Regroup], 10);
        assert_eq!(after.accounts.total(), now + 60);
    }

    #[test]
    fn every_nanosecond_is_in_one_account_and_no_account_falls_whatever_happens() {
        let mut random = 7_u64;
        let mut draw = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        let (mut sheet, mut now) = (Timesheet::default(), 0);
        let mut before = Accounts::default();
        for _ in 0..10_000 {
            now += draw(1_000);
            match draw(6) {
                0 => sheet.switch(now, None),
                1 | 2 => {
                    let account = Account::ALL[draw(Account::ALL.len() as u64) as usize];
                    sheet.switch(now, Some(account));
                }
                3 => sheet.begin_step(now),
                4 => {
                    let took = sheet.end_step(now);
                    let shortest: Vec<_> = took.calls.iter().map(|call| draw(call + 1)).collect();
                    sheet.divide(&shortest);
                }
                _ => sheet.break_off(now),
            }
            now += draw(1_000);
            let reading = sheet.reading(now);
            assert_eq!(reading.accounts.total() + reading.undivided, now);
            for (account, time) in reading.accounts.iter() {
                assert!(time >= before[account], "{account:?} falls");
            }
            before = reading.accounts;
        }
    }
}
