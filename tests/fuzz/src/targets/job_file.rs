//! The job file, the settings of a command line laid over it, and its JSON form.

use fratmae_config::Config;

use crate::places::{in_folder, write};

/// Parts the job file and the settings that follow it in an input.
pub(crate) const BETWEEN_SETTINGS: char = '\u{1e}';

/// Reads an input as a job file with settings after it, and as the JSON of a job.
pub(crate) fn job_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _refused = Config::from_json(&text);
    let mut parts = text.split(BETWEEN_SETTINGS);
    let file = parts.next().unwrap_or_default();
    let settings: Vec<String> = parts.map(str::to_owned).collect();
    in_folder(|folder| {
        let path = write(folder, "job.toml", file.as_bytes());
        let Ok(config) = Config::load(Some(&path), &settings) else {
            return;
        };
        let _warnings = config.warnings();
        let again = Config::from_json(&config.to_json()).expect("what was written is read");
        assert_eq!(again.digest(), config.digest(), "the JSON is another job");
        assert!(config.differing_keys(&again).is_empty());
    });
}
