//! What the passing of time alone decides: silence, members that hang, and a group that never gathers.

use crate::cluster::{Cluster, Phase};
use crate::command::{Command, Verdict};
use crate::event::Departure;
use crate::ids::Millis;

impl Cluster {
    /// Declares silent and stuck workers gone, and gives up on a group that does not gather or return.
    pub(crate) fn tick(&mut self, now: Millis) -> Vec<Command> {
        let allowed = self.silence_allowed(now);
        let silent = self.membership.silent(now, allowed);
        let mut commands = self.evict(now, &silent, &Departure::Silent);
        let is_late = now.since(self.started) > self.settings.leave_timeout;
        if self.phase == Phase::Preparing && is_late {
            let stuck = self.membership.unprepared();
            commands.extend(self.evict(now, &stuck, &Departure::Stuck));
        }
        let waited = now.since(self.started);
        if self.phase == Phase::Returning && waited > self.settings.return_timeout {
            commands.extend(self.stop_waiting(now));
        }
        if self.phase == Phase::Gathering && waited > self.settings.join_timeout {
            commands.extend(self.end(Verdict::Failed {
                reason: self.nobody_came(),
            }));
        }
        commands
    }

    /// How long a worker may be silent.
    ///
    /// Where nobody is heard at all it is this coordinator that was away or is cut off, and its workers train on: they
    /// have as long as the run waits for workers to come. Once any of them is heard again, the others have as long as
    /// it was deaf beyond the usual: a connection tries again after waits that double.
    fn silence_allowed(&mut self, now: Millis) -> Millis {
        let usual = self.settings.worker_timeout;
        let half = usual.get() / 2;
        if self.membership.hears_nobody(now, Millis::new(half)) {
            self.deaf_since.get_or_insert(now);
            return usual.max(self.settings.join_timeout);
        }
        if let Some(since) = self.deaf_since.take() {
            let lasted = now.since(since).get().saturating_add(half);
            let longest = self.settings.join_timeout.get();
            let until = now.get().saturating_add(lasted.min(longest));
            self.membership.forgive(Millis::new(until));
        }
        usual
    }

    fn nobody_came(&self) -> String {
        let last_lost = self.last_lost.as_ref();
        let last_lost = last_lost.map_or(String::new(), |lost| {
            format!(" after the last was lost ({lost})")
        });
        format!(
            "{} of {} workers registered within {} s{last_lost}; start the others or lower workers.count",
            self.membership.count(),
            self.settings.workers,
            self.settings.join_timeout.get() / 1000
        )
    }
}
