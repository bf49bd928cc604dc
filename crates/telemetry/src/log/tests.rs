//! Lines as they are written, and the one installation.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::{debug, info, info_span};

use super::*;
use crate::phases;

/// A writer whose text can be read afterwards.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `body` under the set-up and gives what it wrote, and its ledger.
fn logged(format: LogFormat, filter: &str, body: impl FnOnce()) -> (String, PhaseLedger) {
    let (page, ledger) = (Page::default(), PhaseLedger::new());
    let writer = page.clone();
    let filter = parse(Some(filter), Err(VarError::NotPresent)).unwrap();
    let subscriber = subscriber(format, filter, &ledger, move || writer.clone(), false);
    tracing::subscriber::with_default(subscriber, body);
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    (text, ledger)
}

#[test]
fn a_human_line_has_time_level_target_and_fields() {
    let (text, _) = logged(LogFormat::Human, "info", || {
        info!(rank = 3, "joined the group")
    });
    let (time, rest) = text.split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{text}");
    assert_eq!(
        rest.trim(),
        "INFO fratmae_telemetry::log::tests: joined the group rank=3"
    );
}

#[test]
fn a_json_line_is_one_object_with_the_fields_beside_the_message() {
    let (text, _) = logged(LogFormat::Json, "info", || {
        let _worker = info_span!("worker", rank = 3).entered();
        info!(step = 7, "applied");
        info!("again");
    });
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["level"], "INFO");
    assert_eq!(lines[0]["target"], "fratmae_telemetry::log::tests");
    assert_eq!(lines[0]["message"], "applied");
    assert_eq!(lines[0]["step"], 7);
    assert_eq!(lines[0]["span"]["rank"], 3);
    assert!(lines[0]["timestamp"].is_string());
}

#[test]
fn the_filter_hides_lines_but_no_phase_from_the_ledger() {
    let (text, ledger) = logged(LogFormat::Human, "off", || {
        let _reduce = tracing::trace_span!(phases::REDUCE).entered();
        info!("hidden");
        let started = std::time::Instant::now();
        while started.elapsed().is_zero() {}
    });
    assert_eq!(text, "");
    assert!(ledger.take().reduce > 0.0);
}

#[test]
fn filters_come_in_order() {
    let show = |given, environment: Result<&str, VarError>| {
        parse(given, environment.map(str::to_owned))
            .unwrap()
            .to_string()
    };
    assert_eq!(show(Some("debug"), Ok("error")), "debug");
    assert_eq!(show(None, Ok("error")), "error");
    let default = show(None, Err(VarError::NotPresent));
    assert!(
        default.contains("fratmae=info") && default.contains("warn"),
        "{default}"
    );
    assert_eq!(show(None, Ok("")), default);
}

#[test]
fn a_filter_that_is_not_understood_is_named() {
    let error = parse(None, Ok("fratmae=loud".to_owned())).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the log filter 'fratmae=loud' is not understood"),
        "{error}"
    );
    let error = parse(None, Err(VarError::NotUnicode("x".into()))).unwrap_err();
    assert!(matches!(error, TelemetryError::Environment));
}

#[test]
fn the_default_filter_shows_our_progress_and_only_others_worries() {
    let (text, _) = logged(LogFormat::Human, DEFAULT_FILTER, || {
        info!("ours");
        debug!("detail");
        info!(target: "hyper::client", "chatter");
        tracing::warn!(target: "hyper::client", "worry");
    });
    assert!(text.contains("ours") && text.contains("worry"), "{text}");
    assert!(
        !text.contains("detail") && !text.contains("chatter"),
        "{text}"
    );
}

#[test]
fn a_second_call_is_an_error_value() {
    let first = init(LogFormat::Json, Some("off"));
    assert!(first.is_ok());
    assert!(matches!(
        init(LogFormat::Human, Some("off")),
        Err(TelemetryError::AlreadySet)
    ));
}
