//! A sound run whose heartbeats and steps come at uneven times: nothing may be said against anybody in it.

use crate::agenda::Agenda;
use crate::random::Random;
use crate::scale::Life;
use fratmae_control::{Command, Event, Step, WorkerId};

/// A worker beats about so often, in milliseconds.
const BEAT: u64 = 250;
/// And the coordinator looks at time so often.
const TICK: u64 = 250;
/// The longest that a heartbeat is on its way: below the least silence that is ever allowed, 5 s, as what is learned of
/// a calm beginning goes down to that.
const LATE: u64 = 4_000;

enum Thing {
    Beat(WorkerId),
    Tick,
    StepEnds,
}

/// Trains so many steps with `workers` workers, whose messages are late by chance, some by much; gives every command
/// that is not the next generation's or checkpoint's.
#[must_use]
pub fn jittered(seed: u64, workers: u32, steps: u64) -> Vec<Command> {
    let mut random = Random::new(seed);
    let mut life = Life::new(workers, steps + 1);
    life.gather();
    let mut agenda = Agenda::new();
    for worker in life.workers.clone() {
        agenda.after(BEAT, Thing::Beat(worker));
    }
    agenda.after(TICK, Thing::Tick);
    agenda.after(1, Thing::StepEnds);
    let (mut said, mut step) = (Vec::new(), 0);
    while let Some(thing) = agenda.pop() {
        life.now = agenda.now();
        match thing {
            Thing::Beat(worker) => {
                said.extend(life.see(Event::Heard { worker }));
                agenda.after(BEAT + late(&mut random), Thing::Beat(worker));
            }
            Thing::Tick => {
                said.extend(life.see(Event::Tick));
                agenda.after(TICK + random.below(TICK), Thing::Tick);
            }
            Thing::StepEnds if step == steps => return said,
            Thing::StepEnds => {
                step += 1;
                let generation = life.generation;
                let step = Step::new(step);
                said.extend(life.see(Event::Applied { generation, step }));
                // Ten times its usual length now and then.
                let factor = if random.chance(50) { 10 } else { 1 };
                agenda.after(random.between(50, 150) * factor, Thing::StepEnds);
            }
        }
    }
    said
}

/// Most messages are hardly late, a few are by seconds.
fn late(random: &mut Random) -> u64 {
    if random.chance(5) {
        random.below(LATE)
    } else {
        random.below(BEAT / 2)
    }
}
