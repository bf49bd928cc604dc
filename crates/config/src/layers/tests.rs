//! Tests of reading files and overrides, each complaint with its place.

use serde_json::json;

use super::*;
use crate::Config;

fn set(text: &str) -> Result<Value, ConfigError> {
    let mut tree = Config::default().to_tree();
    let (key, value) = read_assignment(text)?;
    overlay(&mut tree, &key, value, &Origin::Set)?;
    Ok(tree)
}

fn complaint(text: &str) -> String {
    set(text).unwrap_err().to_string()
}

#[test]
fn an_override_takes_the_type_of_its_key() {
    assert_eq!(set("train.lr=1e-3").unwrap()["train"]["lr"], json!(1e-3));
    assert_eq!(set("train.lr = 1").unwrap()["train"]["lr"], json!(1));
    assert_eq!(
        set("model.norm_pix=true").unwrap()["model"]["norm_pix"],
        json!(true)
    );
    assert_eq!(
        set("model.patch=[8, 16, 16]").unwrap()["model"]["patch"],
        json!([8, 16, 16])
    );
}

#[test]
fn bare_words_and_numbers_are_text_where_text_is_wanted() {
    for (typed, meant) in [
        ("s3://bucket/a=b", "s3://bucket/a=b"),
        ("2026", "2026"),
        ("true", "true"),
        ("\"quoted\"", "quoted"),
        ("", ""),
        ("1\nrun.seed=3", "1\nrun.seed=3"),
    ] {
        let tree = set(&format!("data.url={typed}")).unwrap();
        assert_eq!(tree["data"]["url"], json!(meant), "{typed}");
    }
}

#[test]
fn an_override_may_set_a_section() {
    let tree = set("model.encoder={width=96, depth=4}").unwrap();
    assert_eq!(
        tree["model"]["encoder"],
        json!({"width": 96, "depth": 4, "heads": 12})
    );
}

#[test]
fn an_override_without_key_or_value_is_refused() {
    for text in ["train.lr", "=3", "train..lr=3", ".lr=3"] {
        let expected = format!("--set {text:?} is not of the form section.key=value");
        assert_eq!(complaint(text), expected);
    }
}

#[test]
fn an_unknown_key_names_the_nearest_and_its_place() {
    assert_eq!(
        complaint("train.stpes=3"),
        "unknown config key train.stpes in --set; did you mean train.steps?"
    );
    assert_eq!(
        complaint("zzzzzzzzz=1"),
        "unknown config key zzzzzzzzz in --set"
    );
    assert_eq!(
        complaint("model.encoder={with=96}"),
        "unknown config key model.encoder.with in --set; did you mean model.encoder.width?"
    );
}

#[test]
fn a_wrong_value_names_key_value_and_range() {
    for (text, expected) in [
        (
            "train.batch=0",
            "train.batch = 0 in --set: must be a whole number from 1 to 1000000",
        ),
        (
            "train.batch=eight",
            "train.batch = \"eight\" in --set: must be a whole number from 1 to 1000000",
        ),
        (
            "train.batch=8.5",
            "train.batch = 8.5 in --set: must be a whole number from 1 to 1000000",
        ),
        (
            "train.lr=0",
            "train.lr = 0 in --set: must be a number above 0, at most 10",
        ),
        (
            "train.lr=nan",
            "train.lr = \"NaN\" in --set: must be a number above 0, at most 10",
        ),
        (
            "train.lr=inf",
            "train.lr = \"inf\" in --set: must be a number above 0, at most 10",
        ),
        (
            "workers.device=tpu",
            "workers.device = \"tpu\" in --set: must be one of auto, cpu, cuda",
        ),
        (
            "model.patch=[16,16]",
            "model.patch = [16,16] in --set: must be three whole numbers, each from 1 to 256",
        ),
        (
            "train=3",
            "train = 3 in --set: must be a section, written [train]",
        ),
        (
            "run.seed=2026-01-01",
            "run.seed = \"2026-01-01\" in --set: must be a whole number from 0 to 9223372036854775807",
        ),
    ] {
        assert_eq!(complaint(text), expected);
    }
}

#[test]
fn a_file_that_is_not_toml_names_its_line() {
    let error = parse_toml("[train]\nsteps = 3\nlr = = 1\n", Path::new("job.toml")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("job.toml line 3 is not valid TOML: "),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn a_key_twice_in_a_file_is_refused_with_its_line() {
    let error = parse_toml("[train]\nsteps = 3\nsteps = 4\n", Path::new("job.toml")).unwrap_err();
    assert!(error.to_string().starts_with("job.toml line 3 "), "{error}");
}

#[test]
fn lines_are_counted_from_one() {
    assert_eq!(line_of("a\nb\nc", 0), 1);
    assert_eq!(line_of("a\nb\nc", 4), 3);
    assert_eq!(line_of("a\n", 99), 2);
}
