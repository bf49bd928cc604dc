//! One worker's store, disk or device fails for good: it goes, unless nobody else could go on.

use super::*;

const THREE: WorkerId = WorkerId::new(3);

fn unfit(worker: WorkerId) -> Event {
    let reason = "no space left to write run/part".to_owned();
    Event::Unfit { worker, reason }
}

fn failure(commands: &[Command]) -> Option<&str> {
    match outcome(commands) {
        Some(RunOutcome::Failed { reason }) => Some(reason),
        _ => None,
    }
}

#[test]
fn a_member_that_is_unfit_is_told_to_end_and_the_others_take_its_slots() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    let commands = run.see(unfit(TWO));
    let [
        Command::Stop {
            worker: TWO,
            reason,
            parting: Parting::Unfit,
        },
        Command::Report { verdict },
        Command::RecordGeneration { members, .. },
    ] = &commands[..]
    else {
        panic!("{commands:?}")
    };
    assert_eq!(reason, "no space left to write run/part");
    assert_eq!((&verdict.reason, &*verdict.host), (reason, "host"));
    assert_eq!(*members, ["w1"]);
}

#[test]
fn the_last_member_that_is_unfit_ends_the_run_with_its_line() {
    let mut run = Run::training();
    run.lose(TWO);
    let commands = run.see(unfit(ONE));
    let line = "worker w1 (rank 0 of generation 2): no space left to write run/part";
    assert_eq!(failure(&commands), Some(line));
}

#[test]
fn whoever_comes_after_all_of_a_group_were_unfit_is_not_asked_too() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    run.see(unfit(TWO));
    run.register(THREE);
    let commands = run.see(unfit(ONE));
    assert!(failure(&commands).is_some(), "{commands:?}");
}

#[test]
fn whoever_stood_by_before_is_asked_although_all_of_the_group_were_unfit() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    run.register(THREE);
    run.see(unfit(TWO));
    run.register(WorkerId::new(4));
    assert_eq!(failure(&run.see(unfit(ONE))), None);
    let commands = run.see(unfit(THREE));
    assert!(failure(&commands).is_some(), "{commands:?}");
}

#[test]
fn a_member_that_gets_on_goes_on_however_many_others_are_unfit() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    for (number, worker) in (2..).zip([TWO, THREE, WorkerId::new(4)]) {
        let commands = run.see(unfit(worker));
        assert_eq!(failure(&commands), None, "{commands:?}");
        run.register(WorkerId::new(worker.get() + 1));
        let generation = Generation::new(number);
        run.see(Event::GenerationRecorded { generation });
    }
}

#[test]
fn a_step_forgets_who_was_unfit() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    run.see(unfit(TWO));
    run.register(THREE);
    run.see(Event::GenerationRecorded { generation: SECOND });
    run.see(Event::Prepared {
        worker: ONE,
        generation: SECOND,
        held: Some(Step::new(1)),
    });
    run.applied(SECOND, 2);
    assert_eq!(failure(&run.see(unfit(ONE))), None);
}

/// One worker is enough, and two may come.
fn gathering_one() -> Run {
    let mut run = Run::gathering(2);
    run.cluster.settings.least_workers = 1;
    run
}

#[test]
fn one_that_cannot_train_and_comes_first_ends_nothing_and_the_next_one_trains() {
    let mut run = gathering_one();
    run.register(ONE);
    let commands = run.see(unfit(ONE));
    assert!(
        matches!(
            &commands[..],
            [Command::Stop { worker: ONE, .. }, Command::Gone { .. }]
        ),
        "{commands:?}"
    );
    run.register(TWO);
    assert_eq!(run.at(400, Event::Tick).len(), 1, "it begins");
}

#[test]
fn so_it_is_while_the_first_group_forms_of_that_one_alone() {
    let mut run = gathering_one();
    run.register(ONE);
    run.at(400, Event::Tick);
    run.see(Event::GenerationRecorded { generation: FIRST });
    assert_eq!(failure(&run.see(unfit(ONE))), None);
    assert_eq!(run.cluster.phase(), RunPhase::Gathering);
    run.register(TWO);
    assert_eq!(run.at(800, Event::Tick).len(), 1, "it begins");
}

#[test]
fn a_first_group_that_nobody_comes_to_who_can_train_is_waited_for_no_longer_than_any() {
    let mut run = gathering_one();
    for number in 0..40 {
        let worker = WorkerId::new(number);
        run.register(worker);
        let now = (number + 1) * 400;
        run.at(now, Event::Tick);
        let generation = run.cluster.generation();
        run.see(Event::GenerationRecorded { generation });
        let commands = run.see(unfit(worker));
        if let Some(line) = failure(&commands) {
            assert!(line.contains("no space left"), "{line}");
            assert!((5_000..6_000).contains(&now), "{now}");
            return;
        }
    }
    panic!("it waits for ever")
}

#[test]
fn one_that_returns_unfit_ends_no_run_whose_others_may_be_on_their_way() {
    let mut run = Run::found(FIRST, 2, Source::Initial);
    run.register(ONE);
    assert_eq!(failure(&run.see(unfit(ONE))), None);
}

#[test]
fn one_left_behind_that_comes_first_and_is_unfit_ends_no_run_of_which_others_train_on() {
    let mut run = Run::found(SECOND, 1, Source::Initial);
    run.see(Event::Registered {
        worker: ONE,
        name: "w1".to_owned(),
        address: "host:1".to_owned(),
        past: Past {
            seat: Some((FIRST, Rank::new(0))),
            held: Some(Step::new(5)),
        },
    });
    assert_eq!(failure(&run.see(unfit(ONE))), None);
    assert_eq!(run.cluster.phase(), RunPhase::TakingOver);
}

/// One that was left behind in generation 1 is the first to come, unfit, after the group that trained was lost sight of.
fn comes_unfit_from_before(run: &mut Run) -> Vec<Command> {
    run.see(Event::Registered {
        worker: THREE,
        name: "w3".to_owned(),
        address: "host:3".to_owned(),
        past: Past {
            seat: Some((FIRST, Rank::new(1))),
            held: Some(Step::new(1)),
        },
    });
    run.see(unfit(THREE))
}

#[test]
fn so_it_is_where_this_coordinator_lost_sight_of_those_who_train_on() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    run.lose(TWO);
    run.see(Event::GenerationRecorded { generation: SECOND });
    run.lose(ONE);
    assert_eq!(run.cluster.phase(), RunPhase::TakingOver);
    assert_eq!(failure(&comes_unfit_from_before(&mut run)), None);
    // Nobody came, so the next one is the last.
    run.at(1_000, Event::Tick);
    run.cluster.settings.workers = 1;
    run.cluster.settings.least_workers = 1;
    run.register(WorkerId::new(4));
    let commands = run.see(unfit(WorkerId::new(4)));
    assert!(failure(&commands).is_some(), "{commands:?}");
}

#[test]
fn so_it_is_where_a_run_that_was_stopped_gathers_anew() {
    let mut run = gathering_one();
    assert_eq!(failure(&comes_unfit_from_before(&mut run)), None);
    let mut run = Run::gathering(1);
    assert_eq!(failure(&comes_unfit_from_before(&mut run)), None);
}

#[test]
fn so_it_is_after_an_absence_in_which_all_have_left() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    run.see(unfit(TWO));
    run.see(Event::GenerationRecorded { generation: SECOND });
    run.at(100, Event::Tick);
    run.after_absence(10_000, Event::Tick);
    run.lose(ONE);
    assert_eq!(failure(&comes_unfit_from_before(&mut run)), None);
}

#[test]
fn a_group_that_is_back_as_a_whole_is_all_there_is() {
    let mut run = Run::found(SECOND, 1, Source::Initial);
    run.see(Event::Registered {
        worker: ONE,
        name: "w1".to_owned(),
        address: "host:1".to_owned(),
        past: Past {
            seat: Some((SECOND, Rank::new(0))),
            held: Some(Step::new(5)),
        },
    });
    assert_eq!(run.cluster.phase(), RunPhase::Training);
    let commands = run.see(unfit(ONE));
    assert!(failure(&commands).is_some(), "{commands:?}");
}

#[test]
fn a_member_that_came_from_an_earlier_coordinator_is_given_up_alone() {
    let mut run = Run::found(FIRST, 2, Source::Initial);
    for (rank, worker) in (0..).zip([ONE, TWO]) {
        let past = Past {
            seat: Some((FIRST, Rank::new(rank))),
            held: Some(Step::new(5)),
        };
        if worker == TWO {
            run.see(Event::GroupBroken {
                worker: ONE,
                generation: FIRST,
                reason: "broken".to_owned(),
                accusation: None,
            });
        }
        run.see(Event::Registered {
            worker,
            name: format!("w{}", worker.get()),
            address: format!("host:{}", worker.get()),
            past,
        });
    }
    assert_eq!(failure(&run.see(unfit(TWO))), None);
}
