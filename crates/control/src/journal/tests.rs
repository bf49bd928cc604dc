//! What a journal with rollbacks, removals and torn records comes to.

use super::*;

const fn id(step: u64, generation: u64) -> CheckpointId {
    CheckpointId {
        step: Step::new(step),
        generation: Generation::new(generation),
    }
}

fn commit(step: u64, generation: u64) -> JournalFact {
    JournalFact::Committed(id(step, generation))
}

fn generation(generation: u64, members: u32) -> JournalFact {
    JournalFact::Generation {
        generation: Generation::new(generation),
        members,
    }
}

fn state(facts: &[JournalFact]) -> JournalState {
    let mut state = JournalState::default();
    for fact in facts {
        state.add(Fence::new(1), *fact);
    }
    state
}

#[test]
fn a_rollback_gives_up_what_was_committed_later_and_nothing_after_it() {
    let mut facts = vec![
        generation(1, 2),
        commit(10, 1),
        commit(20, 1),
        generation(2, 2),
        commit(30, 2),
    ];
    assert_eq!(state(&facts).given_up(), Generation::new(0));
    facts.push(JournalFact::RolledBack(id(10, 1)));
    let back = state(&facts);
    assert_eq!(*back.removed(), BTreeSet::from([id(20, 1), id(30, 2)]));
    assert_eq!(back.rolled_back(), Some(Step::new(10)));
    assert_eq!(back.given_up(), Generation::new(2));
    facts.extend([generation(3, 1), commit(20, 3)]);
    let again = state(&facts);
    assert_eq!(again.removed(), back.removed());
    assert_eq!(again.rolled_back(), None);
    assert_eq!(again.given_up(), Generation::new(2));
}

#[test]
fn members_survive_their_coordinator_unless_it_told_them_to_end() {
    let members = |facts: &[JournalFact]| state(facts).recorded([]).members;
    let trained = [generation(1, 3), commit(10, 1), JournalFact::Other];
    assert_eq!(members(&trained), 3);
    for end in [
        JournalFact::Finished,
        JournalFact::Interrupted,
        JournalFact::RolledBack(id(10, 1)),
    ] {
        assert_eq!(members(&[&trained[..], &[end]].concat()), 0);
        assert_eq!(
            members(&[&trained[..], &[end, generation(2, 1)]].concat()),
            1
        );
    }
}

#[test]
fn a_torn_record_counts_as_a_fence_and_a_generation() {
    let mut torn = state(&[generation(4, 1), commit(10, 4)]);
    let whole = torn.clone();
    torn.add_torn();
    assert_eq!(torn.recorded([]).generation, Generation::new(5));
    assert_eq!(whole.writer(), JournalWriter::new(Fence::new(2), 2));
    assert_eq!(torn.writer(), JournalWriter::new(Fence::new(3), 3));
}

/// Lets a writer do something at a store whose answers are these, one after the other.
fn perform(
    writer: &mut JournalWriter,
    task: JournalTask,
    answers: &[JournalAnswer],
) -> (Vec<JournalRequest>, JournalProgress) {
    let mut requests = Vec::new();
    let mut progress = JournalProgress::Next(writer.first(task));
    for answer in answers {
        let JournalProgress::Next(request) = progress else {
            panic!("{progress:?} before {answer:?}")
        };
        requests.push(request);
        progress = writer.answered(task, request, *answer);
    }
    (requests, progress)
}

#[test]
fn a_record_of_our_own_is_passed_over_and_anybody_elses_ends_the_writer() {
    use JournalAnswer::{Created, Missing, Others, Own, Taken};
    use JournalProgress::{Done, Lost, Removed};
    use JournalRequest::{Create, Find, Read};
    use JournalTask::{Append, EnsureHeld, TakeFence};
    let lost_answer = [Create(7), Read(7), Create(8)];
    for (task, answers, requests, progress, next) in [
        (Append, &[Created][..], &[Create(7)][..], Done, 8),
        (Append, &[Taken, Own, Created], &lost_answer, Done, 9),
        (Append, &[Taken, Others], &[Create(7), Read(7)], Lost, 7),
        (TakeFence, &[Taken], &[Create(7)], Lost, 7),
        (EnsureHeld, &[Own], &[Read(7)], Done, 8),
        (EnsureHeld, &[Others], &[Read(7)], Lost, 7),
        (EnsureHeld, &[Missing, Own], &[Read(7), Find(6)], Done, 7),
        (EnsureHeld, &[Missing; 2], &[Read(7), Find(6)], Removed, 7),
    ] {
        let mut writer = JournalWriter::new(Fence::new(2), 7);
        let came_to = perform(&mut writer, task, answers);
        assert_eq!(
            came_to,
            (requests.to_vec(), progress),
            "{task:?} {answers:?}"
        );
        assert_eq!(writer, JournalWriter::new(Fence::new(2), next));
    }
}
