//! A member whose state is not its peers': it takes theirs once, and is given up if it differs again soon.

use super::*;
use crate::Accusation;

const THREE: WorkerId = WorkerId::new(3);

fn three() -> Run {
    let mut run = Run::gathering(3);
    for worker in [ONE, TWO, THREE] {
        run.register(worker);
    }
    regroup(&mut run, 1);
    run
}

/// The generation of this number begins with all who are registered.
fn regroup(run: &mut Run, number: u64) {
    let generation = Generation::new(number);
    run.see(Event::GenerationRecorded { generation });
    for worker in run.cluster.registered_workers() {
        let held = Some(run.cluster.applied_step());
        run.see(Event::Prepared {
            worker,
            generation,
            held,
        });
    }
    assert_eq!(run.cluster.phase(), RunPhase::Training);
}

fn differs(accuser: WorkerId, generation: u64, rank: u32) -> Event {
    Event::GroupBroken {
        worker: accuser,
        generation: Generation::new(generation),
        reason: "its parameters changed".to_owned(),
        accusation: Some(Accusation::Diverged(Rank::new(rank))),
    }
}

fn blamed(commands: &[Command]) -> Vec<&str> {
    let mut names = Vec::new();
    for command in commands {
        if let Command::Report { verdict } = command {
            names.push(&*verdict.worker);
        }
    }
    names
}

fn is_regrouped(commands: &[Command]) -> bool {
    matches!(commands.last(), Some(Command::RecordGeneration { .. }))
}

#[test]
fn who_says_so_of_itself_is_named_at_once_and_keeps_its_seat() {
    let mut run = three();
    let commands = run.see(differs(THREE, 1, 2));
    assert_eq!(blamed(&commands), ["w3"]);
    assert!(is_regrouped(&commands), "{commands:?}");
    assert_eq!(run.cluster.n_registered(), 3);
}

#[test]
fn one_accuser_is_not_enough_and_more_than_half_of_the_group_are() {
    let mut run = three();
    assert_eq!(run.see(differs(ONE, 1, 2)), []);
    assert_eq!(run.see(differs(ONE, 1, 2)), []);
    let commands = run.see(differs(TWO, 1, 2));
    assert_eq!(blamed(&commands), ["w3"]);
    assert!(is_regrouped(&commands), "{commands:?}");
    let mut run = three();
    run.see(differs(ONE, 1, 2));
    let commands = run.at(1_000, Event::Tick);
    assert_eq!(blamed(&commands), [""; 0], "nobody bears it out");
    assert!(is_regrouped(&commands), "{commands:?}");
}

#[test]
fn who_differs_again_soon_is_given_up_and_the_run_is_none_the_worse() {
    for good_steps in [0, 1, 99] {
        let mut run = three();
        run.cluster.settings.last_step = Step::new(1_000);
        run.see(differs(THREE, 1, 2));
        regroup(&mut run, 2);
        run.applied(SECOND, good_steps);
        let commands = run.see(differs(THREE, 2, 2));
        assert!(
            matches!(
                commands[0],
                Command::Stop {
                    worker: THREE,
                    parting: Parting::Unfit,
                    ..
                }
            ),
            "{commands:?}"
        );
        assert_eq!(blamed(&commands), ["w3"]);
        assert!(is_regrouped(&commands), "{commands:?}");
        assert_eq!(run.cluster.n_registered(), 2);
        assert_eq!(run.cluster.trouble.without_step, 0);
    }
}

#[test]
fn after_enough_good_steps_it_is_as_good_as_any() {
    let mut run = three();
    run.cluster.settings.last_step = Step::new(1_000);
    run.see(differs(THREE, 1, 2));
    regroup(&mut run, 2);
    run.applied(SECOND, 100);
    run.see(differs(THREE, 2, 2));
    assert_eq!(run.cluster.n_registered(), 3);
}
