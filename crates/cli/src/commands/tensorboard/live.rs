//! Event files of a run that goes on, from what it tells. Nobody waits for them: a folder that cannot be written costs the
//! steps until it can be again, and `fratmae tensorboard` has those.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter},
    path::Path,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use fratmae_coordinator::RunEvent;
use fratmae_observe::Snapshot;
use fratmae_telemetry::one_line;
use fratmae_viewers::EventWriter;
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};

use super::{Folder, named, times::Course, values};

/// After a failure a new file is begun so much later.
const RETRY: Duration = Duration::from_secs(30);

/// Writes the event files of one run.
#[derive(Debug)]
pub(crate) struct Live {
    folder: Folder,
    /// None before the first step, and after a failure.
    writer: Option<EventWriter<BufWriter<File>>>,
    failed: Option<Instant>,
    /// How the run stands.
    snapshots: watch::Receiver<Arc<Snapshot>>,
    course: Course,
}

impl Live {
    /// In a folder that is made if it is missing.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub(crate) fn open(path: &Path, run: &str) -> Result<Self> {
        let (nobody, snapshots) = watch::channel(Arc::default());
        drop(nobody);
        Ok(Self {
            folder: Folder::open(path, run)?,
            writer: None,
            failed: None,
            snapshots,
            course: Course::default(),
        })
    }

    /// Follows a run to its end, on a thread that may wait for the disk.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn follow(
        mut self,
        mut events: Receiver<RunEvent>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Result<JoinHandle<()>> {
        self.snapshots = snapshots;
        let thread = std::thread::Builder::new().name("tensorboard".to_owned());
        let follow = move || {
            loop {
                match events.blocking_recv() {
                    Ok(event) => self.take(&event, Instant::now(), events.is_empty()),
                    Err(RecvError::Lagged(missed)) => tracing::warn!(
                        missed,
                        "TensorBoard's files lack steps: their disk is slower than the run"
                    ),
                    Err(RecvError::Closed) => return,
                }
            }
        };
        thread.spawn(follow).context("cannot start a thread")
    }

    /// Takes an event in, and writes what is buffered if it is the last for now.
    fn take(&mut self, event: &RunEvent, now: Instant, is_last: bool) {
        let waits = |failed: Instant| now.saturating_duration_since(failed) < RETRY;
        if self.failed.is_some_and(waits) {
            return;
        }
        match self.write(event, is_last) {
            Err(error) => {
                self.writer = None;
                if self.failed.replace(now).is_none() {
                    let error = one_line(&error);
                    tracing::warn!(%error, "TensorBoard's files are not written; the run goes on");
                }
            }
            Ok(true) if self.failed.take().is_some() => {
                tracing::warn!("TensorBoard's files are written again");
            }
            Ok(_) => {}
        }
    }

    /// Whether anything was written.
    fn write(&mut self, event: &RunEvent, is_last: bool) -> io::Result<bool> {
        let time = chrono::Utc::now().timestamp_micros() as f64 / 1e6;
        let is_step = matches!(event, RunEvent::Applied { .. });
        if is_step && self.writer.is_none() {
            let path = self.folder.file(&std::process::id().to_string());
            let file = OpenOptions::new().append(true).create(true).open(path)?;
            self.writer = Some(EventWriter::begin(BufWriter::new(file), time)?);
        }
        let Some(writer) = &mut self.writer else {
            return Ok(false);
        };
        if let RunEvent::Applied {
            step,
            metrics,
            seconds,
            samples_per_second,
            ..
        } = event
        {
            let mut values = values(metrics, *seconds, *samples_per_second);
            values.extend(self.course.take(&self.snapshots.borrow()));
            writer.step(*step, time, values.iter().map(named))?;
        }
        if is_last {
            writer.flush()?;
        }
        Ok(is_step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::broadcast;

    fn applied(step: u64) -> RunEvent {
        RunEvent::Applied {
            step,
            steps: 9,
            samples: 8 * step,
            seconds: 0.5,
            samples_per_second: 16.0,
            metrics: [("loss", 0.5)].into_iter().collect(),
        }
    }

    #[test]
    fn steps_are_on_the_disk_when_the_run_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let live = Live::open(folder.path(), "/runs/a").unwrap();
        let board = live.folder.clone();
        let (events, receiver) = broadcast::channel(8);
        let (_snapshots, newest) = watch::channel(Arc::default());
        let thread = live.follow(receiver, newest).unwrap();
        events.send(RunEvent::Committed { step: 0 }).unwrap();
        events.send(applied(1)).unwrap();
        events.send(applied(2)).unwrap();
        drop(events);
        thread.join().unwrap();
        let names = board.names().unwrap();
        assert_eq!(names.len(), 1);
        let bytes = std::fs::read(folder.path().join(&names[0])).unwrap();
        let tag = b"loss/total";
        let times = bytes
            .windows(tag.len())
            .filter(|bytes| bytes == tag)
            .count();
        assert_eq!(times, 2);
    }

    #[test]
    fn a_folder_that_vanishes_stops_nothing_and_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("board");
        let mut live = Live::open(&path, "/runs/a").unwrap();
        std::fs::remove_dir(&path).unwrap();
        let began = Instant::now();
        live.take(&applied(1), began, true);
        assert!(live.failed.is_some() && live.writer.is_none());
        std::fs::create_dir(&path).unwrap();
        live.take(&applied(2), began + RETRY / 2, true);
        assert!(live.writer.is_none());
        live.take(&applied(3), began + RETRY, true);
        assert!(live.failed.is_none() && live.writer.is_some());
    }
}
