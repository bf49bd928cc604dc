//! A machine on which a step takes long: who gets on is not hanging, and who does not is found all the same.

use super::*;
use crate::{Lap, Pace, Phase, Progress};

fn patient() -> Run {
    let mut run = Run::training();
    run.cluster.settings.leave_timeout = Millis::new(120_000);
    run.cluster.settings.worker_timeout = Millis::new(1_000_000);
    run
}

/// A heartbeat: since how long at what, how long without getting on, and at which pace.
fn beat(phase: Phase, (lasts, still): (u64, u64), pace: Option<(u64, u64)>) -> Event {
    let lap = Lap {
        phase: Phase::Gather,
        count: 50,
        longest: Millis::new(10),
    };
    let progress = Progress {
        generation: FIRST,
        step: Step::new(1),
        phase,
        lasts: Millis::new(lasts),
        still: Millis::new(still),
        pace: pace.map(|(pass, step)| Pace {
            pass: Millis::new(pass),
            step: Millis::new(step),
        }),
        call: None,
        laps: vec![lap],
    };
    Event::Beat {
        worker: TWO,
        progress,
    }
}

fn reason(commands: &[Command]) -> &str {
    for command in commands.iter().rev() {
        if let Command::Report { verdict } = command {
            return &verdict.reason;
        }
    }
    "nobody is blamed"
}

#[test]
fn who_gets_on_slot_by_slot_is_not_hanging_however_long_the_pass_takes() {
    for phase in [
        Phase::Forward,
        Phase::Backward,
        Phase::Load,
        Phase::Restore,
        Phase::Checkpoint,
    ] {
        let mut run = patient();
        run.see(beat(phase, (900_000, 119_000), None));
        assert_eq!(run.see(Event::Tick), [], "{phase:?}");
        run.see(beat(phase, (901_000, 120_001), None));
        assert_eq!(
            reason(&run.see(Event::Tick)),
            format!(
                "no progress in {} for 120 s although the process is alive \
                 (limit collective.deadline_s = 120)",
                phase.name()
            )
        );
    }
}

#[test]
fn a_pass_that_takes_long_on_this_machine_has_three_times_that() {
    let mut run = patient();
    let pace = Some((50_000, 600_000));
    run.see(beat(Phase::Forward, (149_000, 149_000), pace));
    assert_eq!(run.see(Event::Tick), []);
    run.see(beat(Phase::Forward, (150_001, 150_001), pace));
    assert_eq!(
        reason(&run.see(Event::Tick)),
        "no progress in forward for 150 s although the process is alive \
         (limit 150 s, three times the 50 s that it takes there, which is more than collective.deadline_s)"
    );
}

#[test]
fn who_is_to_leave_after_a_step_has_as_long_as_its_step_takes() {
    let mut run = patient();
    run.applied(FIRST, 1);
    run.see(beat(Phase::Forward, (100, 100), Some((30_000, 300_000))));
    run.see(Event::LeaveRequested { worker: ONE });
    run.see(Event::GenerationRecorded { generation: SECOND });
    for now in [200_000, 880_000] {
        assert_eq!(run.at(now, Event::Heard { worker: ONE }), []);
        run.see(Event::Heard { worker: TWO });
        let stuck = run.see(Event::Tick);
        let others = stuck
            .iter()
            .all(|command| !matches!(command, Command::Stop { worker: TWO, .. }));
        assert!(others, "{stuck:?}");
    }
}
