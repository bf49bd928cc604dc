//! Metrics, traces and logs by OTLP, as the standard's own variables ask for them (`OTEL_*`).
//!
//! A runtime of its own sends, apart from the one that serves the run. Nothing is sent, and no thread started, where no
//! variable names a receiver.

mod client;
mod health;
mod identity;
mod late;
mod logs;
mod metrics;
mod settings;
mod spans;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use thiserror::Error;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::Registry;

use crate::histograms::Histograms;
use crate::http::Source;
use health::{Healths, Target};
pub use identity::{Identity, Part};
pub(crate) use settings::variable;
use settings::{Settings, Signal};

/// How long the end of a process waits for the last of it to be sent, each signal.
const LAST: Duration = Duration::from_secs(2);

/// A layer on this program's registry.
type Layered = Box<dyn Layer<Registry> + Send + Sync>;

/// Why nothing can be sent.
#[derive(Debug, Error)]
pub enum OtlpError {
    /// A variable is not understood.
    #[error("OTLP for {signal}: {reason}; see the OTEL_EXPORTER_OTLP_* variables")]
    Settings {
        signal: &'static str,
        reason: String,
    },
    /// The system gives no thread.
    #[error("no thread for OTLP: {0}")]
    Runtime(std::io::Error),
}

/// What this process sends.
#[derive(Debug)]
pub struct Otlp {
    runtime: tokio::runtime::Runtime,
    settings: Settings,
    healths: Healths,
    identity: Identity,
    spans: Option<SdkTracerProvider>,
    logs: Option<SdkLoggerProvider>,
    metrics: Arc<Mutex<Option<SdkMeterProvider>>>,
}

impl Otlp {
    /// Makes ready to send what the variables ask for; none if they name no receiver.
    ///
    /// # Errors
    /// A variable is not understood, or the system gives no thread.
    pub fn from_environment(
        identity: Identity,
        histograms: &Histograms,
    ) -> Result<Option<Self>, OtlpError> {
        let Some(settings) = Settings::read(&variable) else {
            return Ok(None);
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp")
            .enable_all()
            .build()
            .map_err(OtlpError::Runtime)?;
        let _entered = runtime.enter();
        let healths = Healths::default();
        let target = |signal: Signal| Target::new(&settings, signal, &healths, histograms.clone());
        let spans = match settings.sends(Signal::Traces) {
            true => Some(spans::provider(
                &settings,
                target(Signal::Traces),
                &identity,
            )?),
            false => None,
        };
        let logs = match settings.sends(Signal::Logs) {
            true => Some(logs::provider(&settings, target(Signal::Logs), &identity)?),
            false => None,
        };
        drop(_entered);
        Ok(Some(Self {
            runtime,
            settings,
            healths,
            identity,
            spans,
            logs,
            metrics: Arc::default(),
        }))
    }

    /// The layers that see spans and log lines.
    #[must_use]
    pub fn layers(&self) -> Vec<Layered> {
        let spans = self.spans.as_ref();
        let spans = spans.map(|provider| spans::layer(provider.tracer("fratmae")));
        let logs = self.logs.as_ref().map(logs::layer);
        spans.into_iter().chain(logs).collect()
    }

    /// Begins to send what `source` tells, once it is known which run this is.
    ///
    /// # Errors
    /// A variable is not understood.
    pub fn observe(&self, source: Source, histograms: &Histograms) -> Result<(), OtlpError> {
        if !self.settings.sends(Signal::Metrics) {
            return Ok(());
        }
        let _entered = self.runtime.enter();
        let health = (&self.healths, histograms.clone());
        let target = Target::new(&self.settings, Signal::Metrics, health.0, health.1);
        let exporter = metrics::exporter(&self.settings, target)?;
        let (identity, place) = (self.identity.clone(), Arc::clone(&self.metrics));
        let histograms = histograms.clone();
        self.runtime.spawn(async move {
            identity.is_complete().await;
            let provider = metrics::provider(exporter, identity.resource(), &source, &histograms);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(provider);
        });
        Ok(())
    }

    /// Sends what is left, for a short time, and ends.
    pub fn end(self) {
        // What cannot be sent by now is lost, and whoever cares has been warned.
        if let Some(spans) = &self.spans {
            let _ = spans.shutdown_with_timeout(LAST);
        }
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = metrics.as_ref() {
            let _ = metrics.shutdown_with_timeout(LAST);
        }
        if let Some(logs) = &self.logs {
            let _ = logs.shutdown_with_timeout(LAST);
        }
        drop(metrics);
        self.runtime.shutdown_background();
    }
}
