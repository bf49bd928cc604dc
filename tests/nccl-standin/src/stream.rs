//! A stream: a thread that does one thing after the other, in the order in which they were put in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// How much may wait in a stream.
const DEPTH: usize = 1024;

/// The calling side of a stream; the thread ends with the last clone.
#[derive(Clone)]
pub(crate) struct Stream {
    jobs: SyncSender<Job>,
}

impl Stream {
    pub(crate) fn new() -> Self {
        let (jobs, queue) = sync_channel::<Job>(DEPTH);
        thread::spawn(move || queue.iter().for_each(|job| job()));
        Self { jobs }
    }

    /// Puts something in. The thread lives as long as this does.
    pub(crate) fn put(&self, job: impl FnOnce() + Send + 'static) {
        let _ = self.jobs.send(Box::new(job));
    }

    /// Waits until all that was put in is done.
    pub(crate) fn finish(&self) {
        let (sender, done) = sync_channel(1);
        self.put(move || {
            let _ = sender.send(());
        });
        let _ = done.recv();
    }
}

/// A mark in a stream.
#[derive(Default)]
pub(crate) struct Event {
    recorded: Mutex<u64>,
    reached: Arc<AtomicU64>,
}

impl Event {
    pub(crate) fn record(&self, stream: &Stream) {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        *recorded += 1;
        let (number, reached) = (*recorded, Arc::clone(&self.reached));
        stream.put(move || {
            reached.fetch_max(number, Ordering::SeqCst);
        });
    }

    /// Whether the stream has passed the mark that was made last.
    pub(crate) fn is_reached(&self) -> bool {
        let recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        self.reached.load(Ordering::SeqCst) >= *recorded
    }
}
