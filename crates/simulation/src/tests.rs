//! No seed breaks a law, every mutation does, and the same seed gives the same run.

use super::*;

const SEEDS: u64 = 10_000;

#[test]
fn no_seed_breaks_a_law() {
    for seed in 0..SEEDS {
        let report = simulate(seed, None);
        assert_eq!(
            report.violation, None,
            "again: cargo run -p fratmae-simulation --release -- --seed {seed}"
        );
    }
}

#[test]
fn every_mutation_is_caught_by_its_law() {
    let laws = [
        (Mutation::ActBeforeDurable, "durable generations"),
        (Mutation::ForgetGeneration, "durable generations"),
        (Mutation::AdoptPartly, "whole checkpoints"),
        (Mutation::ForgetMemory, "newest state"),
        (Mutation::BeginUnprepared, "single group"),
        (Mutation::CommitEarly, "whole checkpoints"),
        (Mutation::CommitTwice, "committed once"),
        (Mutation::DealTwice, "bits"),
        (Mutation::DeafToLoss, "healing"),
        (Mutation::Impatient, "sound verdicts"),
        (Mutation::PassOverOthers, "fence"),
        (Mutation::WriteAgain, "durable generations"),
        (Mutation::TrustFirstLook, "committed once"),
    ];
    assert_eq!(laws.map(|(mutation, _)| mutation), Mutation::ALL);
    for (mutation, law) in laws {
        let violations = (0..1_000).filter_map(|seed| simulate(seed, Some(mutation)).violation);
        let mut by_its_law = violations.filter(|violation| violation.starts_with(law));
        assert!(by_its_law.next().is_some(), "{mutation:?} breaks no {law}");
    }
}

#[test]
fn ten_thousand_steps_with_late_heartbeats_bring_no_verdict_and_no_generation() {
    for workers in [1, 2, 8] {
        assert_eq!(jittered(u64::from(workers), workers, 10_000), []);
    }
}

#[test]
fn the_cost_of_an_event_does_not_grow_faster_than_the_logarithm_of_the_workers() {
    // Commands are counted and not time, so that a busy machine fails no test.
    let per_event = |workers| {
        let scale = measure(workers);
        scale.commands as f64 / scale.events as f64
    };
    assert!(
        per_event(1_000) <= per_event(10) * 1.5,
        "more commands an event"
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..20 {
        assert_eq!(simulate(seed, None), simulate(seed, None));
    }
    assert_ne!(simulate(1, None).trace, simulate(2, None).trace);
}
