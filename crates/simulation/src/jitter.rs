//! A sound run whose heartbeats and steps come at uneven times, seen by a coordinator whose clock drifts: nothing may be
//! said against anybody in it. So that it is known to be judged, one of its workers can fall ill.

use crate::agenda::Agenda;
use crate::clock::Clock;
use crate::life::Life;
use crate::random::Random;
use fratmae_control::{Command, Event, Millis, Phase, Step, WorkerId};

/// A worker beats about so often, in milliseconds.
const BEAT: u64 = 250;
/// And the coordinator looks at time so often.
const TICK: u64 = 250;
/// The longest that a heartbeat is on its way: below the least silence that is ever allowed, 5 s, as what is learned of
/// a calm beginning goes down to that.
const LATE: u64 = 4_000;

/// What may be wrong with a worker from half of the steps on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Illness {
    /// Nothing more is heard of it.
    Silent,
    /// Its heart beats, and its forward pass does not end.
    Hangs,
}

enum Thing {
    Beat(WorkerId),
    Tick,
    StepEnds,
}

/// Trains so many steps with `workers` workers, whose messages are late by chance, some by much; with an illness, the
/// last of them has it. Gives the first commands that are not the next generation's or checkpoint's, and the step.
#[must_use]
pub fn jittered(
    seed: u64,
    workers: u32,
    steps: u64,
    illness: Option<Illness>,
) -> (Vec<Command>, u64) {
    let mut random = Random::new(seed);
    let clock = Clock::new(&mut random);
    let mut life = Life::new(workers, steps + 1);
    let mut agenda = Agenda::new();
    life.now = clock.at(0);
    life.see(Event::Tick);
    life.gather();
    for worker in life.workers.clone() {
        agenda.after(BEAT, Thing::Beat(worker));
    }
    agenda.after(TICK, Thing::Tick);
    agenda.after(1, Thing::StepEnds);
    let patient = life.workers.last().copied();
    let (mut step, mut began) = (0, 0);
    while let Some(thing) = agenda.pop() {
        life.now = clock.at(agenda.now());
        let is_ill = |worker| illness.filter(|_| Some(worker) == patient && step > steps / 2);
        let said = match thing {
            Thing::Beat(worker) => {
                let lasts = Millis::new(agenda.now() - began);
                agenda.after(BEAT + late(&mut random), Thing::Beat(worker));
                match is_ill(worker) {
                    Some(Illness::Silent) => Vec::new(),
                    Some(Illness::Hangs) => life.beat(worker, Phase::Forward, Millis::new(6_000)),
                    None => life.beat(worker, Phase::Forward, lasts),
                }
            }
            Thing::Tick => {
                agenda.after(TICK + random.below(TICK), Thing::Tick);
                life.see(Event::Tick)
            }
            Thing::StepEnds if step == steps => return (Vec::new(), step),
            Thing::StepEnds => {
                (step, began) = (step + 1, agenda.now());
                // Ten times its usual length now and then.
                let factor = if random.chance(50) { 10 } else { 1 };
                agenda.after(random.between(50, 150) * factor, Thing::StepEnds);
                let generation = life.generation;
                let step = Step::new(step);
                let worker = WorkerId::new(0);
                life.see(Event::Applied {
                    worker,
                    generation,
                    step,
                    is_recalled: false,
                })
            }
        };
        if !said.is_empty() {
            return (said, step);
        }
    }
    (Vec::new(), step)
}

/// Most messages are hardly late, a few are by seconds.
fn late(random: &mut Random) -> u64 {
    if random.chance(5) {
        random.below(LATE)
    } else {
        random.below(BEAT / 2)
    }
}
