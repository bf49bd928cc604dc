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
        "checkpoint.every_s",
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
fn the_digest_is_of_json_with_sorted_keys() {
    let text = Config::default().identity_json();
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
            "model.encoder.depth: now 6, was 12",
            "train.lr: now 0.0003, was 0.0001"
        ]
    );
    assert_eq!(differences[0].theirs, json!(12));
    assert!(before.differing_keys(&before).is_empty());
}

#[test]
fn only_sizes_and_parts_of_the_network_change_its_shape() {
    let changes_shape = |sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let changed = Config::load(None, &sets).unwrap();
        let differences = changed.differing_keys(&Config::default());
        assert!(!differences.is_empty(), "{sets:?}");
        differences.iter().any(Difference::changes_shape)
    };
    for sets in [
        &["train.steps=8"][..],
        &["train.batch=64", "train.lr=1e-3", "run.seed=4"],
        &["data.suv_window=[0.0, 10.0]"],
        &["model.mask_ratio=0.75", "model.masking=symmetric"],
        &["model.modality=independent", "model.norm_pix=true"],
        &["model.text.trainable=false"],
    ] {
        assert!(!changes_shape(sets), "{sets:?}");
    }
    for set in [
        "model.encoder.depth=6",
        "model.decoder.self_attention=false",
        "model.shared_encoders=true",
        "model.contrastive=false",
        "model.text.context=40",
        "model.patch=[8,16,16]",
    ] {
        assert!(changes_shape(&[set]), "{set}");
    }
}

fn begun(sets: &[&str]) -> Config {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    Config::load(None, &sets).unwrap()
}

#[test]
fn digests_that_are_not_given_are_the_runs() {
    let run = begun(&[
        "model.init_from=a",
        "model.init_digest=d1",
        "model.text.weights=b",
        "model.text.weights_digest=d2",
    ]);
    assert!(!run.model.text.trainable);
    for sets in [
        &[][..],
        &["model.init_from=moved", "model.text.weights=moved"],
        &["model.init_digest=d1", "model.text.weights_digest=d2"],
    ] {
        let mut again = begun(sets);
        again.adopt_first_weights(&run);
        assert_eq!(again.differing_keys(&run), [], "{sets:?}");
    }
    let mut silent = begun(&[]);
    let taken = silent.adopt_first_weights(&run);
    assert_eq!(
        taken,
        [
            "model.init_digest is not given; the run has d1",
            "model.text.weights_digest is not given; the run has d2",
            "model.text.trainable is not given; the run has false",
        ]
    );
}

#[test]
fn another_digest_stays_and_differs() {
    let run = begun(&["model.init_digest=d1"]);
    let mut other = begun(&["model.init_digest=d2"]);
    assert!(other.adopt_first_weights(&run).is_empty());
    let lines: Vec<_> = other
        .differing_keys(&run)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(lines, ["model.init_digest: now \"d2\", was \"d1\""]);
    // A run that began from the seed does not become one that began from a file, nor does its text encoder freeze.
    let plain = begun(&[]);
    let mut named = begun(&["model.init_digest=d2"]);
    assert!(named.adopt_first_weights(&plain).is_empty());
    assert_eq!(named.differing_keys(&plain).len(), 1);
    let learning = begun(&["model.text.weights_digest=d2", "model.text.trainable=true"]);
    let mut named = begun(&["model.text.weights=b"]);
    named.adopt_first_weights(&learning);
    let keys: Vec<_> = named
        .differing_keys(&learning)
        .into_iter()
        .map(|d| d.key)
        .collect();
    assert_eq!(keys, ["model.text.trainable"]);
}
