//! What a journal with rollbacks and removals comes to.

use super::*;
use fratmae_checkpoint::CheckpointError;

const COMMIT: Record = Record::Commit {
    step: 20,
    generation: 1,
};
const REMOVED: Record = Record::Removed {
    step: 20,
    generation: 1,
};

fn nothing() -> Newest {
    Newest {
        manifest: None,
        damaged: Vec::new(),
    }
}

#[test]
fn what_was_committed_before_the_fence_was_taken_is_looked_for() {
    assert!(!is_outdated(&nothing(), &[]));
    assert!(is_outdated(&nothing(), &[COMMIT]));
    assert!(!is_outdated(&nothing(), &[COMMIT, REMOVED]));
}

#[test]
fn what_was_seen_to_be_damaged_is_looked_at_again_only_if_it_was_given_up() {
    let id = CheckpointId {
        step: Step::new(20),
        generation: Generation::new(1),
    };
    let object = "manifest.json".to_owned();
    let seen = Newest {
        damaged: vec![(id, CheckpointError::NotCommitted { object })],
        ..nothing()
    };
    assert!(!is_outdated(&seen, &[COMMIT]));
    assert!(is_outdated(&seen, &[COMMIT, REMOVED]));
}

fn commit(step: u64, generation: u64) -> Record {
    Record::Commit { step, generation }
}

fn back_to(step: u64, generation: u64) -> Record {
    Record::RolledBack { step, generation }
}

fn generation(generation: u64) -> Record {
    let members = Vec::new();
    Record::Generation {
        generation,
        members,
    }
}

#[test]
fn a_rollback_gives_up_what_was_committed_later_and_nothing_after_it() {
    let records = [
        generation(1),
        commit(10, 1),
        commit(20, 1),
        generation(2),
        commit(30, 2),
        back_to(10, 1),
    ];
    assert_eq!(removed(&records), BTreeSet::from([id(20, 1), id(30, 2)]));
    assert_eq!(rolled_back(&records), Some(10));
    assert_eq!(given_up(&records), Generation::new(2));
    let again = [&records[..], &[generation(3), commit(20, 3)]].concat();
    assert_eq!(removed(&again), removed(&records));
    assert_eq!(rolled_back(&again), None);
    assert_eq!(given_up(&again), Generation::new(2));
    assert_eq!(given_up(&records[..5]), Generation::new(0));
}

#[test]
fn what_was_found_before_a_rollback_was_heard_of_is_looked_for_again() {
    let seen = Newest {
        damaged: vec![(
            id(20, 1),
            CheckpointError::NotCommitted {
                object: "manifest.json".to_owned(),
            },
        )],
        ..nothing()
    };
    assert!(is_outdated(&seen, &[commit(10, 1), COMMIT, back_to(10, 1)]));
}
