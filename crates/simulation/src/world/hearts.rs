//! Heartbeats: what a worker says of where it is in its work.

use super::{Happening, World};
use crate::group::Stage;
use fratmae_control::{Call, Event, Lap, Millis, Phase, Progress};

/// How often a worker's heart beats.
const BEAT: u64 = 700;
/// How long the passes of a step take, and the exchange of embeddings between them.
const FORWARD: u64 = 35;
const GATHER: u64 = 10;
const BACKWARD: u64 = 30;
/// The longest that a step takes which nobody holds up.
const LONGEST: u64 = 120;

impl World {
    pub(super) fn beat(&mut self, place: usize, incarnation: u64) {
        let again = Happening::Beat(place, incarnation);
        if !self.is_alive(place, incarnation, &again) {
            return;
        }
        if let Some(worker) = self.identity(place) {
            let progress = self.progress(place);
            self.workers[place].n_applied = 0;
            self.say(place, Event::Beat { worker, progress });
        }
        self.agenda.after(BEAT, again);
    }

    fn progress(&self, place: usize) -> Progress {
        let worker = &self.workers[place];
        let Some(group) = worker.group else {
            // After its last step it has its share to write.
            let place = worker.place.filter(|_| worker.n_writing > 0);
            return place.map_or_else(Progress::default, |(generation, _)| Progress {
                generation,
                phase: Phase::Checkpoint,
                ..Progress::default()
            });
        };
        let its = &self.groups[group];
        let mut progress = Progress {
            generation: its.assignment.generation,
            step: its.state.step.next(),
            phase: Phase::Join,
            laps: self.laps(place),
            ..Progress::default()
        };
        let now = self.agenda.now();
        if let Stage::Stepping { began, ends } = its.stage {
            // Who was held up lately makes up for it now.
            let began = match self.is_held_up(&self.members(group)) {
                true => began,
                false => began.max(ends.saturating_sub(LONGEST)),
            };
            let (phase, since, calls) = phase(began, now);
            let sequence = 2 * its.n_steps.saturating_sub(1) + calls;
            progress.phase = phase;
            progress.lasts = Millis::new(now - since);
            progress.call = call(sequence);
        }
        if let Some(since) = worker.hangs_since {
            // Whatever its group has come to since: it is where it was.
            progress.phase = Phase::Forward;
            progress.lasts = Millis::new(now - since);
            progress.call = call(2 * its.n_steps.saturating_sub(1));
        }
        progress.still = progress.lasts;
        progress
    }

    fn laps(&self, place: usize) -> Vec<Lap> {
        let count = self.workers[place].n_applied;
        let lap = |(phase, longest)| Lap {
            phase,
            count,
            longest: Millis::new(longest),
        };
        let phases = [
            (Phase::Forward, FORWARD),
            (Phase::Gather, GATHER),
            (Phase::Backward, BACKWARD),
            (Phase::Reduce, LONGEST - FORWARD - GATHER - BACKWARD),
        ];
        match count {
            0 => Vec::new(),
            _ => phases.map(lap).to_vec(),
        }
    }
}

fn call(sequence: u64) -> Option<Call> {
    (sequence > 0).then(|| Call {
        operation: String::new(),
        sequence,
    })
}

/// What a member that gets on does now, since when, and how many calls of the step it has begun. It waits for those who
/// do not get on in the last of them.
const fn phase(began: u64, now: u64) -> (Phase, u64, u64) {
    let gather = began + FORWARD;
    let backward = gather + GATHER;
    let reduce = backward + BACKWARD;
    if now < gather {
        (Phase::Forward, began, 0)
    } else if now < backward {
        (Phase::Gather, gather, 1)
    } else if now < reduce {
        (Phase::Backward, backward, 1)
    } else {
        (Phase::Reduce, reduce, 2)
    }
}
