//! A run that is asked to stop: it says so at once, whatever it waits for.

use crate::error::CoordinatorError;
use crate::event::{EventSink, RunEvent};
use std::convert::Infallible;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// How long the run's store may hold up a run that was asked to stop. Schedulers kill after 30 s.
const PATIENCE: Duration = Duration::from_secs(15);

/// How a caller tells a run to stop.
pub struct StopRequests {
    /// Ends when the run is to stop after the step at hand, with a checkpoint.
    pub after_the_step: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Ends when it is to stop at once, as if its processes were killed.
    pub at_once: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Where the run is, as far as somebody who stops it wants to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    /// The step at hand; none where nothing is lost by stopping at once.
    pub(crate) step: Option<u64>,
    /// Since when it has been at hand.
    pub(crate) since: Instant,
    /// How long a step takes.
    pub(crate) step_seconds: Option<f64>,
}

impl Standing {
    /// What is said at this moment to whoever asks the run to stop.
    fn answer(&self, now: Instant) -> RunEvent {
        let spent = now.saturating_duration_since(self.since);
        let left = |seconds: f64| (seconds - spent.as_secs_f64()).max(0.0);
        RunEvent::Stopping {
            after_step: self.step,
            seconds: self.step.and(self.step_seconds).map(left),
        }
    }
}

/// Waits for the request, says what follows from it, and passes it on. It never ends by itself.
pub(crate) async fn announce(
    after_the_step: Pin<Box<dyn Future<Output = ()> + Send>>,
    standing: watch::Receiver<Standing>,
    events: EventSink,
    ask: oneshot::Sender<()>,
) -> Infallible {
    after_the_step.await;
    let answer = standing.borrow().answer(Instant::now());
    events.emit(answer);
    let _ = ask.send(());
    std::future::pending().await
}

/// The request, for whoever leads the run.
pub(crate) struct Asked {
    request: oneshot::Receiver<()>,
    is_heard: bool,
    patience: Duration,
}

impl Asked {
    pub(crate) const fn new(request: oneshot::Receiver<()>) -> Self {
        Self {
            request,
            is_heard: false,
            patience: PATIENCE,
        }
    }

    /// Waits for the request; after it at once.
    pub(crate) async fn heard(&mut self) {
        if !self.is_heard {
            // Nobody who could ask is there any more only once the run is over.
            let _ = (&mut self.request).await;
            self.is_heard = true;
        }
    }

    /// Does work that may wait for the store; once the run is asked to stop, not for ever.
    ///
    /// # Errors
    /// The work's, and `Unresponsive`.
    pub(crate) async fn bound<T>(
        &mut self,
        work: impl Future<Output = Result<T, CoordinatorError>>,
    ) -> Result<T, CoordinatorError> {
        let patience = self.patience;
        let late = async {
            self.heard().await;
            timeout(patience, std::future::pending::<()>()).await
        };
        tokio::select! {
            biased;
            done = work => done,
            _ = late => Err(CoordinatorError::Unresponsive),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(step: Option<u64>, step_seconds: Option<f64>) -> Standing {
        Standing {
            step,
            since: Instant::now(),
            step_seconds,
        }
    }

    #[test]
    fn the_answer_names_the_step_and_the_time_that_is_left_of_it() {
        let at = standing(Some(41), Some(75.0));
        let later = at.since + Duration::from_secs(15);
        let (after_step, seconds) = (Some(41), Some(60.0));
        assert_eq!(
            at.answer(later),
            RunEvent::Stopping {
                after_step,
                seconds
            }
        );
        let late = at.since + Duration::from_secs(90);
        let seconds = Some(0.0);
        assert_eq!(
            at.answer(late),
            RunEvent::Stopping {
                after_step,
                seconds
            }
        );
    }

    #[test]
    fn without_a_step_at_hand_there_is_no_time_either() {
        let at = standing(None, Some(75.0));
        assert_eq!(
            at.answer(at.since),
            RunEvent::Stopping {
                after_step: None,
                seconds: None
            }
        );
    }

    #[tokio::test]
    async fn the_request_is_answered_and_passed_on() {
        let (events, mut receiver) = tokio::sync::broadcast::channel(1);
        let (ask, asked) = oneshot::channel();
        let (_publish, standing) = watch::channel(standing(Some(3), None));
        let announcing = announce(Box::pin(async {}), standing, EventSink::new(events), ask);
        tokio::select! {
            never = announcing => match never {},
            asked = asked => assert!(asked.is_ok()),
        }
        let answer = RunEvent::Stopping {
            after_step: Some(3),
            seconds: None,
        };
        assert_eq!(receiver.recv().await, Ok(answer));
    }

    #[tokio::test]
    async fn a_store_that_hangs_ends_a_run_that_is_asked_to_stop_and_no_other() {
        let (ask, request) = oneshot::channel();
        let mut asked = Asked {
            patience: Duration::from_millis(20),
            ..Asked::new(request)
        };
        let hangs = || std::future::pending::<Result<(), CoordinatorError>>();
        let waits = timeout(Duration::from_millis(60), asked.bound(hangs())).await;
        assert!(waits.is_err());
        ask.send(()).unwrap();
        let cut = asked.bound(hangs()).await;
        assert!(matches!(cut, Err(CoordinatorError::Unresponsive)));
        // It is still to be drained, and what is done in time is done.
        asked.heard().await;
        assert!(matches!(asked.bound(async { Ok(7) }).await, Ok(7)));
    }
}
