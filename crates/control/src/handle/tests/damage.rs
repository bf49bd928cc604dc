//! A checkpoint that is found damaged when a generation begins from it.

use super::*;

const BAD: (Generation, Step) = (FIRST, Step::new(8));
const OLDER: Source = Source::Checkpoint {
    step: Step::new(4),
    generation: FIRST,
};

/// Two workers that are to begin from the checkpoint of step 8, in generation 2.
fn restoring() -> Run {
    let newest = Source::Checkpoint {
        step: BAD.1,
        generation: BAD.0,
    };
    let mut run = Run::found(FIRST, 0, newest);
    run.register(ONE);
    run.register(TWO);
    run.begin(SECOND, [(ONE, None), (TWO, None)]);
    run
}

fn damaged(worker: WorkerId, generation: Generation) -> Event {
    Event::Damaged {
        worker,
        generation,
        checkpoint: BAD,
        reason: "part-0 is damaged".to_owned(),
    }
}

fn passed_over(newest: Source) -> Event {
    Event::PassedOver {
        checkpoint: BAD,
        newest,
    }
}

fn begins_from(commands: &[Command]) -> Vec<Source> {
    let mut sources = Vec::new();
    for command in commands {
        if let Command::Begin { assignment, .. } = command {
            sources.push(assignment.source);
        }
    }
    sources
}

const THIRD: Generation = Generation::new(3);

#[test]
fn everybody_begins_from_the_checkpoint_before_the_damaged_one() {
    let mut run = restoring();
    let commands = run.see(damaged(TWO, SECOND));
    let [
        Command::PassOver { checkpoint, reason },
        Command::RecordGeneration { .. },
    ] = &commands[..]
    else {
        panic!("{commands:?}")
    };
    assert_eq!(*checkpoint, BAD);
    let line = "worker w2 (rank 1 of generation 2): part-0 is damaged";
    assert_eq!(reason, line);
    assert_eq!(run.see(damaged(ONE, SECOND)), [], "of an old generation");
    run.see(passed_over(OLDER));
    assert_eq!(run.cluster.newest(), OLDER);
    let commands = run.begin(THIRD, [(ONE, None), (TWO, None)]);
    assert_eq!(begins_from(&commands), [OLDER; 2]);
}

#[test]
fn nobody_begins_before_it_is_known_where() {
    let mut run = restoring();
    run.see(damaged(TWO, SECOND));
    assert_eq!(run.begin(THIRD, [(ONE, None), (TWO, None)]), []);
    let commands = run.see(passed_over(Source::Initial));
    assert_eq!(begins_from(&commands), [Source::Initial; 2]);
}

#[test]
fn whoever_could_read_it_hands_its_state_on_and_it_is_written_again() {
    let mut run = restoring();
    run.see(damaged(TWO, SECOND));
    run.see(passed_over(OLDER));
    let commands = run.begin(THIRD, [(ONE, Some(8)), (TWO, None)]);
    assert_eq!(begins_from(&commands), [Source::Peers { step: BAD.1 }; 2]);
    for worker in [ONE, TWO] {
        let (generation, step) = (THIRD, BAD.1);
        let commands = run.see(Event::PartsWritten {
            worker,
            generation,
            step,
            parts: Vec::new(),
        });
        assert_eq!(commands.len(), usize::from(worker == TWO));
    }
}

#[test]
fn what_is_committed_during_the_search_is_newer_than_what_it_finds() {
    let mut run = restoring();
    let (generation, step) = (FIRST, Step::new(9));
    run.cluster.lineage.committing.insert((generation, step));
    run.see(damaged(TWO, SECOND));
    run.see(Event::CheckpointCommitted { generation, step });
    run.see(passed_over(OLDER));
    assert_eq!(
        run.cluster.newest(),
        Source::Checkpoint { step, generation }
    );
}

#[test]
fn one_that_finds_the_next_checkpoint_damaged_too_is_unfit() {
    let mut run = restoring();
    run.see(damaged(TWO, SECOND));
    run.see(passed_over(OLDER));
    run.begin(THIRD, [(ONE, None), (TWO, None)]);
    let commands = run.see(Event::Damaged {
        worker: TWO,
        generation: THIRD,
        checkpoint: (FIRST, Step::new(4)),
        reason: "part-0 is damaged".to_owned(),
    });
    assert!(
        matches!(commands.first(), Some(Command::Stop { worker: TWO, .. })),
        "{commands:?}"
    );
}
