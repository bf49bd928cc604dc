//! `fratmae tensorboard`: the figures of a run as event files for TensorBoard. The same files are written while a run goes
//! on (`live`).

pub(crate) mod live;
mod times;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fratmae_coordinator::{HistoryRow, read_kept_history, status};
use fratmae_observe::Records;
use fratmae_store::Location;
use fratmae_telemetry::{Metrics, one_line};
use fratmae_viewers::EventWriter;
use serde::Serialize;

use crate::{
    commands::{target, weights_dir::write},
    output::Output,
    terminal,
};
use times::Times;

/// Writes the figures of a run as event files for TensorBoard.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae tensorboard runs/quickstart/run --out boards/quickstart
  fratmae pretrain job.toml --tensorboard boards/mine    writes them as it goes

Then: tensorboard --logdir boards")]
pub(crate) struct Arguments {
    /// The run: a folder or a URL
    #[arg(value_name = "RUN")]
    run: String,
    /// Folder of this run among those that TensorBoard shows; it is made if it is missing
    #[arg(long, value_name = "DIR", value_parser = target::here())]
    out: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    run: &'a str,
    file: &'a Path,
    steps: usize,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    let status = status(&run).await?;
    let kept = read_kept_history(&run).await?;
    let records = Records::list(&run).await?;
    let (times, damaged) = Times::read(&records).await?;
    for line in kept.damaged.iter().chain(&damaged) {
        terminal::line(&format!("warning: {line}"));
    }
    if kept.rows.is_empty() {
        bail!("{} has no figures of any step yet", run.url());
    }
    let folder = Folder::open(&arguments.out, run.url())?;
    let began = status
        .started
        .as_deref()
        .map(chrono::DateTime::parse_from_rfc3339);
    let began = began
        .and_then(Result::ok)
        .map_or(0.0, |time| time.timestamp() as f64);
    let file = folder.write_whole(&kept.rows, times, (status.batch, began))?;
    let written = Written {
        run: run.url(),
        file: &file,
        steps: kept.rows.len(),
    };
    match arguments.json {
        true => Ok(output.json(&written)?),
        false => Ok(output.line(&format!("{}: {} steps", file.display(), written.steps))?),
    }
}

/// A folder of one run's event files. Their names sort by time, and the newest that has a step is right about it.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
    /// What tells the run's files from those of others.
    mark: String,
}

/// What the names of event files have.
const EVENTS: &str = "events.out.tfevents.";
/// What the name of a file has that has all steps.
const WHOLE: &str = "history";

impl Folder {
    /// Makes it if it is not there.
    ///
    /// # Errors
    /// The system's, or that there are files of another run: TensorBoard would show both as one.
    pub(crate) fn open(path: &Path, run: &str) -> Result<Self> {
        let mark = format!("{:08x}", crc32c::crc32c(run.as_bytes()));
        let folder = Self {
            path: path.to_owned(),
            mark,
        };
        let made = std::fs::create_dir_all(path).and_then(|()| folder.names());
        for name in made.with_context(|| folder.unusable())? {
            if !name.ends_with(&folder.mark) {
                bail!(
                    "{} has TensorBoard's files of something else ({name}); give each run a folder of its own",
                    path.display()
                );
            }
        }
        Ok(folder)
    }

    fn unusable(&self) -> String {
        format!("cannot use {} for TensorBoard's files", self.path.display())
    }

    /// The names of all event files in it.
    fn names(&self) -> std::io::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.path)?.map(|entry| {
            let name = entry?.file_name();
            Ok(name.to_string_lossy().into_owned())
        });
        let mut names = names.collect::<std::io::Result<Vec<String>>>()?;
        names.retain(|name| name.starts_with(EVENTS));
        Ok(names)
    }

    /// The path of a file that begins now, by whoever writes it.
    fn file(&self, writer: &str) -> PathBuf {
        let now = chrono::Utc::now().timestamp();
        let name = format!("{EVENTS}{now:010}.fratmae.{writer}.{}", self.mark);
        self.path.join(name)
    }

    /// Writes a file with all steps in the place of an earlier one.
    fn write_whole(
        &self,
        rows: &[HistoryRow],
        mut times: Times,
        (batch, began): (u64, f64),
    ) -> Result<PathBuf> {
        let target = self.file(WHOLE);
        let mut writer = EventWriter::begin(Vec::new(), began)?;
        let mut time = began;
        for row in rows {
            let known = row.unix_ms.map(|unix_ms| unix_ms as f64 / 1e3);
            // In versions that did not record it.
            time = known.unwrap_or(time + row.seconds);
            let speed = batch as f64 / row.seconds;
            let mut values = values(&row.metrics, row.seconds, speed);
            values.extend(times.of_step(row.step));
            writer.step(row.step, time, values.iter().map(named))?;
        }
        let earlier = self.names().with_context(|| self.unusable())?;
        write(&target, &writer.finish()?)?;
        let earlier = earlier
            .iter()
            .filter(|name| name.contains(&format!(".{WHOLE}.")));
        for path in earlier
            .map(|name| self.path.join(name))
            .filter(|path| *path != target)
        {
            if let Err(error) = std::fs::remove_file(&path) {
                terminal::line(&format!(
                    "warning: cannot delete {}: {}",
                    path.display(),
                    one_line(&error)
                ));
            }
        }
        Ok(target)
    }
}

fn named((tag, value): &(String, f64)) -> (&str, f64) {
    (tag, *value)
}

/// The values of a step by TensorBoard's tags, which it groups by what is before the slash.
fn values(metrics: &Metrics, seconds: f64, samples_per_second: f64) -> Vec<(String, f64)> {
    let metrics = metrics.iter().map(|(name, value)| (tag(name), value));
    let speeds = [
        ("time/step_seconds", seconds),
        ("throughput/samples_per_second", samples_per_second),
    ];
    let speeds = speeds.into_iter().filter(|(_, value)| value.is_finite());
    let speeds = speeds.map(|(tag, value)| (tag.to_owned(), value));
    metrics.chain(speeds).collect()
}

fn tag(metric: &str) -> String {
    let tag = match metric {
        "loss" => "loss/total",
        "reconstruction" => "loss/reconstruction",
        "pet_reconstruction" => "loss/pet",
        "ct_reconstruction" => "loss/ct",
        "contrastive" => "loss/contrastive",
        "mean_baseline" => "baseline/reconstruction",
        "baseline_pet" => "baseline/pet",
        "baseline_ct" => "baseline/ct",
        other => other,
    };
    tag.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64) -> HistoryRow {
        HistoryRow {
            step,
            seconds: 0.5,
            metrics: [("loss", 1.0 / step as f64)].into_iter().collect(),
            ..HistoryRow::default()
        }
    }

    #[test]
    fn a_folder_keeps_one_file_of_all_steps_and_takes_no_second_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("boards/a");
        let board = Folder::open(&path, "/runs/a").unwrap();
        let old = path.join(format!("{EVENTS}0000000001.fratmae.{WHOLE}.{}", board.mark));
        std::fs::write(&old, "old").unwrap();
        let rows = [row(1), row(2)];
        let file = board.write_whole(&rows, Times::default(), (8, 100.0));
        let file = file.unwrap();
        assert!(file.is_file() && !old.exists());
        assert_eq!(board.names().unwrap().len(), 1);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
        Folder::open(&path, "/runs/a").unwrap();
        let refused = Folder::open(&path, "/runs/b").unwrap_err().to_string();
        assert!(
            refused.contains("give each run a folder of its own"),
            "{refused}"
        );
    }

    #[test]
    fn losses_stand_together_and_what_took_no_time_has_no_speed() {
        let metrics: Metrics = [("loss", 0.5), ("ct_reconstruction", 0.25), ("own", 1.0)]
            .into_iter()
            .collect();
        let values = values(&metrics, 0.0, f64::INFINITY);
        let tags: Vec<&str> = values.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(tags, ["loss/total", "loss/ct", "own", "time/step_seconds"]);
    }
}
