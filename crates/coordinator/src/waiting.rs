//! What takes long is told: what it is, and since when.

use crate::event::{EventSink, RunEvent};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, interval_at};

/// How often a wait is told of.
pub(crate) const EVERY: Duration = Duration::from_secs(10);

/// Does some work, and tells every ten seconds that it is not done yet; `what` completes "still".
pub(crate) async fn tell_while<T>(
    events: &EventSink,
    what: &str,
    work: impl Future<Output = T>,
) -> T {
    let began = Instant::now();
    let mut ticks = interval_at(began + EVERY, EVERY);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                let note = format!("still {what} ({} s)", began.elapsed().as_secs());
                events.emit(RunEvent::Noted { note });
            }
        }
    }
}
