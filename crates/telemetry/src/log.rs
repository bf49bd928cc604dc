//! Log lines on standard error, for people or for machines.
//!
//! Owns format, filter and the one installation per process; what is logged is everybody else's matter.

use std::env::{self, VarError};
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, FilterFn};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry, registry};

use crate::{PhaseLedger, TelemetryError};

/// What is logged when neither a filter nor `RUST_LOG` says otherwise: our own progress, others' worries.
const DEFAULT_FILTER: &str = "warn,fratmae=info";

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Time, level, target, message and fields, for people; coloured on a terminal.
    #[default]
    Human,
    /// One JSON object a line, with the fields beside `timestamp`, `level`, `target` and `message`.
    Json,
}

/// Sends this process's events to standard error and gives the ledger that sees its phases.
///
/// `filter` comes before `RUST_LOG`, and both before a default. The ledger sees every phase whatever the filter hides.
///
/// # Errors
/// `Filter` or `Environment` for a filter that is not understood; `AlreadySet` for a second call in a process.
#[expect(
    clippy::disallowed_methods,
    reason = "RUST_LOG and NO_COLOR are every program's conventions; no setting of a run comes this way"
)]
pub fn init(format: LogFormat, filter: Option<&str>) -> Result<PhaseLedger, TelemetryError> {
    let filter = parse(filter, env::var("RUST_LOG"))?;
    let ledger = PhaseLedger::new();
    let colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    let subscriber = subscriber(format, filter, &ledger, io::stderr, colour);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::AlreadySet)?;
    Ok(ledger)
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

fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    ledger: &PhaseLedger,
    writer: W,
    colour: bool,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(colour);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Human => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
    };
    let phases = ledger
        .clone()
        .with_filter(FilterFn::new(PhaseLedger::wants));
    registry().with(lines).with(phases)
}

#[cfg(test)]
mod tests;
