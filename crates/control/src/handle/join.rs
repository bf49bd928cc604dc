//! A worker registers, and is heard of again.

use crate::cluster::{Cluster, Phase};
use crate::command::Command;
use crate::ids::{Millis, WorkerId};
use crate::membership::{Member, Reported};

impl Cluster {
    /// Takes a worker in. The first generation begins once enough are there; whoever comes later
    /// stands by without slots until the next generation is made.
    pub(crate) fn registered(
        &mut self,
        now: Millis,
        worker: WorkerId,
        name: String,
        address: String,
    ) -> Vec<Command> {
        let member = Member {
            name,
            address,
            last_heard: now,
            reported: Reported::default(),
        };
        self.membership.insert(worker, member);
        let is_complete = self.membership.count() >= self.settings.workers as usize;
        if self.phase == Phase::Gathering && is_complete {
            return self.start_generation();
        }
        Vec::new()
    }

    /// Notes that a worker is alive.
    pub(crate) fn heard(&mut self, now: Millis, worker: WorkerId) -> Vec<Command> {
        if let Some(member) = self.membership.member_mut(worker) {
            member.last_heard = now;
        }
        Vec::new()
    }
}
