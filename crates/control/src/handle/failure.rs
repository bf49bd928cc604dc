//! A worker is gone, its group is broken, or it cannot go on.

use crate::cluster::{Cluster, Phase};
use crate::command::{Command, Leaving, Verdict};
use crate::event::Departure;
use crate::ids::{Generation, Millis, WorkerId};
use crate::membership::Member;

impl Cluster {
    /// A member's loss makes a new generation of those who are left, who keep what they have in memory.
    /// A run that has nobody left waits for them, or for others, to come.
    pub(crate) fn departed(
        &mut self,
        now: Millis,
        worker: WorkerId,
        departure: &Departure,
    ) -> Vec<Command> {
        self.lose(now, &[worker], departure)
    }

    /// Tells workers to end, and goes on without them.
    pub(crate) fn evict(
        &mut self,
        now: Millis,
        workers: &[WorkerId],
        departure: &Departure,
    ) -> Vec<Command> {
        let stop = |&worker: &WorkerId| Command::Stop {
            worker,
            reason: departure.reason().to_owned(),
            is_failure: true,
        };
        let mut commands: Vec<_> = workers.iter().map(stop).collect();
        commands.extend(self.lose(now, workers, departure));
        commands
    }

    /// Strikes workers off; however many of the group are among them, one new generation follows.
    fn lose(&mut self, now: Millis, workers: &[WorkerId], departure: &Departure) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut lost_member = None;
        for &worker in workers {
            let is_seated = self.membership.rank_of(worker).is_some();
            let Some(who) = self.describe_registered(worker) else {
                continue;
            };
            let verdict = format!("{who}: {}", departure.reason());
            match self.membership.remove(worker) {
                Some(Member {
                    is_leaving: true,
                    name,
                    ..
                }) => {
                    self.n_left = self.n_left.saturating_add(1);
                    commands.push(Command::Left { name });
                }
                _ => commands.push(Command::Report {
                    verdict: verdict.clone(),
                }),
            }
            if is_seated {
                lost_member = Some(verdict);
            }
        }
        let is_waiting = matches!(self.phase, Phase::Gathering | Phase::Returning);
        if let Some(verdict) = lost_member.filter(|_| !is_waiting) {
            commands.extend(self.go_on_without(now, &verdict));
        }
        commands
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

    /// A live worker saw its group fail: everybody regroups. If a peer died, its own departure follows.
    ///
    /// A group that breaks again and again without a step, although nobody is lost, ends the run.
    pub(crate) fn group_broken(
        &mut self,
        worker: WorkerId,
        generation: Generation,
        reason: &str,
    ) -> Vec<Command> {
        let is_known = matches!(self.phase, Phase::Training | Phase::Returning);
        if generation != self.generation || !is_known {
            return Vec::new();
        }
        let Some(who) = self.describe_registered(worker) else {
            return Vec::new();
        };
        let verdict = format!("{who} reports: {reason}");
        let mut commands = vec![Command::Report {
            verdict: verdict.clone(),
        }];
        if self.phase == Phase::Returning {
            self.is_broken = true;
            return commands;
        }
        self.fruitless += 1;
        if self.fruitless >= self.settings.max_fruitless {
            let reason = format!(
                "{} generations in a row broke without a step; {verdict}",
                self.fruitless
            );
            commands.extend(self.end(Verdict::Failed { reason }));
        } else {
            commands.extend(self.start_generation(Leaving::AtOnce));
        }
        commands
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
