//! The ledger of phases: a tracing layer that sums the time spent in the spans of phases.
//!
//! Owns the attribution of time; it keeps each thread's time apart.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use fratmae_control::Phase;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Metadata, Span, Subscriber, info_span};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The name of the spans of phases; a field has the phase's.
const SPAN: &str = "phase";

/// The span of a phase: a ledger counts the time in it.
#[must_use]
pub fn span(phase: Phase) -> Span {
    info_span!(SPAN, otel.name = phase.name(), name = phase.name())
}

type Clock = dyn Fn() -> Duration + Send + Sync;

/// Sums the time spent in phases, thread by thread. A clone is the same ledger.
///
/// A moment counts to the innermost phase the thread is in, so nested phases are never counted twice; a moment in no
/// phase counts to none. A span that is open but not entered does not count.
#[derive(Clone)]
pub struct PhaseLedger {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Box<Clock>,
    threads: Mutex<HashMap<ThreadId, Account>>,
}

/// One thread's phases, innermost last, and its time up to `since`.
#[derive(Default)]
struct Account {
    entered: Vec<Phase>,
    since: Duration,
    spent: BTreeMap<Phase, Duration>,
}

impl Account {
    /// Counts the time since the last change to the innermost phase.
    fn settle(&mut self, now: Duration) {
        if let Some(phase) = self.entered.last() {
            *self.spent.entry(*phase).or_default() += now.saturating_sub(self.since);
        }
        self.since = now;
    }
}

impl PhaseLedger {
    /// Makes an empty ledger on the system's monotonic clock.
    #[must_use]
    pub fn new() -> Self {
        let start = Instant::now();
        Self::with_clock(move || start.elapsed())
    }

    /// Makes an empty ledger on a clock of the caller's.
    #[must_use]
    pub fn with_clock(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock: Box::new(clock),
                threads: Mutex::default(),
            }),
        }
    }

    /// Gives the seconds of the calling thread in each phase since its last call, and starts anew; a phase that is
    /// entered now is cut here.
    #[must_use]
    pub fn take(&self) -> BTreeMap<Phase, f64> {
        let thread = thread::current().id();
        let mut threads = self.lock();
        let Some(account) = threads.get_mut(&thread) else {
            return BTreeMap::new();
        };
        account.settle((self.inner.clock)());
        let spent = mem::take(&mut account.spent);
        if account.entered.is_empty() {
            threads.remove(&thread);
        }
        let seconds = |(phase, spent): (Phase, Duration)| (phase, spent.as_secs_f64());
        spent.into_iter().map(seconds).collect()
    }

    /// Tells whether the ledger has to see this span.
    pub(crate) fn wants(metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.name() == SPAN
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Phase>)) {
        let now = (self.inner.clock)();
        let mut threads = self.lock();
        let account = threads.entry(thread::current().id()).or_default();
        account.settle(now);
        change(&mut account.entered);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ThreadId, Account>> {
        self.inner
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for PhaseLedger {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PhaseLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhaseLedger")
            .field("threads", &self.lock().len())
            .finish_non_exhaustive()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for PhaseLedger {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut name = PhaseName(None);
        attributes.record(&mut name);
        if let (Some(phase), Some(span)) = (name.0, ctx.span(id)) {
            span.extensions_mut().insert(phase);
        }
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        if let Some(phase) = phase_of(id, &ctx) {
            self.change(|entered| entered.push(phase));
        }
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        if let Some(phase) = phase_of(id, &ctx) {
            // Spans may be left in another order than they were entered in.
            self.change(|entered| {
                if let Some(place) = entered.iter().rposition(|inner| *inner == phase) {
                    entered.remove(place);
                }
            });
        }
    }
}

fn phase_of<S: Subscriber + for<'a> LookupSpan<'a>>(
    id: &Id,
    ctx: &Context<'_, S>,
) -> Option<Phase> {
    ctx.span(id)?.extensions().get().copied()
}

/// The phase that a span is of.
struct PhaseName(Option<Phase>);

impl Visit for PhaseName {
    fn record_str(&mut self, _: &Field, name: &str) {
        self.0 = Some(Phase::named(name));
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests;
