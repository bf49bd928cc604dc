//! `fratmae chaos`: a short run, disturbed by one seed, comes to the weights of the run that nothing disturbed.

use fratmae_tests::{fratmae, phantoms, scratch};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");

#[test]
fn a_run_that_is_disturbed_in_many_ways_comes_to_the_weights_of_an_undisturbed_one() {
    let folder = scratch();
    let place = folder.path().join("chaos");
    let call = fratmae([
        "chaos",
        "--for",
        "8s",
        "--seed",
        "1",
        "--workers",
        "3",
        "--json",
    ])
    .and("--config")
    .and(CONFIG)
    .and("--set")
    .and("train.steps=100")
    .and("--data")
    .and(&phantoms().data)
    .and(&place);
    let finished = call
        .within(std::time::Duration::from_secs(280))
        .run()
        .succeeded();
    let card = finished.json();
    assert_eq!(card["is_sound"], true, "{card}");
    assert_eq!(card["weights_digest"], card["undisturbed_digest"]);
    assert_eq!(card["weights_digest"].as_str().map(str::len), Some(64));
    for key in [
        "samples_lost",
        "samples_doubled",
        "samples_unlike",
        "steps_unlike",
        "commits_doubled",
    ] {
        assert_eq!(card[key], 0, "{key} in {card}");
    }
    assert_eq!(card["history_missing"], serde_json::json!([]));
    for text in ["8 s, seed 1", " s  kill-", "steps, undisturbed"] {
        assert!(finished.stderr.contains(text), "{}", finished.stderr);
    }
    let log = std::fs::read_to_string(place.join("logs/chaos.log")).unwrap();
    let shown = finished
        .stderr
        .lines()
        .filter(|line| log.lines().any(|logged| logged == *line));
    assert!(shown.count() >= 3, "{log}");
    let done = card["faults"].as_array().unwrap().iter();
    let done = done.filter_map(|row| row["done"].as_u64()).sum::<u64>();
    assert!(done >= 3, "{card}");
    let written = std::fs::read_to_string(place.join("scorecard.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(written, card);
}

#[test]
fn a_folder_with_a_run_of_somebody_else_is_left_alone() {
    let folder = scratch();
    let other = folder.path().join("config.json");
    std::fs::write(&other, "a run").unwrap();
    let line = fratmae(["chaos"]).and(folder.path()).run().only_line();
    assert!(
        line.contains("holds something that chaos did not make"),
        "{line}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
