//! A break is from the last step to the next new one, and costs the group that broke.

use super::*;
use crate::compaction::compact;

/// Rows of a generation of two ranks whose steps take a second each; the first of them ends at `at_s`.
fn steps(generation: u64, steps: std::ops::RangeInclusive<u64>, at_s: u64) -> Vec<RankRow> {
    let first = *steps.start();
    let row = |step: u64, rank: u32| RankRow {
        step,
        generation,
        rank,
        unix_ms: (at_s + step - first) * 1_000 + u64::from(rank),
        ..RankRow::default()
    };
    steps
        .flat_map(|step| [row(step, 0), row(step, 1)])
        .collect()
}

fn group(generation: u64, members: usize, blamed: &[&str]) -> Group {
    let blame = |worker: &&str| Blame {
        worker: (*worker).to_owned(),
        reason: "its connection closed".to_owned(),
        ..Blame::default()
    };
    Group {
        generation,
        members: (0..members).map(|rank| format!("w{rank}")).collect(),
        verdicts: blamed.iter().map(blame).collect(),
    }
}

#[test]
fn a_break_lasts_until_a_step_is_applied_that_is_new() {
    let groups = [group(1, 4, &["w3"]), group(2, 3, &[])];
    let mut rows = steps(1, 1..=10, 100);
    // It goes back to step 7 and comes to 11 only with its fourth step.
    rows.extend(steps(2, 8..=20, 112));
    let found = breaks(&groups, &rows, &[]);
    assert_eq!(found.len(), 1);
    let one = &found[0];
    assert_eq!((one.generation, one.recovered_in), (1, 2));
    assert_eq!((one.step, one.repeated), (10, 3));
    assert_eq!((one.from_unix_ms, one.to_unix_ms), (109_001, 115_001));
    assert_eq!((one.workers, one.verdicts.len()), (4, 1));
    assert!((one.seconds() - 6.0).abs() < 1e-9);
    assert!((one.worker_seconds - 20.0).abs() < 0.01, "{one:?}");
    let reliability = Reliability::of(&groups, &found, 7_200_000_000_000);
    assert_eq!(reliability.failures, 1);
    assert_eq!(reliability.recovery_median_s, Some(6.0));
    assert_eq!(reliability.worker_hours_between_failures, Some(2.0));
    assert!((reliability.worker_hours_lost - 20.0 / 3_600.0).abs() < 1e-5);
}

#[test]
fn groups_that_break_without_a_new_step_belong_to_one_break() {
    let groups = [
        group(1, 2, &["w0"]),
        group(2, 2, &["w1"]),
        group(3, 1, &[]),
        group(4, 2, &[]),
    ];
    let mut rows = steps(1, 1..=5, 10);
    rows.extend(steps(3, 4..=5, 20));
    rows.extend(steps(4, 6..=7, 30));
    let found = breaks(&groups, &rows, &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].verdicts.len(), 2);
    assert_eq!((found[0].generation, found[0].recovered_in), (1, 4));
    assert_eq!(found[0].repeated, 2);
    assert_eq!(steps_applied(&rows, &[]) - found[0].repeated, 7);
}

#[test]
fn a_worker_that_comes_makes_a_break_that_nobody_is_blamed_for() {
    let groups = [group(1, 1, &[]), group(2, 2, &[])];
    let mut rows = steps(1, 1..=5, 10);
    rows.extend(steps(2, 6..=9, 16));
    let found = breaks(&groups, &rows, &[]);
    assert_eq!((found.len(), found[0].verdicts.len()), (1, 0));
    let reliability = Reliability::of(&groups, &found, 1);
    assert_eq!(reliability.recovery_median_s, None);
    assert_eq!(reliability.worker_hours_between_failures, None);
}

#[test]
fn an_undisturbed_run_and_no_run_have_no_breaks() {
    assert!(breaks(&[group(1, 2, &[])], &steps(1, 1..=500, 1), &[]).is_empty());
    assert!(breaks(&[], &[], &[]).is_empty());
    assert_eq!(Reliability::of(&[], &[], 0), Reliability::default());
}

#[test]
fn blocks_tell_of_breaks_as_rows_do() {
    let groups = [group(1, 2, &["w0"]), group(2, 2, &[])];
    let mut rows = steps(1, 1..=350, 0);
    rows.extend(steps(2, 331..=700, 400));
    let (of_rows, of_blocks) = (
        breaks(&groups, &rows, &[]),
        breaks(&groups, &[], &compact(&rows)),
    );
    assert_eq!(of_rows, of_blocks);
    assert_eq!(of_rows[0].repeated, 20);
}

#[test]
fn a_step_has_the_rows_of_the_generation_that_applied_it_last() {
    let mut rows = steps(1, 1..=10, 0);
    rows.extend(steps(2, 8..=9, 20));
    rows.extend(steps(3, 9..=12, 30));
    let kept = current(rows);
    let kept: Vec<_> = kept
        .iter()
        .filter(|row| row.rank == 0)
        .map(|row| (row.step, row.generation))
        .collect();
    let mut expected: Vec<_> = (1..=7).map(|step| (step, 1)).collect();
    expected.push((8, 2));
    expected.extend((9..=12).map(|step| (step, 3)));
    assert_eq!(kept, expected);
    assert!(current(Vec::new()).is_empty());
}

#[test]
fn steps_count_each_time_that_they_are_applied() {
    let mut rows = steps(1, 1..=150, 0);
    rows.extend(steps(2, 141..=160, 400));
    assert_eq!(steps_applied(&rows, &[]), 170);
    assert_eq!(steps_applied(&rows[300..], &compact(&rows[..300])), 170);
    assert_eq!(steps_applied(&[], &[]), 0);
}

#[test]
fn a_step_counts_though_nobody_could_tell_how_long_it_took() {
    let mut rows = steps(1, 1..=98, 0);
    rows.extend(steps(2, 100..=120, 120));
    assert_eq!(steps_applied(&rows, &[]), 120);
}
