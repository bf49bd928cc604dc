//! The spans that a trace of a run is made of, and how a trace goes on in another process.
//!
//! A span under the target [`TRACE`] is one; phases of a step and calls of the store are parts of such a span. Where nobody
//! sends traces, none of them costs more than a look.

use fratmae_control::Phase;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId};
use opentelemetry::{Context, trace::TraceState};
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of spans of a trace.
pub const TRACE: &str = "trace";

/// Of how many steps one is traced.
const STEPS: u64 = 100;

/// The span of a phase of a step.
#[must_use]
pub fn span(phase: Phase) -> Span {
    info_span!("phase", otel.name = phase.name(), name = phase.name())
}

/// Tells whether a span of this name is sent as part of another one alone: a phase, or a call of the store.
#[must_use]
pub fn is_part(name: &str) -> bool {
    matches!(name, "phase" | "store")
}

/// Tells whether a step is traced: the same ones on every rank, and the first of each group, which began after `first`.
#[must_use]
pub const fn is_traced(step: u64, first: u64) -> bool {
    step.is_multiple_of(STEPS) || step == first.saturating_add(1)
}

/// The context of a span for another process, as W3C's `traceparent`; empty where nobody traces it.
#[must_use]
pub fn carried(span: &Span) -> String {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    match context.is_valid() {
        true => format!(
            "00-{}-{}-{:02x}",
            context.trace_id(),
            context.span_id(),
            context.trace_flags()
        ),
        false => String::new(),
    }
}

/// Makes a span that was not entered yet part of a trace that another process carried here; one that cannot be read is
/// none.
pub fn follow(span: &Span, carried: &str) {
    if let Some(context) = context(carried) {
        // It fails where nobody traces the span.
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }
}

/// Joins a span to those that were open in other processes at the same time and that they carried here.
pub fn link<'a>(span: &Span, carried: impl IntoIterator<Item = &'a str>) {
    let contexts = carried.into_iter().filter_map(context);
    contexts.for_each(|context| span.add_link(context));
}

fn context(carried: &str) -> Option<SpanContext> {
    let mut parts = carried.split('-');
    let mut part = |length: usize| parts.next().filter(|part| part.len() == length);
    if part(2)? != "00" {
        return None;
    }
    let trace = TraceId::from_hex(part(32)?).ok()?;
    let span = SpanId::from_hex(part(16)?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(part(2)?, 16).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_process_carried_is_read_and_anything_else_is_no_trace() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = context(good).unwrap();
        assert!(read.is_sampled() && read.is_remote());
        assert_eq!(read.span_id().to_string(), "b7ad6b7169203331");
        for bad in [
            "",
            "00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319é-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
        ] {
            assert!(context(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_span_that_nobody_traces_carries_nothing() {
        let span = tracing::info_span!(target: TRACE, "generation");
        follow(
            &span,
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        );
        link(&span, ["", "no context"]);
        assert_eq!(carried(&span), "");
    }

    #[test]
    fn one_step_in_a_hundred_is_traced_and_the_first_of_a_group() {
        let traced: Vec<u64> = (1..=250).filter(|&step| is_traced(step, 7)).collect();
        assert_eq!(traced, [8, 100, 200]);
    }
}
