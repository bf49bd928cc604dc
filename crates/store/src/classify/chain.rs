//! Chains of causes, and how they become one line without anything that is secret.

use std::error::Error;

use crate::address::without_secrets;

/// Longest cause that is shown; an HTML error page is no help to anyone.
const LONGEST_CAUSE: usize = 240;

/// The innermost cause of a chain, on one line; an error document becomes its code and message.
pub(crate) fn one_line(error: &(dyn Error + 'static)) -> String {
    let cause = chain(error)
        .last()
        .map_or_else(String::new, ToString::to_string);
    line(&cause)
}

/// All causes of a chain but the outermost, which only says that there was a failure.
pub(crate) fn chained(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = Vec::new();
    for cause in chain(error).skip(1).map(|cause| cause.to_string()) {
        // Some repeat their source.
        if !causes.iter().any(|known| known.contains(&cause)) {
            causes.push(cause);
        }
    }
    match causes.is_empty() {
        true => line(&error.to_string()),
        false => line(&causes.join(": ")),
    }
}

/// The text on one line, of a length that can be read.
pub(super) fn line(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(shown).collect();
    let text = words.join(" ");
    let text = text.trim_end_matches([':', '.', ' ']);
    match text.char_indices().nth(LONGEST_CAUSE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A word as it may be shown; an address in it has its query hidden.
fn shown(word: &str) -> String {
    match word.find("http") {
        Some(start) if word[start..].contains("://") => {
            format!("{}{}", &word[..start], without_secrets(&word[start..]))
        }
        _ => word.chars().filter(|c| !c.is_control()).collect(),
    }
}

pub(super) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The innermost cause of a type.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error)
        .filter_map(|cause| cause.downcast_ref::<T>())
        .last()
}
