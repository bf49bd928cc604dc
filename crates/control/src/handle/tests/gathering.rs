//! A group with a least and a most number of members: it begins with what is there, and grows.

use super::*;

const THREE: WorkerId = WorkerId::new(3);

/// A coordinator that begins with one worker and takes three.
fn from_one_to_three() -> Run {
    let mut run = Run::gathering(3);
    run.cluster.settings.least_workers = 1;
    run
}

fn members(commands: &[Command]) -> Option<usize> {
    commands.iter().find_map(|command| {
        if let Command::RecordGeneration { members, .. } = command {
            Some(members.len())
        } else {
            None
        }
    })
}

#[test]
fn the_least_begin_once_nobody_has_come_for_a_while() {
    let mut run = from_one_to_three();
    run.at(1_000, Event::Tick);
    assert_eq!(run.register(ONE), [], "others may be on their way");
    assert_eq!(run.at(1_200, Event::Tick), []);
    assert_eq!(
        run.register(TWO),
        [],
        "who comes gives the others time again"
    );
    assert_eq!(run.at(1_400, Event::Tick), []);
    assert_eq!(members(&run.at(1_500, Event::Tick)), Some(2));
}

#[test]
fn the_most_begin_at_once() {
    let mut run = from_one_to_three();
    for worker in [ONE, TWO] {
        assert_eq!(run.register(worker), []);
    }
    assert_eq!(members(&run.register(THREE)), Some(3));
}

#[test]
fn whoever_comes_later_gets_a_seat_until_the_most_have_one_and_then_stands_by() {
    let mut run = from_one_to_three();
    run.register(ONE);
    run.at(400, Event::Tick);
    run.see(Event::GenerationRecorded { generation: FIRST });
    run.see(Event::Prepared {
        worker: ONE,
        generation: FIRST,
        held: None,
    });
    run.applied(FIRST, 1);
    assert_eq!(members(&run.register(TWO)), Some(2));
    run.begin(SECOND, [(ONE, Some(2)), (TWO, None)]);
    run.applied(SECOND, 3);
    assert_eq!(members(&run.register(THREE)), Some(3));
    let four = WorkerId::new(4);
    assert_eq!(run.register(four), []);
    assert_eq!(run.cluster.standing_by(), [(four, "w4")]);
}

#[test]
fn fewer_than_the_least_are_waited_for_and_then_given_up() {
    let mut run = from_one_to_three();
    run.cluster.settings.least_workers = 2;
    run.register(ONE);
    run.at(3_500, Event::Heard { worker: ONE });
    assert_eq!(run.at(4_000, Event::Tick), []);
    let gathering = run.cluster.gathering(Millis::new(4_000)).unwrap();
    assert_eq!((gathering.registered, gathering.wanted), (1, 2));
    assert_eq!(gathering.left, Millis::new(1_000));
    run.at(4_500, Event::Heard { worker: ONE });
    let commands = run.at(5_001, Event::Tick);
    let Some(RunOutcome::Failed { reason }) = outcome(&commands) else {
        panic!("{commands:?}")
    };
    assert!(reason.starts_with("1 of 2 workers registered"), "{reason}");
}

#[test]
fn a_run_that_trains_gathers_nobody() {
    assert_eq!(Run::training().cluster.gathering(Millis::new(0)), None);
    assert!(Run::training().cluster.standing_by().is_empty());
}
