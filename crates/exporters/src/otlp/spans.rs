//! Traces: which spans are sent, and the queue that they wait in.
//!
//! A span of the run is opened under the target `trace`. Phases and calls of the store are sent where they happen within
//! such a span; elsewhere they are not, as nobody could say what they belong to. Events are not sent with spans: their texts
//! may name cases.

use std::sync::Arc;
use std::time::Duration;

use fratmae_telemetry::{TRACE, is_part};
use opentelemetry::Context;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span, SpanData,
    SpanProcessor,
};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Context as LayerContext, Layer as _};
use tracing_subscriber::registry::Registry;

use super::health::{QUEUE, Target};
use super::identity::Identity;
use super::late::Late;
use super::settings::{Settings, Signal, Transport};
use super::{Layered, OtlpError, client};

/// The provider that sends spans to `target`.
pub(super) fn provider(
    settings: &Settings,
    target: Arc<Target>,
    identity: &Identity,
) -> Result<SdkTracerProvider, OtlpError> {
    let exporter = Late::new(exporter(settings)?, Arc::clone(&target), identity);
    let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE);
    let batches = BatchSpanProcessor::builder(exporter).with_batch_config(config.build());
    let bounded = Bounded {
        batches: batches.build(),
        target,
    };
    Ok(SdkTracerProvider::builder()
        .with_span_processor(bounded)
        .build())
}

fn exporter(settings: &Settings) -> Result<SpanExporter, OtlpError> {
    let signal = Signal::Traces;
    let transport = settings.receiver(signal).map(|it| it.transport);
    let exporter = match transport {
        Some(Transport::Grpc) => {
            let builder = SpanExporter::builder().with_tonic();
            match client::tls(settings, signal)? {
                Some(tls) => builder.with_tls_config(tls).build(),
                None => builder.build(),
            }
        }
        _ => SpanExporter::builder()
            .with_http()
            .with_http_client(client::Client::new(settings, signal)?)
            .build(),
    };
    exporter.map_err(|error| client::wrong(signal, &error.to_string()))
}

/// The layer that makes spans of the run into spans of a trace.
pub(super) fn layer(tracer: SdkTracer) -> Layered {
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(dynamic_filter_fn(is_sent).with_callsite_filter(may_be_sent))
        .boxed()
}

/// What no look at the moment can change: most spans and events are never looked at again.
fn may_be_sent(metadata: &'static Metadata<'static>) -> Interest {
    let is_ours = metadata.is_span() && *metadata.level() <= Level::INFO;
    match is_ours && (metadata.target() == TRACE || is_part(metadata.name())) {
        true => Interest::sometimes(),
        false => Interest::never(),
    }
}

fn is_sent(metadata: &Metadata<'_>, context: &LayerContext<'_, Registry>) -> bool {
    let is_ours = metadata.is_span() && *metadata.level() <= Level::INFO;
    match is_part(metadata.name()) {
        true => is_ours && context.lookup_current().is_some(),
        false => is_ours && metadata.target() == TRACE,
    }
}

/// Takes spans as long as there is room: the newest are dropped and counted, and nobody waits.
#[derive(Debug)]
struct Bounded {
    batches: BatchSpanProcessor,
    target: Arc<Target>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        // One that is not sampled does not wait.
        if span.span_context.is_sampled() && self.target.admits() {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}
