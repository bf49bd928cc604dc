//! A worker that comes while a group trains: it gets a seat if there is one, else it stands by.

use super::*;

const THREE: WorkerId = WorkerId::new(3);
const FOUR: WorkerId = WorkerId::new(4);

/// Three workers are asked for; one of them is lost, and the two others train in generation 2.
fn one_lost_of_three() -> Run {
    let mut run = Run::gathering(3);
    for worker in [ONE, TWO, THREE] {
        run.register(worker);
    }
    run.see(Event::GenerationRecorded { generation: FIRST });
    for worker in [ONE, TWO, THREE] {
        let (generation, held) = (FIRST, None);
        run.see(Event::Prepared {
            worker,
            generation,
            held,
        });
    }
    run.lose(THREE);
    run.begin(SECOND, [(ONE, Some(0)), (TWO, Some(0))]);
    run
}

fn recorded(number: u64, members: &[&str]) -> Command {
    Command::RecordGeneration {
        generation: Generation::new(number),
        members: members.iter().map(|&name| name.to_owned()).collect(),
    }
}

#[test]
fn newcomers_are_taken_in_together_after_the_first_step_of_a_generation() {
    let mut run = one_lost_of_three();
    assert_eq!(run.register(FOUR), []);
    assert_eq!(run.applied(SECOND, 1), [recorded(3, &["w1", "w2", "w4"])]);
}

#[test]
fn a_newcomer_to_a_settled_group_is_taken_in_at_once_and_breaks_no_step_off() {
    let mut run = one_lost_of_three();
    run.applied(SECOND, 1);
    assert_eq!(run.register(FOUR), [recorded(3, &["w1", "w2", "w4"])]);
    let generation = Generation::new(3);
    let leaving = Leaving::AfterTheStep;
    let prepare = |worker| Command::Prepare {
        worker,
        generation,
        leaving,
    };
    assert_eq!(
        run.see(Event::GenerationRecorded { generation }),
        [ONE, TWO, FOUR].map(prepare)
    );
}

#[test]
fn a_newcomer_to_a_full_group_stands_by_and_takes_over_when_a_member_goes() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    assert_eq!(run.register(THREE), []);
    assert_eq!(run.lose(TWO).last(), Some(&recorded(2, &["w1", "w3"])));
}

#[test]
fn a_group_that_has_applied_its_last_step_takes_nobody_in() {
    let mut run = one_lost_of_three();
    run.register(FOUR);
    assert_eq!(run.applied(SECOND, 10), []);
}

#[test]
fn a_step_reported_again_does_not_make_a_generation_worth_having() {
    let mut run = one_lost_of_three();
    run.begin(SECOND, [(ONE, Some(0)), (TWO, Some(0))]);
    run.cluster.trouble.without_step = 2;
    run.applied(SECOND, 0);
    assert_eq!(run.cluster.trouble.without_step, 2);
    run.applied(SECOND, 1);
    assert_eq!(run.cluster.trouble.without_step, 0);
}
