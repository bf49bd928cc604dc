//! Each detector fires where it has to and is silent in a sound run.

use super::*;
use crate::signs::Signs;

/// A run that trains well.
fn sound() -> Snapshot {
    Snapshot {
        unix_ms: 10_000_000,
        state: RunState::Training,
        step: 5_000,
        best_step: 5_000,
        last_step: 16_000,
        batch: 8,
        committed_step: Some(4_900),
        committed_unix_ms: Some(9_800_000),
        progress_unix_ms: Some(9_999_000),
        step_seconds: Some(2.0),
        signs: Signs {
            checkpoint_every_ms: Some(200_000),
            losses: Some(Losses {
                steps: 5_000,
                reconstruction: Some(0.02),
                mean_baseline: Some(0.09),
                contrastive: Some(0.7),
            }),
            ..Signs::default()
        },
        ..Snapshot::default()
    }
}

fn kinds(snapshot: &Snapshot) -> Vec<FindingKind> {
    findings(snapshot).iter().map(|found| found.kind).collect()
}

fn straggler(account: &str) -> Straggler {
    Straggler {
        rank: 2,
        worker: "gpu7-0".to_owned(),
        host: "gpu7".to_owned(),
        account: account.to_owned(),
        own_ms: 45.2,
        others_ms: 30.1,
        cost_ms: 15.0,
        cost_share: 0.14,
        ..Straggler::default()
    }
}

#[test]
fn a_sound_run_and_an_empty_snapshot_have_no_findings() {
    assert_eq!(findings(&sound()), []);
    assert_eq!(findings(&Snapshot::default()), []);
}

#[test]
fn a_run_that_gets_no_further_is_found_and_one_with_long_steps_is_not() {
    let mut run = sound();
    run.progress_unix_ms = Some(run.unix_ms - 121_000);
    assert_eq!(kinds(&run), [FindingKind::NoProgress]);
    assert_eq!(
        findings(&run)[0].line,
        "no new step for 2 min; the newest is 5000, and one takes 2.0 s"
    );
    run.step_seconds = Some(75.0);
    assert_eq!(kinds(&run), []);
    run.progress_unix_ms = Some(run.unix_ms - 751_000);
    assert_eq!(kinds(&run), [FindingKind::NoProgress]);
    // Nobody expects steps of a run that is over.
    run.state = RunState::Finished;
    assert_eq!(kinds(&run), []);
    // The clock went back.
    run.state = RunState::Training;
    run.progress_unix_ms = Some(run.unix_ms + 1);
    assert_eq!(kinds(&run), []);
}

#[test]
fn generations_that_get_no_further_and_restarts_are_counted() {
    let mut run = sound();
    run.signs.generations_without_step = 2;
    run.signs.restarts = 4;
    assert_eq!(kinds(&run), []);
    run.signs.generations_without_step = 3;
    run.signs.restarts = 5;
    assert_eq!(
        kinds(&run),
        [
            FindingKind::GenerationsWithoutStep,
            FindingKind::RestartStorm
        ]
    );
}

#[test]
fn a_checkpoint_is_old_by_how_often_one_is_due() {
    let mut run = sound();
    let age = |run: &mut Snapshot, ms: u64| run.committed_unix_ms = Some(run.unix_ms - ms);
    age(&mut run, 720_000);
    assert_eq!(kinds(&run), []);
    age(&mut run, 721_000);
    assert_eq!(kinds(&run), [FindingKind::CheckpointOld]);
    assert_eq!(
        findings(&run)[0].line,
        "the newest checkpoint, of step 4900, is 12 min old; one is due every 3 min"
    );
    // There is nothing that it lacks.
    run.committed_step = Some(run.step);
    assert_eq!(kinds(&run), []);
}

#[test]
fn a_straggler_is_named_with_rank_host_account_and_cost() {
    let mut run = sound();
    run.signs.stragglers = vec![straggler("forward"), straggler("transfer")];
    let found = findings(&run);
    assert_eq!(
        found[0].line,
        "all wait for rank 2 (gpu7-0 on gpu7): 45 ms of forward a step, where the others would take 30 ms; this costs 15 \
         ms a step (14 %)"
    );
    assert_eq!(
        (found[0].rank, found[0].account.as_deref()),
        (Some(2), Some("forward"))
    );
    assert!(
        found[1].line.contains("look at its network"),
        "{}",
        found[1].line
    );
}

#[test]
fn a_bottleneck_is_said_once() {
    let mut run = sound();
    run.signs.bottleneck = Some(Bottleneck {
        account: "load".to_owned(),
        rank: 1,
        worker: "a-1".to_owned(),
        host: "a".to_owned(),
        share: 0.25,
        own_ms: 40.0,
    });
    assert_eq!(kinds(&run), [FindingKind::Bottleneck]);
    assert_eq!(
        findings(&run)[0].line,
        "steps wait for samples: 40 ms of load a step (25 %), most on rank 1 (a-1 on a)"
    );
    run.signs.stragglers = vec![straggler("load")];
    assert_eq!(kinds(&run), [FindingKind::Straggler]);
}

#[test]
fn telemetry_that_was_dropped_is_said_even_of_a_run_that_is_over() {
    let mut run = sound();
    run.counts.telemetry_dropped = 7;
    run.state = RunState::Finished;
    assert_eq!(kinds(&run), [FindingKind::TelemetryDropped]);
}

#[test]
fn a_model_that_learns_nothing_is_found_after_its_warm_up() {
    let mut run = sound();
    let losses = |steps| Losses {
        steps,
        reconstruction: Some(0.0899),
        mean_baseline: Some(0.09),
        contrastive: Some(2.07),
    };
    run.signs.losses = Some(losses(999));
    assert_eq!(kinds(&run), []);
    run.signs.losses = Some(losses(1_000));
    assert_eq!(
        kinds(&run),
        [
            FindingKind::ReconstructionPlateau,
            FindingKind::ContrastiveAtChance
        ]
    );
    // In a long job the first twentieth is warm-up.
    run.last_step = 100_000;
    assert_eq!(kinds(&run), []);
    run.last_step = 16_000;
    // A job without pairs, or with one in a batch, has nothing to guess.
    run.signs.losses = Some(Losses {
        contrastive: None,
        reconstruction: Some(0.05),
        ..losses(2_000)
    });
    assert_eq!(kinds(&run), []);
    run.batch = 1;
    run.signs.losses = Some(Losses {
        contrastive: Some(0.0),
        reconstruction: None,
        ..losses(2_000)
    });
    assert_eq!(kinds(&run), []);
}

#[test]
fn a_finding_reads_back_from_json() {
    let mut run = sound();
    run.signs.stragglers = vec![straggler("load")];
    let found = findings(&run);
    let json = serde_json::to_string(&found).unwrap();
    assert!(json.contains(r#""kind":"straggler""#), "{json}");
    assert_eq!(serde_json::from_str::<Vec<Finding>>(&json).unwrap(), found);
}
