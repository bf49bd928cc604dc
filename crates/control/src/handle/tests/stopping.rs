//! A run that is asked to stop.

use super::*;
use crate::{Progress, Work};

fn beat(worker: WorkerId, work: Work) -> Event {
    let progress = Progress {
        generation: FIRST,
        step: Step::new(1),
        work,
        ..Progress::default()
    };
    Event::Beat { worker, progress }
}

#[test]
fn a_group_that_still_restores_stops_at_once() {
    for work in [Work::Restore, Work::Join, Work::Copy] {
        let mut run = Run::training();
        run.see(beat(ONE, work));
        run.see(beat(TWO, Work::Restore));
        let commands = run.see(Event::DrainRequested);
        assert_eq!(
            verdict(&commands),
            Some(&Verdict::Interrupted {
                step: Step::new(0),
                cause: Cause::Asked
            }),
            "{work:?}"
        );
    }
}

#[test]
fn a_group_of_which_one_is_at_a_step_ends_it() {
    for work in [Work::Load, Work::Forward, Work::Backward, Work::Optimizer] {
        let mut run = Run::training();
        run.see(beat(ONE, Work::Join));
        run.see(beat(TWO, work));
        let drain = |worker| Command::Drain { worker };
        assert_eq!(
            run.see(Event::DrainRequested),
            [drain(ONE), drain(TWO)],
            "{work:?}"
        );
    }
}

#[test]
fn what_was_applied_is_saved_first() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    run.see(beat(ONE, Work::Idle));
    run.see(beat(TWO, Work::Idle));
    assert_eq!(run.see(Event::DrainRequested).len(), 2);
}
