//! A worker falls silent: is its process held up, or is its host gone?
//!
//! A host takes connections for a process that is stopped as well, so one that takes none is gone or cut off; its worker
//! need not have the time that a process has that is there.

use crate::cluster::Cluster;
use crate::command::{Command, Knock};
use crate::event::Departure;
use crate::ids::{Millis, WorkerId};
use crate::membership::Member;

impl Cluster {
    /// Asks the hosts of those who have fallen silent, once in each silence.
    pub(crate) fn probe_hosts(&mut self, now: Millis) -> Vec<Command> {
        let Some(lull) = self.deadlines.lull() else {
            return Vec::new();
        };
        let mut commands = Vec::new();
        for worker in self.membership.silent(now, lull) {
            let Some(member) = self.membership.member_mut(worker) else {
                continue;
            };
            if member.probed.is_none_or(|asked| asked < member.last_heard) {
                member.probed = Some(now);
                commands.push(Command::Knock(Knock {
                    worker,
                    address: member.address.clone(),
                    asked: now,
                }));
            }
        }
        commands
    }

    /// A host did not answer: it is gone if its worker is still silent, and others were heard since it was asked.
    ///
    /// Where nobody was, it may be this coordinator that is cut off.
    pub(crate) fn unanswered(
        &mut self,
        now: Millis,
        worker: WorkerId,
        asked: Millis,
    ) -> Vec<Command> {
        let Some(member) = self.membership.member(worker) else {
            return Vec::new();
        };
        let last_heard = member.last_heard;
        let is_later = |other: &Member| other.last_heard >= asked;
        if last_heard >= asked || !self.membership.others(worker).any(is_later) {
            return Vec::new();
        }
        let silence = now.since(last_heard);
        self.evict(now, vec![(worker, Departure::HostGone { silence })])
    }
}
