//! A worker is gone, its group is broken, or it cannot go on.

use crate::cluster::{Cluster, Phase};
use crate::command::{Command, Verdict};
use crate::event::Departure;
use crate::ids::{Generation, WorkerId};

impl Cluster {
    /// A member's loss makes a new generation of those who are left; they go on from the newest
    /// checkpoint. A run that drains, or has nobody left, ends.
    pub(crate) fn departed(&mut self, worker: WorkerId, departure: &Departure) -> Vec<Command> {
        let was_seated = self.membership.rank_of(worker).is_some();
        let Some(member) = self.membership.remove(worker) else {
            return Vec::new();
        };
        let verdict = format!(
            "{}: {}",
            self.describe(worker, &member.name),
            departure.reason()
        );
        let mut commands = vec![Command::Report {
            verdict: verdict.clone(),
        }];
        if self.phase != Phase::Gathering && was_seated {
            commands.extend(self.go_on_without(&verdict));
        }
        commands
    }

    fn go_on_without(&mut self, verdict: &str) -> Vec<Command> {
        if self.is_draining {
            return self.end(Verdict::Interrupted {
                step: self.newest.step(),
            });
        }
        if self.membership.count() == 0 {
            let reason = format!("no worker is left; the last to go was {verdict}");
            return self.end(Verdict::Failed { reason });
        }
        self.start_generation()
    }

    /// A live worker saw its group fail: everybody regroups. If a peer died, its own departure follows.
    pub(crate) fn group_broken(
        &mut self,
        worker: WorkerId,
        generation: Generation,
        reason: &str,
    ) -> Vec<Command> {
        if generation != self.generation || self.phase != Phase::Training {
            return Vec::new();
        }
        let Some(who) = self.describe_registered(worker) else {
            return Vec::new();
        };
        let verdict = format!("{who} reports: {reason}");
        let mut commands = vec![Command::Report {
            verdict: verdict.clone(),
        }];
        commands.extend(self.go_on_without(&verdict));
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
