//! The data set of a job: opened when it is there, else prepared from the job's source, which may be phantoms.
//! How cases are read and written is the `prepare` crate's.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use fratmae_config::Config;
use fratmae_dataset::{DataSet, MANIFEST_NAME};
use fratmae_phantom::PhantomSize;
use fratmae_prepare::{Layout, PrepareOptions, survey};
use fratmae_store::{Location, local_path};

use crate::{
    commands::{claim::claim, phantom, prepare::prepare_with_progress},
    exit::Misuse,
    progress::Progress,
};

/// Opens the job's data set, and makes it first when there is none.
///
/// Stopped in the middle it leaves no data set; run again it goes on.
///
/// # Errors
/// When the job names no data set or source, the source is missing, a case cannot be used, the store fails, or the data
/// set there has another grid than the job.
pub(crate) async fn open_or_prepare(config: &Config, quiet: bool) -> Result<DataSet> {
    let url = &config.data.url;
    ensure!(
        !url.is_empty(),
        Misuse("the job names no data set; give one with --data URL or data.url".to_owned())
    );
    let location = Location::open(url)?;
    let data = match DataSet::open_if_present(&location).await? {
        Some(data) => data,
        None => make_alone(config, &location, quiet).await?,
    };
    match other_grid(&data, config.data.grid) {
        Some(fault) => bail!(fault),
        None => Ok(data),
    }
}

/// What is wrong with a data set whose grid is not the job's.
pub(crate) fn other_grid(data: &DataSet, wanted: [usize; 3]) -> Option<String> {
    let found = data.manifest.grid;
    let [r, a, s] = wanted;
    (found != wanted).then(|| {
        format!(
            "the data set at {} has the grid {found:?} and data.grid is {wanted:?}; \
             change data.grid and model.stack, or prepare into another place with --grid {r}x{a}x{s}",
            data.location.url()
        )
    })
}

/// A line about a data set whose manifest has no seal.
pub(crate) fn unsealed(data: &DataSet) -> Option<String> {
    (!data.is_sealed).then(|| {
        format!(
            "{} of {} has no seal, as an earlier version prepared it: a change that was made to it before this run began \
             is found by `fratmae dataset verify` alone; later ones are found when training starts",
            MANIFEST_NAME,
            data.location.url()
        )
    })
}

/// What is odd about the job on this data, one line each.
pub(crate) fn warnings(config: &Config, cases: usize) -> Vec<String> {
    let mut warnings = config.warnings();
    let batch = config.train.batch;
    if batch > cases {
        warnings.push(format!(
            "train.batch = {batch} is more than the {cases} cases of the data set; a step reads some of them twice"
        ));
    }
    warnings
}

/// Makes a data set of this machine or a shared folder while nobody else does; elsewhere both make the same bytes.
async fn make_alone(config: &Config, location: &Location, quiet: bool) -> Result<DataSet> {
    if !location.is_local() {
        return make(config, location, quiet).await;
    }
    let _claim = claim(Path::new(location.url()), |line| {
        note("prepare", quiet, line)
    })
    .await?;
    match DataSet::open_if_present(location).await? {
        Some(data) => Ok(data),
        None => make(config, location, quiet).await,
    }
}

fn note(title: &'static str, quiet: bool, line: &str) {
    Progress::start(title, quiet).note(line);
}

async fn make(config: &Config, location: &Location, quiet: bool) -> Result<DataSet> {
    if config.data.source.is_empty() {
        bail!(
            "{} holds no data set; prepare one with `fratmae prepare SOURCE --out {0}`, or name the raw cases in data.source",
            location.url()
        );
    }
    let source = &local_path(&config.data.source).context("data.source cannot be used")?;
    if !source.exists() {
        make_phantoms(config, source, quiet).await?;
    }
    let options = PrepareOptions {
        grid: config.data.grid,
        ..PrepareOptions::default()
    };
    prepare_with_progress(survey(source, Layout::Auto)?, location, &options, quiet).await?;
    Ok(DataSet::open(location).await?)
}

async fn make_phantoms(config: &Config, source: &Path, quiet: bool) -> Result<()> {
    let (cases, seed) = (config.data.phantoms, config.run.seed);
    ensure!(
        cases > 0,
        "data.source = {} does not exist; correct it, or let phantoms be written there with --set data.phantoms=24",
        source.display()
    );
    let _claim = claim(source, |line| note("phantoms", quiet, line)).await?;
    if source.exists() {
        return Ok(());
    }
    let line = format!("no cases at {}: writing {cases} phantoms", source.display());
    note("phantoms", quiet, &line);
    let (unfinished, size) = (unfinished(source), phantom_size(config.data.grid));
    let folder = unfinished.clone();
    let written =
        tokio::task::spawn_blocking(move || phantom::write(&folder, cases, seed, size, quiet))
            .await?;
    // Only now under the name that is read, so that a stopped run does not train on half of them.
    let made = written.and_then(|_| {
        let context = || {
            let unfinished = unfinished.display();
            format!("cannot rename {unfinished} to {}", source.display())
        };
        std::fs::rename(&unfinished, source).with_context(context)
    });
    match made {
        // Where the file system has no locks another process may have been faster, with the same phantoms.
        Err(_) if source.exists() => Ok(()),
        made => made,
    }
}

fn unfinished(source: &Path) -> PathBuf {
    // Put together again from its parts, so that a slash at the end is gone.
    let mut name = source.components().as_path().as_os_str().to_owned();
    name.push(".unfinished");
    PathBuf::from(name)
}

/// Phantoms as large as usual in millimetres, with no more voxels than the grid can hold: a tiny grid gets tiny files.
fn phantom_size(grid: [usize; 3]) -> PhantomSize {
    let mut size = PhantomSize::default();
    for (axis, most) in grid.into_iter().enumerate() {
        let extent = size.shape[axis] as f32 * size.spacing[axis];
        size.shape[axis] = size.shape[axis].min(most);
        size.spacing[axis] = extent / size.shape[axis] as f32;
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::wait_for;

    const TINY: [&str; 9] = [
        "data.grid=[12, 16, 12]",
        "model.stack=[4, 12, 12]",
        "model.patch=[2, 6, 6]",
        "data.phantoms=2",
        "train.batch=4",
        "train.slots=2",
        "workers.count=1",
        "train.steps=1",
        "data.stride=1",
    ];

    fn job(folder: &Path, more: &[&str]) -> Config {
        let mut sets: Vec<String> = TINY.iter().map(|set| (*set).to_owned()).collect();
        for (key, name) in [("data.url", "data"), ("data.source", "cases")] {
            sets.push(format!("{key}={}", folder.join(name).display()));
        }
        sets.extend(more.iter().map(|set| (*set).to_owned()));
        Config::load(None, &sets).unwrap()
    }

    fn refusal(config: &Config) -> String {
        wait_for(open_or_prepare(config, true))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn phantoms_are_written_prepared_and_opened_and_the_second_time_only_opened() {
        let folder = tempfile::tempdir().unwrap();
        let config = job(folder.path(), &[]);
        let data = wait_for(open_or_prepare(&config, true)).unwrap();
        assert_eq!(
            (data.manifest.cases.len(), data.manifest.grid),
            (2, [12, 16, 12])
        );
        assert!(!folder.path().join("cases.unfinished").exists());

        std::fs::remove_dir_all(folder.path().join("cases")).unwrap();
        let again = wait_for(open_or_prepare(&config, true)).unwrap();
        assert_eq!(again.manifest.digest, data.manifest.digest);
        assert!(!folder.path().join("cases").exists());
    }

    #[test]
    fn a_job_without_data_says_what_to_give() {
        let folder = tempfile::tempdir().unwrap();
        let text = refusal(&job(folder.path(), &["data.url="]));
        assert!(text.contains("--data URL"), "{text}");
        let text = refusal(&job(folder.path(), &["data.source="]));
        assert!(
            text.contains("holds no data set; prepare one with `fratmae prepare"),
            "{text}"
        );
        let text = refusal(&job(folder.path(), &["data.phantoms=0"]));
        assert!(text.contains("cases does not exist; correct it"), "{text}");
    }

    #[test]
    fn another_grid_than_the_jobs_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        wait_for(open_or_prepare(&job(folder.path(), &[]), true)).unwrap();
        let other = job(folder.path(), &["data.grid=[12, 20, 12]"]);
        assert!(
            refusal(&other).contains("has the grid [12, 16, 12] and data.grid is [12, 20, 12]")
        );
    }

    #[test]
    fn a_batch_beyond_the_cases_is_a_warning() {
        let config = job(Path::new("/nowhere"), &["train.batch=8"]);
        assert!(warnings(&config, 8).is_empty());
        assert_eq!(warnings(&config, 7).len(), 1);
    }

    #[test]
    fn a_tiny_grid_gets_tiny_phantoms_of_the_usual_extent() {
        let (usual, tiny) = (PhantomSize::default(), phantom_size([8, 9, 10]));
        assert_eq!(tiny.shape, [8, 9, 10]);
        for axis in 0..3 {
            let extent = |size: &PhantomSize| size.shape[axis] as f32 * size.spacing[axis];
            assert!((extent(&tiny) - extent(&usual)).abs() < 0.1);
        }
        assert_eq!(phantom_size([4096; 3]).shape, usual.shape);
    }

    #[test]
    fn the_unfinished_folder_lies_beside_the_source() {
        assert_eq!(unfinished(Path::new("a/b")), Path::new("a/b.unfinished"));
        assert_eq!(unfinished(Path::new("a/b/")), Path::new("a/b.unfinished"));
    }
}
