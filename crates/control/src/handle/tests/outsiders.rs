//! What is heard of whom: nothing but a registration of an outsider, of a worker without a seat nothing that concerns the
//! group, and of a member only what it can know.

use super::*;
use crate::{Accusation, Lap, Phase, Progress};

const STANDBY: WorkerId = WorkerId::new(3);
const OUTSIDER: WorkerId = WorkerId::new(9);

/// Two workers that train in generation 1, and one without a seat.
fn with_standby() -> Run {
    let mut run = Run::training();
    run.register(STANDBY);
    run.applied(FIRST, 3);
    run
}

fn beat(worker: WorkerId) -> Event {
    let lap = Lap {
        phase: Phase::Forward,
        count: u32::MAX,
        longest: Millis::new(1),
    };
    let progress = Progress {
        generation: FIRST,
        laps: vec![lap],
        ..Progress::default()
    };
    Event::Beat { worker, progress }
}

/// What somebody could say of the group, and what only its first member could.
fn about_the_group(worker: WorkerId, step: u64) -> Vec<Event> {
    let (generation, step) = (FIRST, Step::new(step));
    vec![
        Event::PartsWritten {
            worker,
            generation,
            step,
            parts: Vec::new(),
        },
        Event::SampleSkipped {
            worker,
            generation,
            step,
        },
        Event::Finished {
            worker,
            generation,
            weights_digest: "d".to_owned(),
        },
        Event::Drained {
            worker,
            generation,
            step,
        },
        Event::GroupBroken {
            worker,
            generation,
            reason: "so it seems".to_owned(),
            accusation: Some(Accusation::Unreachable(Rank::new(0))),
        },
        Event::Damaged {
            worker,
            generation,
            checkpoint: (FIRST, Step::new(1)),
            reason: "rotten".to_owned(),
        },
    ]
}

fn for_all(worker: WorkerId, step: u64) -> Vec<Event> {
    let (generation, step) = (FIRST, Step::new(step));
    vec![
        Event::Applied {
            worker,
            generation,
            step,
            is_recalled: false,
        },
        Event::Applied {
            worker,
            generation,
            step,
            is_recalled: true,
        },
        Event::BatchSkipped {
            worker,
            generation,
            step,
        },
    ]
}

#[test]
fn of_an_outsider_nothing_but_its_registration_is_heard() {
    let mut run = with_standby();
    let before = run.cluster.clone();
    let own = [
        Event::Heard { worker: OUTSIDER },
        beat(OUTSIDER),
        Event::LeaveRequested { worker: OUTSIDER },
        Event::Unfit {
            worker: OUTSIDER,
            reason: "x".to_owned(),
        },
        Event::Prepared {
            worker: OUTSIDER,
            generation: FIRST,
            held: None,
        },
        Event::Departed {
            worker: OUTSIDER,
            departure: Departure::Panicked {
                reason: "x".to_owned(),
            },
        },
    ];
    let said = [about_the_group(OUTSIDER, 4), for_all(OUTSIDER, 4)].concat();
    for event in own.into_iter().chain(said) {
        assert!(!run.cluster.admits(&event), "{event:?}");
        assert_eq!(run.see(event), []);
    }
    assert_eq!(run.cluster, before);
}

#[test]
fn what_concerns_the_group_is_heard_from_its_members_alone_and_from_its_first_for_all() {
    let run = with_standby();
    let is_heard = |event: &Event| run.cluster.admits(event);
    assert!(!about_the_group(STANDBY, 4).iter().any(is_heard));
    assert!(!for_all(STANDBY, 4).iter().any(is_heard));
    assert!(about_the_group(TWO, 4).iter().all(is_heard));
    assert!(!for_all(TWO, 4).iter().any(is_heard));
    assert!(about_the_group(ONE, 4).iter().all(is_heard));
    assert!(for_all(ONE, 4).iter().all(is_heard));
}

#[test]
fn a_step_is_heard_of_within_reach() {
    let run = with_standby();
    let applied = |step| {
        let step = Step::new(step);
        run.cluster.admits(&Event::Applied {
            worker: ONE,
            generation: FIRST,
            step,
            is_recalled: false,
        })
    };
    assert!(applied(3) && applied(4) && !applied(5) && !applied(u64::MAX));
    let parts = |step| run.cluster.admits(&about_the_group(TWO, step)[0]);
    assert!(parts(1) && parts(10) && !parts(0) && !parts(11));
    let held = |held| {
        let mut run = Run::training();
        run.lose(TWO);
        run.see(Event::GenerationRecorded { generation: SECOND });
        run.cluster.admits(&Event::Prepared {
            worker: ONE,
            generation: SECOND,
            held: Some(Step::new(held)),
        })
    };
    assert!(held(10) && !held(11) && !held(u64::MAX));
}

#[test]
fn a_member_tells_of_its_own_parts_once() {
    let mut run = with_standby();
    let wrote = |worker, parts: &[u32]| Event::PartsWritten {
        worker,
        generation: FIRST,
        step: Step::new(4),
        parts: parts.to_vec(),
    };
    for (worker, parts) in [
        (ONE, &[0, 1][..]),
        (ONE, &[1]),
        (TWO, &[0]),
        (TWO, &[1, 1]),
        (TWO, &[3, 1]),
        (TWO, &[4_000_000_000]),
    ] {
        assert!(!run.cluster.admits(&wrote(worker, parts)), "{parts:?}");
    }
    assert_eq!(run.see(wrote(TWO, &[1, 3])), []);
    assert!(!run.cluster.admits(&wrote(TWO, &[1, 3])), "it was told");
    assert_eq!(run.see(wrote(ONE, &[0, 2])).len(), 1);
}

#[test]
fn damaged_samples_of_a_last_step_are_heard_of_although_the_next_group_forms() {
    let mut run = with_standby();
    run.cluster.settings.workers = 3;
    run.see(Event::LeaveRequested { worker: ONE });
    assert_eq!(run.cluster.phase(), RunPhase::Recording);
    let heard = |run: &Run, event: &Event| run.cluster.admits(event);
    let [_, skipped, ..] = &about_the_group(TWO, 4)[..] else {
        panic!("it is the second")
    };
    let [_, _, bad] = &for_all(ONE, 4)[..] else {
        panic!("it is the third")
    };
    assert!(heard(&run, skipped) && heard(&run, bad));
    assert!(!heard(&run, &about_the_group(STANDBY, 4)[1]));
    assert!(!heard(&run, &for_all(TWO, 4)[2]));
    run.lose(TWO);
    assert!(!heard(&run, skipped), "the step is broken off");
}

#[test]
fn nobody_floods_the_journal_between_two_steps() {
    let mut run = with_standby();
    let skipped = &about_the_group(TWO, 4)[1];
    let heard = (0..2_000).filter(|_| {
        let is_heard = run.cluster.admits(skipped);
        run.see(skipped.clone());
        is_heard
    });
    assert_eq!(heard.count(), 1_024);
    run.applied(FIRST, 4);
    assert!(run.cluster.admits(&about_the_group(TWO, 5)[1]));
}

#[test]
fn nothing_is_learnt_from_whoever_has_no_seat() {
    let mut run = with_standby();
    let before = run.cluster.deadlines.clone();
    run.see(beat(STANDBY));
    assert_eq!(run.cluster.deadlines, before);
    run.see(beat(TWO));
    assert_ne!(run.cluster.deadlines, before);
}

#[test]
fn there_is_no_verdict_on_whoever_had_no_seat() {
    let unfit = |worker| Event::Unfit {
        worker,
        reason: "x".to_owned(),
    };
    let departed = |departure| Event::Departed {
        worker: STANDBY,
        departure,
    };
    let panicked = Departure::Panicked {
        reason: "x".to_owned(),
    };
    for event in [
        unfit(STANDBY),
        departed(Departure::StreamClosed),
        departed(panicked),
    ] {
        let mut run = with_standby();
        let commands = run.see(event);
        let is_quiet = |command: &Command| {
            matches!(
                command,
                Command::Gone { .. }
                    | Command::Stop {
                        worker: STANDBY,
                        ..
                    }
            )
        };
        assert!(commands.iter().all(is_quiet), "{commands:?}");
        assert_eq!(run.cluster.phase(), RunPhase::Training);
    }
}

#[test]
fn whoever_registers_again_on_its_stream_changes_nothing() {
    let mut run = with_standby();
    let before = run.cluster.clone();
    assert_eq!(run.register(TWO), []);
    assert_eq!(run.cluster, before);
}

/// A run of which one member works, and the other one's heart beats idly.
fn with_idler() -> Run {
    let mut run = Run::training();
    run.cluster.settings.worker_timeout = Millis::new(100_000);
    run.cluster.settings.leave_timeout = Millis::new(20_000);
    assert_eq!(beats_idly(&mut run, 0), []);
    run
}

fn beats_idly(run: &mut Run, now: u64) -> Vec<Command> {
    let progress = Progress {
        generation: FIRST,
        phase: Phase::Gather,
        ..Progress::default()
    };
    run.at(now, Event::Heard { worker: ONE });
    run.see(Event::Beat {
        worker: ONE,
        progress,
    });
    run.see(Event::Heard { worker: TWO });
    run.see(Event::Beat {
        worker: TWO,
        progress: Progress::default(),
    });
    run.see(Event::Tick)
}

#[test]
fn a_member_that_beats_and_does_not_begin_to_work_is_given_up_also_at_the_end_of_the_run() {
    for applied in [0, 10] {
        let mut run = with_idler();
        run.cluster.lineage.applied = Step::new(applied);
        assert_eq!(beats_idly(&mut run, 20_000), []);
        let commands = beats_idly(&mut run, 20_001);
        assert!(
            matches!(commands.first(), Some(Command::Stop { worker: TWO, .. })),
            "{commands:?}"
        );
    }
}

#[test]
fn a_member_that_has_said_how_its_work_ended_may_idle() {
    let mut run = with_idler();
    run.cluster.lineage.applied = Step::new(10);
    run.see(Event::Finished {
        worker: TWO,
        generation: FIRST,
        weights_digest: "d".to_owned(),
    });
    assert_eq!(beats_idly(&mut run, 20_001), []);
}

#[test]
fn a_generation_near_the_end_of_numbers_is_an_error() {
    let mut run = Run::found(Generation::new(u64::MAX - 1), 0, Source::Initial);
    run.register(ONE);
    let commands = run.register(TWO);
    let Some(RunOutcome::Failed { reason }) = outcome(&commands) else {
        panic!("{commands:?}")
    };
    assert!(reason.contains("18446744073709551614"), "{reason}");
}
