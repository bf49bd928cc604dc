//! A worker that is asked to leave: the group applies its step and goes on without it, and nobody is at fault.

use super::*;

const THREE: WorkerId = WorkerId::new(3);

fn leave(worker: WorkerId) -> Event {
    Event::LeaveRequested { worker }
}

fn recorded(number: u64, members: &[&str]) -> Command {
    Command::RecordGeneration {
        generation: Generation::new(number),
        members: members.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn left(worker: WorkerId) -> [Command; 2] {
    let reason = "it was asked to leave, and the others go on without it".to_owned();
    let stop = Command::Stop {
        worker,
        reason,
        parting: Parting::Left,
    };
    let name = format!("w{worker}");
    [Command::Left { name }, stop]
}

fn prepared(worker: WorkerId, generation: Generation, held: u64) -> Event {
    Event::Prepared {
        worker,
        generation,
        held: Some(Step::new(held)),
    }
}

#[test]
fn a_member_that_leaves_applies_the_step_at_hand_and_is_then_released() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    assert_eq!(run.see(leave(ONE)), [recorded(2, &["w2"])]);
    assert_eq!(run.see(leave(ONE)), [], "said twice");
    let prepare = |worker| Command::Prepare {
        worker,
        generation: SECOND,
        leaving: Leaving::AfterTheStep,
    };
    let commands = run.see(Event::GenerationRecorded { generation: SECOND });
    assert_eq!(commands, [TWO, ONE].map(prepare));
    assert_eq!(run.see(prepared(ONE, SECOND, 2)), left(ONE));
    let commands = run.see(prepared(TWO, SECOND, 2));
    let [
        Command::Begin {
            worker: TWO,
            assignment,
        },
    ] = commands.as_slice()
    else {
        panic!("{commands:?}")
    };
    let source = Source::Peers { step: Step::new(2) };
    assert_eq!((assignment.source, assignment.seats.len()), (source, 1));
}

#[test]
fn a_leaver_is_released_when_it_has_left_even_if_the_others_train_by_then() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    run.see(leave(ONE));
    run.see(Event::GenerationRecorded { generation: SECOND });
    run.see(prepared(TWO, SECOND, 2));
    assert_eq!(run.cluster.phase(), RunPhase::Training);
    assert_eq!(run.see(prepared(ONE, SECOND, 2)), left(ONE));
}

#[test]
fn a_standby_that_leaves_is_released_at_once() {
    let mut run = Run::training();
    run.register(THREE);
    assert_eq!(run.see(leave(THREE)), left(THREE));
    assert_eq!(run.cluster.phase(), RunPhase::Training);
}

#[test]
fn a_member_that_leaves_while_its_group_forms_waits_for_the_group_to_train() {
    let mut run = Run::gathering(2);
    run.register(ONE);
    run.register(TWO);
    assert_eq!(run.see(leave(TWO)), []);
    run.see(Event::GenerationRecorded { generation: FIRST });
    run.see(prepared(ONE, FIRST, 0));
    let commands = run.see(prepared(TWO, FIRST, 0));
    assert_eq!(commands.len(), 3, "both begin: {commands:?}");
    assert_eq!(commands.last(), Some(&recorded(2, &["w1"])));
}

#[test]
fn the_last_that_leaves_stops_the_run_with_a_checkpoint() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    run.see(leave(ONE));
    run.see(leave(TWO));
    assert_eq!(run.cluster.phase(), RunPhase::Recording);
    run.see(Event::GenerationRecorded { generation: SECOND });
    run.see(prepared(ONE, SECOND, 2));
    let commands = run.see(prepared(TWO, SECOND, 2));
    assert_eq!(commands.last(), Some(&Command::Drain { worker: TWO }));
    let (worker, generation, step) = (TWO, SECOND, Step::new(3));
    run.see(Event::PartsWritten {
        worker,
        generation,
        step,
        parts: Vec::new(),
    });
    run.see(Event::Drained {
        worker,
        generation,
        step,
    });
    let commands = run.see(Event::CheckpointCommitted { generation, step });
    let cause = Cause::Deserted;
    assert_eq!(
        outcome(&commands),
        Some(&RunOutcome::Interrupted { step, cause })
    );
}

#[test]
fn a_leaver_that_vanishes_is_no_failure() {
    let mut run = Run::training();
    run.see(leave(ONE));
    let name = "w1".to_owned();
    assert_eq!(run.lose(ONE), [Command::Left { name }]);
}

#[test]
fn a_leaver_that_alone_holds_the_newest_state_hands_it_over_first() {
    let mut run = Run::training();
    run.begin(FIRST, [(ONE, Some(4)), (TWO, Some(4))]);
    run.cluster.membership.member_mut(ONE).unwrap().held = Some(Step::new(4));
    run.register(THREE);
    run.see(leave(ONE));
    let commands = run.lose(TWO);
    assert_eq!(commands.last(), Some(&recorded(3, &["w3", "w1"])));
    run.see(Event::GenerationRecorded {
        generation: Generation::new(3),
    });
    run.see(prepared(ONE, Generation::new(3), 4));
    let commands = run.see(Event::Prepared {
        worker: THREE,
        generation: Generation::new(3),
        held: None,
    });
    assert_eq!(commands.last(), Some(&recorded(4, &["w3"])));
}

#[test]
fn a_run_that_lost_a_leaver_gathers_without_it() {
    let mut run = Run::gathering(2);
    run.register(ONE);
    assert_eq!(run.see(leave(ONE)), left(ONE));
    let commands = run.register(TWO);
    assert_eq!(commands, [recorded(1, &["w2"])]);
}

#[test]
fn a_run_that_stops_anyway_lets_a_leaver_write_its_share() {
    let mut run = Run::training();
    run.see(Event::DrainRequested);
    assert_eq!(run.see(leave(ONE)), []);
    assert_eq!(run.cluster.phase(), RunPhase::Training);
}

#[test]
fn a_leaver_that_nobody_waits_for_is_released_when_the_run_gathers() {
    let mut run = Run::found(FIRST, 2, Source::Initial);
    run.register(ONE);
    assert_eq!(run.see(leave(ONE)), [], "it may hold what nobody else does");
    assert_eq!(run.at(501, Event::Tick), left(ONE));
    assert_eq!(run.cluster.phase(), RunPhase::Gathering);
}

#[test]
fn a_leaver_counts_once_however_often_it_registers() {
    let mut run = Run::gathering(3);
    for worker in [ONE, TWO] {
        run.register(worker);
    }
    run.cluster.membership.ask_to_leave(ONE);
    assert_eq!(run.cluster.membership.n_staying(), 1);
    run.register(ONE);
    assert_eq!(run.cluster.membership.n_staying(), 1);
    run.lose(ONE);
    assert_eq!(run.cluster.membership.n_staying(), 1);
}
