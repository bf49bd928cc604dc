//! A worker falls silent: is its process held up, or is its host gone?
//!
//! A host accepts connections even for a stopped process. One that accepts none is gone or cut off, so its worker is given
//! up before the limit for silence.

use crate::cluster::Cluster;
use crate::command::{Command, HostProbe};
use crate::event::Departure;
use crate::ids::{Millis, WorkerId};
use crate::membership::Member;

impl Cluster {
    /// Probes the hosts of workers that have fallen silent, once in each silence.
    pub(crate) fn probe_hosts(&mut self, now: Millis) -> Vec<Command> {
        let Some(lull) = self.deadlines.probe_after() else {
            return Vec::new();
        };
        let mut commands = Vec::new();
        for worker in self.membership.silent(now, lull) {
            let Some(member) = self.membership.member_mut(worker) else {
                continue;
            };
            if member.probed.is_none_or(|asked| asked < member.last_heard) {
                member.probed = Some(now);
                commands.push(Command::ProbeHost(HostProbe {
                    worker,
                    address: member.address.clone(),
                    asked: now,
                }));
            }
        }
        commands
    }

    /// A host did not answer: it is gone if its worker is still silent and others were heard since the probe. If nobody
    /// was, this coordinator may be cut off.
    pub(crate) fn probe_failed(
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
