//! What a launch leaves on the run's store: its files, and how to find its processes again. Each launch has a folder of its
//! own, `launch/000001`, which nobody writes again.

use bytes::Bytes;
use fratmae_config::{Config, ConfigError};
use fratmae_store::{Created, Location, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{RenderedFile, Spec, SpecError, Target};

const FOLDER: &str = "launch";
const RECORD: &str = "launched.json";
const JOB: &str = "job.json";

/// Why a launch cannot be written down or found.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The run was not launched.
    #[error(
        "{run} was not launched by `fratmae launch`, or its record is gone; `fratmae status {run}` shows the run itself"
    )]
    Absent { run: String },
    /// A record cannot be read.
    #[error("{object} is damaged: {reason}; `fratmae launch list` finds processes without it")]
    Damaged { object: String, reason: String },
    /// Its job cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its job asks for what cannot be launched.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A launch as it is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launched {
    /// Where.
    pub on: Target,
    /// By what the place knows it: numbers of jobs, names of objects, a folder.
    pub ids: Vec<String>,
    /// The memory that a worker was estimated to need.
    pub needed_mib: usize,
    /// The job.
    config: Value,
}

impl Launched {
    /// What was launched.
    ///
    /// # Errors
    /// `Config`, `Spec`: a version that knows more wrote it.
    pub fn spec(&self) -> Result<Spec, RecordError> {
        let config = Config::from_json(&self.config.to_string())?;
        Ok(Spec::of(&config, self.on, self.needed_mib)?)
    }
}

/// A launch whose folder is claimed and whose processes are not started yet.
#[derive(Debug)]
pub struct Launching {
    run: Location,
    folder: String,
    launched: Launched,
}

impl Launching {
    /// Claims the next folder and writes the files of the launch into it.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(
        run: &Location,
        (config, on, needed_mib): (&Config, Target, usize),
        files: &[RenderedFile],
    ) -> Result<Self, RecordError> {
        let text = config.to_json();
        let mut number = numbers(run).await?.last().map_or(1, |newest| newest + 1);
        let folder = loop {
            let folder = format!("{FOLDER}/{number:06}");
            let name = format!("{folder}/{JOB}");
            match run.create(&name, Bytes::from(text.clone())).await? {
                Created::New => break folder,
                Created::Ours | Created::Taken => number += 1,
            }
        };
        for RenderedFile { name, text } in files {
            run.put(&format!("{folder}/{name}"), text.clone()).await?;
        }
        let launched = Launched {
            on,
            ids: Vec::new(),
            needed_mib,
            config: serde_json::from_str(&text).unwrap_or_default(),
        };
        Ok(Self {
            run: run.clone(),
            folder,
            launched,
        })
    }

    /// The processes are started, or will be: `ids` find them again.
    ///
    /// # Errors
    /// The store's.
    pub async fn submitted(mut self, ids: Vec<String>) -> Result<(), RecordError> {
        self.launched.ids = ids;
        let text = serde_json::to_vec_pretty(&self.launched).unwrap_or_default();
        let name = format!("{}/{RECORD}", self.folder);
        Ok(self.run.put(&name, text).await?)
    }
}

/// The newest launch of a run.
///
/// # Errors
/// `Absent`, `Damaged`, the store's.
pub async fn newest(run: &Location) -> Result<Launched, RecordError> {
    for number in numbers(run).await?.into_iter().rev() {
        let name = format!("{FOLDER}/{number:06}/{RECORD}");
        // Without a record nothing was submitted.
        let Some(bytes) = run.get_if_present(&name).await? else {
            continue;
        };
        return serde_json::from_slice(&bytes).map_err(|error| RecordError::Damaged {
            object: run.url_of(&name),
            reason: error.to_string(),
        });
    }
    let run = run.url().to_owned();
    Err(RecordError::Absent { run })
}

/// The numbers of all launches, in order.
async fn numbers(run: &Location) -> Result<Vec<u64>, StoreError> {
    let folders = run.list_folders(FOLDER).await?;
    let number = |folder: &String| folder.rsplit('/').next()?.parse().ok();
    let mut numbers: Vec<u64> = folders.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> (tempfile::TempDir, Location) {
        let folder = tempfile::tempdir().unwrap();
        let run = Location::open(folder.path().to_str().unwrap()).unwrap();
        (folder, run)
    }

    fn file() -> RenderedFile {
        RenderedFile {
            name: "lead.sbatch".to_owned(),
            text: "#!/bin/bash\n".to_owned(),
        }
    }

    async fn begin(run: &Location, config: &Config) -> Launching {
        let asked = (config, Target::Slurm, 3000);
        Launching::begin(run, asked, &[file()]).await.unwrap()
    }

    #[tokio::test]
    async fn the_newest_launch_that_was_submitted_is_found_with_its_job() {
        let (folder, run) = run();
        assert!(matches!(
            newest(&run).await,
            Err(RecordError::Absent { .. })
        ));
        let sets = ["run.url=/r".to_owned(), "data.url=/d".to_owned()];
        let config = Config::load(None, &sets).unwrap();
        begin(&run, &config)
            .await
            .submitted(vec!["7".to_owned()])
            .await
            .unwrap();
        // The same again is another launch.
        begin(&run, &config)
            .await
            .submitted(vec!["8".to_owned()])
            .await
            .unwrap();
        begin(&run, &config).await;
        let found = newest(&run).await.unwrap();
        assert_eq!(
            (found.on, &found.ids[..]),
            (Target::Slurm, &["8".to_owned()][..])
        );
        assert_eq!(
            found.spec().unwrap(),
            Spec::of(&config, Target::Slurm, 3000).unwrap()
        );
        let script = folder.path().join("launch/000003/lead.sbatch");
        assert_eq!(std::fs::read_to_string(script).unwrap(), "#!/bin/bash\n");
    }

    #[tokio::test]
    async fn a_damaged_record_is_named() {
        let (_folder, run) = run();
        run.put("launch/000001/launched.json", "{").await.unwrap();
        let line = newest(&run).await.unwrap_err().to_string();
        assert!(
            line.contains("launch/000001/launched.json is damaged"),
            "{line}"
        );
    }
}
