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
    /// Number of workers (workers.count), or the least to begin with and the most to grow to (workers.min and workers.count)
    #[arg(long, value_name = "N|MIN:MAX")]
    pub(crate) workers: Option<Crew>,
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
        self.resolve_with(&Named::default(), None, None)
    }

    /// As [`Job::resolve`], with the file as a bare argument and the addresses that `--listen` and `--advertise` gave.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn resolve_with(
        &self,
        named: &Named,
        listen: Option<&String>,
        advertise: Option<&String>,
    ) -> Result<Config, ConfigError> {
        let mut values = self.values.clone();
        values.config = named.job_file.clone().or(values.config);
        let count = self.workers.map(|crew| crew.most.to_string());
        let least = self.workers.map(|crew| crew.least.to_string());
        for (key, value) in [
            ("coordinator.listen", listen),
            ("coordinator.advertise", advertise),
            ("workers.count", count.as_ref()),
            ("workers.min", least.as_ref()),
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

/// How many workers: `N`, or `MIN:MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crew {
    /// 0 for all of `most`.
    least: usize,
    most: usize,
}

impl std::str::FromStr for Crew {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number = text.parse::<usize>().ok().filter(|number| *number > 0);
            number.ok_or_else(|| {
                "write a number above 0, such as 4, or MIN:MAX, such as 2:8".to_owned()
            })
        };
        let (least, most) = match text.split_once(':') {
            None => (0, number(text)?),
            Some((least, most)) => (number(least)?, number(most)?),
        };
        if least > most {
            return Err(format!(
                "{least} is more than {most}: the least comes first, as in {most}:{least}"
            ));
        }
        Ok(Self { least, most })
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
            workers: Some("4".parse().unwrap()),
            run: Some("s3://bucket/run".into()),
            data: Some("data/x".into()),
        };
        let listen = "10.0.0.1:5600".to_owned();
        let config = job.resolve_with(&Named::default(), Some(&listen), None);
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
        let config = Job::default().resolve_with(&named, None, None).unwrap();
        assert_eq!(config.run.url, "runs/quickstart/run");
    }

    #[test]
    fn workers_are_a_number_or_the_least_and_the_most() {
        let crew = |text: &str| text.parse::<Crew>();
        assert_eq!(crew("4"), Ok(Crew { least: 0, most: 4 }));
        assert_eq!(crew("2:4"), Ok(Crew { least: 2, most: 4 }));
        assert_eq!(crew("4:4"), Ok(Crew { least: 4, most: 4 }));
        for text in ["", "0", "0:4", "2:", ":2", "-1", "a:b", "1:2:3", "2-4"] {
            assert!(crew(text).unwrap_err().contains("such as 2:8"), "{text}");
        }
        assert!(crew("4:2").unwrap_err().contains("as in 2:4"));
    }

    #[test]
    fn a_plain_number_waits_for_all_of_them_whatever_the_file_says() {
        let job = Job {
            values: Values {
                config: None,
                set: vec!["workers.min=1".into()],
            },
            workers: Some("2".parse().unwrap()),
            ..Job::default()
        };
        assert_eq!(job.resolve().unwrap().workers.least(), 2);
        let job = Job {
            workers: Some("1:2".parse().unwrap()),
            ..Job::default()
        };
        assert_eq!(job.resolve().unwrap().workers.least(), 1);
    }

    #[test]
    fn more_workers_than_slots_are_refused_here_already() {
        let job = Job {
            workers: Some("99".parse().unwrap()),
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
