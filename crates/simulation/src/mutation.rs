//! Deliberate faults, made around `control`: what it sees and what it says is changed on the way.
//!
//! What it sees of the store is changed where the world's coordinators open the run and write.

use fratmae_control::{
    Accusation, Cluster, Command, Event, Generation, Millis, Phase, Rank, Recorded, RunOutcome,
    RunPhase, Seat, Settings, Source, WorkerId,
};
use std::collections::{BTreeMap, BTreeSet};

/// A way in which `control` could be wrong; each breaks one law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// It acts on a generation before its record is durable.
    ActBeforeDurable,
    /// It numbers a generation as the one before a restart.
    ForgetGeneration,
    /// It takes the first member that returns for the whole group.
    AdoptPartly,
    /// It does not know what workers hold.
    ForgetMemory,
    /// It lets a group begin before all have left the old one.
    BeginUnprepared,
    /// It commits a checkpoint at the first share.
    CommitEarly,
    /// It asks for a manifest twice.
    CommitTwice,
    /// It tells whoever asks for a checkpoint of one that is yet to be stored.
    AnswerUnsaved,
    /// It deals the first slot to everybody.
    DealTwice,
    /// It takes one worker's failing store for everybody's.
    EndForOne,
    /// It begins again from the checkpoint that was found damaged.
    TrustDamaged,
    /// It notices neither that a worker is lost nor that one is silent.
    IgnoreLosses,
    /// It takes it for later than it is when it looks who is silent.
    Impatient,
    /// It takes a member's waiting for others for work of its own.
    JudgeWaiters,
    /// It takes another coordinator's record for its own, and writes after it.
    PassOverOthers,
    /// It takes its own record, of which it heard a failure, for one before it, and writes it again.
    WriteAgain,
    /// It begins from the checkpoint that it found before it took over, whatever was committed since.
    TrustFirstLook,
    /// It takes no notice of records that give a checkpoint up.
    ForgetRemoved,
    /// It keeps no checkpoint.
    KeepNone,
    /// It passes over a checkpoint that somebody says is damaged, and does not look itself.
    BelieveDamage,
    /// It does not hear that a checkpoint is lost.
    ForgetLost,
    /// It takes another member for the one whose part is lost.
    BlameNeighbour,
    /// It takes the word of members for what is on the store.
    TrustReports,
    /// It takes what an outsider says for a member's word.
    HearOutsiders,
    /// It keeps what anybody says of shares, for the manifest.
    NoteUnasked,
    /// It gives a seat to whoever says that it had it.
    BelieveClaims,
    /// It does not notice that it was away for long.
    ForgetAbsence,
    /// It does not hear which member differs from the others.
    ForgiveFaulty,
    /// It takes the one that says so for the member that differs.
    BlameWitness,
}

/// A gap between two events that is not noticed by one that forgets its absence.
const ABSENCE: Millis = Millis::new(3_000);
/// How much later an impatient one takes it to be.
const IMPATIENCE: Millis = Millis::new(2_900);

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::ActBeforeDurable,
        Self::ForgetGeneration,
        Self::AdoptPartly,
        Self::ForgetMemory,
        Self::BeginUnprepared,
        Self::CommitEarly,
        Self::CommitTwice,
        Self::AnswerUnsaved,
        Self::DealTwice,
        Self::EndForOne,
        Self::TrustDamaged,
        Self::IgnoreLosses,
        Self::Impatient,
        Self::JudgeWaiters,
        Self::PassOverOthers,
        Self::WriteAgain,
        Self::TrustFirstLook,
        Self::ForgetRemoved,
        Self::KeepNone,
        Self::BelieveDamage,
        Self::ForgetLost,
        Self::BlameNeighbour,
        Self::TrustReports,
        Self::HearOutsiders,
        Self::NoteUnasked,
        Self::BelieveClaims,
        Self::ForgetAbsence,
        Self::ForgiveFaulty,
        Self::BlameWitness,
    ];
}

/// A cluster, sound or mutated.
#[derive(Debug)]
pub(crate) struct Subject {
    cluster: Cluster,
    mutation: Option<Mutation>,
    prepared_for: BTreeSet<WorkerId>,
    ranks: BTreeMap<WorkerId, Rank>,
    /// When it last handled something, and how much of the time before it has not noticed.
    last: Millis,
    unnoticed: Millis,
}

impl Subject {
    pub(crate) fn new(
        settings: Settings,
        now: Millis,
        mut recorded: Recorded,
        newest: Source,
        mutation: Option<Mutation>,
    ) -> Self {
        if mutation == Some(Mutation::ForgetGeneration) {
            let number = recorded.generation.get().saturating_sub(1);
            recorded.generation = Generation::new(number);
        }
        if mutation == Some(Mutation::AdoptPartly) {
            recorded.members = recorded.members.min(1);
        }
        Self {
            cluster: Cluster::new(settings, now, recorded, newest),
            mutation,
            prepared_for: BTreeSet::new(),
            ranks: BTreeMap::new(),
            last: now,
            unnoticed: Millis::new(0),
        }
    }

    pub(crate) fn handle(&mut self, now: Millis, event: Event) -> Vec<Command> {
        if let (Some(Mutation::EndForOne), Event::Unfit { reason, .. }) = (self.mutation, &event) {
            let reason = reason.clone();
            let outcome = RunOutcome::Failed { reason };
            return vec![Command::End { outcome }];
        }
        let mut commands = Vec::new();
        let gap = now.since(std::mem::replace(&mut self.last, now));
        if gap > ABSENCE {
            self.unnoticed = self.unnoticed.plus(gap);
        }
        let now = match self.mutation {
            Some(Mutation::Impatient) if event == Event::Tick => now.plus(IMPATIENCE),
            Some(Mutation::ForgetAbsence) => Millis::new(now.get() - self.unnoticed.get()),
            _ => now,
        };
        let mut event = event;
        if self.mutation == Some(Mutation::HearOutsiders) {
            self.mistake(&mut event);
        }
        for event in self.seen(event) {
            commands.extend(self.cluster.handle(now, event));
        }
        self.said(now, commands)
    }

    /// Whether `control` hears such an event.
    pub(crate) fn admits(&self, event: &Event) -> bool {
        self.cluster.admits(event)
    }

    /// The names of the members of the newest group.
    pub(crate) fn group(&self) -> Vec<String> {
        self.cluster.group_names()
    }

    /// The names of the members of a group that trains.
    pub(crate) fn members(&self) -> Vec<String> {
        match self.cluster.phase() {
            RunPhase::Training => self.cluster.group_names(),
            _ => Vec::new(),
        }
    }

    /// What the mutant sees of an event.
    fn seen(&self, event: Event) -> Vec<Event> {
        match (self.mutation, event) {
            (Some(Mutation::IgnoreLosses), Event::Departed { .. } | Event::Tick) => Vec::new(),
            (
                Some(Mutation::ForgetMemory),
                Event::Prepared {
                    worker, generation, ..
                },
            ) => vec![Event::Prepared {
                worker,
                generation,
                held: None,
            }],
            (
                Some(Mutation::BeginUnprepared),
                Event::Prepared {
                    generation, held, ..
                },
            ) => self.for_all(|worker| Event::Prepared {
                worker,
                generation,
                held,
            }),
            (
                Some(Mutation::CommitEarly),
                Event::PartsWritten {
                    generation, step, ..
                },
            ) => self.for_all(|worker| Event::PartsWritten {
                worker,
                generation,
                step,
                parts: Vec::new(),
            }),
            (
                Some(Mutation::JudgeWaiters),
                Event::Beat {
                    worker,
                    mut progress,
                },
            ) => {
                if matches!(progress.phase, Phase::Gather | Phase::Reduce) {
                    progress.phase = Phase::Forward;
                }
                vec![Event::Beat { worker, progress }]
            }
            (Some(Mutation::TrustDamaged), Event::PassedOver { checkpoint, .. }) => {
                let (generation, step) = checkpoint;
                let newest = Source::Checkpoint { step, generation };
                vec![Event::PassedOver { checkpoint, newest }]
            }
            (Some(Mutation::ForgetLost), Event::CheckpointLost { .. }) => Vec::new(),
            (
                Some(Mutation::ForgiveFaulty | Mutation::BlameWitness | Mutation::BlameNeighbour),
                event,
            ) => vec![self.mishear(event)],
            (_, event) => vec![event],
        }
    }

    /// Hears nothing of which member differs, or that it is the one who says so; or of another one whose part is lost.
    fn mishear(&self, mut event: Event) -> Event {
        match (self.mutation, &mut event) {
            (
                Some(Mutation::BlameNeighbour),
                Event::CheckpointLost {
                    culprit: Some((culprit, _)),
                    ..
                },
            ) => {
                let others = self.ranks.keys().copied();
                let other = others.rev().find(|other| other != culprit);
                *culprit = other.unwrap_or(*culprit);
            }
            (
                Some(Mutation::ForgiveFaulty | Mutation::BlameWitness),
                Event::GroupBroken {
                    worker,
                    accusation: accusation @ Some(Accusation::Diverged(_)),
                    ..
                },
            ) => {
                let own = self.ranks.get(worker).copied();
                let own = own.filter(|_| self.mutation == Some(Mutation::BlameWitness));
                *accusation = own.map(Accusation::Diverged);
            }
            _ => {}
        }
        event
    }

    /// Takes whoever has no seat for a member.
    fn mistake(&self, event: &mut Event) {
        let member = self.ranks.keys().next().copied();
        if let (Some(said_by), Some(member)) = (said_by(event), member)
            && !self.ranks.contains_key(said_by)
        {
            *said_by = member;
        }
    }

    fn for_all(&self, event: impl Fn(WorkerId) -> Event) -> Vec<Event> {
        self.prepared_for
            .iter()
            .map(|worker| event(*worker))
            .collect()
    }

    /// What becomes of the mutant's commands.
    fn said(&mut self, now: Millis, commands: Vec<Command>) -> Vec<Command> {
        let mut changed = Vec::with_capacity(commands.len());
        for command in commands {
            if let Command::RecordGeneration { .. } = command {
                self.prepared_for.clear();
            }
            if let Command::Prepare { worker, .. } = command {
                self.prepared_for.insert(worker);
            }
            if let Command::Begin { worker, assignment } = &command {
                self.ranks.insert(*worker, assignment.rank);
            }
            changed.push(command.clone());
            match (self.mutation, command) {
                (
                    Some(Mutation::ActBeforeDurable),
                    Command::RecordGeneration { generation, .. },
                ) => {
                    let record = changed.pop();
                    changed.extend(self.handle(now, Event::GenerationRecorded { generation }));
                    changed.extend(record);
                }
                (Some(Mutation::CommitTwice), commit @ Command::CommitCheckpoint { .. }) => {
                    changed.push(commit);
                }
                (Some(Mutation::AnswerUnsaved), Command::Save { .. }) => {
                    let step = self.cluster.newest().step().next();
                    changed.push(Command::Saved { step });
                }
                (Some(Mutation::DealTwice), Command::Begin { .. }) => {
                    deal_twice(changed.last_mut());
                }
                _ => {}
            }
        }
        changed
    }
}

/// Who says what only members may say.
pub(crate) const fn said_by(event: &mut Event) -> Option<&mut WorkerId> {
    match event {
        Event::Applied { worker, .. }
        | Event::PartsWritten { worker, .. }
        | Event::Finished { worker, .. }
        | Event::Drained { worker, .. }
        | Event::GroupBroken { worker, .. }
        | Event::Unfit { worker, .. }
        | Event::Damaged { worker, .. } => Some(worker),
        _ => None,
    }
}

fn deal_twice(begin: Option<&mut Command>) {
    if let Some(Command::Begin { assignment, .. }) = begin {
        let first = assignment.seats[0].slots.start;
        let widen = |seat: &Seat| Seat {
            slots: first..seat.slots.end,
            ..seat.clone()
        };
        assignment.seats = assignment.seats.iter().map(widen).collect();
    }
}
