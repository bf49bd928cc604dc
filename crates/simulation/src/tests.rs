//! No seed breaks a law, every mutation does, and the same seed gives the same run.

use super::*;
use fratmae_control::Command;

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
        (Mutation::AnswerUnsaved, "kept promises"),
        (Mutation::DealTwice, "bits"),
        (Mutation::EndForOne, "healing"),
        (Mutation::TrustDamaged, "healing"),
        (Mutation::IgnoreLosses, "healing"),
        (Mutation::Impatient, "sound verdicts"),
        (Mutation::JudgeWaiters, "sound verdicts"),
        (Mutation::PassOverOthers, "fence"),
        (Mutation::WriteAgain, "durable generations"),
        (Mutation::TrustFirstLook, "newest state"),
        (Mutation::ForgetRemoved, "given up"),
        (Mutation::KeepNone, "given up"),
        (Mutation::BelieveDamage, "sound damage"),
        (Mutation::ForgetLost, "healing"),
        (Mutation::BlameNeighbour, "sound verdicts"),
        (Mutation::TrustReports, "whole checkpoints"),
        (Mutation::HearOutsiders, "whole checkpoints"),
        (Mutation::NoteUnasked, "whole checkpoints"),
        (Mutation::BelieveClaims, "own seats"),
        (Mutation::ForgetAbsence, "sound verdicts"),
        (Mutation::ForgiveFaulty, "healing"),
        (Mutation::BlameWitness, "sound verdicts"),
    ];
    assert_eq!(laws.map(|(mutation, _)| mutation), Mutation::ALL);
    for (mutation, law) in laws {
        let violations = (0..SEEDS).filter_map(|seed| simulate(seed, Some(mutation)).violation);
        let mut by_its_law = violations.filter(|violation| violation.starts_with(law));
        assert!(by_its_law.next().is_some(), "{mutation:?} breaks no {law}");
    }
}

#[test]
fn ten_thousand_steps_with_late_heartbeats_bring_no_verdict_and_no_generation() {
    for workers in [1, 2, 8] {
        for seed in 0..5 {
            let quiet = (Vec::new(), 10_000);
            assert_eq!(jittered(seed, workers, 10_000, None), quiet, "seed {seed}");
        }
    }
}

#[test]
fn an_ill_worker_among_late_heartbeats_is_named_soon() {
    for (illness, reason) in [(Illness::Silent, "nothing"), (Illness::Hangs, "forward")] {
        for workers in [2, 8] {
            let (commands, step) = jittered(7, workers, 10_000, Some(illness));
            let blamed = commands.iter().filter_map(|command| match command {
                Command::Report { verdict } => Some((&*verdict.worker, &*verdict.reason)),
                _ => None,
            });
            let [(worker, why)] = blamed.collect::<Vec<_>>()[..] else {
                panic!("{commands:?}")
            };
            assert_eq!(worker, format!("host-{}", workers - 1));
            assert!(why.contains(reason) && step < 5_200, "{why} at step {step}");
        }
    }
}

#[test]
fn commands_do_not_grow_faster_than_events_with_the_workers() {
    let per_event = |workers| {
        let scale = measure(workers);
        scale.commands as f64 / scale.events as f64
    };
    let (few, many) = (per_event(10), per_event(1_000));
    assert!(
        many <= few * 1.5,
        "{few} commands an event, and then {many}"
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..20 {
        assert_eq!(simulate(seed, None), simulate(seed, None));
    }
    assert_ne!(simulate(1, None).trace, simulate(2, None).trace);
}
