//! A worker of which a thread panicked: it is gone, and what it said of it is known.

use super::*;

const TEXT: &str = "its thread trainer panicked: index out of bounds";

fn panicked(worker: WorkerId) -> Event {
    let reason = TEXT.to_owned();
    Event::Departed {
        worker,
        departure: Departure::Panicked { reason },
    }
}

#[test]
fn the_others_go_on_at_once_and_the_text_is_the_verdict() {
    let mut run = Run::training();
    let commands = run.see(panicked(TWO));
    assert!(
        matches!(
            &commands[..],
            [Command::Stop { worker: TWO, .. }, Command::Report { verdict }, Command::RecordGeneration { members, .. }]
            if verdict.reason == TEXT && members[..] == ["w1"]
        ),
        "{commands:?}"
    );
    assert_eq!(
        run.at(
            1,
            Event::Departed {
                worker: TWO,
                departure: Departure::StreamClosed
            }
        ),
        []
    );
}

#[test]
fn who_is_alone_and_came_to_no_step_ends_the_run_with_the_text() {
    let mut run = Run::gathering(1);
    run.register(ONE);
    run.see(Event::GenerationRecorded { generation: FIRST });
    let commands = run.see(panicked(ONE));
    let Some(RunOutcome::Failed { reason }) = outcome(&commands) else {
        panic!("{commands:?}")
    };
    assert!(reason.ends_with(TEXT), "{reason}");
}

#[test]
fn who_is_alone_after_a_step_is_waited_for_as_after_any_death() {
    let mut run = Run::gathering(1);
    run.register(ONE);
    run.see(Event::GenerationRecorded { generation: FIRST });
    run.see(Event::Prepared {
        worker: ONE,
        generation: FIRST,
        held: None,
    });
    run.applied(FIRST, 1);
    run.see(panicked(ONE));
    assert_eq!(run.cluster.phase(), RunPhase::TakingOver);
}

#[test]
fn a_run_that_gathers_does_not_wait_for_who_panicked() {
    let mut run = Run::gathering(2);
    run.register(ONE);
    let commands = run.see(panicked(ONE));
    assert_eq!((commands.len(), outcome(&commands)), (2, None));
    let members = vec!["w2".to_owned()];
    let record = Command::RecordGeneration {
        generation: FIRST,
        members,
    };
    assert_eq!(run.register(TWO), [record]);
}

#[test]
fn if_nobody_else_comes_the_run_says_who_was_lost() {
    let mut run = Run::gathering(2);
    run.register(ONE);
    run.see(panicked(ONE));
    let commands = run.at(5_001, Event::Tick);
    let Some(RunOutcome::Failed { reason }) = outcome(&commands) else {
        panic!("{commands:?}")
    };
    assert!(
        reason.contains("0 of 2") && reason.contains(TEXT),
        "{reason}"
    );
}
