//! The options by which a job is given, shared by `pretrain` and `coordinator`, and the config they resolve to.
//! What a config may hold is the `config` crate's.

use std::path::PathBuf;

use clap::Args;
use fratmae_config::{Config, ConfigError};

/// A job: a file and what is changed of it.
#[derive(Debug, Default, Args)]
pub(crate) struct Job {
    /// Job file (TOML); without it every value has its default
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Change one value; may be given many times, the last one wins
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Number of workers (workers.count)
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Where the run is stored (run.url)
    #[arg(long, value_name = "URL")]
    pub(crate) run: Option<String>,
    /// Where the prepared data set is (data.url)
    #[arg(long, value_name = "URL")]
    pub(crate) data: Option<String>,
}

impl Job {
    /// Resolves the job: the defaults, the file, `--set`, and then the options with names of their own.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn resolve(&self) -> Result<Config, ConfigError> {
        self.resolve_with(None)
    }

    /// As [`Job::resolve`], with the address that `--listen` gave.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn resolve_with(&self, listen: Option<&String>) -> Result<Config, ConfigError> {
        let mut sets = self.set.clone();
        let count = self.workers.map(|count| count.to_string());
        for (key, value) in [
            ("coordinator.listen", listen),
            ("workers.count", count.as_ref()),
            ("run.url", self.run.as_ref()),
            ("data.url", self.data.as_ref()),
        ] {
            sets.extend(value.map(|value| format!("{key}={value}")));
        }
        Config::load(self.config.as_deref(), &sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_options_win_over_set() {
        let job = Job {
            set: vec![
                "run.url=a".into(),
                "workers.count=2".into(),
                "train.steps=3".into(),
            ],
            workers: Some(4),
            run: Some("s3://bucket/run".into()),
            data: Some("data/x".into()),
            ..Job::default()
        };
        let config = job.resolve_with(Some(&"10.0.0.1:7000".to_owned())).unwrap();
        assert_eq!(config.coordinator.listen, "10.0.0.1:7000");
        assert_eq!((config.workers.count, config.train.steps), (4, 3));
        assert_eq!(
            (config.run.url.as_str(), config.data.url.as_str()),
            ("s3://bucket/run", "data/x")
        );
    }

    #[test]
    fn more_workers_than_slots_are_refused_here_already() {
        let job = Job {
            workers: Some(99),
            ..Job::default()
        };
        assert!(
            job.resolve()
                .unwrap_err()
                .to_string()
                .contains("workers.count = 99")
        );
    }
}
