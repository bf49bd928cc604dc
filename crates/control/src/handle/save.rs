//! A checkpoint that is wanted now: somebody asked for it, or the newest one has become old.
//!
//! One member is asked, and tells the others within its next step: so all store the same one, whichever it is.

use crate::cluster::Cluster;
use crate::command::Command;
use crate::ids::Millis;

impl Cluster {
    /// Requests a checkpoint that is as new as the run is now; a group that has not begun is asked when it does.
    pub(crate) fn save_requested(&mut self) -> Vec<Command> {
        let newest_possible = self.lineage.newest_possible();
        self.save_wanted = self.save_wanted.max(Some(newest_possible));
        self.ask_to_save()
    }

    /// A new group trains: an open request is now for a checkpoint of its state.
    pub(crate) fn renew_save(&mut self) -> Vec<Command> {
        if self.save_wanted.take().is_none() {
            return Vec::new();
        }
        self.save_requested()
    }

    /// Tells that the checkpoint which was asked for is durable, once it is.
    pub(crate) fn answer_save(&mut self) -> Vec<Command> {
        let step = self.lineage.newest.step();
        let answered = self.save_wanted.take_if(|wanted| step >= *wanted);
        answered
            .map(|_| Command::Saved { step })
            .into_iter()
            .collect()
    }

    /// Requests a checkpoint if the newest one is older than `save_every`.
    pub(crate) fn save_in_time(&mut self, now: Millis) -> Vec<Command> {
        let is_old = |every: Millis| now.since(self.last_save) >= every;
        let is_due = self.settings.save_every.is_some_and(is_old);
        let is_behind = self.lineage.applied > self.lineage.newest.step();
        let is_free = self.state.is_training() && self.save_wanted.is_none();
        if !is_free || !is_due || !is_behind {
            return Vec::new();
        }
        self.last_save = now;
        self.save_requested()
    }

    /// The group's first member passes the request on to the others.
    fn ask_to_save(&mut self) -> Vec<Command> {
        let answer = self.answer_save();
        if !self.state.is_training() || !answer.is_empty() {
            return answer;
        }
        let first = self.membership.group().first();
        let save = first.map(|&worker| Command::Save { worker });
        save.into_iter().collect()
    }
}
