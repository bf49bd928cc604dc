//! Stores that go wrong for good: a worker's own, and a checkpoint that is damaged.

use super::World;
use crate::observation::Observation;
use crate::worker::Fact;
use fratmae_control::{Fence, Rank, Source};

impl World {
    /// A worker whose own store fails for good says so, and leaves its group.
    pub(super) fn fall_unfit(&mut self, place: usize) {
        if self.workers[place].group.is_some() && self.workers[place].gets_on() {
            self.workers[place].is_unfit = true;
            self.leave(place);
            self.unfit_since.get_or_insert(self.agenda.now());
            self.tell_fact(place, Fact::Unfit);
        }
    }

    /// Damages the newest good one; now and then all workers are killed, who have to read it then.
    pub(super) fn damage_checkpoint(&mut self) {
        self.store.damage();
        self.observe_damage();
        if self.random.chance(700) {
            (0..self.workers.len()).for_each(|place| self.kill_worker(place));
        }
    }

    /// Tells the laws which is the newest good checkpoint now.
    pub(super) fn observe_damage(&mut self) {
        let newest = self.store.committed_until(Fence::new(u64::MAX));
        self.laws.observe(&Observation::Damaged { newest });
    }

    /// The members find that the checkpoint is damaged; one or the other had read it before.
    pub(super) fn find_damage(&mut self, group: usize, source: Source) {
        let Source::Checkpoint { step, generation } = source else {
            return;
        };
        let now = self.agenda.now();
        for (rank, place, _) in self.members(group) {
            if rank > Rank::new(0) && self.random.chance(200) {
                self.workers[place].held = self.state_of(group, source);
                continue;
            }
            self.workers[place].group = None;
            self.disturb(place, now);
            self.tell_fact(place, Fact::Damaged(generation, step));
            self.work(place);
        }
        self.break_group(group);
    }
}
