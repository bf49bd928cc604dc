//! Many machines are taken at once: their workers make one more group, however many they are.

use super::*;

/// So many workers that train in generation 1, and hold step 3.
fn training(workers: u64) -> Run {
    let count = u32::try_from(workers).unwrap_or(u32::MAX);
    let mut run = Run::gathering(count);
    for worker in 1..=workers {
        run.register(WorkerId::new(worker));
    }
    run.see(Event::GenerationRecorded { generation: FIRST });
    for worker in 1..=workers {
        prepare(&mut run, worker, FIRST);
    }
    run
}

fn prepare(run: &mut Run, worker: u64, generation: Generation) -> Vec<Command> {
    let (worker, held) = (WorkerId::new(worker), Some(Step::new(3)));
    run.see(Event::Prepared {
        worker,
        generation,
        held,
    })
}

fn lose(run: &mut Run, worker: u64) -> Vec<Command> {
    let (worker, departure) = (WorkerId::new(worker), Departure::StreamClosed);
    run.see(Event::Departed { worker, departure })
}

/// The members of the generation that is to be recorded.
fn recorded(commands: &[Command]) -> Option<&[String]> {
    match commands.last() {
        Some(Command::RecordGeneration { members, .. }) => Some(members),
        _ => None,
    }
}

#[test]
fn those_lost_while_a_group_forms_make_one_more_at_the_next_tick() {
    let mut run = training(6);
    let first = lose(&mut run, 6);
    assert_eq!(recorded(&first).map(<[String]>::len), Some(5));
    run.see(Event::GenerationRecorded { generation: SECOND });
    for worker in [5, 4, 3] {
        assert_eq!(recorded(&lose(&mut run, worker)), None);
    }
    // Nobody begins in a group that lacks members.
    for worker in [1, 2] {
        assert_eq!(prepare(&mut run, worker, SECOND), []);
    }
    let next = run.at(10, Event::Tick);
    assert_eq!(recorded(&next).unwrap(), ["w1", "w2"]);
    assert_eq!(run.at(11, Event::Tick), []);
}

#[test]
fn one_who_leaves_meanwhile_is_kept_until_it_is_known_who_holds_its_state() {
    let mut run = training(3);
    lose(&mut run, 3);
    run.see(Event::GenerationRecorded { generation: SECOND });
    lose(&mut run, 2);
    let worker = ONE;
    assert_eq!(run.see(Event::LeaveRequested { worker }), []);
    assert_eq!(prepare(&mut run, 1, SECOND), []);
    let next = run.at(10, Event::Tick);
    assert_eq!(recorded(&next).unwrap(), ["w1"]);
}

#[test]
fn where_all_are_lost_meanwhile_others_are_waited_for() {
    let mut run = training(3);
    run.register(WorkerId::new(4));
    lose(&mut run, 3);
    run.see(Event::GenerationRecorded { generation: SECOND });
    for worker in [4, 2, 1] {
        lose(&mut run, worker);
    }
    assert_eq!(run.cluster.phase(), RunPhase::TakingOver);
    assert_eq!(run.at(10, Event::Tick), []);
}
