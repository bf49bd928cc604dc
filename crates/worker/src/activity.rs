//! Where the training thread is: what its heartbeats say of it. It decides nothing.

use crate::tempo::Tempo;
use fratmae_control::Phase;
use fratmae_protocol::pb;
use fratmae_trainer::Pass;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The training thread's place in its work; a std lock, held for a few instructions.
#[derive(Debug, Default)]
pub(crate) struct Activity(Mutex<Place>);

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
    tempo: Tempo,
    /// This rank's slots of a step.
    n_slots: usize,
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
            tempo: Tempo::default(),
            n_slots: 0,
        }
    }
}

impl Activity {
    /// The job is known, and so is what can be said of its pace.
    pub(crate) fn expect(&self, tempo: Tempo) {
        self.lock().tempo = tempo;
    }

    /// A generation begins; its collective calls are counted anew.
    pub(crate) fn begin(&self, generation: u64, step: u64, n_slots: usize) {
        let mut place = self.lock();
        (place.generation, place.step, place.call) = (generation, step, None);
        place.n_slots = n_slots;
    }

    /// Work on a step begins.
    pub(crate) fn step(&self, step: u64) {
        self.lock().step = step;
    }

    /// One phase ends and another begins.
    pub(crate) fn enter(&self, phase: Phase) {
        let mut place = self.lock();
        let (ended, now) = (place.phase, Instant::now());
        let took = milliseconds(now.duration_since(place.since));
        let (count, longest) = place.laps.entry(ended).or_default();
        (*count, *longest) = (count.saturating_add(1), (*longest).max(took));
        (place.phase, place.since, place.advanced) = (phase, now, now);
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
        }
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
