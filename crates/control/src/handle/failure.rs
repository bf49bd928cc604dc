//! A worker is gone, or cannot go on.

use crate::cluster::Cluster;
use crate::command::{Command, Leaving, Verdict};
use crate::event::Departure;
use crate::ids::{Millis, WorkerId};
use crate::membership::Member;
use crate::state::State;

impl Cluster {
    /// A member's loss makes a new generation of those who are left, who keep what they have in memory.
    /// A run that has nobody left waits for them, or for others, to come; unless its only worker panicked before there
    /// ever was a step, as the next one would.
    pub(crate) fn departed(
        &mut self,
        now: Millis,
        worker: WorkerId,
        departure: Departure,
    ) -> Vec<Command> {
        let Departure::Panicked { reason } = &departure else {
            return self.lose(now, vec![(worker, departure)]);
        };
        if self.is_alone_without_a_step(worker) {
            return self.failed(worker, reason);
        }
        let is_known = self.membership.member(worker).is_some();
        // It awaits a sign that it was understood before its process ends.
        let mut commands = self.evict(now, vec![(worker, departure)]);
        if is_known && matches!(self.state, State::Gathering(_)) {
            // A run that has not begun does not wait for it.
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
            match self.remove(worker) {
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
        match (&mut self.state, lost_member) {
            (State::Gathering(wait), _) => wait.last_lost = lost.or(wait.last_lost.take()),
            (State::TakingOver(_) | State::Ended, _) | (_, None) => {}
            (State::Recording(_) | State::Preparing(_) | State::Training(_), Some(verdict)) => {
                commands.extend(self.go_on_without(now, verdict));
            }
        }
        commands
    }

    /// Whether a group of this worker alone has not come to a step of its own.
    fn is_alone_without_a_step(&self, worker: WorkerId) -> bool {
        let has_group = !matches!(self.state, State::Gathering(_) | State::TakingOver(_));
        let is_alone = self.membership.others(worker).next().is_none();
        has_group && !self.lineage.has_stepped && is_alone
    }

    fn go_on_without(&mut self, now: Millis, verdict: String) -> Vec<Command> {
        if self.membership.count() > 0 {
            return self.start_generation(Leaving::AtOnce);
        }
        if let Some(cause) = self.draining {
            return self.interrupt(cause);
        }
        self.await_old_group(now, verdict);
        Vec::new()
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
