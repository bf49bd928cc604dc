//! Lines of local workers, on their way to the terminal: what several workers write alike becomes one line.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use fratmae_telemetry::Line;
use tracing::Level;

use crate::terminal;

/// How long a line waits for its like from other workers.
const WINDOW: Duration = Duration::from_millis(300);

/// Lines that may wait for the terminal; a worker's pipe takes those beyond, and drops what it cannot hold.
const WAITING: usize = 256;

/// Writes workers' lines to the terminal until it is dropped.
pub(crate) struct WorkerLines {
    sender: Option<SyncSender<Named>>,
    writer: Option<JoinHandle<()>>,
}

/// A worker's name and its line.
type Named = (String, Line);

impl WorkerLines {
    /// Starts to write.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (sender, lines) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("worker lines".to_owned());
        let writer = thread.spawn(move || write(&lines))?;
        Ok(Self {
            sender: Some(sender),
            writer: Some(writer),
        })
    }

    /// What hands lines over: the worker's name and what it wrote.
    pub(crate) fn sink(&self) -> impl Fn(&str, &str) + Send + Sync + 'static {
        let sender = self.sender.clone();
        move |worker, text| {
            if let Some(sender) = &sender {
                // Nobody writes any more once the command ends.
                let _ = sender.send((worker.to_owned(), read(text)));
            }
        }
    }
}

impl Drop for WorkerLines {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(writer) = self.writer.take() {
            // It ends when the last sink is gone; a panic there was reported where it happened.
            let _ = writer.join();
        }
    }
}

/// A log line, or anything else that a process writes, such as a panic.
fn read(text: &str) -> Line {
    let mut line = Line::from_json(text).unwrap_or_else(|| Line::new(Level::INFO, "fratmae", text));
    // Who wrote it stands in front.
    line.context.clear();
    line
}

fn write(lines: &Receiver<Named>) {
    let (started, mut merging) = (Instant::now(), Merging::default());
    loop {
        let received = match merging.next_due() {
            None => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => lines.recv_timeout(due.saturating_sub(started.elapsed())),
        };
        match received {
            Ok((worker, line)) => merging.take(started.elapsed(), worker, line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return merging.due(Duration::MAX).for_each(show);
            }
        }
        merging.due(started.elapsed()).for_each(show);
    }
}

fn show(entry: Entry) {
    let whose = match entry.workers.as_slice() {
        [name] => name.clone(),
        workers => format!("{} workers", workers.len()),
    };
    terminal::log_of(&whose, &entry.line);
}

/// Lines that wait for their like, the oldest first.
#[derive(Default)]
struct Merging {
    waiting: Vec<Entry>,
}

#[derive(Debug, PartialEq)]
struct Entry {
    since: Duration,
    workers: Vec<String>,
    line: Line,
}

impl Merging {
    fn take(&mut self, now: Duration, worker: String, line: Line) {
        // What one worker writes twice happened twice.
        let like = |entry: &&mut Entry| entry.line == line && !entry.workers.contains(&worker);
        match self.waiting.iter_mut().find(like) {
            Some(entry) => entry.workers.push(worker),
            None => self.waiting.push(Entry {
                since: now,
                workers: vec![worker],
                line,
            }),
        }
    }

    fn next_due(&self) -> Option<Duration> {
        self.waiting.first().map(|entry| entry.since + WINDOW)
    }

    fn due(&mut self, now: Duration) -> impl Iterator<Item = Entry> + use<> {
        let is_due = |entry: &Entry| entry.since.saturating_add(WINDOW) <= now;
        let due = self
            .waiting
            .iter()
            .take_while(|entry| is_due(entry))
            .count();
        self.waiting.drain(..due).collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn shown(entries: impl Iterator<Item = Entry>) -> Vec<(usize, String)> {
        entries
            .map(|entry| (entry.workers.len(), entry.line.message))
            .collect()
    }

    #[test]
    fn equal_lines_of_several_workers_become_one() {
        let mut merging = Merging::default();
        for (time, worker, text) in [
            (0, "a", "training on the CPU"),
            (10, "b", "other"),
            (200, "b", "training on the CPU"),
            (250, "a", "training on the CPU"),
        ] {
            merging.take(at(time), worker.to_owned(), read(text));
        }
        assert_eq!(merging.next_due(), Some(at(300)));
        assert_eq!(shown(merging.due(at(299))), []);
        assert_eq!(
            shown(merging.due(at(300))),
            [(2, "training on the CPU".to_owned())]
        );
        let rest = [
            (1, "other".to_owned()),
            (1, "training on the CPU".to_owned()),
        ];
        assert_eq!(shown(merging.due(Duration::MAX)), rest);
    }

    #[test]
    fn lines_that_differ_in_level_or_field_stay_apart() {
        let line = |level, rank: u32| {
            let mut line = Line::new(level, "fratmae", "gone");
            line.fields.push(("rank".to_owned(), rank.into()));
            line
        };
        let mut merging = Merging::default();
        merging.take(at(0), "a".to_owned(), line(Level::INFO, 0));
        merging.take(at(0), "b".to_owned(), line(Level::WARN, 0));
        merging.take(at(0), "c".to_owned(), line(Level::INFO, 1));
        assert_eq!(shown(merging.due(Duration::MAX)).len(), 3);
    }

    #[test]
    fn a_line_of_json_loses_whose_it_is_and_other_text_stays() {
        fratmae_telemetry::describe("host", "h");
        let line = Line::new(Level::WARN, "fratmae_worker", "the coordinator is gone");
        let back = read(&line.to_json());
        assert!(back.context.is_empty());
        assert_eq!(
            (back.level, back.message.as_str()),
            (Level::WARN, "the coordinator is gone")
        );
        assert_eq!(read("thread panicked at x").message, "thread panicked at x");
    }

    #[test]
    fn what_was_handed_over_is_written_before_the_end() {
        let lines = WorkerLines::start().unwrap();
        let sink = lines.sink();
        sink("a", "a test of workers' lines");
        drop(sink);
        drop(lines);
    }
}
