//! The run's state and its one entry point. Each event's rule is a file under `handle`.

use crate::command::{Cause, Command, Leaving, Parting, RunOutcome, Source};
use crate::deadlines::Deadlines;
use crate::event::Event;
use crate::ids::{Generation, Millis, Step, WorkerId};
use crate::lineage::Lineage;
use crate::membership::{Member, Membership};
use crate::state::{Forming, RunPhase, State, Takeover, Wait};
use crate::trouble::Trouble;
use crate::{Seat, deal_slots};
use std::sync::Arc;

/// No generation has this number: it stands for the end of all.
const LAST_GENERATION: Generation = Generation::new(u64::MAX);

/// The job's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Slots in a global batch; no group is larger.
    pub slots: u32,
    /// The most workers a group has; the first generation begins at once when so many are registered.
    pub workers: u32,
    /// Workers with which the first generation begins once nobody has registered for `settle`.
    pub least_workers: u32,
    /// How long the run waits for more workers than `least_workers` after the newest one registered.
    pub settle: Millis,
    /// The job's last step.
    pub last_step: Step,
    /// No limit that is learned from the run's history is shorter.
    pub least_timeout: Millis,
    /// How long the run waits for a store that does not answer.
    pub store_patience: Millis,
    /// The longest that a worker may stay silent; the run's own history makes it shorter.
    pub worker_timeout: Millis,
    /// How long to wait for the first group to gather.
    pub join_timeout: Millis,
    /// How long a new coordinator waits for the group that an earlier one left.
    pub return_timeout: Millis,
    /// How long a member may take to leave its old group, and the longest limit for a phase of its work.
    pub leave_timeout: Millis,
    /// How many generations in a row may break without a single step.
    pub max_without_step: u32,
    /// How old the newest checkpoint may become; none where steps alone decide.
    pub save_every: Option<Millis>,
}

/// What the journal says of the run when a coordinator takes it over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The highest generation known.
    pub generation: Generation,
    /// Members of that generation that may still train; 0 if they were told to end.
    pub members: u32,
}

/// The run as one value: hand it events, carry out its commands.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    pub(crate) settings: Settings,
    pub(crate) state: State,
    pub(crate) membership: Membership,
    pub(crate) lineage: Lineage,
    pub(crate) trouble: Trouble,
    /// The step that a requested checkpoint must hold at least, if one is requested.
    pub(crate) save_wanted: Option<Step>,
    /// When a checkpoint was last committed, or asked for because of its age.
    pub(crate) last_save: Millis,
    /// Why the run is about to stop, if it is.
    pub(crate) draining: Option<Cause>,
    /// Workers that left as they were asked to: the run does not wait for them.
    pub(crate) n_left: u32,
    /// Whether a group has trained under this coordinator, or members of one came to it.
    pub(crate) has_trained: bool,
    /// When the last wait began for a group that this coordinator or an earlier one lost sight of, if one did.
    pub(crate) lost_sight: Option<Millis>,
    /// Until when a closed stream is no death, since this coordinator was away.
    pub(crate) excused_until: Millis,
    /// The wait for the first group, while one is made of those who came.
    pub(crate) gathered: Wait,
    /// How long things take in this run.
    pub(crate) deadlines: Deadlines,
    /// When time was last looked at.
    pub(crate) last_tick: Millis,
    /// Since when all are silent, though there are several who could be heard.
    pub(crate) all_silent_since: Option<Millis>,
}

impl Cluster {
    /// A cluster that waits for its workers: those of the newest generation first, if there may be any.
    #[must_use]
    pub fn new(settings: Settings, now: Millis, recorded: Recorded, newest: Source) -> Self {
        let is_taken_over = recorded.members > 0;
        let wait = Wait {
            since: now,
            ..Wait::default()
        };
        Self {
            settings,
            state: match is_taken_over {
                true => State::TakingOver(Takeover::of(recorded.members as usize, wait)),
                false => State::Gathering(wait),
            },
            membership: Membership::default(),
            lineage: Lineage::new(recorded.generation, newest),
            trouble: Trouble::default(),
            save_wanted: None,
            last_save: now,
            draining: None,
            n_left: 0,
            has_trained: false,
            lost_sight: is_taken_over.then_some(now),
            excused_until: Millis::new(0),
            gathered: Wait::default(),
            deadlines: Deadlines::default(),
            last_tick: now,
            all_silent_since: None,
        }
    }

    /// Where the run is in its life.
    #[must_use]
    pub const fn phase(&self) -> RunPhase {
        self.state.phase()
    }

    /// The newest generation made, whether or not it trains yet.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.lineage.generation
    }

    /// The newest committed checkpoint.
    #[must_use]
    pub const fn newest(&self) -> Source {
        self.lineage.newest
    }

    /// Whether the run is about to stop.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// The names of the group's members that are still registered, in rank order.
    #[must_use]
    pub fn group_names(&self) -> Vec<String> {
        self.membership
            .group_members()
            .map(|(_, member)| member.name.clone())
            .collect()
    }

    /// Takes one event in and gives back what is to be done, in order.
    ///
    /// What [`Self::admits`] does not let in changes nothing.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Command> {
        if !self.admits(&event) {
            return Vec::new();
        }
        match (&self.state, event) {
            (State::Ended, Event::Registered { worker, .. }) => vec![Command::Stop {
                worker,
                reason: "the run has ended".to_owned(),
                parting: match self.lineage.newest.step() == self.settings.last_step {
                    true => Parting::Finished,
                    false => Parting::Stopped,
                },
            }],
            (State::Ended, _) => Vec::new(),
            (_, event) => self.follow(now, event),
        }
    }

    fn follow(&mut self, now: Millis, event: Event) -> Vec<Command> {
        match event {
            Event::Registered {
                worker,
                name,
                address,
                past,
            } => self.registered(now, worker, (name, address), past),
            Event::Heard { worker } => self.heard(now, worker),
            Event::Beat { worker, progress } => self.beat(now, worker, progress),
            Event::Departed { worker, departure } => self.departed(now, worker, departure),
            Event::GenerationRecorded { generation } => self.generation_recorded(now, generation),
            Event::Prepared { worker, held, .. } => self.prepared(worker, held),
            Event::Applied { step, .. } => self.applied(step),
            Event::SampleSkipped { worker, .. } => self.sample_skipped(worker),
            // What is written down and shown decides nothing.
            Event::BatchSkipped { .. } => Vec::new(),
            Event::PartsWritten { worker, step, .. } => self.parts_written(worker, step),
            Event::CheckpointCommitted { generation, step } => {
                self.checkpoint_committed(generation, step)
            }
            Event::CheckpointLost {
                checkpoint,
                culprit,
            } => self.checkpoint_lost(now, checkpoint, culprit),
            Event::Finished {
                worker,
                weights_digest,
                ..
            } => self.finished(worker, weights_digest),
            Event::Drained { worker, step, .. } => self.drained(worker, step),
            Event::GroupBroken {
                worker,
                generation,
                reason,
                accusation,
            } => self.group_broken(now, worker, generation, (&reason, accusation)),
            Event::Unfit { worker, reason } => self.unfit(now, worker, reason),
            Event::Damaged {
                worker,
                checkpoint,
                reason,
                ..
            } => self.damaged(now, worker, checkpoint, reason),
            Event::PassedOver { checkpoint, newest } => self.passed_over(checkpoint, newest),
            Event::LeaveRequested { worker } => self.leave_requested(now, worker),
            Event::ProbeFailed { worker, asked } => self.probe_failed(now, worker, asked),
            Event::DrainRequested => self.drain_requested(),
            Event::SaveRequested => self.save_requested(),
            Event::Tick => self.tick(now),
        }
    }

    /// How many of `workers` a group still waits for: those that left as asked do not come back.
    pub(crate) fn wanted(&self, workers: u32) -> usize {
        workers.saturating_sub(self.n_left).max(1) as usize
    }

    /// The most members a group can have: no more than slots to deal, or workers asked for.
    pub(crate) fn limit(&self) -> usize {
        self.settings.slots.min(self.settings.workers) as usize
    }

    /// Whether the run stops soon anyway, so that no other group is made.
    pub(crate) fn is_ending(&self) -> bool {
        self.draining.is_some() || self.lineage.applied >= self.settings.last_step
    }

    /// Counts the damaged samples that a member tells of.
    fn sample_skipped(&mut self, worker: WorkerId) -> Vec<Command> {
        *self.trouble.n_skipped.entry(worker).or_default() += 1;
        Vec::new()
    }

    /// Removes a worker.
    pub(crate) fn remove(&mut self, worker: WorkerId) -> Option<Member> {
        if let State::TakingOver(takeover) = &mut self.state {
            takeover.forget(worker, &mut self.membership);
        }
        self.membership.remove(worker)
    }

    /// Makes the next generation out of those registered; its record must be durable first.
    pub(crate) fn start_generation(&mut self, leaving: Leaving) -> Vec<Command> {
        self.regroup(Forming::leaving(leaving))
    }

    pub(crate) fn regroup(&mut self, forming: Forming) -> Vec<Command> {
        let next = self.lineage.generation.next();
        if next >= LAST_GENERATION {
            let reason = format!(
                "generation {} is the last number there is: the run's journal or a checkpoint names one that no run \
                 comes to; start a new run with --fork",
                self.lineage.generation
            );
            return self.end(RunOutcome::Failed { reason });
        }
        self.lineage.generation = next;
        self.lineage.has_stepped = false;
        self.state = State::Recording(forming);
        if self.membership.n_staying() == 0 {
            self.draining.get_or_insert(Cause::Deserted);
        }
        // A whole group applies one more step, after which all its members hold the same state.
        let with_leavers = forming.leaving == Leaving::AtOnce && self.membership.needs_leavers();
        self.membership.regroup(self.limit(), with_leavers);
        vec![Command::RecordGeneration {
            generation: self.lineage.generation,
            members: self.group_names(),
        }]
    }

    /// Everybody's seat in the current generation; `begins_at` is the step that holders hold.
    pub(crate) fn seats(&self, begins_at: Step) -> Arc<[Seat]> {
        let world = self.membership.group().len();
        let runs = deal_slots(
            self.settings.slots,
            u32::try_from(world).unwrap_or(u32::MAX),
        );
        let seat = |((_, member), slots): ((_, &Member), _)| Seat {
            address: member.address.clone(),
            slots,
            is_holder: member.held == Some(begins_at),
        };
        let members = self.membership.group_members();
        members.zip(runs).map(seat).collect()
    }

    /// Where the group's state comes from: the most advanced member's memory, unless the newest checkpoint is newer.
    pub(crate) fn source(&self) -> Source {
        let held = self.membership.group_members().filter_map(|(_, m)| m.held);
        match held.max() {
            Some(step) if step >= self.lineage.newest.step() => Source::Peers { step },
            _ => self.lineage.newest,
        }
    }

    /// Ends the run: everybody is told to exit, and the outcome is the last command.
    pub(crate) fn end(&mut self, outcome: RunOutcome) -> Vec<Command> {
        self.state = State::Ended;
        let reason = match &outcome {
            RunOutcome::Finished { step, .. } => format!("the run finished at step {step}"),
            RunOutcome::Interrupted { step, cause } => {
                format!("the run was stopped at step {step}: {}", cause.reason())
            }
            RunOutcome::Failed { reason } => reason.clone(),
        };
        let parting = match &outcome {
            RunOutcome::Finished { .. } => Parting::Finished,
            RunOutcome::Interrupted { .. } => Parting::Stopped,
            RunOutcome::Failed { .. } => Parting::Failed,
        };
        let stop = |worker| Command::Stop {
            worker,
            reason: reason.clone(),
            parting,
        };
        let mut commands: Vec<_> = self.membership.workers().into_iter().map(stop).collect();
        commands.push(Command::End { outcome });
        commands
    }

    /// A registered worker as a verdict names it.
    pub(crate) fn describe_registered(&self, worker: WorkerId) -> Option<String> {
        let name = &self.membership.member(worker)?.name;
        Some(match self.membership.rank_of(worker) {
            Some(rank) => format!(
                "worker {name} (rank {rank} of generation {})",
                self.lineage.generation
            ),
            None => format!("worker {name} (standing by)"),
        })
    }
}
