//! A worker is gone, or cannot go on.

use crate::cluster::{Cluster, RunPhase};
use crate::command::{Command, Leaving, Verdict};
use crate::event::Departure;
use crate::ids::{Millis, WorkerId};
use crate::membership::Member;

impl Cluster {
    /// A member's loss makes a new generation of those who are left, who keep what they have in memory.
    /// A run that has nobody left waits for them, or for others, to come; unless its only worker panicked before there
    /// ever was a step, as the next one would.
    pub(crate) fn departed(
        &mut self,
        now: Millis,
        worker: WorkerId,
        departure: &Departure,
    ) -> Vec<Command> {
        if let Departure::Panicked { reason } = departure
            && self.is_alone_without_a_step(worker)
        {
            return self.failed(worker, reason);
        }
        match departure {
            Departure::Panicked { .. } => self.panicked(now, worker, departure),
            Departure::StreamClosed
            | Departure::Silent { .. }
            | Departure::HostGone { .. }
            | Departure::Stuck { .. }
            | Departure::Hangs { .. }
            | Departure::Unreachable { .. }
            | Departure::Unfit { .. } => self.lose(now, vec![(worker, departure.clone())]),
        }
    }

    /// It awaits a sign that it was understood before its process ends; a run that has not begun does not wait for it.
    fn panicked(&mut self, now: Millis, worker: WorkerId, departure: &Departure) -> Vec<Command> {
        let is_known = self.membership.member(worker).is_some();
        let mut commands = self.evict(now, vec![(worker, departure.clone())]);
        if is_known && self.phase == RunPhase::Gathering {
            self.n_left = self.n_left.saturating_add(1);
            commands.extend(self.gather(now));
        }
        commands
    }

    /// Tells workers to end, and goes on without them.
    pub(crate) fn evict(
        &mut self,
        now: Millis,
        workers: Vec<(WorkerId, Departure)>,
    ) -> Vec<Command> {
        let stop = |(worker, departure): &(WorkerId, Departure)| Command::Stop {
            worker: *worker,
            reason: departure.reason(),
            is_failure: true,
        };
        let mut commands: Vec<_> = workers.iter().map(stop).collect();
        commands.extend(self.lose(now, workers));
        commands
    }

    /// Strikes workers off; however many of the group are among them, one new generation follows.
    fn lose(&mut self, now: Millis, workers: Vec<(WorkerId, Departure)>) -> Vec<Command> {
        let mut commands = Vec::new();
        let (mut lost, mut lost_member) = (None, None);
        for (worker, departure) in workers {
            let is_seated = self.membership.rank_of(worker).is_some();
            let blame = self.blame(worker, departure.reason(), departure.evidence());
            let Some(blame) = blame.map(Box::new) else {
                continue;
            };
            let verdict = blame.to_string();
            match self.membership.remove(worker) {
                Some(Member {
                    is_leaving: true,
                    name,
                    ..
                }) => {
                    self.n_left = self.n_left.saturating_add(1);
                    commands.push(Command::Left { name });
                }
                _ => {
                    commands.push(Command::Report { blame });
                    lost = Some(verdict.clone());
                }
            }
            if is_seated {
                lost_member = Some(verdict);
            }
        }
        let is_waiting = matches!(self.phase, RunPhase::Gathering | RunPhase::Returning);
        if self.phase == RunPhase::Gathering {
            self.last_lost = lost.or(self.last_lost.take());
        }
        if let Some(verdict) = lost_member.filter(|_| !is_waiting) {
            commands.extend(self.go_on_without(now, &verdict));
        }
        commands
    }

    /// Whether a group of this worker alone has not come to a step of its own.
    fn is_alone_without_a_step(&self, worker: WorkerId) -> bool {
        let is_waiting = matches!(self.phase, RunPhase::Gathering | RunPhase::Returning);
        let is_alone = self.membership.others(worker).next().is_none();
        !is_waiting && !self.is_fruitful && is_alone
    }

    fn go_on_without(&mut self, now: Millis, verdict: &str) -> Vec<Command> {
        if let (0, Some(cause)) = (self.membership.count(), self.draining) {
            return self.interrupt(cause);
        }
        if self.membership.count() == 0 {
            self.last_lost = Some(verdict.to_owned());
            self.await_return(now);
            return Vec::new();
        }
        self.start_generation(Leaving::AtOnce)
    }

    /// A failure that would come again in any generation ends the run.
    pub(crate) fn failed(&mut self, worker: WorkerId, reason: &str) -> Vec<Command> {
        let Some(who) = self.describe_registered(worker) else {
            return Vec::new();
        };
        let reason = format!("{who}: {reason}");
        self.end(Verdict::Failed { reason })
    }
}
