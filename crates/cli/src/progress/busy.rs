//! Work that counts nothing: once it takes longer than two seconds it says that it goes on, and for how long it has.

use std::{
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{Progress, Report, clock};

/// What is faster than this needs no progress.
const PATIENCE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_secs(1);

/// Shows that work continues until it is dropped.
pub(crate) struct Busy {
    end: Option<SyncSender<()>>,
    shown: Option<JoinHandle<()>>,
}

impl Busy {
    /// Starts to wait beside the work `what`, such as `writing weights`; `quiet` shows nothing.
    pub(crate) fn start(title: &'static str, what: impl Into<String>, quiet: bool) -> Self {
        Self::with(Progress::start(title, quiet), what.into(), PATIENCE)
    }

    fn with(mut progress: Progress, what: String, patience: Duration) -> Self {
        let (end, ended) = sync_channel(0);
        let started = Instant::now();
        let show = move || {
            let mut wait = patience;
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = TICK;
                let seconds = clock(started.elapsed().as_secs_f64());
                progress.show(&Report::Waiting(format!("{what} ({seconds})")));
            }
        };
        let thread = std::thread::Builder::new().name("progress".to_owned());
        Self {
            end: Some(end),
            // Where there is no thread the work goes on unseen.
            shown: thread.spawn(show).ok(),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(shown) = self.shown.take() {
            // A panic there was reported where it happened.
            let _ = shown.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::progress::View;

    #[test]
    fn fast_work_shows_nothing_and_slow_work_what_it_does() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let progress = || {
            let lines = lines.clone();
            let write = move |text: &str| lines.lock().unwrap().push(text.to_owned());
            Progress::with_view("export", View::lines(Box::new(write)))
        };
        drop(Busy::with(
            progress(),
            "writing".to_owned(),
            Duration::from_secs(3600),
        ));
        assert!(lines.lock().unwrap().is_empty());
        let busy = Busy::with(progress(), "writing".to_owned(), Duration::ZERO);
        while lines.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        drop(busy);
        assert_eq!(lines.lock().unwrap()[0], "export writing (0:00)");
    }
}
