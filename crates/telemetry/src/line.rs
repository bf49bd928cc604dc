//! One log line: an event with its level, message and fields, and its form as JSON.
//!
//! It knows no terminal. A field whose name ends in `.json` carries JSON text and appears under the bare name as the
//! value itself, so that lists are lists: tracing's own values are numbers and text only. The object in a field `event.json`
//! is the line's own message and fields.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

const JSON: &str = ".json";
const EVENT: &str = "event";

/// The part of each line that says whose it is.
static CONTEXT: Mutex<BTreeMap<&'static str, Value>> = Mutex::new(BTreeMap::new());

/// Adds a field to every later line of this process, such as `worker` or `rank`; a second value replaces the first.
pub fn describe(key: &'static str, value: impl Into<Value>) {
    lock().insert(key, value.into());
}

/// The text that was set so last; none if it was never set, or is no text.
pub fn described(key: &str) -> Option<String> {
    lock().get(key)?.as_str().map(ToOwned::to_owned)
}

fn lock() -> std::sync::MutexGuard<'static, BTreeMap<&'static str, Value>> {
    CONTEXT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A log line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// How serious it is.
    pub level: Level,
    /// Which part of the program it comes from.
    pub target: String,
    pub message: String,
    /// Details, in the order in which they were given.
    pub fields: Vec<(String, Value)>,
    /// Whose line it is: what [`describe`] set.
    pub context: BTreeMap<String, Value>,
}

impl Line {
    /// A line without fields.
    pub fn new(level: Level, target: &str, message: impl Into<String>) -> Self {
        let context = lock();
        Self {
            level,
            target: target.to_owned(),
            message: message.into(),
            fields: Vec::new(),
            context: context
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
        }
    }

    /// The line of a tracing event.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut line = Self::new(*metadata.level(), metadata.target(), "");
        event.record(&mut line);
        line
    }

    /// One JSON object with the time now; a field of the event wins over one of the context.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut object = Map::new();
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        object.insert("timestamp".to_owned(), now.into());
        object.insert("level".to_owned(), self.level.as_str().into());
        object.insert("target".to_owned(), self.target.clone().into());
        object.insert("message".to_owned(), self.message.clone().into());
        object.extend(self.context.clone());
        object.extend(self.fields.iter().cloned());
        Value::Object(object).to_string()
    }

    /// Reads what [`to_json`](Self::to_json) wrote, without its time; nothing when it is no such line.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        let Value::Object(mut object) = serde_json::from_str(text).ok()? else {
            return None;
        };
        object.remove("timestamp")?;
        let mut text = |key: &str| match object.remove(key)? {
            Value::String(text) => Some(text),
            _ => None,
        };
        let (level, target, message) = (text("level")?, text("target")?, text("message")?);
        let context = ["worker", "host", "rank", "run"];
        let context = context
            .into_iter()
            .filter_map(|key| object.remove_entry(key));
        Some(Self {
            level: level.parse().ok()?,
            target,
            message,
            context: context.collect(),
            fields: object.into_iter().collect(),
        })
    }

    /// Message and fields, for people; without time, level and context.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.message.clone();
        for (key, value) in &self.fields {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&match value {
                Value::String(value) => format!("{key}={value}"),
                value => format!("{key}={value}"),
            });
        }
        text
    }

    fn put(&mut self, name: &str, value: Value) {
        match (name, value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => self.fields.push((name.to_owned(), value)),
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for infinity; text keeps it apart from a missing value.
        let number = serde_json::Number::from_f64(value);
        self.put(
            field.name(),
            number.map_or_else(|| value.to_string().into(), Value::Number),
        );
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let parsed = field
            .name()
            .strip_suffix(JSON)
            .map(|name| (name, serde_json::from_str(value)));
        match parsed {
            Some((EVENT, Ok(Value::Object(event)))) => event
                .into_iter()
                .for_each(|(name, value)| self.put(&name, value)),
            Some((name, Ok(value))) => self.put(name, value),
            _ => self.put(field.name(), value.into()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            level: Level::WARN,
            target: "run".to_owned(),
            message: "generation began".to_owned(),
            fields: vec![
                ("step".to_owned(), 3.into()),
                ("members".to_owned(), serde_json::json!(["a", "b"])),
            ],
            context: [("worker".to_owned(), "local-0".into())].into(),
        }
    }

    #[test]
    fn json_goes_there_and_back_but_for_the_order_of_fields() {
        let back = Line::from_json(&line().to_json()).unwrap();
        let mut sorted = line();
        sorted.fields.sort_by(|one, two| one.0.cmp(&two.0));
        assert_eq!(back, sorted);
    }

    #[test]
    fn other_text_is_no_line() {
        for text in ["", "panicked at x", "{}", "[1]", "{\"level\":\"INFO\"}"] {
            assert_eq!(Line::from_json(text), None, "{text}");
        }
    }

    #[test]
    fn people_see_message_and_fields() {
        assert_eq!(
            line().text(),
            "generation began step=3 members=[\"a\",\"b\"]"
        );
    }
}
