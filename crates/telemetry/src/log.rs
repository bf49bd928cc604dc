//! The log of a process: which events become lines, and the one installation. How lines look is the caller's matter.

use std::env::{self, VarError};

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::{Line, TelemetryError};

/// What is logged when neither a filter nor `RUST_LOG` says otherwise: our own progress, others' worries.
const DEFAULT_FILTER: &str = "warn,fratmae=info";

/// A layer that sees spans and events beside the log.
pub type Layered = Box<dyn Layer<Registry> + Send + Sync>;

/// Gives this process's events to `show`, a line each.
///
/// `filter` comes before `RUST_LOG`, and both before a default; events of the targets in `hidden` are never shown. The
/// `others` see what they want whatever the filter hides.
///
/// # Errors
/// `Filter` or `Environment` for a filter that is not understood; `AlreadySet` for a second call in a process.
#[expect(
    clippy::disallowed_methods,
    reason = "RUST_LOG is every program's convention; no setting of a run comes this way"
)]
pub fn init(
    filter: Option<&str>,
    hidden: &'static [&'static str],
    others: Vec<Layered>,
    show: impl Fn(&Line) + Send + Sync + 'static,
) -> Result<(), TelemetryError> {
    let filter = parse(filter, env::var("RUST_LOG"))?;
    let subscriber = subscriber(filter, hidden, others, show);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::AlreadySet)
}

/// Chooses and parses the filter.
fn parse(
    given: Option<&str>,
    environment: Result<String, VarError>,
) -> Result<EnvFilter, TelemetryError> {
    let filter = match (given, environment) {
        (Some(given), _) => given.to_owned(),
        (None, Ok(environment)) if !environment.is_empty() => environment,
        (None, Ok(_) | Err(VarError::NotPresent)) => DEFAULT_FILTER.to_owned(),
        (None, Err(VarError::NotUnicode(_))) => return Err(TelemetryError::Environment),
    };
    EnvFilter::try_new(&filter).map_err(|source| TelemetryError::Filter { filter, source })
}

fn subscriber(
    filter: EnvFilter,
    hidden: &'static [&'static str],
    others: Vec<Layered>,
    show: impl Fn(&Line) + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
    let lines = Lines { hidden, show }.with_filter(filter);
    // A list of no layers at all would have everybody see nothing.
    let others = (!others.is_empty()).then_some(others);
    Registry::default().with(others).with(lines)
}

struct Lines<F> {
    hidden: &'static [&'static str],
    show: F,
}

impl<S: Subscriber, F: Fn(&Line) + 'static> Layer<S> for Lines<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !self.hidden.contains(&event.metadata().target()) {
            (self.show)(&Line::of(event));
        }
    }
}

#[cfg(test)]
mod tests;
