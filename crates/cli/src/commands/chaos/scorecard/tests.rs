//! The arithmetic of the scorecard, on made-up runs.

use super::*;

fn at(milliseconds: u64, what: What) -> TimelineEvent {
    let at = Duration::from_millis(milliseconds);
    TimelineEvent { at, what }
}

fn strike(kind: Kind, place: usize) -> Strike {
    Strike {
        at: Duration::ZERO,
        lasts: Duration::ZERO,
        kind,
        place,
        other: place + 1,
    }
}

fn verdict(line: &str) -> What {
    What::Verdict {
        line: line.to_owned(),
    }
}

fn began(step: u64) -> What {
    What::Began { step, members: 3 }
}

const fn applied(step: u64) -> What {
    What::Applied { step }
}

fn spread(p50: u64, p99: u64) -> Option<Spread> {
    Some(Spread { p50, p99 })
}

#[test]
fn marks_are_the_nearest_of_the_times() {
    let times =
        |times: &[u64]| Spread::of(times.iter().copied().map(Duration::from_millis).collect());
    assert_eq!(times(&[]), None);
    assert_eq!(times(&[7]), spread(7, 7));
    assert_eq!(times(&[3, 1, 2]), spread(2, 3));
    let hundred: Vec<u64> = (1..=100).rev().collect();
    assert_eq!(times(&hundred), spread(50, 99));
}

#[test]
fn a_killed_worker_is_found_out_by_its_verdict_and_got_over_by_the_step_of_the_next_group() {
    let card = Scorecard::of(
        &[strike(Kind::KillWorker, 1)],
        &[
            at(100, applied(4)),
            at(200, What::Struck(0)),
            at(210, applied(5)),
            at(
                230,
                verdict("worker chaos-1 (rank 0 of generation 1): its stream closed"),
            ),
            at(250, began(5)),
            at(300, applied(6)),
        ],
    );
    let row = &card.faults[0];
    assert_eq!((row.done, row.detected), (1, 1));
    assert_eq!(
        (row.detection_ms, row.recovery_ms),
        (spread(30, 30), spread(100, 100))
    );
    assert_eq!(
        (
            card.verdicts_right,
            card.verdicts_wrong.len(),
            card.steps_lost
        ),
        (1, 0, 0)
    );
}

#[test]
fn a_fault_that_nobody_notices_is_over_with_the_next_step() {
    let card = Scorecard::of(
        &[strike(Kind::PauseWorker, 0)],
        &[
            at(200, What::Struck(0)),
            at(260, applied(5)),
            at(400, What::Lifted(0)),
            at(900_000, verdict("worker chaos-0: silent")),
        ],
    );
    assert_eq!(
        (card.faults[0].detected, card.faults[0].recovery_ms),
        (0, spread(60, 60))
    );
    assert_eq!(
        (card.verdicts_right, card.verdicts_wrong.len()),
        (0, 1),
        "too late to be its doing"
    );
}

#[test]
fn a_fault_that_could_not_be_done_counts_apart() {
    let missed = What::Missed(0, "there was no checkpoint".to_owned());
    let card = Scorecard::of(&[strike(Kind::DamagePart, 0)], &[at(1, missed)]);
    assert_eq!((card.faults[0].done, card.faults[0].missed), (0, 1));
}

#[test]
fn a_verdict_on_a_worker_without_a_fault_is_wrong() {
    let judge = |kind, line: &str| {
        let timeline = [at(1, What::Struck(0)), at(2, verdict(line))];
        Scorecard::of(&[strike(kind, 1)], &timeline).verdicts_right
    };
    assert_eq!(judge(Kind::KillWorker, "worker chaos-1: gone"), 1);
    assert_eq!(judge(Kind::KillWorker, "worker chaos-10: gone"), 0);
    assert_eq!(judge(Kind::KillWorker, "worker chaos-2: gone"), 0);
    assert_eq!(judge(Kind::CutPeers, "worker chaos-2: gone"), 1);
    assert_eq!(judge(Kind::CutCoordinator, "worker chaos-2: gone"), 1);
}

#[test]
fn steps_that_are_done_again_are_lost_and_those_that_are_told_again_are_not() {
    let lost = |timeline: &[What]| {
        let timeline = timeline.iter().map(|what| at(1, what.clone()));
        Scorecard::of(&[], &timeline.collect::<Vec<_>>()).steps_lost
    };
    let told_again = [
        applied(7),
        applied(8),
        What::Serving,
        applied(7),
        applied(8),
    ];
    assert_eq!(lost(&told_again), 0);
    let done_again = [
        applied(8),
        began(5),
        applied(6),
        applied(7),
        applied(8),
        applied(9),
    ];
    assert_eq!(lost(&done_again), 3);
    let overtaken = [
        applied(8),
        began(5),
        applied(6),
        began(8),
        applied(9),
        applied(9),
    ];
    assert_eq!(lost(&overtaken), 1);
}

#[test]
fn a_coordinator_is_back_when_it_serves_and_an_old_one_found_out_when_it_ends() {
    let ended = What::OldEnded {
        reason: "fenced".to_owned(),
    };
    let plan = [
        strike(Kind::KillCoordinator, 0),
        strike(Kind::RivalCoordinator, 0),
    ];
    let timeline = [
        at(10, What::Struck(0)),
        at(40, What::Serving),
        at(50, applied(1)),
        at(60, What::Struck(1)),
        at(70, What::Serving),
        at(80, What::Lifted(1)),
        at(90, ended),
        at(95, What::OldStayed),
    ];
    let card = Scorecard::of(&plan, &timeline);
    assert_eq!(card.faults[0].detection_ms, spread(30, 30));
    assert_eq!(card.faults[0].recovery_ms, spread(40, 40));
    assert_eq!(card.faults[1].detection_ms, spread(30, 30));
    assert_eq!(card.coordinators_ended.get("fenced"), Some(&1));
    assert_eq!(card.olds_stayed, 1);
}
