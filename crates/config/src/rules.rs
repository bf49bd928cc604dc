//! What each single value may be, and what it is for; each section's file has the table of its keys. Relations between
//! values are `relations`.

use serde_json::Value;

use crate::{data, launch, model, operation, storage, train};

/// What one value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Allowed {
    /// Any text.
    Text,
    /// A text that is not empty.
    Name,
    /// HOST:PORT.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// true or false.
    Flag,
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// Three whole numbers, each from the first to the second.
    Sizes(u64, u64),
    /// A number from the first to the second.
    Number(f64, f64),
    /// A number above the first and below the second.
    Between(f64, f64),
    /// A number above the first, at most the second.
    Above(f64, f64),
    /// Two numbers, the second larger.
    Window,
}

// TOML has no whole number above this.
pub(crate) const LARGEST: u64 = i64::MAX as u64;
pub(crate) const MILLION: u64 = 1_000_000;
pub(crate) const DAY_S: u64 = 86_400;

/// A key of the config, what it may be, and what it is for, its unit and the reason of its default: the text that
/// `configs/base.toml` and `fratmae config` print above it. "Paper" is FratMAE, arXiv 2503.02824v1; what the paper does
/// not state is marked.
pub(crate) type Rule = (&'static str, Allowed, &'static str);

/// Every key, in the order in which keys are printed.
pub(crate) fn rules() -> impl Iterator<Item = &'static Rule> {
    let files = [
        data::RULES,
        model::RULES,
        train::RULES,
        storage::RULES,
        operation::RULES,
        launch::RULES,
    ];
    files.into_iter().flatten()
}

/// What `key` may be, when it is a key.
pub(crate) fn allowed(key: &str) -> Option<Allowed> {
    let rule = rules().find(|(known, ..)| *known == key);
    rule.map(|(_, allowed, _)| *allowed)
}

/// Whether `path` is a section: some key lies under it.
pub(crate) fn is_section(path: &str) -> bool {
    rules().any(|(key, ..)| {
        key.strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

impl Allowed {
    /// Whether `value` is of the right type and in range.
    pub(crate) fn admits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Name => value.as_str().is_some_and(|text| !text.trim().is_empty()),
            Self::Address => value.as_str().is_some_and(is_address),
            Self::Choice(words) => value.as_str().is_some_and(|text| words.contains(&text)),
            Self::Flag => value.is_boolean(),
            Self::Whole(low, high) => is_whole(value, low, high),
            Self::Sizes(low, high) => value.as_array().is_some_and(|sizes| {
                sizes.len() == 3 && sizes.iter().all(|size| is_whole(size, low, high))
            }),
            Self::Number(low, high) => number(value).is_some_and(|n| (low..=high).contains(&n)),
            Self::Between(low, high) => number(value).is_some_and(|n| n > low && n < high),
            Self::Above(low, high) => number(value).is_some_and(|n| n > low && n <= high),
            Self::Window => window(value).is_some_and(|[low, high]| low < high),
        }
    }

    /// Whether text from the command line is meant as it stands, even when it looks like a number.
    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text | Self::Name | Self::Address | Self::Choice(_)
        )
    }

    /// Says what is allowed, to stand after "must be".
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Name => "a text that is not empty".to_owned(),
            Self::Address => "an address HOST:PORT, such as 127.0.0.1:0".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Flag => "true or false".to_owned(),
            Self::Whole(low, high) => format!("a whole number from {low} to {high}"),
            Self::Sizes(low, high) => {
                format!("three whole numbers, each from {low} to {high}")
            }
            Self::Number(low, high) => format!("a number from {low} to {high}"),
            Self::Between(low, high) => format!("a number above {low} and below {high}"),
            Self::Above(low, high) => format!("a number above {low}, at most {high}"),
            Self::Window => "two numbers, the second larger than the first".to_owned(),
        }
    }
}

fn is_whole(value: &Value, low: u64, high: u64) -> bool {
    value.as_u64().is_some_and(|n| (low..=high).contains(&n))
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|n| n.is_finite())
}

fn window(value: &Value) -> Option<[f64; 2]> {
    match value.as_array()?.as_slice() {
        [low, high] => Some([number(low)?, number(high)?]),
        _ => None,
    }
}

// Only the form is judged here: a name is looked up by whoever listens, not by whoever reads a file.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let host_is_plain = !host.is_empty() && (!host.contains(':') || host.starts_with('['));
    host_is_plain && port.parse::<u16>().is_ok() && !host.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests;
