//! A worker cannot train although others may: it goes, and they go on.

use crate::cluster::Cluster;
use crate::command::Command;
use crate::event::Departure;
use crate::ids::{Millis, WorkerId};
use crate::state::State;

impl Cluster {
    /// Evicts a worker that cannot train. If there never was a group, or nobody else could go on, the run ends.
    pub(crate) fn unfit(&mut self, now: Millis, worker: WorkerId, reason: String) -> Vec<Command> {
        if matches!(self.state, State::TakingOver(_)) || self.is_new(now) {
            // Healthy members may be on their way.
            return self.evict(now, vec![(worker, Departure::Unfit { reason })]);
        }
        let is_seated = self.membership.seated(worker).is_some();
        self.trouble.n_unfit += usize::from(is_seated);
        if !self.has_trained || is_seated && !self.others_go_on(worker) {
            return self.failed(worker, &reason);
        }
        self.evict(now, vec![(worker, Departure::Unfit { reason })])
    }

    /// Whether this coordinator found a group to wait for, and members of it may not have found it yet.
    ///
    /// One that was left behind in an older generation can be the first to register, and alone for a while.
    fn is_new(&self, now: Millis) -> bool {
        self.taken_over
            .is_some_and(|began| now.since(began) <= self.settings.return_timeout)
    }

    /// Whether another worker may be able to train.
    ///
    /// If as many workers as a group has seats were unfit, and all those registered before the first of them too, then the
    /// later ones would be unfit as well: the workers are not the cause.
    fn others_go_on(&self, worker: WorkerId) -> bool {
        let mut others = self.membership.others(worker);
        match self.trouble.n_unfit < self.limit() {
            true => others.next().is_some(),
            false => others.any(|other| other.predates_first_unfit),
        }
    }
}
