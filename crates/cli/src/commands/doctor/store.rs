//! Stores: whether a place can be reached and written, honours create-if-absent, and how fast it is.
//! Whatever is written to find out is deleted again.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fratmae_dataset::DataSet;
use fratmae_store::{Location, StoreError, Throughput};
use fratmae_telemetry::one_line;

use super::finding::{Finding, State};
use super::requirements::JobRequirements;
use crate::commands::pretrain::data::other_grid;

/// The object that the speed is measured with: long beside a round trip, short on a slow line.
const BYTES: usize = 8 << 20;

const HELP: &str = "check address, credentials and permissions";

/// What was found of a place that a run or a preparation writes to.
pub(crate) type Measured = Result<Throughput, StoreError>;

/// What was found where a data set is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    /// It is there.
    Whole,
    /// Nothing is there, and `pretrain` makes it.
    ToBeMade,
    /// Nothing is there.
    Absent,
    /// The store fails.
    Fails(String),
}

/// Checks a place as a run does when it is opened, and measures it.
pub(crate) async fn measure(url: &str) -> Measured {
    let location = Location::open(url)?;
    let new = location.is_local().then(|| new_folders(location.url()));
    let measured = match location.probe().await {
        Ok(()) => location.measure(BYTES).await,
        Err(error) => Err(error),
    };
    for folder in new.unwrap_or_default() {
        // One that another process has begun to use in the meantime is not empty, and stays.
        let _ = std::fs::remove_dir(folder);
    }
    measured
}

/// The folders that a first write would make, the innermost first.
fn new_folders(path: &str) -> Vec<PathBuf> {
    let above = Path::new(path).ancestors();
    let new = above.take_while(|folder| !folder.exists());
    new.map(Path::to_path_buf).collect()
}

/// Looks for the data set of a job; nothing where the job names none.
pub(crate) async fn find_data(job: &JobRequirements) -> Data {
    let absent = match job.has_source {
        true => Data::ToBeMade,
        false => Data::Absent,
    };
    let found = async {
        let location = Location::open(&job.data_url)?;
        let Some(data) = DataSet::open_if_present(&location).await? else {
            return Ok(absent);
        };
        let fault = other_grid(&data, job.grid);
        Ok::<_, anyhow::Error>(fault.map_or(Data::Whole, Data::Fails))
    };
    let found = found.await;
    found.unwrap_or_else(|error| Data::Fails(one_line(error.as_ref())))
}

/// Judges a place under the name of what it is for.
pub(crate) fn judge(check: &str, url: &str, measured: &Measured) -> Finding {
    match measured {
        Ok(throughput) => {
            let rate = |time: std::time::Duration| {
                throughput.bytes as f64 / 1e6 / time.as_secs_f64().max(1e-6)
            };
            let (write, read) = (rate(throughput.write), rate(throughput.read));
            let way = through_proxy(url);
            let found = format!(
                "{url}: write {write:.0} MB/s, read {read:.0} MB/s (one connection{way}), conditional create works"
            );
            Finding::ok(check, found)
        }
        Err(error) => Finding::failed(check, &error.to_string(), HELP),
    }
}

/// Names the proxy on the way to a place.
fn through_proxy(url: &str) -> String {
    let location = Location::open(url).ok();
    let proxy = location.as_ref().and_then(Location::proxy);
    proxy.map_or_else(String::new, |proxy| format!(" through the proxy {proxy}"))
}

/// Judges what is where the data set of a job is to be.
pub(crate) fn judge_data(url: &str, data: &Data) -> Finding {
    match data {
        Data::Whole => Finding::ok("data", format!("{url} has a data set")),
        Data::ToBeMade => {
            let found = format!("{url} has no data set yet: pretrain prepares data.source into it");
            Finding::new("data", State::Note, found, "")
        }
        Data::Absent if url.is_empty() => Finding::new(
            "data",
            State::Warning,
            "the job names no data set",
            "name it with --data or data.url",
        ),
        Data::Absent => Finding::new(
            "data",
            State::Missing,
            format!("{url} has no data set"),
            "correct data.url, or `fratmae prepare SOURCE --out` there",
        ),
        Data::Fails(line) => Finding::failed("data", line, HELP),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fratmae_dataset::MANIFEST_NAME;

    use super::*;
    use crate::commands::doctor::requirements::tests::job;

    #[test]
    fn a_sound_store_is_told_with_its_speed() {
        let measured = Ok(Throughput {
            bytes: 8_000_000,
            write: Duration::from_millis(200),
            read: Duration::from_millis(100),
        });
        let result = judge("store", "s3://b", &measured);
        assert_eq!(result.state, State::Ok);
        assert!(
            result
                .found
                .starts_with("s3://b: write 40 MB/s, read 80 MB/s (one connection)"),
            "{}",
            result.found
        );
    }

    #[test]
    fn a_store_that_ignores_the_condition_is_missing_with_what_to_do() {
        let measured = Err(StoreError::IgnoresCondition {
            url: "s3://b".to_owned(),
            reason: "a second create replaced the first".to_owned(),
        });
        let result = judge("run", "s3://b", &measured);
        assert_eq!(
            (result.state, result.advice.as_str()),
            (State::Missing, "use another store")
        );
    }

    #[tokio::test]
    async fn a_folder_that_was_not_there_is_not_there_afterwards() {
        let above = tempfile::tempdir().unwrap();
        let new = above.path().join("a/b");
        measure(&new.display().to_string()).await.unwrap();
        assert_eq!(std::fs::read_dir(above.path()).unwrap().count(), 0);
        std::fs::create_dir_all(&new).unwrap();
        measure(&new.display().to_string()).await.unwrap();
        assert_eq!(std::fs::read_dir(&new).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_data_set_is_there_or_made_or_missing() {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().display().to_string();
        let need = |source: &str| {
            let sets = [format!("data.url={url}"), format!("data.source={source}")];
            job(&[&sets[0], &sets[1]]).job.unwrap()
        };
        let state = async |source| judge_data(&url, &find_data(&need(source)).await).state;
        assert_eq!(state("").await, State::Missing);
        assert_eq!(state("cases").await, State::Note);
        std::fs::write(folder.path().join(MANIFEST_NAME), "{}").unwrap();
        assert_eq!(state("").await, State::Missing, "it is damaged");
        assert_eq!(judge_data("", &Data::Absent).state, State::Warning);
    }
}
