//! The order in which an epoch's samples are read is the same for every number of workers, and holds each sample once.

use std::collections::BTreeSet;

use fratmae_tests::{Phantoms, fratmae, phantoms};

fn order(seed: u64, epoch: u64, workers: Option<u32>) -> String {
    let (seed, epoch) = (seed.to_string(), epoch.to_string());
    let mut call = fratmae(["dataset", "order", "--seed", &seed, "--epoch", &epoch])
        .and("--data")
        .and(&phantoms().data);
    if let Some(workers) = workers {
        call = call
            .and("--workers")
            .and(workers.to_string())
            .and("--batch=16")
            .and("--slots=8");
    }
    call.run().succeeded().stdout
}

#[test]
fn every_number_of_workers_reads_the_same_order() {
    for epoch in [0, 1, 7] {
        let whole = order(7, epoch, None);
        for workers in 1..=8 {
            assert_eq!(
                order(7, epoch, Some(workers)),
                whole,
                "epoch {epoch}, {workers} workers"
            );
        }
    }
}

#[test]
fn an_epoch_holds_each_sample_once_at_consecutive_positions() {
    for epoch in [0, 3] {
        let text = order(11, epoch, Some(3));
        let lines: Vec<(u64, &str)> = text
            .lines()
            .map(|line| line.split_once('\t').unwrap())
            .map(|(position, case)| (position.parse().unwrap(), case))
            .collect();
        let cases: BTreeSet<&str> = lines.iter().map(|(_, case)| *case).collect();
        assert_eq!(
            (lines.len(), cases.len()),
            (Phantoms::CASES, Phantoms::CASES)
        );
        let first = epoch * Phantoms::CASES as u64;
        assert!(
            lines
                .iter()
                .map(|(position, _)| *position)
                .eq(first..first + Phantoms::CASES as u64)
        );
    }
}

#[test]
fn seed_and_epoch_change_the_order() {
    let cases = |seed, epoch| -> Vec<String> {
        let order = order(seed, epoch, None);
        order
            .lines()
            .map(|line| line.split('\t').nth(1).unwrap().to_owned())
            .collect()
    };
    assert_ne!(cases(7, 0), cases(7, 1));
    assert_ne!(cases(7, 0), cases(8, 0));
}

#[test]
fn a_dealing_that_no_job_could_have_is_refused() {
    let call = fratmae([
        "dataset",
        "order",
        "--seed=1",
        "--epoch=0",
        "--workers=9",
        "--quiet",
    ]);
    let line = call.and("--data").and(&phantoms().data).run().only_line();
    assert!(
        line.contains("workers.count = 9") && line.contains("train.slots = 8"),
        "{line}"
    );
}
