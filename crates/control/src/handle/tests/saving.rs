//! A checkpoint that is wanted now.

use super::*;

const ASK: Command = Command::Save { worker: ONE };

fn saved(step: u64) -> Command {
    let step = Step::new(step);
    Command::Saved { step }
}

impl Run {
    /// Both members store their shares, and the manifest is durable; gives what follows from that.
    fn store(&mut self, generation: Generation, step: u64) -> Vec<Command> {
        let step = Step::new(step);
        for worker in [ONE, TWO] {
            self.see(Event::PartsWritten {
                worker,
                generation,
                step,
                parts: Vec::new(),
            });
        }
        self.see(Event::CheckpointCommitted { generation, step })
    }
}

#[test]
fn one_member_is_asked_and_the_answer_comes_when_it_is_durable() {
    let mut run = Run::training();
    run.applied(FIRST, 4);
    assert_eq!(run.see(Event::SaveRequested), [ASK]);
    run.applied(FIRST, 5);
    assert_eq!(run.store(FIRST, 5), [saved(5)]);
    assert_eq!(run.applied(FIRST, 6), []);
}

#[test]
fn a_checkpoint_of_an_earlier_step_is_no_answer() {
    let mut run = Run::training();
    run.applied(FIRST, 4);
    run.see(Event::SaveRequested);
    assert_eq!(run.store(FIRST, 3), []);
    assert_eq!(run.store(FIRST, 5), [saved(5)]);
}

#[test]
fn whoever_asks_when_nothing_is_new_has_the_answer_at_once() {
    let mut run = Run::training();
    run.applied(FIRST, 4);
    run.store(FIRST, 4);
    assert_eq!(run.see(Event::SaveRequested), [saved(4)]);
}

#[test]
fn before_the_first_step_there_is_nothing_to_store_yet() {
    let mut run = Run::training();
    assert_eq!(run.see(Event::SaveRequested), [ASK]);
    run.applied(FIRST, 1);
    assert_eq!(run.store(FIRST, 1), [saved(1)]);
}

#[test]
fn two_who_ask_have_one_answer_which_is_new_enough_for_both() {
    let mut run = Run::training();
    run.applied(FIRST, 4);
    assert_eq!(run.see(Event::SaveRequested), [ASK]);
    run.applied(FIRST, 6);
    assert_eq!(run.see(Event::SaveRequested), [ASK]);
    assert_eq!(run.store(FIRST, 5), []);
    assert_eq!(run.store(FIRST, 7), [saved(7)]);
}

#[test]
fn a_group_that_breaks_is_asked_again_when_it_trains() {
    let mut run = Run::training();
    run.applied(FIRST, 4);
    run.see(Event::SaveRequested);
    run.lose(TWO);
    run.register(TWO);
    run.see(Event::GenerationRecorded { generation: SECOND });
    let commands = run.see(Event::Prepared {
        worker: ONE,
        generation: SECOND,
        held: Some(Step::new(5)),
    });
    assert_eq!(commands.last(), Some(&ASK));
    assert!(matches!(commands[0], Command::Begin { .. }));
}

#[test]
fn a_run_that_gathers_stores_when_it_trains() {
    let mut run = Run::gathering(2);
    assert_eq!(run.see(Event::SaveRequested), []);
    run.register(ONE);
    run.register(TWO);
    let commands = run.begin(FIRST, [(ONE, None), (TWO, None)]);
    assert_eq!(commands.last(), Some(&ASK));
}

#[test]
fn the_newest_checkpoint_does_not_become_older_than_it_may() {
    let mut run = Run::training();
    run.cluster.settings.save_every = Some(Millis::new(400));
    run.applied(FIRST, 1);
    assert_eq!(run.at(399, Event::Tick), []);
    assert_eq!(run.at(400, Event::Tick), [ASK]);
    assert_eq!(run.at(500, Event::Tick), []);
    run.applied(FIRST, 2);
    assert_eq!(run.store(FIRST, 2), [saved(2)]);
    // Nothing is new, and then it is too early.
    assert_eq!(run.at(899, Event::Tick), []);
    run.applied(FIRST, 3);
    assert_eq!(run.at(899, Event::Tick), []);
    assert_eq!(run.at(900, Event::Tick), [ASK]);
}

#[test]
fn a_stop_stores_anyway_and_answers_before_the_end() {
    let mut run = Run::training();
    run.applied(FIRST, 4);
    run.see(Event::SaveRequested);
    run.see(Event::DrainRequested);
    for worker in [ONE, TWO] {
        run.see(Event::Drained {
            worker,
            generation: FIRST,
            step: Step::new(5),
        });
    }
    let commands = run.store(FIRST, 5);
    assert_eq!(commands[0], saved(5));
    assert!(matches!(commands.last(), Some(Command::End { .. })));
}

fn lost(step: u64, worker: Option<WorkerId>) -> Event {
    Event::CheckpointLost {
        checkpoint: (FIRST, Step::new(step)),
        culprit: worker.map(|worker| (worker, "a part is missing".to_owned())),
    }
}

#[test]
fn a_checkpoint_that_does_not_come_together_is_written_once_more_by_a_new_generation() {
    for worker in [None, Some(WorkerId::new(9))] {
        let mut run = Run::training();
        run.applied(FIRST, 10);
        assert_eq!(run.see(lost(10, worker)), [], "it was not asked for");
        for worker in [ONE, TWO] {
            run.see(Event::PartsWritten {
                worker,
                generation: FIRST,
                step: Step::new(10),
                parts: Vec::new(),
            });
        }
        let commands = run.see(lost(10, worker));
        assert!(
            matches!(&commands[..], [Command::RecordGeneration { generation, .. }] if *generation == SECOND),
            "{commands:?}"
        );
        assert_eq!(run.store(FIRST, 10), [], "that generation is over");
    }
}

#[test]
fn a_member_whose_part_is_not_as_it_said_goes() {
    let run = &mut Run::training();
    lose_the_other(run);
}

/// Loses the checkpoint of step 4 by the second member's fault.
fn lose_the_other(run: &mut Run) {
    run.applied(FIRST, 4);
    for worker in [ONE, TWO] {
        run.see(Event::PartsWritten {
            worker,
            generation: FIRST,
            step: Step::new(4),
            parts: Vec::new(),
        });
    }
    let commands = run.see(lost(4, Some(TWO)));
    let stop = |command: &Command| {
        matches!(
            command,
            Command::Stop {
                worker: TWO,
                parting: Parting::Replaced | Parting::Unfit,
                ..
            }
        )
    };
    assert!(commands.iter().any(stop), "{commands:?}");
    assert_eq!(run.cluster.phase(), RunPhase::Recording);
}

#[test]
fn the_only_member_tries_again_and_not_for_ever() {
    let mut run = Run::training();
    lose_the_other(&mut run);
    let mut generation = SECOND;
    loop {
        run.see(Event::GenerationRecorded { generation });
        run.see(Event::Prepared {
            worker: ONE,
            generation,
            held: Some(Step::new(4)),
        });
        run.see(Event::PartsWritten {
            worker: ONE,
            generation,
            step: Step::new(4),
            parts: Vec::new(),
        });
        let commands = run.see(Event::CheckpointLost {
            checkpoint: (generation, Step::new(4)),
            culprit: Some((ONE, String::new())),
        });
        generation = match &commands[..] {
            [Command::RecordGeneration { generation, .. }] => *generation,
            ended => {
                let is_failure = |command: &Command| {
                    matches!(
                        command,
                        Command::End {
                            outcome: RunOutcome::Failed { .. }
                        }
                    )
                };
                assert!(ended.iter().any(is_failure), "{ended:?}");
                break;
            }
        };
    }
    assert_eq!(generation, Generation::new(4), "three tries, no more");
}
