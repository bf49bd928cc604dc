//! What a process that trains or leads tells other programs: metrics that are read from it, telemetry that it sends.

use std::future::pending;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_exporters::{
    Durations, Families, Histograms, Identity, Otlp, OtlpError, Part, Source, of_process, router,
};
use fratmae_telemetry::Layered;
use fratmae_web::{Bound, serve};

use crate::arguments::Command;

/// The option for metrics.
#[derive(Debug, Args)]
pub(crate) struct MetricsOptions {
    /// Serve metrics for Prometheus at this address, below /metrics, and /healthz and /readyz for probes; a port alone: on this host
    #[arg(long, value_name = "[HOST:]PORT")]
    pub(crate) metrics: Option<String>,
}

/// What a process measures and where it sends that.
pub(crate) struct Exporting {
    pub(crate) histograms: Histograms,
    is_measured: bool,
    otlp: Option<Otlp>,
    /// Why nothing is sent, where it should be.
    failure: Option<OtlpError>,
}

impl Exporting {
    /// What a command exports: those that lead or train alone do.
    pub(crate) fn of(command: &Command) -> Self {
        let (part, options) = match command {
            Command::Pretrain(arguments) => (Part::Coordinator, &arguments.exporting),
            Command::Coordinator(arguments) => (Part::Coordinator, &arguments.exporting),
            Command::Worker(arguments) => (Part::Worker, &arguments.exporting),
            _ => return Self::nothing(),
        };
        let histograms = Histograms::default();
        let version = env!("CARGO_PKG_VERSION");
        let identity = Identity { part, version };
        // A variable of a whole cluster that this version does not understand ends no run.
        let (otlp, failure) = match Otlp::from_environment(identity, &histograms) {
            Ok(otlp) => (otlp, None),
            Err(error) => (None, Some(error)),
        };
        Self {
            is_measured: options.metrics.is_some() || otlp.is_some(),
            histograms,
            otlp,
            failure,
        }
    }

    fn nothing() -> Self {
        Self {
            histograms: Histograms::default(),
            is_measured: false,
            otlp: None,
            failure: None,
        }
    }

    /// The layers that see this process's spans and events.
    pub(crate) fn layers(&self) -> Vec<Layered> {
        let sent = self.otlp.iter().flat_map(Otlp::layers);
        let durations = || Durations::new(self.histograms.clone()).layer();
        sent.chain(self.is_measured.then(durations)).collect()
    }

    /// Begins to tell what `known` tells, with what this process measures: to whoever reads `options`' address, where
    /// `is_ready` answers probes, and to the receiver of OTLP. Says where it is read, if anywhere.
    ///
    /// # Errors
    /// The address cannot be had.
    pub(crate) async fn begin(
        &self,
        options: &MetricsOptions,
        known: impl Fn() -> Families + Send + Sync + 'static,
        is_ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Option<String>> {
        let histograms = self.histograms.clone();
        let source: Source = Arc::new(move || {
            let own = of_process(env!("CARGO_PKG_VERSION"));
            known().and(own).and(histograms.read())
        });
        let otlp = self.otlp.as_ref();
        let observed = otlp.map_or(Ok(()), |otlp| {
            otlp.observe(Arc::clone(&source), &self.histograms)
        });
        for error in observed.as_ref().err().into_iter().chain(&self.failure) {
            tracing::warn!(%error, "telemetry is not sent");
        }
        let Some(address) = &options.metrics else {
            return Ok(None);
        };
        let bound = Bound::to(address).await;
        let bound =
            bound.with_context(|| format!("cannot serve metrics at --metrics {address}"))?;
        let url = format!("{}/metrics", bound.url()?);
        // It ends with the process.
        tokio::spawn(serve(bound, router(source, Arc::new(is_ready)), pending()));
        Ok(Some(url))
    }

    /// Sends what is left, for a short time.
    pub(crate) fn end(self) {
        if let Some(otlp) = self.otlp {
            otlp.end();
        }
    }
}
