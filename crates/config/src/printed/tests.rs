//! The printed job file: every key, back to the same job, and the same as `configs/base.toml`.

use std::path::Path;

use super::*;
use crate::rules::Allowed;

const FILES: [&str; 3] = ["base.toml", "quickstart.toml", "invariance.toml"];

fn file(name: &str) -> std::path::PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs")).join(name)
}

fn load(path: &Path, sets: &[String]) -> Result<Config, crate::ConfigError> {
    Config::load(Some(path), sets)
}

fn parsed(text: &str) -> Config {
    let job = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(job.path(), text).unwrap();
    load(job.path(), &[]).unwrap()
}

#[test]
fn a_printed_job_is_read_back_to_the_same_job() {
    let odd = [
        "run.url=s3://b/\"a\\b\"",
        "data.cache_dir=tab\there",
        "run.seed=9223372036854775807",
        "train.lr=1e-7",
        "train.epsilon=3.0000000000000004e-10",
        "model.encoder.depth=3",
    ];
    let odd: Vec<String> = odd.map(str::to_owned).to_vec();
    for name in FILES {
        for sets in [&[][..], &odd] {
            let config = load(&file(name), sets).unwrap();
            assert_eq!(parsed(&config.to_toml()), config, "{name}");
        }
    }
    assert_eq!(parsed(&Config::default().to_toml()), Config::default());
    for preset in NAMES {
        let config = Config::load(None, &[format!("model.preset={preset}")]).unwrap();
        let text = config.to_toml();
        assert!(
            text.contains(&format!("\npreset = \"{preset}\"\n")),
            "{text}"
        );
        assert_eq!(parsed(&text), config);
    }
}

#[test]
fn the_base_file_is_what_is_printed() {
    let base = file("base.toml");
    let written = std::fs::read_to_string(&base).unwrap();
    let printed = load(&base, &[]).unwrap().to_toml();
    let first = written.lines().zip(printed.lines()).find(|(a, b)| a != b);
    assert!(
        written == printed,
        "first difference: {first:?}; write it anew with `fratmae config configs/base.toml`"
    );
}

#[test]
fn what_is_not_the_default_says_what_that_would_be() {
    let config = Config::load(None, &["train.lr=0.5".to_owned()]).unwrap();
    assert!(config.to_toml().contains("\nlr = 0.5  # default: 1e-4\n"));
    let lr = config
        .keys()
        .into_iter()
        .find(|key| key.key == "train.lr")
        .unwrap();
    assert_eq!((lr.value, lr.default), (0.5.into(), 1e-4.into()));
    assert_eq!(lr.allowed, "a number above 0, at most 10");
    let units: Vec<_> = config
        .keys()
        .into_iter()
        .filter_map(|key| key.unit)
        .collect();
    assert!(
        ["s", "ms", "MiB", "%"]
            .iter()
            .all(|unit| units.contains(unit))
    );
}

/// Values at the edges of what a key may be, as they are typed.
fn typed(allowed: Allowed) -> Vec<String> {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    match allowed {
        Allowed::Text => texts(&["", "a b", "s3://bucket/x=y", "7", "true"]),
        Allowed::Name => texts(&["name", "/a/path", "7"]),
        Allowed::Address => texts(&["127.0.0.1:0", "[::1]:5600", "node-3.cluster:7"]),
        Allowed::Choice(words) => texts(words),
        Allowed::Flag => texts(&["true", "false"]),
        Allowed::Whole(low, high) => [low, low + 1, (low + high) / 2, high]
            .map(|n| n.to_string())
            .to_vec(),
        Allowed::Sizes(low, high) => [low, high].map(|n| format!("[{n}, {n}, {n}]")).to_vec(),
        Allowed::Number(low, high) => [low, high].map(|n| format!("{n:?}")).to_vec(),
        Allowed::Between(low, high) | Allowed::Above(low, high) => {
            [low + (high - low) * 1e-3, low + (high - low) * 0.75]
                .map(|n| format!("{n:?}"))
                .to_vec()
        }
        Allowed::Window => texts(&["[-3.5, 1]", "[0, 1e3]"]),
    }
}

/// A typed text as the value that must come out.
fn meant(allowed: Allowed, text: &str) -> Value {
    if allowed.is_text() {
        return text.into();
    }
    let table: toml::Table = format!("v = {text}").parse().unwrap();
    serde_json::to_value(&table["v"]).unwrap()
}

fn same(one: &Value, other: &Value) -> bool {
    match (one.as_array(), other.as_array()) {
        (Some(one), Some(other)) => one.iter().zip(other).all(|(a, b)| same(a, b)),
        _ => one == other || one.as_f64().is_some() && one.as_f64() == other.as_f64(),
    }
}

/// Acceptance: `--set KEY=VALUE` for every key there is, over every shipped config.
#[test]
fn every_key_that_is_set_is_in_the_job_or_is_refused_by_a_relation_that_names_it() {
    let mut shown = 0;
    for name in FILES {
        let job = file(name);
        for (key, allowed, _) in rules() {
            for text in typed(*allowed) {
                match load(&job, &[format!("{key}={text}")]) {
                    Ok(config) => {
                        let value = &config.flatten()[*key];
                        assert!(
                            same(value, &meant(*allowed, &text)),
                            "{name}: {key}={text}: {value}"
                        );
                        shown += 1;
                    }
                    Err(error) => {
                        let line = error.to_string();
                        assert!(
                            matches!(error, crate::ConfigError::Relation { .. }),
                            "{line}"
                        );
                        assert!(line.contains(key), "{name}: {key}={text}: {line}");
                    }
                }
            }
        }
        for preset in NAMES {
            let config = load(&job, &[format!("model.preset={preset}")]).unwrap();
            assert_eq!(config.preset(), Some(preset), "{name}");
        }
    }
    assert!(shown > 3 * rules().count(), "{shown}");
}
