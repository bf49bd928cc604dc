//! The options by which a job is given, shared by `pretrain` and `coordinator`, and the config they resolve to.
//! What a config may hold is the `config` crate's.

use std::path::PathBuf;

use clap::Args;
use fratmae_config::{Config, ConfigError};

/// The values of a job: a file and what is changed of it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Values {
    /// Job file (TOML), or the name of a built-in one: quickstart, base, invariance. Keys that it does not have take their defaults
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Change one value, such as train.lr=2e-4; repeatable, the last one wins. `fratmae config --list` lists the keys
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// A job with the options that have names of their own.
#[derive(Debug, Default, Args)]
pub(crate) struct Job {
    #[command(flatten)]
    pub(crate) values: Values,
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

/// The job file as a bare argument.
#[derive(Debug, Default, Args)]
pub(crate) struct Named {
    /// Job file, as --config
    #[arg(value_name = "JOB", conflicts_with = "config")]
    job_file: Option<PathBuf>,
}

impl Values {
    /// Resolves the job: the defaults, the file, `--set`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn resolve(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), &self.set)
    }
}

impl Job {
    /// Resolves the job: the defaults, the file, `--set`, and then the options with names of their own.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn resolve(&self) -> Result<Config, ConfigError> {
        self.resolve_with(&Named::default(), None)
    }

    /// As [`Job::resolve`], with the file as a bare argument and the address that `--listen` gave.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn resolve_with(
        &self,
        named: &Named,
        listen: Option<&String>,
    ) -> Result<Config, ConfigError> {
        let mut values = self.values.clone();
        values.config = named.job_file.clone().or(values.config);
        let count = self.workers.map(|count| count.to_string());
        for (key, value) in [
            ("coordinator.listen", listen),
            ("workers.count", count.as_ref()),
            ("run.url", self.run.as_ref()),
            ("data.url", self.data.as_ref()),
        ] {
            values
                .set
                .extend(value.map(|value| format!("{key}={value}")));
        }
        values.resolve()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_options_win_over_set() {
        let job = Job {
            values: Values {
                config: None,
                set: vec![
                    "run.url=a".into(),
                    "workers.count=2".into(),
                    "train.steps=3".into(),
                ],
            },
            workers: Some(4),
            run: Some("s3://bucket/run".into()),
            data: Some("data/x".into()),
        };
        let listen = "10.0.0.1:5600".to_owned();
        let config = job.resolve_with(&Named::default(), Some(&listen));
        let config = config.unwrap();
        assert_eq!(config.coordinator.listen, "10.0.0.1:5600");
        assert_eq!((config.workers.count, config.train.steps), (4, 3));
        assert_eq!(
            (config.run.url.as_str(), config.data.url.as_str()),
            ("s3://bucket/run", "data/x")
        );
    }

    #[test]
    fn a_job_file_may_be_a_bare_argument_or_a_built_in_one() {
        let named = Named {
            job_file: Some("quickstart".into()),
        };
        let config = Job::default().resolve_with(&named, None).unwrap();
        assert_eq!(config.run.url, "runs/quickstart/run");
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
