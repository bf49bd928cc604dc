//! Waiting for what other processes do, always with a deadline.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `is_so` answers yes.
///
/// # Panics
/// When `patience` runs out; the message names `what`.
pub fn wait_until(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    wait_for(what, patience, || is_so().then_some(()));
}

/// Waits until `look` finds something, and gives it.
///
/// # Panics
/// When `patience` runs out; the message names `what`.
pub fn wait_for<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} for {what}");
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "files and processes of others give no event to wait for"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}
