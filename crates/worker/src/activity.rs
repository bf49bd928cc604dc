//! Where the training thread is, and where its process's time went: what its heartbeats say. It decides nothing.

use crate::tempo::Tempo;
use fratmae_control::Phase;
use fratmae_protocol::pb;
use fratmae_telemetry::{Account, Accounts, StepTime, TimeReading, Timesheet, process_age_ns};
use fratmae_trainer::Pass;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The training thread's place in its work; a std lock, held for a few instructions.
#[derive(Debug, Default)]
pub struct Activity(Mutex<Place>);

#[derive(Debug)]
struct Place {
    phase: Phase,
    since: Instant,
    /// When it got on last within the phase.
    advanced: Instant,
    generation: u64,
    step: u64,
    call: Option<pb::Call>,
    /// How many of each phase ended since the heartbeat before, and the longest in milliseconds.
    laps: BTreeMap<Phase, (u32, u64)>,
    /// Time in each phase since work on the step at hand began, until a moment.
    spent: BTreeMap<Phase, Duration>,
    counted: Instant,
    tempo: Tempo,
    /// This rank's slots of a step.
    n_slots: usize,
    sheet: Timesheet,
    /// The account of time in which it awaits an order.
    idle: Account,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            phase: Phase::default(),
            since: Instant::now(),
            advanced: Instant::now(),
            generation: 0,
            step: 0,
            call: None,
            laps: BTreeMap::new(),
            spent: BTreeMap::new(),
            counted: Instant::now(),
            tempo: Tempo::default(),
            n_slots: 0,
            sheet: Timesheet::default(),
            idle: Account::Start,
        }
    }
}

impl Place {
    /// The account of a phase; none of one that is a collective call.
    const fn account(&self, phase: Phase) -> Option<Account> {
        Some(match phase {
            Phase::Idle => self.idle,
            Phase::Restore | Phase::Copy => Account::Restore,
            Phase::Join => Account::Join,
            Phase::Load => Account::Load,
            Phase::Forward => Account::Forward,
            Phase::Backward => Account::Backward,
            Phase::Optimizer => Account::Optimizer,
            Phase::Checkpoint => Account::Checkpoint,
            Phase::Gather | Phase::Reduce => return None,
        })
    }

    /// Counts the time until now to a phase.
    fn spend(&mut self, phase: Phase) {
        let before = std::mem::replace(&mut self.counted, Instant::now());
        *self.spent.entry(phase).or_default() += self.counted.duration_since(before);
    }

    /// It awaits orders for another reason from now on.
    fn await_order(&mut self, account: Account) {
        self.idle = account;
        if self.phase == Phase::Idle {
            self.sheet.switch(process_age_ns(), Some(account));
        }
    }
}

impl Activity {
    /// Where this process's time went. Collective calls of the step at hand are in no account yet.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        self.lock().sheet.reading(process_age_ns()).accounts
    }

    /// The job is known, and so is what can be said of its pace.
    pub(crate) fn expect(&self, tempo: Tempo) {
        self.lock().tempo = tempo;
    }

    /// The coordinator knows of this worker.
    pub(crate) fn registered(&self) {
        self.lock().await_order(Account::Join);
    }

    /// It has no seat, since all are taken; or it is to have one.
    pub(crate) fn stand_by(&self, stands_by: bool) {
        let mut place = self.lock();
        match (stands_by, place.idle) {
            (true, _) => place.await_order(Account::Standby),
            (false, Account::Standby) => place.await_order(Account::Join),
            (false, _) => {}
        }
    }

    /// It was told to end.
    pub(crate) fn stop(&self) {
        self.lock().await_order(Account::Drain);
    }

    /// A generation begins; its collective calls are counted anew.
    pub(crate) fn begin(&self, generation: u64, step: u64, n_slots: usize) {
        let mut place = self.lock();
        (place.generation, place.step, place.call) = (generation, step, None);
        place.n_slots = n_slots;
        place.idle = Account::Regroup;
    }

    /// The group is left, and what its calls and an unfinished step came to is known: the phase may last.
    pub(crate) fn leave_group(&self) {
        let mut place = self.lock();
        let (now, idle) = (process_age_ns(), place.idle);
        place.sheet.switch(now, Some(idle));
        place.sheet.break_off(now);
    }

    /// Work on a step begins.
    pub(crate) fn step(&self, step: u64) {
        let mut place = self.lock();
        place.step = step;
        place.counted = Instant::now();
        place.spent.clear();
        place.sheet.begin_step(process_age_ns());
    }

    /// Seconds in each phase of the step that was applied, until now.
    pub(crate) fn phases(&self) -> Vec<pb::PhaseSeconds> {
        let mut place = self.lock();
        let phase = place.phase;
        place.spend(phase);
        let phase = |phase: Phase| {
            let seconds = place.spent.get(&phase)?.as_secs_f64();
            let phase = phase.name().to_owned();
            Some(pb::PhaseSeconds { phase, seconds })
        };
        Phase::of_a_step().filter_map(phase).collect()
    }

    /// The step is applied: how long it took this rank.
    pub(crate) fn end_step(&self) -> StepTime {
        self.lock().sheet.end_step(process_age_ns())
    }

    /// Of the calls of the step that was applied it is known how long they took the rank that came last.
    pub(crate) fn divide_calls(&self, shortest: &[u64]) {
        self.lock().sheet.divide(shortest);
    }

    /// The step waits for the copy of the state; the phase that the thread is in goes on.
    pub(crate) fn stall<T>(&self, wait: impl FnOnce() -> T) -> T {
        let stalls = Some(Account::Checkpoint);
        let mut place = self.lock();
        place.sheet.switch(process_age_ns(), stalls);
        let phase = place.phase;
        place.spend(phase);
        drop(place);
        let waited = wait();
        let mut place = self.lock();
        place.spend(Phase::Checkpoint);
        // After a collective call it is the next phase that time goes to.
        if let Some(account) = place.account(place.phase) {
            place.sheet.switch(process_age_ns(), Some(account));
        }
        waited
    }

    /// One phase ends and another begins.
    pub(crate) fn enter(&self, phase: Phase) {
        let mut place = self.lock();
        let (ended, now) = (place.phase, Instant::now());
        let took = milliseconds(now.duration_since(place.since));
        let (count, longest) = place.laps.entry(ended).or_default();
        (*count, *longest) = (count.saturating_add(1), (*longest).max(took));
        place.spend(ended);
        (place.phase, place.since, place.advanced) = (phase, now, now);
        let (now, account) = (process_age_ns(), place.account(phase));
        place.sheet.switch(now, account);
        if phase == Phase::Idle {
            place.sheet.break_off(now);
        }
    }

    /// The phase gets on, and is not at its end; nothing is said of another phase that the thread is in by now.
    pub(crate) fn advance(&self, phase: Phase) {
        let mut place = self.lock();
        if place.phase == phase {
            place.advanced = Instant::now();
        }
    }

    /// A pass over a slot is done.
    pub(crate) fn passed(&self, pass: Pass) {
        let mut place = self.lock();
        let now = Instant::now();
        let took = now.duration_since(place.advanced);
        place.tempo.passed(pass, took);
        place.advanced = now;
    }

    /// How long this worker's part of a step takes, as far as that is known.
    pub(crate) fn step_takes(&self) -> Duration {
        let place = self.lock();
        let pace = place.tempo.pace(place.n_slots).unwrap_or_default();
        Duration::from_millis(pace.step_ms)
    }

    /// A collective call of this generation begins.
    pub(crate) fn call(&self, operation: &'static str) {
        let mut place = self.lock();
        let before = place.call.as_ref().map_or(0, |call| call.sequence);
        place.call = Some(pb::Call {
            operation: operation.to_owned(),
            sequence: before + 1,
        });
    }

    /// What there is to say now; phases that ended are said once.
    pub(crate) fn heartbeat(&self) -> pb::Heartbeat {
        let mut place = self.lock();
        let lap = |(phase, (count, longest_ms)): (Phase, (u32, u64))| pb::Lap {
            phase: phase.name().to_owned(),
            count,
            longest_ms,
        };
        let laps = std::mem::take(&mut place.laps).into_iter();
        pb::Heartbeat {
            phase: place.phase.name().to_owned(),
            generation: place.generation,
            step: place.step,
            phase_ms: milliseconds(place.since.elapsed()),
            still_ms: milliseconds(place.advanced.elapsed()),
            pace: place.tempo.pace(place.n_slots),
            call: place.call.clone(),
            laps: laps.map(lap).collect(),
            times: Some(times(place.sheet.reading(process_age_ns()))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn times(reading: TimeReading) -> pb::Times {
    pb::Times {
        accounts: reading.accounts.values().to_vec(),
        undivided: reading.undivided,
        unfinished: reading.unfinished,
        partial: reading.partial,
        open: reading.open.map(|account| account as u32),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_telemetry::Accounts;

    #[test]
    fn a_heartbeat_says_phase_step_and_call_and_each_lap_once() {
        let activity = Activity::default();
        activity.begin(4, 10, 2);
        activity.step(11);
        for phase in [Phase::Forward, Phase::Gather, Phase::Forward] {
            activity.enter(phase);
        }
        activity.call("all_gather");
        activity.call("all_reduce");
        let said = activity.heartbeat();
        assert_eq!((said.generation, said.step), (4, 11));
        assert_eq!(said.phase, "forward");
        let call = said.call.unwrap_or_default();
        assert_eq!((call.operation.as_str(), call.sequence), ("all_reduce", 2));
        let counts: Vec<_> = said
            .laps
            .iter()
            .map(|lap| (lap.phase.as_str(), lap.count))
            .collect();
        assert_eq!(counts, [("idle", 1), ("forward", 1), ("gather", 1)]);
        assert!(activity.heartbeat().laps.is_empty());
    }

    /// The accounts that a heartbeat tells, and the one that is open.
    fn reading(activity: &Activity) -> (Accounts, Option<Account>) {
        let before = process_age_ns();
        let times = activity.heartbeat().times.unwrap_or_default();
        let accounts = Accounts::of(&times.accounts);
        let age = accounts.total() + times.undivided;
        assert!((before..=process_age_ns()).contains(&age), "{age}");
        let open = times.open.map(|open| Account::ALL[open as usize]);
        (accounts, open)
    }

    #[test]
    fn every_moment_from_the_start_of_the_process_on_is_in_the_account_of_what_was_done() {
        let activity = Activity::default();
        assert_eq!(reading(&activity).1, Some(Account::Start));
        activity.registered();
        activity.stand_by(false);
        assert_eq!(reading(&activity).1, Some(Account::Join));
        activity.stand_by(true);
        assert_eq!(reading(&activity).1, Some(Account::Standby));
        activity.begin(1, 0, 1);
        activity.enter(Phase::Join);
        activity.step(1);
        for phase in [Phase::Load, Phase::Forward, Phase::Gather] {
            activity.enter(phase);
        }
        assert_eq!(reading(&activity).1, None);
        activity.enter(Phase::Backward);
        activity.stall(|| assert_eq!(reading(&activity).1, Some(Account::Checkpoint)));
        assert_eq!(reading(&activity).1, Some(Account::Backward));
        let phases = activity.phases();
        let names: Vec<_> = phases.iter().map(|spent| spent.phase.as_str()).collect();
        let expected = ["load", "forward", "gather", "backward", "checkpoint"];
        assert_eq!(names, expected);
        let step = activity.end_step();
        assert_eq!(step.calls.len(), 1);
        activity.divide_calls(&step.calls);
        let (accounts, _) = reading(&activity);
        assert_eq!(accounts[Account::Transfer], step.calls[0]);
        assert!(accounts[Account::Checkpoint] > 0 && accounts[Account::Wait] == 0);
        activity.leave_group();
        assert_eq!(reading(&activity).1, Some(Account::Regroup));
        activity.enter(Phase::Idle);
        activity.stop();
        assert_eq!(reading(&activity).1, Some(Account::Drain));
    }
}
