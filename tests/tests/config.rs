//! `fratmae config`: every key, and `--set` of every key over every shipped job.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use fratmae_tests::{fratmae, scratch};
use serde_json::Value;

const JOBS: [&str; 3] = ["base", "quickstart", "invariance"];

fn file(job: &str) -> PathBuf {
    let configs = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs");
    PathBuf::from(configs).join(format!("{job}.toml"))
}

fn keys(json: &Value) -> &Vec<Value> {
    json["keys"].as_array().unwrap()
}

fn value_of<'a>(json: &'a Value, key: &str) -> &'a Value {
    let found = keys(json).iter().find(|known| known["key"] == key);
    &found.unwrap_or_else(|| panic!("no key {key}"))["value"]
}

/// Another value of the same kind than the one there, as it is typed.
fn other(value: &Value, allowed: &str) -> String {
    match value {
        Value::Bool(flag) => (!flag).to_string(),
        Value::Number(number) if number.is_u64() => (number.as_u64().unwrap() + 1).to_string(),
        Value::Number(number) => (number.as_f64().unwrap() / 2.0).to_string(),
        Value::Array(items) if items.len() == 2 => "[-2.5, 7.5]".to_owned(),
        Value::Array(_) => "[24, 24, 24]".to_owned(),
        Value::String(text) => match allowed.strip_prefix("one of ") {
            Some(words) => words
                .split(", ")
                .find(|word| word != text)
                .unwrap()
                .to_owned(),
            None => "10.0.0.9:5600".to_owned(),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn every_key_is_set_over_every_shipped_job_and_shown_or_refused_by_its_name() {
    for job in JOBS {
        let before = fratmae(["config", "--json"])
            .and(file(job))
            .run()
            .succeeded()
            .json();
        for known in keys(&before) {
            let key = known["key"].as_str().unwrap();
            let typed = other(&known["value"], known["allowed"].as_str().unwrap());
            let set = format!("{key}={typed}");
            let call = fratmae(["config", "--json", "--set"])
                .and(&set)
                .and(file(job));
            let finished = call.run();
            if finished.code == Some(0) {
                let shown = value_of(&finished.json(), key).clone();
                let shown = shown
                    .as_str()
                    .map_or_else(|| shown.to_string(), str::to_owned);
                let plain = |text: &str| {
                    text.replace(".0,", ",")
                        .replace(".0]", "]")
                        .replace(' ', "")
                };
                // A number may be written in another way, such as 5e-9.
                let number = |text: &str| text.parse::<f64>().ok();
                let is_number = number(&shown).is_some() && number(&shown) == number(&typed);
                assert!(
                    is_number || plain(&shown) == plain(&typed),
                    "{job}: {set}: {shown}"
                );
            } else {
                let line = finished.only_line();
                assert!(line.contains(key), "{job}: {set}: {line}");
            }
        }
    }
}

#[test]
fn a_preset_wins_over_a_shipped_job_and_a_later_key_over_it() {
    for job in JOBS {
        let set = |sets: &[&str]| {
            let call = fratmae(["config", "--json"]).and(file(job));
            let call = sets
                .iter()
                .fold(call, |call, set| call.and("--set").and(*set));
            call.run().succeeded().json()
        };
        let small = set(&["model.preset=small"]);
        assert_eq!(value_of(&small, "model.encoder.width"), 192, "{job}");
        assert_eq!(value_of(&small, "model.embedding"), 192, "{job}");
        let deeper = set(&["model.preset=small", "model.encoder.depth=2"]);
        assert_eq!(value_of(&deeper, "model.encoder.depth"), 2, "{job}");
    }
}

#[test]
fn what_is_printed_is_the_same_job_again() {
    let folder = scratch();
    for job in JOBS {
        let sets = ["--set", "train.lr=3e-4", "--workers", "3"];
        let call = || {
            sets.iter()
                .fold(fratmae(["config", job]), |call, word| call.and(*word))
        };
        let printed = folder.path().join("job.toml");
        std::fs::write(&printed, call().run().succeeded().stdout).unwrap();
        let again = fratmae(["config", "--json"])
            .and(&printed)
            .run()
            .succeeded();
        assert_eq!(
            again.json(),
            call().and("--json").run().succeeded().json(),
            "{job}"
        );
        let list = call().and("--list").run().succeeded().stdout;
        assert_eq!(list.lines().count(), keys(&again.json()).len() + 1);
    }
}
