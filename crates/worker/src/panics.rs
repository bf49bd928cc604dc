//! Panics of this process. A worker of which any thread has panicked is broken: whoever waits for that thread would wait
//! for ever. So the first one ends the worker, whichever thread it was in, with its text.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// How many calls are under way whose panics are answers.
static FENCED: AtomicUsize = AtomicUsize::new(0);

/// The panics of this process from the moment it was made.
pub(crate) struct Panics(mpsc::Receiver<String>);

impl Panics {
    /// Takes note of panics from now on, in all threads. It is for the whole process, as the worker is.
    pub(crate) fn watch() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let text = description(thread.name().unwrap_or("without a name"), panic);
            if FENCED.load(Ordering::SeqCst) > 0 {
                return tracing::debug!("{text}");
            }
            tracing::error!("{text}");
            // Who is not the first has nothing to add.
            let _ = sender.try_send(text);
        }));
        Self(receiver)
    }

    /// Waits for the first one.
    pub(crate) async fn first(&mut self) -> String {
        match self.0.recv().await {
            Some(text) => text,
            // Somebody else has replaced the hook, and tells of panics in its place.
            None => std::future::pending().await,
        }
    }
}

/// Runs what tells by a panic that something cannot be had, and catches it.
pub(crate) fn fenced<T>(call: impl FnOnce() -> T) -> T {
    FENCED.fetch_add(1, Ordering::SeqCst);
    let answer = call();
    FENCED.fetch_sub(1, Ordering::SeqCst);
    answer
}

/// Which thread, the text and the place, in one line.
fn description(thread: &str, panic: &PanicHookInfo<'_>) -> String {
    let text = panic.payload_as_str().unwrap_or("without a text");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let place = panic.location();
    let place = place.map_or(String::new(), |place| {
        format!(" ({}:{})", place.file(), place.line())
    });
    format!("its thread {thread} panicked: {text}{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, as the hook is the whole process's.
    #[tokio::test]
    async fn the_first_panic_of_any_thread_is_told_unless_it_is_an_answer() {
        let mut panics = Panics::watch();
        let panic = |name: &str, text: &'static str| {
            let thread = std::thread::Builder::new().name(name.to_owned());
            let thread = thread.spawn(move || panic!("{text}\n  of two lines"));
            assert!(thread.unwrap().join().is_err());
        };
        fenced(|| panic("probe", "no driver"));
        panic("snapshot", "first");
        panic("trainer", "second");
        let line = panics.first().await;
        let expected =
            "its thread snapshot panicked: first of two lines (crates/worker/src/panics.rs:";
        assert!(line.starts_with(expected), "{line}");
        let _ = std::panic::take_hook();
    }
}
