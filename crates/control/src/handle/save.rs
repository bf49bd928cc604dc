//! A checkpoint that is wanted now: somebody asked for it, or the newest one has become old.
//!
//! One member is asked, and tells the others within its next step: so all store the same one, whichever it is.

use crate::cluster::{Cluster, RunPhase};
use crate::command::{Command, Source};
use crate::ids::{Millis, Step};

impl Cluster {
    /// Has a checkpoint stored that is as new as the run is now; a group that has yet to begin is asked when it does.
    pub(crate) fn save_requested(&mut self) -> Vec<Command> {
        self.saving = self.saving.max(Some(self.newest_possible()));
        self.ask_to_save()
    }

    /// A group trains: a checkpoint that was asked for before is one of what it holds.
    pub(crate) fn renew_save(&mut self) -> Vec<Command> {
        if self.saving.is_none() {
            return Vec::new();
        }
        self.saving = Some(self.newest_possible());
        self.ask_to_save()
    }

    /// Tells that the checkpoint which was asked for is durable, once it is.
    pub(crate) fn answer_save(&mut self) -> Vec<Command> {
        let step = self.newest.step();
        if self.saving.is_none_or(|asked| step < asked) {
            return Vec::new();
        }
        self.saving = None;
        vec![Command::Saved { step }]
    }

    /// Has a checkpoint stored if the newest one is older than it may be.
    pub(crate) fn save_in_time(&mut self, now: Millis) -> Vec<Command> {
        let is_old = |every: Millis| now.since(self.saved) >= every;
        let is_due = self.settings.save_every.is_some_and(is_old);
        let is_behind = self.applied > self.newest.step();
        if self.phase != RunPhase::Training || !is_due || !is_behind || self.saving.is_some() {
            return Vec::new();
        }
        self.saved = now;
        self.save_requested()
    }

    /// The step that a checkpoint of now must hold at least; nothing is stored of step 0.
    fn newest_possible(&self) -> Step {
        match self.newest {
            Source::Initial => self.applied.max(Step::new(1)),
            Source::Checkpoint { .. } | Source::Peers { .. } => self.applied,
        }
    }

    /// The group's first member carries the wish to the others.
    fn ask_to_save(&mut self) -> Vec<Command> {
        let answer = self.answer_save();
        if self.phase != RunPhase::Training || !answer.is_empty() {
            return answer;
        }
        let first = self.membership.group().first();
        first
            .map(|&worker| Command::Save { worker })
            .into_iter()
            .collect()
    }
}
