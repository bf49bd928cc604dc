//! Each rule as: a state, one event, the exact commands.

mod absence;
mod any_order;
mod burst;
mod damage;
mod differing;
mod gathering;
mod host_probe;
mod leaving;
mod memory;
mod newcomers;
mod outsiders;
mod panicking;
mod saving;
mod slow;
mod stopping;
mod takeover;
mod unfit;
mod verdict;
mod waiting;

use crate::{
    Cause, Cluster, Command, Departure, Event, Generation, Leaving, Millis, Parting, Past, Rank,
    Recorded, RunOutcome, RunPhase, Settings, Source, Step, WorkerId,
};

fn settings(workers: u32) -> Settings {
    Settings {
        slots: 8,
        workers,
        least_workers: workers,
        settle: Millis::new(300),
        last_step: Step::new(10),
        least_timeout: Millis::new(5_000),
        store_patience: Millis::new(0),
        worker_timeout: Millis::new(1_000),
        join_timeout: Millis::new(5_000),
        return_timeout: Millis::new(500),
        leave_timeout: Millis::new(800),
        max_without_step: 3,
        save_every: None,
    }
}

const ONE: WorkerId = WorkerId::new(1);
const TWO: WorkerId = WorkerId::new(2);
const FIRST: Generation = Generation::new(1);
const SECOND: Generation = Generation::new(2);

struct Run {
    cluster: Cluster,
    now: Millis,
}

impl Run {
    fn gathering(workers: u32) -> Self {
        let now = Millis::new(0);
        Self {
            cluster: Cluster::new(settings(workers), now, Recorded::default(), Source::Initial),
            now,
        }
    }

    /// A coordinator of two workers that finds a generation of an earlier one, and a checkpoint.
    fn found(generation: Generation, members: u32, newest: Source) -> Self {
        let now = Millis::new(0);
        let recorded = Recorded {
            generation,
            members,
        };
        Self {
            cluster: Cluster::new(settings(2), now, recorded, newest),
            now,
        }
    }

    /// Two workers that train in generation 1.
    fn training() -> Self {
        let mut run = Self::gathering(2);
        run.register(ONE);
        run.register(TWO);
        run.see(Event::GenerationRecorded { generation: FIRST });
        run.see(Event::Prepared {
            worker: ONE,
            generation: FIRST,
            held: None,
        });
        run.see(Event::Prepared {
            worker: TWO,
            generation: FIRST,
            held: None,
        });
        run
    }

    fn register(&mut self, worker: WorkerId) -> Vec<Command> {
        self.see(Event::Registered {
            worker,
            name: format!("w{worker}"),
            address: format!("host:{worker}"),
            past: Past::default(),
        })
    }

    fn see(&mut self, event: Event) -> Vec<Command> {
        self.cluster.handle(self.now, event)
    }

    /// An event at a time until which the coordinator was there.
    fn at(&mut self, now: u64, event: Event) -> Vec<Command> {
        self.cluster.last_tick = Millis::new(now);
        self.after_absence(now, event)
    }

    /// An event at a time until which the coordinator did not look at time.
    fn after_absence(&mut self, now: u64, event: Event) -> Vec<Command> {
        self.now = Millis::new(now);
        self.see(event)
    }

    /// A generation of two members from its record to its first step; gives the commands of the last answer.
    fn begin(
        &mut self,
        generation: Generation,
        held: [(WorkerId, Option<u64>); 2],
    ) -> Vec<Command> {
        self.see(Event::GenerationRecorded { generation });
        let [first, second] = held.map(|(worker, held)| Event::Prepared {
            worker,
            generation,
            held: held.map(Step::new),
        });
        self.see(first);
        self.see(second)
    }

    fn applied(&mut self, generation: Generation, step: u64) -> Vec<Command> {
        let group = self.cluster.membership.group();
        let first = group.first().copied().unwrap_or(ONE);
        self.see(Event::Applied {
            worker: first,
            generation,
            step: Step::new(step),
            is_recalled: true,
        })
    }

    fn lose(&mut self, worker: WorkerId) -> Vec<Command> {
        let departure = Departure::StreamClosed;
        self.see(Event::Departed { worker, departure })
    }

    fn wrote(&mut self, worker: WorkerId, step: u64) -> Vec<Command> {
        self.see(Event::PartsWritten {
            worker,
            generation: FIRST,
            step: Step::new(step),
            parts: Vec::new(),
        })
    }

    fn committed(&mut self, step: u64) -> Vec<Command> {
        self.see(Event::CheckpointCommitted {
            generation: FIRST,
            step: Step::new(step),
        })
    }

    fn finished(&mut self, worker: WorkerId, digest: &str) -> Vec<Command> {
        self.see(Event::Finished {
            worker,
            generation: FIRST,
            weights_digest: digest.to_owned(),
        })
    }
}

/// The verdict on a run that was asked to stop.
const fn asked(step: u64) -> RunOutcome {
    RunOutcome::Interrupted {
        step: Step::new(step),
        cause: Cause::Asked,
    }
}

fn outcome(commands: &[Command]) -> Option<&RunOutcome> {
    match commands.last() {
        Some(Command::End { outcome }) => Some(outcome),
        _ => None,
    }
}

#[test]
fn the_first_generation_waits_for_its_last_worker_and_is_recorded_first() {
    let mut run = Run::gathering(2);
    assert_eq!(run.register(ONE), []);
    let members = vec!["w1".to_owned(), "w2".to_owned()];
    assert_eq!(
        run.register(TWO),
        [Command::RecordGeneration {
            generation: FIRST,
            members
        }]
    );
    assert_eq!(
        run.see(Event::Prepared {
            worker: ONE,
            generation: FIRST,
            held: None
        }),
        []
    );
    assert_eq!(
        run.see(Event::GenerationRecorded { generation: FIRST }),
        [ONE, TWO].map(|worker| Command::Prepare {
            worker,
            generation: FIRST,
            leaving: Leaving::AtOnce
        })
    );
}

#[test]
fn the_group_begins_when_its_last_member_is_prepared() {
    let mut run = Run::gathering(2);
    run.register(ONE);
    run.register(TWO);
    run.see(Event::GenerationRecorded { generation: FIRST });
    assert_eq!(
        run.see(Event::Prepared {
            worker: TWO,
            generation: FIRST,
            held: None
        }),
        []
    );
    let commands = run.see(Event::Prepared {
        worker: ONE,
        generation: FIRST,
        held: None,
    });
    let [
        Command::Begin {
            worker: ONE,
            assignment: first,
        },
        Command::Begin {
            worker: TWO,
            assignment: second,
        },
    ] = commands.as_slice()
    else {
        panic!("both begin: {commands:?}");
    };
    assert_eq!((first.rank.get(), second.rank.get()), (0, 1));
    assert_eq!(first.seats, second.seats);
    assert_eq!(first.seats[1].slots.start.get(), 4);
    assert_eq!(first.source, Source::Initial);
    assert_eq!(run.cluster.phase(), RunPhase::Training);
}

#[test]
fn a_stale_generation_is_ignored() {
    let mut run = Run::training();
    let before = run.cluster.clone();
    let stale = Generation::new(0);
    let worker = ONE;
    let step = Step::new(3);
    for event in [
        Event::Prepared {
            worker,
            generation: stale,
            held: None,
        },
        Event::PartsWritten {
            worker,
            generation: stale,
            step,
            parts: Vec::new(),
        },
        Event::Finished {
            worker,
            generation: stale,
            weights_digest: "d".to_owned(),
        },
        Event::Drained {
            worker,
            generation: stale,
            step,
        },
        Event::GroupBroken {
            worker,
            generation: stale,
            reason: "reset".to_owned(),
            accusation: None,
        },
        Event::GenerationRecorded { generation: stale },
        Event::CheckpointCommitted {
            generation: stale,
            step,
        },
    ] {
        assert_eq!(run.see(event), []);
    }
    assert_eq!(run.cluster, before);
}

#[test]
fn a_checkpoint_is_committed_once_when_every_rank_wrote_its_share() {
    let mut run = Run::training();
    assert_eq!(run.wrote(ONE, 5), []);
    assert_eq!(run.wrote(ONE, 5), []);
    let commit = Command::CommitCheckpoint {
        generation: FIRST,
        step: Step::new(5),
    };
    assert_eq!(run.wrote(TWO, 5), [commit]);
    assert_eq!(run.wrote(TWO, 5), []);
    assert_eq!(run.committed(5), []);
    assert_eq!(run.wrote(TWO, 5), [], "reported again after the commit");
    assert_eq!(
        run.cluster.newest(),
        Source::Checkpoint {
            step: Step::new(5),
            generation: FIRST
        }
    );
}

#[test]
fn the_run_finishes_only_with_its_last_checkpoint() {
    let mut run = Run::training();
    run.wrote(ONE, 10);
    run.wrote(TWO, 10);
    assert_eq!(run.finished(ONE, "d"), []);
    assert_eq!(run.finished(TWO, "d"), []);
    let commands = run.committed(10);
    let expected = RunOutcome::Finished {
        step: Step::new(10),
        weights_digest: "d".to_owned(),
    };
    assert_eq!(outcome(&commands), Some(&expected));
    assert_eq!(commands.len(), 3, "both workers are stopped first");
}

#[test]
fn different_weights_at_the_end_are_a_failure_that_names_both() {
    let mut run = Run::training();
    run.wrote(ONE, 10);
    run.wrote(TWO, 10);
    run.committed(10);
    run.finished(ONE, "aa");
    let commands = run.finished(TWO, "bb");
    let Some(RunOutcome::Failed { reason }) = outcome(&commands) else {
        panic!("{commands:?}")
    };
    assert_eq!(
        reason,
        "workers w1 and w2 ended with different weights (aa and bb)"
    );
}

#[test]
fn a_lost_member_makes_a_generation_of_the_others_from_the_newest_checkpoint() {
    let mut run = Run::training();
    run.wrote(ONE, 5);
    run.wrote(TWO, 5);
    run.committed(5);
    let commands = run.see(Event::Departed {
        worker: ONE,
        departure: Departure::StreamClosed,
    });
    let [
        Command::Report { verdict },
        Command::RecordGeneration {
            generation,
            members,
        },
    ] = commands.as_slice()
    else {
        panic!("{commands:?}");
    };
    assert_eq!(
        verdict.to_string(),
        "worker w1 (rank 0 of generation 1): its connection closed: the process or its host died"
    );
    assert_eq!(
        (*generation, members.as_slice()),
        (SECOND, ["w2".to_owned()].as_slice())
    );
    run.see(Event::GenerationRecorded { generation: SECOND });
    let commands = run.see(Event::Prepared {
        worker: TWO,
        generation: SECOND,
        held: None,
    });
    let [
        Command::Begin {
            worker: TWO,
            assignment,
        },
    ] = commands.as_slice()
    else {
        panic!("{commands:?}")
    };
    assert_eq!(assignment.source.step(), Step::new(5));
    assert_eq!(assignment.seats.len(), 1);
}

#[test]
fn a_run_whose_last_worker_goes_waits_for_another_and_then_names_it() {
    let mut run = Run::training();
    run.lose(ONE);
    assert_eq!(run.lose(TWO).len(), 1, "only the loss is reported");
    run.at(501, Event::Tick);
    assert_eq!(run.cluster.phase(), RunPhase::Gathering);
    let commands = run.at(6_000, Event::Tick);
    let Some(RunOutcome::Failed { reason }) = outcome(&commands) else {
        panic!("{commands:?}")
    };
    assert!(
        reason
            .starts_with("0 of 2 workers registered within 5 s (coordinator.join_timeout_s) after the last was lost (worker w2"),
        "{reason}"
    );
    let late = run.register(WorkerId::new(3));
    let reason = "the run has ended".to_owned();
    assert_eq!(
        late,
        [Command::Stop {
            worker: WorkerId::new(3),
            reason,
            parting: Parting::Stopped
        }]
    );
}

#[test]
fn a_standby_that_goes_disturbs_nobody() {
    let mut run = Run::training();
    let three = WorkerId::new(3);
    run.register(three);
    let commands = run.see(Event::Departed {
        worker: three,
        departure: Departure::StreamClosed,
    });
    assert_eq!(commands.len(), 1);
    assert_eq!(run.cluster.phase(), RunPhase::Training);
}

#[test]
fn a_broken_group_regroups_until_too_many_generations_bear_no_step() {
    let mut run = Run::training();
    let broken = |generation| Event::GroupBroken {
        worker: ONE,
        generation,
        reason: "peer reset".to_owned(),
        accusation: None,
    };
    for number in 1..3 {
        let generation = Generation::new(number);
        let commands = run.see(broken(generation));
        assert!(matches!(
            commands.as_slice(),
            [Command::Statement { .. }, Command::RecordGeneration { .. }]
        ));
        let generation = generation.next();
        run.see(Event::GenerationRecorded { generation });
        run.see(Event::Prepared {
            worker: ONE,
            generation,
            held: None,
        });
        run.see(Event::Prepared {
            worker: TWO,
            generation,
            held: None,
        });
    }
    let commands = run.see(broken(Generation::new(3)));
    let Some(RunOutcome::Failed { reason }) = outcome(&commands) else {
        panic!("{commands:?}")
    };
    assert_eq!(
        reason,
        "3 generations in a row broke without a step; of the last, worker w1 (rank 0 of generation 3) reports: peer reset"
    );
}

#[test]
fn a_step_forgets_earlier_generations_without_one() {
    let mut run = Run::training();
    run.cluster.trouble.without_step = 2;
    run.see(Event::Applied {
        worker: ONE,
        generation: FIRST,
        step: Step::new(1),
        is_recalled: false,
    });
    assert_eq!(run.cluster.trouble.without_step, 0);
}

#[test]
fn draining_ends_the_run_at_the_committed_step() {
    let mut run = Run::training();
    assert_eq!(
        run.see(Event::DrainRequested),
        [ONE, TWO].map(|worker| Command::Drain { worker })
    );
    run.wrote(ONE, 4);
    run.wrote(TWO, 4);
    for worker in [ONE, TWO] {
        let step = Step::new(4);
        assert_eq!(
            run.see(Event::Drained {
                worker,
                generation: FIRST,
                step
            }),
            []
        );
    }
    assert_eq!(outcome(&run.committed(4)), Some(&asked(4)));
}

#[test]
fn draining_before_training_ends_at_once() {
    let mut run = Run::gathering(2);
    run.register(ONE);
    let commands = run.see(Event::DrainRequested);
    assert_eq!(outcome(&commands), Some(&asked(0)));
}

#[test]
fn silence_beyond_the_limit_is_a_departure() {
    let mut run = Run::training();
    run.at(1_100, Event::Heard { worker: ONE });
    let commands = run.at(1_500, Event::Tick);
    assert!(
        matches!(commands.first(), Some(Command::Stop { worker: TWO, .. })),
        "{commands:?}"
    );
    assert!(
        matches!(commands.last(), Some(Command::RecordGeneration { .. })),
        "{commands:?}"
    );
}

#[test]
fn where_nobody_is_heard_nobody_in_particular_is_silent() {
    let mut run = Run::training();
    assert_eq!(run.at(600, Event::Tick), []);
    assert_eq!(run.at(2_100, Event::Tick), [], "longer than worker_timeout");
    run.at(2_550, Event::Heard { worker: ONE });
    // All were silent for two seconds and this tick, so the other has as long again.
    assert_eq!(run.at(2_600, Event::Tick), []);
    for now in [3_500, 4_500, 5_500, 6_000] {
        run.at(now, Event::Heard { worker: ONE });
        assert_eq!(run.at(now + 50, Event::Tick), [], "{now}");
    }
    let commands = run.at(6_150, Event::Tick);
    assert!(
        matches!(commands[0], Command::Stop { worker: TWO, .. }),
        "{commands:?}"
    );
}

#[test]
fn where_nobody_is_heard_for_as_long_as_workers_may_take_to_come_all_are_silent() {
    let mut run = Run::training();
    assert_eq!(run.at(5_000, Event::Tick), []);
    let commands = run.at(5_001, Event::Tick);
    let stopped = |command: &&Command| matches!(command, Command::Stop { .. });
    assert_eq!(commands.iter().filter(stopped).count(), 2, "{commands:?}");
}

#[test]
fn a_member_that_does_not_leave_its_group_is_given_up() {
    let mut run = Run::training();
    run.register(WorkerId::new(3));
    run.lose(TWO);
    run.see(Event::GenerationRecorded { generation: SECOND });
    run.see(Event::Prepared {
        worker: ONE,
        generation: SECOND,
        held: Some(Step::new(0)),
    });
    for worker in [ONE, WorkerId::new(3)] {
        run.at(801, Event::Heard { worker });
    }
    let commands = run.see(Event::Tick);
    let three = WorkerId::new(3);
    assert!(
        matches!(commands.first(), Some(Command::Stop { worker, .. }) if *worker == three),
        "{commands:?}"
    );
    let members = vec!["w1".to_owned()];
    let generation = Generation::new(3);
    let record = Command::RecordGeneration {
        generation,
        members,
    };
    assert_eq!(commands.last(), Some(&record));
}

#[test]
fn a_group_that_never_gathers_is_given_up() {
    let mut run = Run::gathering(2);
    run.at(4_500, Event::Tick);
    run.register(ONE);
    let commands = run.at(5_001, Event::Tick);
    let Some(RunOutcome::Failed { reason }) = outcome(&commands) else {
        panic!("{commands:?}")
    };
    assert_eq!(
        reason,
        "1 of 2 workers registered within 5 s (coordinator.join_timeout_s); start the others sooner, raise that key, or ask \
         for fewer with --workers"
    );
}

#[test]
fn a_failure_that_would_come_again_ends_the_run() {
    let mut run = Run::training();
    let failed = |worker| Event::Unfit {
        worker,
        reason: "loss is not finite".to_owned(),
    };
    assert_eq!(outcome(&run.see(failed(TWO))), None, "others may go on");
    let commands = run.see(failed(ONE));
    let expected = RunOutcome::Failed {
        reason: "worker w1 (rank 0 of generation 2): loss is not finite".to_owned(),
    };
    assert_eq!(outcome(&commands), Some(&expected));
}

#[test]
fn an_unknown_worker_changes_nothing() {
    let mut run = Run::training();
    let before = run.cluster.clone();
    let worker = WorkerId::new(77);
    for event in [
        Event::Heard { worker },
        Event::Departed {
            worker,
            departure: Departure::StreamClosed,
        },
        Event::Unfit {
            worker,
            reason: "x".to_owned(),
        },
        Event::GroupBroken {
            worker,
            generation: FIRST,
            reason: "x".to_owned(),
            accusation: None,
        },
        Event::Prepared {
            worker,
            generation: FIRST,
            held: None,
        },
    ] {
        assert_eq!(run.see(event), []);
    }
    assert_eq!(run.cluster, before);
}
