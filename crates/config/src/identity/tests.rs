//! Tests of which keys decide the result and how two configs are told apart.

use serde_json::json;

use super::*;

#[test]
fn keys_that_decide_the_bits_are_in_and_the_others_out() {
    let identity = Config::default().identity();
    for key in [
        "run.seed",
        "data.axis",
        "data.stride",
        "model.encoder.width",
        "train.lr",
        "train.steps",
        "train.precision",
        "model.init_digest",
        "model.text.weights_digest",
        "collective.reduction",
    ] {
        assert!(identity.contains_key(key), "{key}");
    }
    for key in [
        "run.url",
        "model.init_from",
        "model.text.weights",
        "data.url",
        "data.source",
        "data.phantoms",
        "data.prefetch_mib",
        "data.cache_dir",
        // A run that "fail" ended may go on with "skip": where both go on, they give the same bits.
        "data.bad_sample",
        "train.bad_batch",
        "store.patience_s",
        "workers.count",
        "workers.threads",
        "checkpoint.every",
        "coordinator.listen",
        "collective.deadline_s",
        "collective.backend",
        "collective.nccl_library",
    ] {
        assert!(!identity.contains_key(key), "{key}");
    }
}

#[test]
fn where_and_with_how_many_a_run_goes_changes_no_digest() {
    let mut config = Config::default();
    let digest = config.digest();
    config.run.url = "s3://bucket/run".to_owned();
    config.workers.count = 8;
    config.checkpoint.every = 1;
    assert_eq!(config.digest(), digest);
    config.run.seed = 1;
    assert_ne!(config.digest(), digest);
}

#[test]
fn the_digest_is_json_with_sorted_keys() {
    let text = Config::default().digest();
    let back: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(back, Config::default().identity());
    assert!(
        text.starts_with(r#"{"collective.reduction":"exact","data.axis":"coronal","data.diagnosis_in_sentence":false,"data.grid":[160,160,192],"#),
        "{text}"
    );
}

#[test]
fn a_difference_names_key_and_both_values() {
    let before = Config::default();
    let mut now = before.clone();
    now.train.lr = 3e-4;
    now.model.encoder.depth = 6;
    now.workers.count = 1;
    let differences = now.differing_keys(&before);
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "model.encoder.depth is 6 and was 12",
            "train.lr is 0.0003 and was 0.0001"
        ]
    );
    assert_eq!(differences[0].theirs, json!(12));
    assert!(before.differing_keys(&before).is_empty());
}
