//! A run that is asked to stop.

use super::*;
use crate::{Phase, Progress};

fn beat(worker: WorkerId, phase: Phase) -> Event {
    let progress = Progress {
        generation: FIRST,
        step: Step::new(1),
        phase,
        ..Progress::default()
    };
    Event::Beat { worker, progress }
}

#[test]
fn a_group_that_still_restores_stops_at_once() {
    for phase in [Phase::Restore, Phase::Join, Phase::Copy] {
        let mut run = Run::training();
        run.see(beat(ONE, phase));
        run.see(beat(TWO, Phase::Restore));
        let commands = run.see(Event::DrainRequested);
        assert_eq!(
            outcome(&commands),
            Some(&RunOutcome::Interrupted {
                step: Step::new(0),
                cause: Cause::Asked
            }),
            "{phase:?}"
        );
    }
}

#[test]
fn a_group_of_which_one_is_at_a_step_ends_it() {
    for phase in [
        Phase::Load,
        Phase::Forward,
        Phase::Backward,
        Phase::Optimizer,
    ] {
        let mut run = Run::training();
        run.see(beat(ONE, Phase::Join));
        run.see(beat(TWO, phase));
        let drain = |worker| Command::Drain { worker };
        assert_eq!(
            run.see(Event::DrainRequested),
            [drain(ONE), drain(TWO)],
            "{phase:?}"
        );
    }
}

#[test]
fn what_was_applied_is_saved_first() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    run.see(beat(ONE, Phase::Idle));
    run.see(beat(TWO, Phase::Idle));
    assert_eq!(run.see(Event::DrainRequested).len(), 2);
}
