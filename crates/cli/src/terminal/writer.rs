//! The thread that writes to standard error, so that nobody else waits for whoever reads it: a pager, a terminal that is
//! held, a collector of logs that hangs. What it cannot hold is dropped and counted.

use std::{
    collections::VecDeque,
    io::Write,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Bytes that may wait for the reader.
const MOST: usize = 1 << 20;
/// How long the end waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the end waits for a reader that is slow.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Hands pieces of text to a thread of its own; a clone writes to the same place.
#[derive(Clone)]
pub(super) struct Writer(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Taken by who writes.
    sink: Mutex<Box<dyn Write + Send>>,
    has_thread: AtomicBool,
    /// Says how many pieces are missing.
    gap: fn(u64) -> String,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<String>,
    /// Bytes of what waits.
    bytes: usize,
    /// Pieces that were dropped since the last one that was taken.
    dropped: u64,
    /// Pieces that were written.
    written: u64,
    is_writing: bool,
}

impl Writer {
    /// Writes to `sink`. Where the system gives no thread, whoever has something to write writes it.
    pub(super) fn start(sink: impl Write + Send + 'static, gap: fn(u64) -> String) -> Self {
        let writer = Self(Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            sink: Mutex::new(Box::new(sink)),
            has_thread: AtomicBool::new(true),
            gap,
        }));
        let shared = Arc::clone(&writer.0);
        let thread = std::thread::Builder::new().name("standard error".to_owned());
        let is_there = thread.spawn(move || shared.write_for_ever()).is_ok();
        writer.0.has_thread.store(is_there, Ordering::Relaxed);
        writer
    }

    /// Takes a piece, which is written at once and whole. Never waits.
    pub(super) fn put(&self, text: String) {
        let mut queue = self.0.queue();
        // One that nothing waits before is taken however long it is.
        if queue.bytes > 0 && queue.bytes + text.len() > MOST {
            queue.dropped += 1;
            return;
        }
        queue.tell_gap(self.0.gap);
        queue.push(text);
        self.0.changed.notify_all();
        if !self.0.has_thread.load(Ordering::Relaxed) {
            drop(self.0.write_all(queue));
        }
    }

    /// Waits until all is written, for as long as somebody reads it.
    pub(super) fn settle(&self) {
        let began = Instant::now();
        let mut queue = self.0.queue();
        queue.tell_gap(self.0.gap);
        self.0.changed.notify_all();
        let (mut written, mut since) = (queue.written, began);
        while queue.is_writing || !queue.waiting.is_empty() {
            if queue.written != written {
                (written, since) = (queue.written, Instant::now());
            }
            if since.elapsed() >= PATIENCE || began.elapsed() >= LAST_WORDS {
                return;
            }
            let waited = self.0.changed.wait_timeout(queue, PATIENCE / 4);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Queue {
    fn push(&mut self, text: String) {
        self.bytes += text.len();
        self.waiting.push_back(text);
    }

    fn tell_gap(&mut self, gap: fn(u64) -> String) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            self.push(gap(dropped));
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_for_ever(&self) {
        let mut queue = self.queue();
        loop {
            queue = self.write_all(queue);
            let waited = self.changed.wait(queue);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes what waits; nobody waits for this to put more there.
    fn write_all<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        while let Some(text) = queue.waiting.pop_front() {
            queue.bytes -= text.len();
            queue.is_writing = true;
            drop(queue);
            {
                let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
                // A reader that is gone is told nothing.
                let _ = sink.write_all(text.as_bytes());
            }
            queue = self.queue();
            queue.is_writing = false;
            queue.written += 1;
            self.changed.notify_all();
        }
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    const SOON: Duration = Duration::from_secs(20);

    /// Takes a piece whenever the test does.
    struct Held(SyncSender<Vec<u8>>);

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map_or(Err(std::io::ErrorKind::BrokenPipe.into()), |()| {
                Ok(bytes.len())
            })
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn held() -> (Writer, Receiver<Vec<u8>>) {
        let (sender, pieces) = sync_channel(0);
        let gap = |dropped| format!("{dropped} missing\n");
        (Writer::start(Held(sender), gap), pieces)
    }

    fn next(pieces: &Receiver<Vec<u8>>) -> String {
        String::from_utf8(pieces.recv_timeout(SOON).unwrap()).unwrap()
    }

    #[test]
    fn pieces_come_whole_and_in_order() {
        let (writer, pieces) = held();
        writer.put("one\n".to_owned());
        writer.put("two\n".to_owned());
        assert_eq!([next(&pieces), next(&pieces)], ["one\n", "two\n"]);
    }

    #[test]
    fn without_a_reader_nobody_waits_and_later_the_gap_is_told() {
        let (writer, pieces) = held();
        let line = format!("{}\n", "x".repeat(1023));
        let n = 2 * MOST / line.len();
        (0..n).for_each(|_| writer.put(line.clone()));
        // One is being written, and no more than fit are kept.
        let kept = MOST / line.len();
        let taken = (0..kept).map(|_| next(&pieces));
        assert!(taken.into_iter().all(|piece| piece == line));
        writer.put("later\n".to_owned());
        let mut rest = Vec::new();
        while rest.last().is_none_or(|last| last != "later\n") {
            rest.push(next(&pieces));
        }
        let gap = rest.iter().find(|piece| piece.contains("missing")).unwrap();
        let missing = gap.split(' ').next().unwrap().parse::<usize>().unwrap();
        assert_eq!(missing + kept + rest.len() - 2, n);
    }

    #[test]
    fn a_piece_that_nothing_waits_before_is_written_however_long_it_is() {
        let (writer, pieces) = held();
        let long = "x".repeat(MOST + 1);
        writer.put(long.clone());
        assert_eq!(next(&pieces), long);
    }

    #[test]
    fn the_end_waits_for_a_reader_and_not_for_one_that_is_not_there() {
        let (writer, pieces) = held();
        writer.put("last words\n".to_owned());
        let began = Instant::now();
        writer.settle();
        assert!(began.elapsed() >= PATIENCE && began.elapsed() < SOON);
        let reader = std::thread::spawn(move || next(&pieces));
        writer.settle();
        assert_eq!(reader.join().unwrap(), "last words\n");
    }
}
