//! In which order a coordinator does what follows from events: at the run's store, and everywhere else.
//!
//! A coordinator does one thing after the other. What must be durable before a command is operations at the store, which
//! come before the command; the event that says so comes after it. Verdicts on workers are recorded once nothing else is
//! to be done, for nobody waits for them.

use crate::command::Command;
use crate::event::Event;
use crate::ids::{Generation, Step, WorkerId};
use crate::journal::CheckpointId;
use crate::verdict::Verdict;
use std::collections::{BTreeSet, VecDeque};

/// Something to do at the run's store; durable when it is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Make sure that no other coordinator has taken over.
    EnsureHeld,
    /// Write the manifest of a checkpoint.
    WriteManifest(CheckpointId),
    /// Find the newest good checkpoint without a damaged one, and tell [`Tasks::found_newest`].
    FindNewest {
        damaged: CheckpointId,
        /// Who found it, and what is wrong with it, in one line.
        reason: String,
    },
    /// Append a generation to the journal.
    RecordGeneration {
        generation: Generation,
        /// Names of its members in rank order.
        members: Vec<String>,
    },
    /// Append the commit of a checkpoint to the journal.
    RecordCommit(CheckpointId),
    /// Append a verdict on a worker to the journal.
    RecordVerdict(Box<Verdict>),
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// At the store; nothing else is done meanwhile.
    Operate(Operation),
    /// Elsewhere. What the command needs of the store is done.
    Carry(Command),
}

#[derive(Debug)]
enum Planned {
    Task(Task),
    Complete(Event),
}

/// What is to be done, in order.
#[derive(Debug, Default)]
pub struct Tasks {
    planned: VecDeque<Planned>,
    /// Completions, which are handled before anything else that happened.
    completed: VecDeque<Event>,
    unrecorded: VecDeque<Box<Verdict>>,
    events: VecDeque<Event>,
    /// Checkpoints whose commit is in the journal, or will be.
    committed: BTreeSet<CheckpointId>,
}

impl Tasks {
    /// Nothing to do yet in a run whose journal has these commits.
    #[must_use]
    pub fn new(committed: BTreeSet<CheckpointId>) -> Self {
        Self {
            committed,
            ..Self::default()
        }
    }

    /// Something happened.
    pub fn push(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// The next thing to do, once the one before is done; none if everything is. `decide` is
    /// [`crate::Cluster::handle`].
    pub fn next(&mut self, mut decide: impl FnMut(Event) -> Vec<Command>) -> Option<Task> {
        loop {
            match self.planned.pop_front() {
                Some(Planned::Task(task)) => return Some(task),
                Some(Planned::Complete(event)) => self.completed.push_back(event),
                None => {
                    let event = match self.completed.pop_front() {
                        Some(event) => event,
                        None => match self.unrecorded.pop_front() {
                            Some(verdict) => {
                                return Some(Task::Operate(Operation::RecordVerdict(verdict)));
                            }
                            None => self.events.pop_front()?,
                        },
                    };
                    self.plan(decide(event));
                }
            }
        }
    }

    /// The newest good checkpoint without the damaged one is found.
    ///
    /// One whose coordinator wrote the manifest and no record is committed first, as when a run is taken over: what is
    /// not recorded counts as left behind.
    pub fn found_newest(&mut self, damaged: CheckpointId, newest: Option<CheckpointId>) {
        if let Some(id) = newest.filter(|id| self.committed.insert(*id)) {
            let record = Task::Operate(Operation::RecordCommit(id));
            self.planned.push_front(Planned::Task(record));
        }
        let event = Event::PassedOver {
            checkpoint: (damaged.generation, damaged.step),
            newest: newest.into(),
        };
        self.completed.push_back(event);
    }

    /// The manifest that was to be written last is not: nothing of its commit is done.
    pub fn lost_checkpoint(&mut self, lost: CheckpointId, culprit: Option<(WorkerId, String)>) {
        self.committed.remove(&lost);
        // Its record, its command and its completion are next.
        let is_completion = |planned: &Planned| matches!(planned, Planned::Complete(_));
        if let Some(completion) = self.planned.iter().position(is_completion) {
            self.planned.drain(..=completion);
        }
        self.completed.push_back(Event::CheckpointLost {
            checkpoint: (lost.generation, lost.step),
            culprit,
        });
    }

    fn plan(&mut self, commands: Vec<Command>) {
        for command in commands {
            let (operations, completion) = needs(&command);
            let tasks = operations.into_iter().map(Task::Operate);
            self.planned.extend(tasks.map(Planned::Task));
            if let Command::Report { verdict } = &command {
                self.unrecorded.push_back(verdict.clone());
            }
            if let Command::CommitCheckpoint { generation, step } = &command {
                self.committed.insert(id(*generation, *step));
            }
            self.planned.push_back(Planned::Task(Task::Carry(command)));
            self.planned.extend(completion.map(Planned::Complete));
        }
    }
}

/// What a command needs of the store, and the event that tells that all of it is durable.
fn needs(command: &Command) -> (Vec<Operation>, Option<Event>) {
    match command {
        Command::RecordGeneration {
            generation,
            members,
        } => {
            let (generation, members) = (*generation, members.clone());
            let record = Operation::RecordGeneration {
                generation,
                members,
            };
            (vec![record], Some(Event::GenerationRecorded { generation }))
        }
        Command::CommitCheckpoint { generation, step } => {
            let (generation, step) = (*generation, *step);
            let id = id(generation, step);
            let operations = vec![
                // A coordinator that was away and has been replaced finds out before it writes.
                Operation::EnsureHeld,
                Operation::WriteManifest(id),
                Operation::RecordCommit(id),
            ];
            let completion = Event::CheckpointCommitted { generation, step };
            (operations, Some(completion))
        }
        Command::PassOver {
            checkpoint: (generation, step),
            reason,
        } => {
            let find = Operation::FindNewest {
                damaged: id(*generation, *step),
                reason: reason.clone(),
            };
            (vec![find], None)
        }
        Command::Prepare { .. }
        | Command::Begin { .. }
        | Command::Drain { .. }
        | Command::Save { .. }
        | Command::Saved { .. }
        | Command::ProbeHost(_)
        | Command::Stop { .. }
        | Command::Report { .. }
        | Command::Gone { .. }
        | Command::Statement { .. }
        | Command::Left { .. }
        | Command::End { .. } => (Vec::new(), None),
    }
}

const fn id(generation: Generation, step: Step) -> CheckpointId {
    CheckpointId { step, generation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Source;

    const GENERATION: Generation = Generation::new(3);
    const STEP: Step = Step::new(20);

    fn drain() -> Command {
        Command::Drain {
            worker: WorkerId::new(1),
        }
    }

    #[test]
    fn a_command_follows_its_operations_and_is_followed_by_its_completion() {
        let commit = Command::CommitCheckpoint {
            generation: GENERATION,
            step: STEP,
        };
        let mut tasks = Tasks::default();
        tasks.push(Event::Tick);
        tasks.push(Event::DrainRequested);
        let mut handled = Vec::new();
        let mut decide = |event: Event| {
            handled.push(event.clone());
            match handled.len() {
                1 => vec![commit.clone(), drain()],
                _ => Vec::new(),
            }
        };
        let mut done = Vec::new();
        while let Some(task) = tasks.next(&mut decide) {
            done.push(task);
        }
        let checkpoint = id(GENERATION, STEP);
        assert_eq!(
            done,
            [
                Task::Operate(Operation::EnsureHeld),
                Task::Operate(Operation::WriteManifest(checkpoint)),
                Task::Operate(Operation::RecordCommit(checkpoint)),
                Task::Carry(commit),
                Task::Carry(drain()),
            ]
        );
        let completed = Event::CheckpointCommitted {
            generation: GENERATION,
            step: STEP,
        };
        assert_eq!(handled, [Event::Tick, completed, Event::DrainRequested]);
    }

    #[test]
    fn a_lost_checkpoint_is_neither_recorded_nor_told_of_as_committed() {
        let commit = |step| Command::CommitCheckpoint {
            generation: GENERATION,
            step,
        };
        let later = Step::new(30);
        let mut tasks = Tasks::default();
        tasks.push(Event::Tick);
        tasks.next(|_| vec![commit(STEP), commit(later)]);
        let write = |step| {
            Some(Task::Operate(Operation::WriteManifest(id(
                GENERATION, step,
            ))))
        };
        assert_eq!(tasks.next(|_| Vec::new()), write(STEP));
        let culprit = Some((WorkerId::new(7), "gone".to_owned()));
        tasks.lost_checkpoint(id(GENERATION, STEP), culprit.clone());
        assert_eq!(
            tasks.next(|_| Vec::new()),
            Some(Task::Operate(Operation::EnsureHeld))
        );
        assert_eq!(tasks.next(|_| Vec::new()), write(later));
        let record = Operation::RecordCommit(id(GENERATION, later));
        assert_eq!(tasks.next(|_| Vec::new()), Some(Task::Operate(record)));
        assert_eq!(tasks.next(|_| Vec::new()), Some(Task::Carry(commit(later))));
        let mut handled = Vec::new();
        tasks.next(|event| {
            handled.push(event);
            Vec::new()
        });
        let lost = Event::CheckpointLost {
            checkpoint: (GENERATION, STEP),
            culprit,
        };
        let committed = Event::CheckpointCommitted {
            generation: GENERATION,
            step: later,
        };
        assert_eq!(handled, [lost, committed]);
    }

    #[test]
    fn a_verdict_is_recorded_after_all_that_follows_from_the_event() {
        let verdict = Box::new(Verdict {
            worker: "a".to_owned(),
            host: "h".to_owned(),
            rank: None,
            generation: GENERATION,
            heard_at: None,
            phase: crate::Phase::Idle,
            call: None,
            reason: "gone".to_owned(),
            evidence: Vec::new(),
            parting: None,
        });
        let report = Command::Report {
            verdict: verdict.clone(),
        };
        let pass_over = Command::PassOver {
            checkpoint: (GENERATION, STEP),
            reason: "rotten".to_owned(),
        };
        let mut tasks = Tasks::default();
        tasks.push(Event::Tick);
        let find = tasks.next(|_| vec![report.clone(), pass_over.clone()]);
        assert_eq!(find, Some(Task::Carry(report)));
        assert!(matches!(
            tasks.next(|_| Vec::new()),
            Some(Task::Operate(Operation::FindNewest { .. }))
        ));
        tasks.found_newest(id(GENERATION, STEP), None);
        assert_eq!(tasks.next(|_| Vec::new()), Some(Task::Carry(pass_over)));
        let completed = Event::PassedOver {
            checkpoint: (GENERATION, STEP),
            newest: Source::Initial,
        };
        let last = tasks.next(|event| {
            assert_eq!(event, completed);
            vec![drain()]
        });
        assert_eq!(last, Some(Task::Carry(drain())));
        let record = Operation::RecordVerdict(verdict);
        assert_eq!(tasks.next(|_| Vec::new()), Some(Task::Operate(record)));
        assert_eq!(tasks.next(|_| Vec::new()), None);
    }

    #[test]
    fn what_is_found_without_a_record_is_recorded_before_anybody_begins_from_it() {
        let damaged = id(GENERATION, STEP);
        let [recorded, unrecorded] = [id(GENERATION, Step::new(10)), id(GENERATION, Step::new(15))];
        let pass_over = Command::PassOver {
            checkpoint: (GENERATION, STEP),
            reason: "rotten".to_owned(),
        };
        for (found, is_written) in [(recorded, false), (unrecorded, true)] {
            let mut tasks = Tasks::new(BTreeSet::from([damaged, recorded]));
            tasks.push(Event::Tick);
            tasks.next(|_| vec![pass_over.clone()]);
            tasks.found_newest(damaged, Some(found));
            let mut next = tasks.next(|_| Vec::new());
            if is_written {
                let record = Operation::RecordCommit(found);
                assert_eq!(next, Some(Task::Operate(record)));
                next = tasks.next(|_| Vec::new());
            }
            assert_eq!(next, Some(Task::Carry(pass_over.clone())));
            tasks.next(|event| {
                let completed = Event::PassedOver {
                    checkpoint: (GENERATION, STEP),
                    newest: Some(found).into(),
                };
                assert_eq!(event, completed);
                Vec::new()
            });
        }
    }
}
