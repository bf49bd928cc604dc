//! Metrics by OTLP: an instrument for each metric of the table, which tells what a page would tell.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::metrics::{AsyncInstrument, Meter, MeterProvider as _};
use opentelemetry::{KeyValue, metrics::Histogram};
use opentelemetry_otlp::{MetricExporter, WithHttpConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream, Temporality};

use super::health::Target;
use super::settings::{Settings, Signal, Transport};
use super::{OtlpError, client};
use crate::families::{Families, Value};
use crate::histograms::{BOUNDS, Histograms};
use crate::http::Source;
use crate::metric::{Kind, Metric};
use crate::table::TABLE;

/// Series of a metric of each worker that are sent at most: 512 workers with all their accounts.
const SERIES: usize = 10_000;

/// Series of any other metric that are sent at most.
const FEW_SERIES: usize = 100;

/// How old a reading may be that another instrument has asked for.
const FRESH: Duration = Duration::from_millis(500);

/// The exporter that sends to `target`.
pub(super) fn exporter(settings: &Settings, target: Arc<Target>) -> Result<Watched, OtlpError> {
    let signal = Signal::Metrics;
    let transport = settings.receiver(signal).map(|it| it.transport);
    let exporter = match transport {
        Some(Transport::Grpc) => {
            let builder = MetricExporter::builder().with_tonic();
            match client::tls(settings, signal)? {
                Some(tls) => builder.with_tls_config(tls).build(),
                None => builder.build(),
            }
        }
        _ => MetricExporter::builder()
            .with_http()
            .with_http_client(client::Client::new(settings, signal)?)
            .build(),
    };
    let exporter = exporter.map_err(|error| client::wrong(signal, &error.to_string()))?;
    Ok(Watched { exporter, target })
}

/// Begins to send what `source` tells, and what `histograms` take in from now on.
pub(super) fn provider(
    exporter: Watched,
    resource: Resource,
    source: &Source,
    histograms: &Histograms,
) -> SdkMeterProvider {
    // Memory for so many is taken at once.
    let room = |instrument: &Instrument| {
        let mut of_workers = TABLE.iter().filter(|it| it.labels.contains(&"worker"));
        let series = match of_workers.any(|it| it.name == instrument.name()) {
            true => SERIES,
            false => FEW_SERIES,
        };
        let stream = Stream::builder().with_cardinality_limit(series);
        stream.build().ok()
    };
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter)
        .with_resource(resource)
        .with_view(room)
        .build();
    let meter = provider.meter("fratmae");
    let readings = Arc::new(Readings::of(source));
    let mut echoes = BTreeMap::new();
    for (place, &metric) in TABLE.iter().enumerate() {
        match metric.kind {
            Kind::Histogram => {
                echoes.insert(place, histogram(&meter, metric));
            }
            Kind::Counter => observe_counter(&meter, metric, &readings),
            Kind::Gauge => observe_gauge(&meter, metric, &readings),
        }
    }
    histograms.echo(Box::new(move |metric, labels, value| {
        let place = TABLE.iter().position(|it| std::ptr::eq(*it, metric));
        if let Some(echo) = place.and_then(|place| echoes.get(&place)) {
            echo.record(value, &attributes(metric, labels.iter().copied()));
        }
    }));
    provider
}

fn histogram(meter: &Meter, metric: &'static Metric) -> Histogram<f64> {
    meter
        .f64_histogram(metric.name)
        .with_unit(metric.unit.ucum())
        .with_description(metric.help)
        .with_boundaries(BOUNDS.to_vec())
        .build()
}

fn observe_counter(meter: &Meter, metric: &'static Metric, readings: &Arc<Readings>) {
    let readings = Arc::clone(readings);
    meter
        .f64_observable_counter(metric.name)
        .with_unit(metric.unit.ucum())
        .with_description(metric.help)
        .with_callback(move |instrument| readings.tell(metric, instrument))
        .build();
}

fn observe_gauge(meter: &Meter, metric: &'static Metric, readings: &Arc<Readings>) {
    let readings = Arc::clone(readings);
    meter
        .f64_observable_gauge(metric.name)
        .with_unit(metric.unit.ucum())
        .with_description(metric.help)
        .with_callback(move |instrument| readings.tell(metric, instrument))
        .build();
}

fn attributes<'a>(metric: &Metric, values: impl Iterator<Item = &'a str>) -> Vec<KeyValue> {
    let labels = metric.labels.iter().zip(values);
    labels
        .map(|(&name, value)| KeyValue::new(name, value.to_owned()))
        .collect()
}

/// One reading of the source for all instruments that ask at the same time.
struct Readings {
    source: Source,
    newest: Mutex<Option<(Instant, Arc<Families>)>>,
}

impl Readings {
    fn of(source: &Source) -> Self {
        Self {
            source: Arc::clone(source),
            newest: Mutex::default(),
        }
    }

    fn now(&self) -> Arc<Families> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        match &*newest {
            Some((when, families)) if when.elapsed() < FRESH => Arc::clone(families),
            _ => {
                let families = Arc::new((self.source)());
                *newest = Some((Instant::now(), Arc::clone(&families)));
                families
            }
        }
    }

    fn tell(&self, metric: &'static Metric, instrument: &dyn AsyncInstrument<f64>) {
        let families = self.now();
        let family = families.iter().find(|it| std::ptr::eq(it.metric, metric));
        for point in family.into_iter().flat_map(|family| &family.points) {
            if let Value::Number(number) = point.value {
                let labels = point.labels.iter().map(String::as_str);
                instrument.observe(number, &attributes(metric, labels));
            }
        }
    }
}

/// An exporter whose target is told how each reading fared.
pub(super) struct Watched {
    exporter: MetricExporter,
    target: Arc<Target>,
}

impl PushMetricExporter for Watched {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(metrics).await;
        self.target.note(1, &result);
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
