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
