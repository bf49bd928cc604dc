//! What truly is the matter with a worker that a coordinator strikes off.

use super::World;
use crate::observation::Observation;
use fratmae_control::WorkerId;

impl World {
    /// What the world knows of the one that is struck off, and no coordinator can.
    pub(super) fn observe_striking_off(
        &mut self,
        coordinator: usize,
        worker: WorkerId,
        reason: String,
    ) {
        let stream = worker.get();
        let Some(link) = self.coordinators[coordinator].streams.get(&stream) else {
            return;
        };
        let now = self.agenda.now();
        let worker = &self.workers[link.place];
        let is_there =
            worker.is_up && worker.gets_on() && worker.stream == Some((stream, coordinator));
        self.laws.observe(&Observation::StruckOff {
            place: link.place,
            reason,
            silence: now - link.heard,
            undisturbed: match is_there {
                true => now.saturating_sub(worker.is_disturbed_until),
                false => 0,
            },
        });
    }

    /// Notes that a worker is not itself, or not heard or reached, until some time.
    pub(super) fn disturb(&mut self, place: usize, until: u64) {
        let disturbed = &mut self.workers[place].is_disturbed_until;
        *disturbed = until.max(*disturbed);
    }
}
