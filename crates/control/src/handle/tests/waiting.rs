//! Members that wait for another one: they are not at fault, whatever holds that one up.

use super::*;
use crate::{Call, Lap, Phase, Progress};

const THREE: WorkerId = WorkerId::new(3);

/// A heartbeat: since how long at what, after which call.
fn beat(worker: WorkerId, phase: Phase, lasts: u64, sequence: u64) -> Event {
    let lap = Lap {
        phase: Phase::Gather,
        count: 50,
        longest: Millis::new(10),
    };
    let progress = Progress {
        generation: FIRST,
        step: Step::new(7),
        phase,
        lasts: Millis::new(lasts),
        still: Millis::new(lasts),
        pace: None,
        call: Some(Call {
            operation: "all_gather".to_owned(),
            sequence,
        }),
        laps: vec![lap],
    };
    Event::Beat { worker, progress }
}

#[test]
fn who_waited_as_all_did_is_not_late_when_the_first_is_heard_to_get_on() {
    let mut run = Run::gathering(3);
    run.cluster.settings.leave_timeout = Millis::new(120_000);
    run.cluster.settings.worker_timeout = Millis::new(120_000);
    let all = [ONE, TWO, THREE];
    for worker in all {
        run.register(worker);
    }
    run.see(Event::GenerationRecorded { generation: FIRST });
    let (generation, held) = (FIRST, None);
    for worker in all {
        run.see(Event::Prepared {
            worker,
            generation,
            held,
        });
    }
    run.at(60_000, beat(ONE, Phase::Load, 59_000, 11));
    for worker in [TWO, THREE] {
        run.see(beat(worker, Phase::Gather, 59_000, 12));
    }
    run.at(60_100, beat(ONE, Phase::Reduce, 10, 13));
    assert_eq!(run.see(Event::Tick), [], "the others have not spoken since");
    run.at(65_200, beat(ONE, Phase::Reduce, 5_110, 13));
    run.see(beat(THREE, Phase::Reduce, 5_000, 13));
    run.see(beat(TWO, Phase::Gather, 64_200, 12));
    let commands = run.see(Event::Tick);
    assert!(
        matches!(
            commands[..],
            [
                Command::Stop { worker: TWO, .. },
                Command::Report { .. },
                Command::RecordGeneration { .. }
            ]
        ),
        "{commands:?}"
    );
}

#[test]
fn a_last_step_that_does_not_end_is_broken_off_before_anybody_is_struck_off() {
    let mut run = Run::training();
    run.applied(FIRST, 1);
    run.see(Event::LeaveRequested { worker: ONE });
    run.see(Event::GenerationRecorded { generation: SECOND });
    for worker in [ONE, TWO] {
        run.at(801, Event::Heard { worker });
    }
    let generation = Generation::new(3);
    let members = vec!["w2".to_owned()];
    let record = Command::RecordGeneration {
        generation,
        members,
    };
    assert_eq!(run.see(Event::Tick), [record]);
    run.see(Event::GenerationRecorded { generation });
    for worker in [ONE, TWO] {
        run.at(1_700, Event::Heard { worker });
    }
    let commands = run.see(Event::Tick);
    assert!(
        matches!(commands.first(), Some(Command::Stop { worker: TWO, .. })),
        "{commands:?}"
    );
}
