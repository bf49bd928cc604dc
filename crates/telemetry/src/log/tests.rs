//! Lines as they are shown, and the one installation.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing::{debug, info};

use super::*;

/// Runs `body` under the set-up and gives the lines it made.
fn logged(filter: &str, body: impl FnOnce()) -> Vec<Line> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let page = lines.clone();
    let filter = parse(Some(filter), Err(VarError::NotPresent)).unwrap();
    let show = move |line: &Line| page.lock().unwrap().push(line.clone());
    let subscriber = subscriber(filter, &["people"], Vec::new(), show);
    tracing::subscriber::with_default(subscriber, body);
    lines.lock().unwrap().clone()
}

#[test]
fn a_line_has_level_target_message_and_fields_of_their_own_types() {
    let lines = logged("info", || {
        info!(rank = 3, lr = 0.5, ok = true, name = "a", at = ?Some(1), "joined the group");
    });
    assert_eq!(lines[0].message, "joined the group");
    assert_eq!(lines[0].target, "fratmae_telemetry::log::tests");
    let value: Value = serde_json::from_str(&lines[0].to_json()).unwrap();
    assert_eq!(value["level"], "INFO");
    assert_eq!(value["rank"], 3);
    assert_eq!(value["lr"], 0.5);
    assert_eq!(value["ok"], true);
    assert_eq!(value["name"], "a");
    assert_eq!(value["at"], "Some(1)");
    assert!(value["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn lists_are_lists_and_what_is_no_number_in_json_is_text() {
    let lines = logged("info", || {
        let members = json!(["a \"b\"", "c"]).to_string();
        info!(
            members.json = members,
            loss = f64::NAN,
            broken.json = "[",
            "began"
        );
    });
    let value: Value = serde_json::from_str(&lines[0].to_json()).unwrap();
    assert_eq!(value["members"], json!(["a \"b\"", "c"]));
    assert_eq!(value["loss"], "NaN");
    assert_eq!(value["broken.json"], "[");
}

#[test]
fn an_event_is_the_line_s_own_message_and_fields() {
    let lines = logged("info", || {
        info!(event.json = r#"{"message":"began","step":3,"members":["a"]}"#);
    });
    let value: Value = serde_json::from_str(&lines[0].to_json()).unwrap();
    assert_eq!(value["message"], "began");
    assert_eq!(
        (&value["step"], &value["members"]),
        (&json!(3), &json!(["a"]))
    );
}

#[test]
fn a_process_says_whose_its_lines_are() {
    crate::describe("worker", "node-1");
    crate::describe("rank", 0);
    crate::describe("rank", 1);
    let lines = logged("info", || info!("applied"));
    let value: Value = serde_json::from_str(&lines[0].to_json()).unwrap();
    assert_eq!(
        (&value["worker"], &value["rank"]),
        (&json!("node-1"), &json!(1))
    );
}

#[test]
fn a_hidden_target_is_hidden_at_every_level() {
    let lines = logged("trace", || {
        tracing::error!(target: "people", "they see it otherwise");
        info!(target: "machines", "x");
    });
    assert_eq!(lines.len(), 1);
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
    let lines = logged(DEFAULT_FILTER, || {
        info!("ours");
        debug!("detail");
        info!(target: "hyper::client", "chatter");
        tracing::warn!(target: "hyper::client", "worry");
    });
    let messages: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(messages, ["ours", "worry"]);
}

#[test]
fn a_second_call_is_an_error_value() {
    let first = init(Some("off"), &[], Vec::new(), |_| {});
    assert!(first.is_ok());
    assert!(matches!(
        init(Some("off"), &[], Vec::new(), |_| {}),
        Err(TelemetryError::AlreadySet)
    ));
}
