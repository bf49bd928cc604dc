//! The run's state and its one entry point. Each event's rule is a file under `handle`.

use crate::command::{Assignment, Command, Source, Verdict};
use crate::event::Event;
use crate::ids::{Generation, Millis, Rank, Step, WorkerId};
use crate::membership::Membership;
use crate::{Seat, deal_slots};
use std::collections::BTreeSet;

/// What a cluster is told once, when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Slots in a global batch; no group is larger.
    pub slots: u32,
    /// Workers that must be registered before the first generation begins.
    pub workers: u32,
    /// The job's last step.
    pub last_step: Step,
    /// How long a worker may stay silent.
    pub worker_timeout: Millis,
    /// How long to wait for the first group to gather.
    pub join_timeout: Millis,
    /// How many generations in a row may end without a single step.
    pub max_fruitless: u32,
}

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for enough workers.
    Gathering,
    /// Waiting for the generation record to be durable.
    Recording,
    /// Waiting for every member to leave its old group.
    Preparing,
    /// The group trains; no step waits for this cluster.
    Training,
    /// The verdict is out.
    Ended,
}

/// The run as one value: hand it events, carry out its commands.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    pub(crate) settings: Settings,
    pub(crate) phase: Phase,
    pub(crate) generation: Generation,
    pub(crate) membership: Membership,
    /// The newest committed checkpoint; the next generation begins from it.
    pub(crate) newest: Source,
    /// Manifests asked for and not yet durable.
    pub(crate) committing: BTreeSet<(Generation, Step)>,
    pub(crate) is_draining: bool,
    pub(crate) started: Millis,
    /// Generations made since the last applied step.
    pub(crate) fruitless: u32,
}

impl Cluster {
    /// A cluster that waits for its workers; `generation` is the highest the journal knows.
    #[must_use]
    pub fn new(settings: Settings, now: Millis, generation: Generation, newest: Source) -> Self {
        Self {
            settings,
            phase: Phase::Gathering,
            generation,
            membership: Membership::default(),
            newest,
            committing: BTreeSet::new(),
            is_draining: false,
            started: now,
            fruitless: 0,
        }
    }

    /// Where the run is in its life.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The newest generation made, whether or not it trains yet.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The newest committed checkpoint.
    #[must_use]
    pub const fn newest(&self) -> Source {
        self.newest
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
    /// Events of a worker that is not registered and events of an old generation change nothing.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Command> {
        if self.phase == Phase::Ended {
            return self.turn_away(&event);
        }
        match event {
            Event::Registered {
                worker,
                name,
                address,
            } => self.registered(now, worker, name, address),
            Event::Heard { worker } => self.heard(now, worker),
            Event::Departed { worker, departure } => self.departed(worker, &departure),
            Event::GenerationRecorded { generation } => self.generation_recorded(generation),
            Event::Prepared { worker, generation } => self.prepared(worker, generation),
            Event::Applied { generation, .. } => self.applied(generation),
            Event::PartsWritten {
                worker,
                generation,
                step,
            } => self.parts_written(worker, generation, step),
            Event::CheckpointCommitted { generation, step } => {
                self.checkpoint_committed(generation, step)
            }
            Event::Finished {
                worker,
                generation,
                weights_digest,
            } => self.finished(worker, generation, weights_digest),
            Event::Drained {
                worker,
                generation,
                step,
            } => self.drained(worker, generation, step),
            Event::GroupBroken {
                worker,
                generation,
                reason,
            } => self.group_broken(worker, generation, &reason),
            Event::Failed { worker, reason } => self.failed(worker, &reason),
            Event::DrainRequested => self.drain_requested(),
            Event::Tick => self.tick(now),
        }
    }

    /// Makes the next generation out of everybody registered; its record must be durable first.
    pub(crate) fn start_generation(&mut self) -> Vec<Command> {
        self.fruitless += 1;
        if self.fruitless > self.settings.max_fruitless {
            let reason = format!(
                "{} generations in a row ended without a step",
                self.settings.max_fruitless
            );
            return self.end(Verdict::Failed { reason });
        }
        self.generation = self.generation.next();
        self.membership.regroup(self.settings.slots as usize);
        self.phase = Phase::Recording;
        vec![Command::RecordGeneration {
            generation: self.generation,
            members: self.group_names(),
        }]
    }

    /// Everybody's place in the current generation, for one of its members.
    pub(crate) fn assignment(&self, rank: Rank) -> Assignment {
        let world = self.membership.group().len();
        let runs = deal_slots(
            self.settings.slots,
            u32::try_from(world).unwrap_or(u32::MAX),
        );
        let seats = self
            .membership
            .group_members()
            .zip(runs)
            .map(|((_, member), slots)| Seat {
                address: member.address.clone(),
                slots,
            })
            .collect();
        Assignment {
            generation: self.generation,
            rank,
            seats,
            source: self.newest,
        }
    }

    /// Ends the run: everybody is told to exit, and the verdict is the last command.
    pub(crate) fn end(&mut self, verdict: Verdict) -> Vec<Command> {
        self.phase = Phase::Ended;
        let reason = match &verdict {
            Verdict::Finished { step, .. } => format!("the run finished at step {step}"),
            Verdict::Interrupted { step } => format!("the run was stopped at step {step}"),
            Verdict::Failed { reason } => reason.clone(),
        };
        let is_failure = matches!(verdict, Verdict::Failed { .. });
        let stop = |worker| Command::Stop {
            worker,
            reason: reason.clone(),
            is_failure,
        };
        let mut commands: Vec<_> = self.membership.workers().into_iter().map(stop).collect();
        commands.push(Command::End { verdict });
        commands
    }

    /// What a run that has ended says to latecomers.
    fn turn_away(&self, event: &Event) -> Vec<Command> {
        if let Event::Registered { worker, .. } = event {
            return vec![Command::Stop {
                worker: *worker,
                reason: "the run has ended".to_owned(),
                is_failure: false,
            }];
        }
        Vec::new()
    }

    /// A registered worker as a verdict names it.
    pub(crate) fn describe_registered(&self, worker: WorkerId) -> Option<String> {
        let member = self.membership.member(worker)?;
        Some(self.describe(worker, &member.name))
    }

    /// The worker as a verdict names it.
    pub(crate) fn describe(&self, worker: WorkerId, name: &str) -> String {
        match self.membership.rank_of(worker) {
            Some(rank) => format!(
                "worker {name} (rank {rank} of generation {})",
                self.generation
            ),
            None => format!("worker {name} (standing by)"),
        }
    }
}
