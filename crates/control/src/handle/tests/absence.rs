//! A coordinator whose process was stopped, or whose clock jumped: that time counts against nobody.

use super::*;

#[test]
fn a_coordinator_that_was_away_gives_members_their_time_again_to_leave_their_group() {
    let mut run = Run::training();
    run.lose(TWO);
    run.see(Event::GenerationRecorded { generation: SECOND });
    run.at(100, Event::Tick);
    // Its process was stopped, or its clock jumped: the answer is on its way.
    assert_eq!(run.after_absence(60_000, Event::Tick), []);
    assert_eq!(run.at(60_700, Event::Tick), []);
    let commands = run.at(60_801, Event::Tick);
    assert!(
        matches!(commands.first(), Some(Command::Stop { worker: ONE, .. })),
        "{commands:?}"
    );
}

#[test]
fn a_coordinator_that_was_away_waits_anew_for_those_who_come() {
    let mut run = Run::gathering(2);
    assert_eq!(run.after_absence(60_000, Event::Tick), []);
    assert_eq!(run.at(65_000, Event::Tick), []);
    assert_eq!(run.at(65_001, Event::Tick).len(), 1);
}

#[test]
fn a_pause_shorter_than_the_least_timeout_counts_for_no_limit_where_less_is_allowed() {
    let mut run = Run::gathering(1);
    run.register(ONE);
    run.at(500, Event::Heard { worker: ONE });
    run.at(600, Event::Tick);
    assert_eq!(run.after_absence(1_600, Event::Tick), []);
}

/// Two workers train, the coordinator is stopped for a minute, and their streams close.
fn away() -> Run {
    let mut run = Run::training();
    run.applied(FIRST, 5);
    run.at(100, Event::Tick);
    run
}

fn closed(worker: WorkerId) -> Event {
    Event::Departed {
        worker,
        departure: Departure::StreamClosed,
    }
}

fn comes_back(run: &mut Run, worker: u64, rank: u32) -> Vec<Command> {
    run.see(Event::Registered {
        worker: WorkerId::new(worker),
        name: format!("w{worker}"),
        address: format!("host:{worker}"),
        past: Past {
            seat: Some((FIRST, Rank::new(rank))),
            held: Some(Step::new(9)),
        },
    })
}

#[test]
fn streams_that_closed_while_it_was_away_are_no_deaths() {
    for is_ticked in [false, true] {
        let mut run = away();
        if is_ticked {
            assert_eq!(run.after_absence(60_000, Event::Tick), []);
        }
        assert_eq!(run.after_absence(60_001, closed(ONE)), []);
        assert_eq!(run.see(closed(TWO)), []);
        assert_eq!(run.cluster.phase(), RunPhase::TakingOver);
        assert_eq!(run.see(Event::Tick), []);
        assert_eq!(comes_back(&mut run, 7, 1), []);
        assert_eq!(comes_back(&mut run, 8, 0), []);
        assert_eq!(run.cluster.phase(), RunPhase::Training);
        assert_eq!(run.cluster.generation(), FIRST);
        assert_eq!(run.cluster.applied_step(), Step::new(9));
    }
}

#[test]
fn who_comes_back_before_its_older_stream_is_known_to_be_closed_keeps_its_seat() {
    // Both before, and one after the group went on without a word of it.
    let mut run = away();
    run.after_absence(60_000, Event::Tick);
    assert_eq!(comes_back(&mut run, 8, 0), []);
    assert_eq!(run.cluster.phase(), RunPhase::Training);
    assert_eq!(comes_back(&mut run, 7, 1), []);
    let mut late = away();
    late.after_absence(60_000, closed(TWO));
    assert_eq!(comes_back(&mut late, 7, 1), []);
    assert_eq!(comes_back(&mut late, 8, 0), []);
    for mut run in [run, late] {
        assert_eq!(run.cluster.phase(), RunPhase::Training);
        assert_eq!(run.see(closed(ONE)), []);
        assert_eq!(run.see(closed(TWO)), []);
        assert_eq!(run.cluster.phase(), RunPhase::Training);
        assert_eq!(run.cluster.generation(), FIRST);
        let commands = run.wrote(WorkerId::new(7), 5);
        assert_eq!(commands, [], "its report counts, and another is awaited");
        let commands = run.wrote(WorkerId::new(8), 5);
        assert!(
            matches!(commands[..], [Command::CommitCheckpoint { .. }]),
            "{commands:?}"
        );
    }
}

#[test]
fn a_member_whose_stream_is_open_still_waits_for_the_other_and_its_reports_count() {
    let mut run = away();
    run.wrote(ONE, 5);
    assert_eq!(run.after_absence(60_000, closed(TWO)), []);
    run.see(Event::Tick);
    assert_eq!(comes_back(&mut run, 7, 1), []);
    assert_eq!(run.cluster.phase(), RunPhase::Training);
    let commands = run.wrote(WorkerId::new(7), 5);
    assert!(
        matches!(commands[..], [Command::CommitCheckpoint { .. }]),
        "{commands:?}"
    );
}

#[test]
fn who_does_not_come_back_has_died_and_the_others_go_on() {
    let mut run = away();
    run.after_absence(60_000, closed(TWO));
    run.see(Event::Tick);
    run.at(60_400, Event::Heard { worker: ONE });
    assert_eq!(run.at(60_500, Event::Tick), []);
    let commands = run.at(60_501, Event::Tick);
    assert!(
        matches!(
            &commands[..],
            [Command::Report { verdict }, Command::RecordGeneration { members, .. }]
            if verdict.worker == "w2" && members[..] == ["w1"]
        ),
        "{commands:?}"
    );
}

#[test]
fn a_wait_that_was_nearly_over_before_the_absence_begins_again() {
    let mut run = away();
    run.after_absence(60_000, closed(TWO));
    run.see(Event::Tick);
    run.at(60_400, Event::Tick);
    assert_eq!(run.after_absence(120_000, Event::Tick), []);
    assert_eq!(run.see(closed(ONE)), []);
    assert_eq!(run.at(120_500, Event::Tick), []);
    assert_eq!(comes_back(&mut run, 7, 1), []);
    assert_eq!(comes_back(&mut run, 8, 0), []);
    assert_eq!(run.cluster.phase(), RunPhase::Training);
}

#[test]
fn a_short_absence_right_after_a_long_one_makes_no_deaths_of_those_who_left_in_the_long_one() {
    for is_ticked in [false, true] {
        let mut run = away();
        run.after_absence(60_000, Event::Tick);
        if is_ticked {
            assert_eq!(run.after_absence(63_000, Event::Tick), []);
        }
        assert_eq!(run.after_absence(63_001, closed(TWO)), []);
        assert_eq!(run.cluster.phase(), RunPhase::TakingOver);
    }
}

#[test]
fn a_stream_that_closes_later_is_a_death() {
    let mut run = away();
    run.after_absence(60_000, Event::Tick);
    let commands = run.at(60_500, closed(TWO));
    assert!(
        matches!(commands.last(), Some(Command::RecordGeneration { .. })),
        "{commands:?}"
    );
}

#[test]
fn a_stream_that_closed_in_an_absence_blames_nobody_while_a_group_forms() {
    let mut run = Run::training();
    run.register(WorkerId::new(3));
    run.lose(TWO);
    run.see(Event::GenerationRecorded { generation: SECOND });
    run.at(100, Event::Tick);
    let commands = run.after_absence(60_000, closed(ONE));
    let [Command::Gone { name, .. }] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(name, "w1");
    let commands = run.after_absence(60_001, Event::Tick);
    let [Command::RecordGeneration { members, .. }] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(members[..], ["w3"]);
}
