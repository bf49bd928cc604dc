//! Log records: the events of a run, each with its name and what may leave the program of its fields.
//!
//! Texts are sent only where they cannot name a case: an event's other texts are in the journal and in the log.

use std::sync::Arc;
use std::time::Duration;

use fratmae_telemetry::Line;
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_otlp::{LogExporter, WithHttpConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider,
};
use serde_json::Value;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Context, Layer};

use super::health::{QUEUE, Target};
use super::identity::Identity;
use super::late::Late;
use super::settings::{Settings, Signal, Transport};
use super::{Layered, OtlpError, client};

/// The target of a run's events.
const EVENTS: &str = "run";

/// The fields whose texts are sent.
const TEXTS: [&str; 9] = [
    "name",
    "names",
    "worker",
    "host",
    "members",
    "address",
    "phase",
    "collective",
    "run",
];

/// The provider that sends log records to `target`.
pub(super) fn provider(
    settings: &Settings,
    target: Arc<Target>,
    identity: &Identity,
) -> Result<SdkLoggerProvider, OtlpError> {
    let exporter = Late::new(exporter(settings)?, Arc::clone(&target), identity);
    let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE);
    let batches = BatchLogProcessor::builder(exporter).with_batch_config(config.build());
    let bounded = Bounded {
        batches: batches.build(),
        target,
    };
    Ok(SdkLoggerProvider::builder()
        .with_log_processor(bounded)
        .build())
}

fn exporter(settings: &Settings) -> Result<LogExporter, OtlpError> {
    let signal = Signal::Logs;
    let transport = settings.receiver(signal).map(|it| it.transport);
    let exporter = match transport {
        Some(Transport::Grpc) => {
            let builder = LogExporter::builder().with_tonic();
            match client::tls(settings, signal)? {
                Some(tls) => builder.with_tls_config(tls).build(),
                None => builder.build(),
            }
        }
        _ => LogExporter::builder()
            .with_http()
            .with_http_client(client::Client::new(settings, signal)?)
            .build(),
    };
    exporter.map_err(|error| client::wrong(signal, &error.to_string()))
}

/// The layer that makes events of the run into log records.
pub(super) fn layer(provider: &SdkLoggerProvider) -> Layered {
    let logger = provider.logger("fratmae");
    let is_event = FilterFn::new(|metadata| metadata.is_event() && metadata.target() == EVENTS);
    Records(logger).with_filter(is_event).boxed()
}

struct Records(SdkLogger);

impl<S: Subscriber> Layer<S> for Records {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event);
        let mut record = self.0.create_log_record();
        let (severity, name) = match line.level {
            Level::ERROR => (Severity::Error, "ERROR"),
            Level::WARN => (Severity::Warn, "WARN"),
            _ => (Severity::Info, "INFO"),
        };
        record.set_severity_number(severity);
        record.set_severity_text(name);
        record.set_body(line.message.clone().into());
        record.add_attributes(sent(&line));
        self.0.emit(record);
    }
}

/// The fields of a line that are sent.
fn sent(line: &Line) -> Vec<(String, AnyValue)> {
    let value = |(key, value): &(String, Value)| {
        let is_text = TEXTS.contains(&key.as_str());
        let value = match value {
            Value::Bool(value) => (*value).into(),
            Value::Number(value) => value
                .as_i64()
                .map_or_else(|| value.as_f64().unwrap_or(f64::NAN).into(), Into::into),
            Value::String(text) if is_text => text.clone().into(),
            Value::Array(texts) if is_text => Value::from(texts.clone()).to_string().into(),
            _ => return None,
        };
        Some((format!("fratmae.{key}"), value))
    };
    line.fields.iter().filter_map(value).collect()
}

/// Takes records as long as there is room: the newest are dropped and counted, and nobody waits.
#[derive(Debug)]
struct Bounded {
    batches: BatchLogProcessor,
    target: Arc<Target>,
}

impl LogProcessor for Bounded {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if self.target.admits() {
            self.batches.emit(record, scope);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_of_workers_are_sent_and_no_text_that_may_name_a_case() {
        let mut line = Line::new(Level::WARN, EVENTS, "damaged sample skipped");
        let fields = [
            ("step", Value::from(3)),
            ("seconds", Value::from(0.5)),
            ("worker", Value::from("local-0")),
            ("members", serde_json::json!(["a", "b"])),
            ("case", Value::from("PATIENT-7")),
            ("reason", Value::from("case PATIENT-7 is damaged")),
            (
                "slots",
                serde_json::json!([{"slot": 1, "cases": ["PATIENT-7"]}]),
            ),
        ];
        line.fields = fields.map(|(key, value)| (key.to_owned(), value)).into();
        let sent = sent(&line);
        let keys: Vec<_> = sent.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "fratmae.step",
                "fratmae.seconds",
                "fratmae.worker",
                "fratmae.members"
            ]
        );
        assert!(!format!("{sent:?}").contains("PATIENT"));
    }
}
