//! Tests of whole configs: layers in their order, files, JSON there and back, the files in `configs/`.

use std::io::Write as _;

use tempfile::NamedTempFile;

use super::*;

fn job_file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::with_suffix(".toml").unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn sets(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn nothing_given_is_the_default() {
    assert_eq!(Config::load(None, &[]).unwrap(), Config::default());
}

#[test]
fn overrides_win_over_the_file_and_the_file_over_the_defaults() {
    let file = job_file("[train]\nlr = 2e-4\nsteps = 7\n[model.encoder]\ndepth = 2\n");
    let config = Config::load(
        Some(file.path()),
        &sets(&["train.lr=3e-4", "train.lr=5e-4"]),
    )
    .unwrap();
    assert_eq!((config.train.lr, config.train.steps), (5e-4, 7));
    assert_eq!(
        (config.model.encoder.depth, config.model.encoder.width),
        (2, 768)
    );
}

#[test]
fn a_complaint_about_a_file_names_the_file() {
    let file = job_file("[train]\nlerning_rate = 1\n");
    let text = Config::load(Some(file.path()), &[])
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("unknown config key train.lerning_rate in "),
        "{text}"
    );
    assert!(text.contains(file.path().to_str().unwrap()), "{text}");

    let file = job_file("[model]\nmask_ratio = 1.0\n");
    let text = Config::load(Some(file.path()), &[])
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("model.mask_ratio = 1.0 in ") && text.ends_with("above 0 and below 1"),
        "{text}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Some(Path::new("/no/such/job.toml")), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the job file /no/such/job.toml"
    );
}

#[test]
fn relations_are_judged_after_all_layers() {
    let file = job_file("[train]\nbatch = 12\n");
    assert!(Config::load(Some(file.path()), &[]).is_err());
    let config = Config::load(Some(file.path()), &sets(&["train.slots=4"])).unwrap();
    assert_eq!(config.train.batch, 12);
}

#[test]
fn json_goes_there_and_back_with_every_key() {
    let config = Config::load(
        None,
        &sets(&["run.seed=9223372036854775807", "train.lr=0.1"]),
    )
    .unwrap();
    let text = config.to_json();
    assert_eq!(Config::from_json(&text).unwrap(), config);
    assert!(text.contains("\"join_timeout_s\": 60"));
}

#[test]
fn stored_json_is_judged_like_a_file() {
    assert!(matches!(
        Config::from_json("{"),
        Err(ConfigError::Json { .. })
    ));
    assert!(matches!(
        Config::from_json("3"),
        Err(ConfigError::UnknownKey { .. } | ConfigError::Value { .. })
    ));
    assert!(matches!(
        Config::from_json(r#"{"run":{"sead":1}}"#),
        Err(ConfigError::UnknownKey { .. })
    ));
    assert!(matches!(
        Config::from_json(r#"{"train":{"slots":3}}"#),
        Err(ConfigError::Relation { .. })
    ));
    assert_eq!(Config::from_json("{}").unwrap(), Config::default());
}

#[test]
fn values_set_in_memory_are_judged_too() {
    let mut config = Config::default();
    config.train.lr = f64::NAN;
    let text = config.check().unwrap_err().to_string();
    assert_eq!(
        text,
        "train.lr = null in the config: must be a number above 0, at most 10"
    );
}

#[test]
fn the_files_in_configs_are_good() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs"));
    for name in ["quickstart.toml", "invariance.toml", "base.toml"] {
        Config::load(Some(&folder.join(name)), &[]).unwrap();
    }
}

#[test]
fn the_base_file_is_the_default_but_for_its_places() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/base.toml");
    let mut base = Config::load(Some(Path::new(path)), &[]).unwrap();
    base.run.url = Config::default().run.url;
    base.data.url = String::new();
    assert_eq!(base, Config::default());
}

#[test]
fn a_built_in_job_is_found_by_its_name_where_there_is_no_such_file() {
    for name in ["quickstart", "base", "invariance"] {
        let built_in = Config::load(Some(Path::new(name)), &[]).unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");
        let file = Path::new(folder).join(format!("{name}.toml"));
        assert_eq!(built_in, Config::load(Some(&file), &[]).unwrap());
    }
}
