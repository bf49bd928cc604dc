//! Takes the durations of spans into histograms: a span is told once, where the work is done.

use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::histograms::Histograms;
use crate::table::{PHASE_DURATION, STEP_DURATION, STORE_DURATION, STORE_IO, STORE_REQUESTS};

/// The names of the spans that are measured, as those who open them write them.
const NAMES: [&str; 3] = [STEP, PHASE, STORE];
const STEP: &str = "step";
const PHASE: &str = "phase";
const STORE: &str = "store";

/// A layer that measures spans.
#[derive(Debug)]
pub struct Durations(Histograms);

impl Durations {
    /// Measures into `histograms`.
    #[must_use]
    pub const fn new(histograms: Histograms) -> Self {
        Self(histograms)
    }

    /// The layer, which sees the spans that it measures alone.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(
        self,
    ) -> Box<dyn Layer<S> + Send + Sync + 'static> {
        self.with_filter(FilterFn::new(is_measured)).boxed()
    }
}

fn is_measured(metadata: &Metadata<'_>) -> bool {
    let is_ours = metadata.target().starts_with("fratmae") || metadata.target() == "trace";
    metadata.is_span() && is_ours && NAMES.contains(&metadata.name())
}

/// A span that is open.
struct Open {
    since: Instant,
    fields: Fields,
}

/// What a measured span says of itself.
#[derive(Default)]
struct Fields {
    /// A phase's name, or an operation of the store.
    name: String,
    bytes: u64,
    has_failed: bool,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if matches!(field.name(), "name" | "operation") {
            value.clone_into(&mut self.name);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "bytes" {
            self.bytes = value;
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "failed" {
            self.has_failed = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Durations {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = ctx.span(id) {
            let since = Instant::now();
            span.extensions_mut().insert(Open { since, fields });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.fields);
        }
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(&id) else { return };
        let Some(Open { since, fields }) = span.extensions_mut().remove::<Open>() else {
            return;
        };
        let seconds = since.elapsed().as_secs_f64();
        let name = fields.name.as_str();
        match span.name() {
            STEP => self.0.add(&STEP_DURATION, &[], seconds),
            PHASE => self.0.add(&PHASE_DURATION, &[name], seconds),
            _ => {
                let result = if fields.has_failed { "failed" } else { "ok" };
                self.0.add(&STORE_DURATION, &[name], seconds);
                self.0.add(&STORE_IO, &[name], fields.bytes as f64);
                self.0.add(&STORE_REQUESTS, &[name, result], 1.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Format;
    use tracing::info_span;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn spans_are_counted_by_what_they_say_of_themselves() {
        let histograms = Histograms::default();
        let layer = Durations::new(histograms.clone()).layer();
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            info_span!(target: "trace", "phase", name = "forward").in_scope(|| ());
            let get = info_span!(target: "trace", "store", operation = "get", bytes = tracing::field::Empty, failed = tracing::field::Empty);
            get.record("bytes", 7_u64);
            drop(get);
            let put = info_span!(target: "trace", "store", operation = "put", bytes = 3_u64, failed = tracing::field::Empty);
            put.record("failed", true);
            drop(put);
            drop(info_span!(target: "elsewhere", "phase", name = "secret"));
        });
        let text = Format::Text.write(&histograms.read());
        for line in [
            "fratmae_phase_duration_seconds_count{phase=\"forward\"} 1",
            "fratmae_store_io_bytes_total{operation=\"get\"} 7",
            "fratmae_store_requests_total{operation=\"get\",result=\"ok\"} 1",
            "fratmae_store_requests_total{operation=\"put\",result=\"failed\"} 1",
            "fratmae_store_request_duration_seconds_count{operation=\"put\"} 1",
        ] {
            assert!(
                text.lines().any(|written| written == line),
                "{line} in\n{text}"
            );
        }
        assert!(!text.contains("secret"));
    }
}
