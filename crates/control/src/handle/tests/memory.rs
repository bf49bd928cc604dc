//! What a group begins with: the newest state that a member holds, or the newest checkpoint if that is newer.

use super::*;

const THREE: WorkerId = WorkerId::new(3);

fn source(commands: &[Command]) -> (Source, Vec<bool>) {
    let Some(Command::Begin { assignment, .. }) = commands.first() else {
        panic!("the group begins: {commands:?}");
    };
    let holders = assignment.seats.iter().map(|seat| seat.is_holder);
    (assignment.source, holders.collect())
}

/// Workers 1 and 2 trained, 3 stood by; 1 is lost at step `applied`, and the two others come with what they hold.
fn after_a_loss(held: [(WorkerId, Option<u64>); 2], committed: u64) -> Vec<Command> {
    let mut run = Run::training();
    run.register(THREE);
    run.applied(FIRST, 5);
    if committed > 0 {
        run.wrote(ONE, committed);
        run.wrote(TWO, committed);
        run.committed(committed);
    }
    run.lose(ONE);
    run.begin(SECOND, held)
}

#[test]
fn survivors_go_on_from_memory_and_those_without_state_copy_it() {
    let commands = after_a_loss([(TWO, Some(5)), (THREE, None)], 4);
    let step = Step::new(5);
    assert_eq!(
        source(&commands),
        (Source::Peers { step }, vec![true, false])
    );
}

#[test]
fn the_most_advanced_survivor_wins() {
    let commands = after_a_loss([(TWO, Some(5)), (THREE, Some(6))], 0);
    let step = Step::new(6);
    assert_eq!(
        source(&commands),
        (Source::Peers { step }, vec![false, true])
    );
}

#[test]
fn a_newer_checkpoint_wins_over_memory_and_an_equal_one_does_not() {
    let commands = after_a_loss([(TWO, Some(4)), (THREE, None)], 5);
    let checkpoint = Source::Checkpoint {
        step: Step::new(5),
        generation: FIRST,
    };
    assert_eq!(source(&commands), (checkpoint, vec![false, false]));
    let commands = after_a_loss([(TWO, Some(5)), (THREE, None)], 5);
    let step = Step::new(5);
    assert_eq!(
        source(&commands),
        (Source::Peers { step }, vec![true, false])
    );
}

#[test]
fn members_learn_which_checkpoint_is_committed() {
    let commands = after_a_loss([(TWO, Some(5)), (THREE, None)], 4);
    let Some(Command::Begin { assignment, .. }) = commands.first() else {
        panic!("{commands:?}");
    };
    assert_eq!(assignment.committed, Step::new(4));
}

#[test]
fn a_step_is_not_committed_again_while_an_older_generation_commits_it() {
    let mut run = Run::training();
    run.wrote(ONE, 5);
    assert_eq!(run.wrote(TWO, 5).len(), 1);
    run.lose(ONE);
    run.register(THREE);
    run.see(Event::GenerationRecorded { generation: SECOND });
    let held = Some(Step::new(5));
    let (worker, generation) = (TWO, SECOND);
    run.see(Event::Prepared {
        worker,
        generation,
        held,
    });
    let step = Step::new(5);
    let again = run.see(Event::PartsWritten {
        worker,
        generation,
        step,
        parts: Vec::new(),
    });
    assert_eq!(again, []);
}

#[test]
fn a_member_lost_while_draining_does_not_take_the_others_state_with_it() {
    let mut run = Run::training();
    run.applied(FIRST, 5);
    run.see(Event::DrainRequested);
    run.lose(TWO);
    run.see(Event::GenerationRecorded { generation: SECOND });
    let commands = run.see(Event::Prepared {
        worker: ONE,
        generation: SECOND,
        held: Some(Step::new(5)),
    });
    assert!(
        matches!(
            commands.as_slice(),
            [Command::Begin { .. }, Command::Drain { worker: ONE }]
        ),
        "{commands:?}"
    );
}

#[test]
fn a_drain_with_nothing_in_memory_to_save_ends_at_the_newest_checkpoint() {
    let mut run = Run::training();
    run.see(Event::DrainRequested);
    run.lose(TWO);
    run.see(Event::GenerationRecorded { generation: SECOND });
    let commands = run.see(Event::Prepared {
        worker: ONE,
        generation: SECOND,
        held: None,
    });
    let expected = asked(0);
    assert_eq!(outcome(&commands), Some(&expected));
}
