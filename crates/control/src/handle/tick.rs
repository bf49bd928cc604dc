//! What the passing of time alone decides: silence, and a group that never gathers.

use crate::cluster::{Cluster, Phase};
use crate::command::{Command, Verdict};
use crate::event::Departure;
use crate::ids::Millis;

impl Cluster {
    /// Declares silent workers gone, and gives up on a first group that does not gather.
    pub(crate) fn tick(&mut self, now: Millis) -> Vec<Command> {
        let mut commands = Vec::new();
        for worker in self.membership.silent(now, self.settings.worker_timeout) {
            let reason = Departure::Silent.reason().to_owned();
            commands.push(Command::Stop {
                worker,
                reason,
                is_failure: true,
            });
            commands.extend(self.departed(worker, &Departure::Silent));
            if self.phase == Phase::Ended {
                return commands;
            }
        }
        let waited = now.since(self.started);
        if self.phase == Phase::Gathering && waited > self.settings.join_timeout {
            commands.extend(self.end(Verdict::Failed {
                reason: self.nobody_came(),
            }));
        }
        commands
    }

    fn nobody_came(&self) -> String {
        format!(
            "{} of {} workers registered within {} s; start the others or lower workers.count",
            self.membership.count(),
            self.settings.workers,
            self.settings.join_timeout.get() / 1000
        )
    }
}
