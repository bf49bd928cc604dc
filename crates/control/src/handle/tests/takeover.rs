//! A new coordinator and the workers of an earlier one.

use super::*;
use crate::Accusation;

const THIRD: Generation = Generation::new(3);

/// Generation 3 had two members when its coordinator died.
fn taken_over() -> Run {
    Run::found(THIRD, 2, Source::Initial)
}

impl Run {
    fn comes_back(&mut self, worker: WorkerId, generation: Generation, rank: u32) -> Vec<Command> {
        self.see(Event::Registered {
            worker,
            name: format!("w{worker}"),
            address: format!("host:{worker}"),
            past: Past {
                seat: Some((generation, Rank::new(rank))),
                held: Some(Step::new(7)),
            },
        })
    }
}

fn is_new_generation(commands: &[Command], number: u64) -> bool {
    let generation = Generation::new(number);
    matches!(commands.last(), Some(Command::RecordGeneration { generation: g, .. }) if *g == generation)
}

#[test]
fn a_group_that_is_whole_trains_on_in_its_generation() {
    let mut run = taken_over();
    assert_eq!(run.cluster.phase(), RunPhase::TakingOver);
    assert_eq!(run.comes_back(TWO, THIRD, 0), []);
    assert_eq!(run.comes_back(ONE, THIRD, 1), []);
    assert_eq!(run.cluster.phase(), RunPhase::Training);
    assert_eq!(run.cluster.generation(), THIRD);
    assert_eq!(run.cluster.group_names(), ["w2", "w1"]);
}

#[test]
fn what_members_report_before_all_are_back_counts() {
    let mut run = taken_over();
    let wrote = |worker| Event::PartsWritten {
        worker,
        generation: THIRD,
        step: Step::new(5),
        parts: Vec::new(),
    };
    run.comes_back(ONE, THIRD, 0);
    assert_eq!(run.see(wrote(ONE)), []);
    run.comes_back(TWO, THIRD, 1);
    let commit = Command::CommitCheckpoint {
        generation: THIRD,
        step: Step::new(5),
    };
    assert_eq!(run.see(wrote(TWO)), [commit]);
}

#[test]
fn reports_of_a_stream_that_broke_again_do_not_count() {
    let mut run = taken_over();
    let three = WorkerId::new(3);
    run.comes_back(ONE, THIRD, 0);
    run.see(Event::PartsWritten {
        worker: ONE,
        generation: THIRD,
        step: Step::new(5),
        parts: Vec::new(),
    });
    run.lose(ONE);
    run.comes_back(three, THIRD, 0);
    run.comes_back(TWO, THIRD, 1);
    assert_eq!(run.cluster.phase(), RunPhase::Training);
    let reported_once = run.see(Event::PartsWritten {
        worker: three,
        generation: THIRD,
        step: Step::new(5),
        parts: Vec::new(),
    });
    assert_eq!(reported_once, []);
}

#[test]
fn reports_of_a_stream_that_a_newer_one_took_the_seat_from_do_not_count() {
    let mut run = taken_over();
    let three = WorkerId::new(3);
    let wrote = |worker| Event::PartsWritten {
        worker,
        generation: THIRD,
        step: Step::new(5),
        parts: Vec::new(),
    };
    let seat = Some((THIRD, Rank::new(0)));
    run.see(Event::Registered {
        worker: ONE,
        name: "w1".to_owned(),
        address: "host:1".to_owned(),
        past: Past { seat, held: None },
    });
    run.see(wrote(ONE));
    // It is not known yet that the stream before is closed.
    run.comes_back(three, THIRD, 0);
    run.see(wrote(three));
    assert_eq!(run.comes_back(TWO, THIRD, 1), []);
    assert_eq!(run.cluster.phase(), RunPhase::Training);
    assert_eq!(run.see(wrote(TWO)).len(), 1);
}

#[test]
fn members_of_a_broken_group_make_a_new_one() {
    let mut run = taken_over();
    run.comes_back(ONE, THIRD, 0);
    run.see(Event::GroupBroken {
        worker: ONE,
        generation: THIRD,
        reason: "peer reset".to_owned(),
        accusation: None,
    });
    assert!(is_new_generation(&run.comes_back(TWO, THIRD, 1), 4));
}

#[test]
fn members_of_an_older_group_make_a_new_one() {
    let mut run = taken_over();
    run.comes_back(ONE, SECOND, 0);
    assert!(is_new_generation(&run.comes_back(TWO, SECOND, 1), 4));
}

#[test]
fn who_does_not_come_back_in_time_is_not_waited_for() {
    let mut run = taken_over();
    run.at(10, Event::Tick);
    run.comes_back(ONE, THIRD, 0);
    assert!(is_new_generation(&run.at(511, Event::Tick), 4));
}

/// A member of the group says that the one with this rank differs from the others.
fn differs(accuser: WorkerId, rank: u32) -> Event {
    Event::GroupBroken {
        worker: accuser,
        generation: THIRD,
        reason: "its parameters changed".to_owned(),
        accusation: Some(Accusation::Diverged(Rank::new(rank))),
    }
}

#[test]
fn who_differs_is_no_group_alone_while_the_others_may_come_back() {
    let mut run = taken_over();
    run.at(10, Event::Tick);
    run.comes_back(ONE, THIRD, 0);
    assert_eq!(run.see(differs(ONE, 0)).len(), 1);
    assert_eq!(run.at(511, Event::Tick), []);
    assert!(is_new_generation(&run.comes_back(TWO, THIRD, 1), 4));
}

#[test]
fn who_differs_goes_on_alone_where_nobody_else_comes_back() {
    let mut run = taken_over();
    run.at(10, Event::Tick);
    run.comes_back(ONE, THIRD, 0);
    run.see(differs(ONE, 0));
    for now in (100..=5_000).step_by(100) {
        run.at(now, Event::Heard { worker: ONE });
        assert_eq!(run.at(now, Event::Tick), []);
    }
    assert!(is_new_generation(&run.at(5_001, Event::Tick), 4));
}

#[test]
fn who_accuses_a_member_that_is_not_back_is_not_blamed_for_it() {
    let mut run = taken_over();
    run.comes_back(ONE, THIRD, 0);
    assert_eq!(run.see(differs(ONE, 1)), []);
    assert!(is_new_generation(&run.comes_back(TWO, THIRD, 1), 4));
}

#[test]
fn a_run_whose_workers_are_all_gone_gathers_new_ones() {
    let mut run = taken_over();
    run.register(ONE);
    assert_eq!(run.at(501, Event::Tick), []);
    assert_eq!(run.cluster.phase(), RunPhase::Gathering);
    assert!(is_new_generation(&run.register(TWO), 4));
}

#[test]
fn a_run_that_gives_up_its_old_group_gathers_for_its_full_time() {
    let mut run = taken_over();
    run.cluster.settings.join_timeout = Millis::new(400);
    assert_eq!(run.at(501, Event::Tick), []);
    assert_eq!(run.at(901, Event::Tick), []);
    assert_eq!(run.at(902, Event::Tick).len(), 1);
}

#[test]
fn a_stop_asked_for_while_the_group_returns_reaches_it() {
    let mut run = taken_over();
    run.comes_back(ONE, THIRD, 0);
    assert_eq!(run.see(Event::DrainRequested), []);
    let drain = |worker| Command::Drain { worker };
    assert_eq!(run.comes_back(TWO, THIRD, 1), [ONE, TWO].map(drain));
}
