//! Finds the key that a misspelt or misplaced one was meant to be.

use crate::rules::rules;

// Below this a suggestion confuses more than it helps.
const LIKE_ENOUGH: f64 = 0.6;
// A key of the right name in the wrong section beats a key that is merely spelt alike.
const SAME_NAME: f64 = 0.9;

/// The known key or section most like `key`.
pub(crate) fn nearest_key(key: &str) -> Option<String> {
    let mut best = (LIKE_ENOUGH, None);
    for candidate in candidates() {
        let likeness = likeness(key, candidate);
        if likeness > best.0 {
            best = (likeness, Some(candidate.to_owned()));
        }
    }
    best.1
}

// Every key, and every section above it (a section comes again with each of its keys, which does no harm).
fn candidates() -> impl Iterator<Item = &'static str> {
    rules().flat_map(|(key, ..)| {
        let sections = key.match_indices('.').map(|(at, _)| &key[..at]);
        sections.chain([*key])
    })
}

fn likeness(key: &str, candidate: &str) -> f64 {
    let spelling = strsim::normalized_damerau_levenshtein(key, candidate);
    if last_name(key) == last_name(candidate) {
        spelling.max(SAME_NAME)
    } else {
        spelling
    }
}

fn last_name(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_itself() {
        assert_eq!(nearest_key("train.stpes").as_deref(), Some("train.steps"));
        assert_eq!(nearest_key("data.strid").as_deref(), Some("data.stride"));
        assert_eq!(
            nearest_key("model.encoder.hedas").as_deref(),
            Some("model.encoder.heads")
        );
    }

    #[test]
    fn a_key_in_the_wrong_section_is_found_in_the_right_one() {
        assert_eq!(nearest_key("train.seed").as_deref(), Some("run.seed"));
        assert_eq!(nearest_key("lr").as_deref(), Some("train.lr"));
    }

    #[test]
    fn a_misspelt_section_finds_itself() {
        assert_eq!(nearest_key("trian").as_deref(), Some("train"));
        assert_eq!(
            nearest_key("model.encodr").as_deref(),
            Some("model.encoder")
        );
    }

    #[test]
    fn nothing_alike_suggests_nothing() {
        assert_eq!(nearest_key("zzzzzzzzzz"), None);
    }
}
