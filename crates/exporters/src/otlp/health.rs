//! Whether a receiver takes what it is sent: what waits for it is bounded, what is dropped counted, and a change told once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_sdk::error::OTelSdkResult;

use super::settings::{Settings, Signal};
use crate::histograms::Histograms;
use crate::table::DROPPED;

/// Items of a signal that may wait, in the queue and on their way.
pub(super) const QUEUE: usize = 2048;

/// The receivers of this process, by address: signals that go to one place share its health.
#[derive(Clone, Debug, Default)]
pub(super) struct Healths(Arc<Mutex<BTreeMap<String, Failing>>>);

/// The signals that a receiver does not take now.
type Failing = BTreeSet<Signal>;

/// What changed with a receiver.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Fails,
    IsBack,
}

impl Healths {
    /// Takes in how a sending went, and says what that changes.
    fn note(&self, address: &str, signal: Signal, is_taken: bool) -> Option<Change> {
        let mut healths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = healths.entry(address.to_owned()).or_default();
        let had_failed = !failing.is_empty();
        match is_taken {
            true => failing.remove(&signal),
            false => failing.insert(signal),
        };
        match (had_failed, !failing.is_empty()) {
            (false, true) => Some(Change::Fails),
            (true, false) => Some(Change::IsBack),
            _ => None,
        }
    }
}

/// Where a signal goes.
#[derive(Debug)]
pub(super) struct Target {
    signal: Signal,
    address: String,
    healths: Healths,
    waiting: AtomicUsize,
    histograms: Histograms,
}

impl Target {
    pub(super) fn new(
        settings: &Settings,
        signal: Signal,
        healths: &Healths,
        histograms: Histograms,
    ) -> Arc<Self> {
        let receiver = settings.receiver(signal);
        Arc::new(Self {
            signal,
            address: receiver.map(|it| it.address.clone()).unwrap_or_default(),
            healths: healths.clone(),
            waiting: AtomicUsize::new(0),
            histograms,
        })
    }

    /// Whether there is room for one more item, which waits from now on; else it is dropped.
    pub(super) fn admits(&self) -> bool {
        let more = |waiting: usize| (waiting < QUEUE).then_some(waiting + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let is_admitted = self.waiting.fetch_update(set, fetch, more).is_ok();
        if !is_admitted {
            self.drop_items(1);
        }
        is_admitted
    }

    /// Takes in how the sending of so many items went, which no longer wait.
    pub(super) fn sent(&self, items: usize, result: &OTelSdkResult) {
        let less = |waiting: usize| Some(waiting.saturating_sub(items));
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let _ = self.waiting.fetch_update(set, fetch, less);
        self.note(items, result);
    }

    /// The same for items that did not wait.
    pub(super) fn note(&self, items: usize, result: &OTelSdkResult) {
        let address = self.address.as_str();
        if result.is_err() {
            self.drop_items(items);
        }
        match (
            self.healths.note(address, self.signal, result.is_ok()),
            result,
        ) {
            (Some(Change::Fails), Err(error)) => tracing::warn!(
                address,
                signal = self.signal.name(),
                %error,
                "telemetry is not taken and is dropped; the run goes on"
            ),
            (Some(_), _) => tracing::warn!(address, "telemetry is taken again"),
            (None, _) => {}
        }
    }

    fn drop_items(&self, items: usize) {
        self.histograms
            .add(&DROPPED, &[self.signal.name()], items as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_sdk::error::OTelSdkError;

    fn target(signal: Signal, healths: &Healths) -> Arc<Target> {
        Arc::new(Target {
            signal,
            address: "http://h:1".to_owned(),
            healths: healths.clone(),
            waiting: AtomicUsize::new(0),
            histograms: Histograms::default(),
        })
    }

    #[test]
    fn a_receiver_fails_once_and_is_back_once_however_many_signals_go_there() {
        let healths = Healths::default();
        let note = |signal, is_taken| healths.note("http://h:1", signal, is_taken);
        assert_eq!(note(Signal::Traces, true), None);
        assert_eq!(note(Signal::Traces, false), Some(Change::Fails));
        assert_eq!(note(Signal::Traces, false), None);
        assert_eq!(note(Signal::Metrics, false), None);
        assert_eq!(note(Signal::Metrics, true), None, "traces still fail");
        assert_eq!(note(Signal::Logs, true), None);
        assert_eq!(note(Signal::Traces, true), Some(Change::IsBack));
        assert_eq!(
            healths.note("http://other:1", Signal::Logs, false),
            Some(Change::Fails)
        );
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let target = target(Signal::Traces, &Healths::default());
        let admitted = (0..QUEUE + 3).filter(|_| target.admits()).count();
        assert_eq!(admitted, QUEUE);
        target.sent(10, &Ok(()));
        assert!(target.admits());
        target.sent(5, &Err(OTelSdkError::InternalFailure("down".to_owned())));
        let text = crate::text::Format::Text.write(&target.histograms.read());
        let line = "fratmae_telemetry_dropped_total{signal=\"traces\"} 8";
        assert!(text.contains(line), "{text}");
    }
}
