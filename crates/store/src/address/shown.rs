//! How an address that somebody typed is shown: without the user, password, query or token that it may hold.

/// Parts of the queries that signed links have.
const SIGNATURES: &[&str] = &[
    "x-amz-signature=",
    "x-amz-credential=",
    "x-amz-security-token=",
    "awsaccesskeyid=",
    "x-goog-signature=",
    "x-goog-credential=",
    "?sig=",
    "&sig=",
];

/// Parts of the names by which queries give what is secret.
const SECRETS: &[&str] = &["token", "secret", "pass", "sig", "cred", "key", "auth"];

/// Whether a key is the rest of a signed link, or of one with another secret in its query.
pub(crate) fn has_signature(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let query = key.split_once('?').map_or("", |(_, query)| query);
    let mut named = query.split('&').filter_map(|part| part.split_once('='));
    SIGNATURES.iter().any(|part| key.contains(part))
        || named.any(|(name, _)| SECRETS.iter().any(|secret| name.contains(secret)))
}

/// The text with `***` in the place of every user part and signature; of web addresses their whole query.
pub(crate) fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (place, below) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let place = match (place.rsplit_once('@'), scheme.to_ascii_lowercase().as_str()) {
        (Some((user, _)), "abfs" | "abfss") if !user.contains(':') => place.to_owned(),
        (Some((_, host)), _) => format!("***@{host}"),
        (None, _) => place.to_owned(),
    };
    let is_web = matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https");
    let below = match below.split_once('?') {
        Some((path, query)) if is_web || has_signature(&format!("?{query}")) => {
            format!("{path}?***")
        }
        _ => below.to_owned(),
    };
    format!("{scheme}://{place}{below}")
}

/// The text with control characters as their codes, so that it stays on its line.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| match c.is_control() {
        true => c.escape_default().collect(),
        false => String::from(c),
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_queries_are_not_shown() {
        for (typed, shown) in [
            ("s3://KEY:SECRET@b/run", "s3://***@b/run"),
            ("s3://b/run#1?x", "s3://b/run#1?x"),
            ("s3://b/k?a=1&X-Amz-Signature=abc", "s3://b/k?***"),
            ("s3://b/run?token=abc", "s3://b/run?***"),
            ("gs://b/run?x=1&apiKey=abc", "gs://b/run?***"),
            ("https://u:p@h/x?token=t", "https://***@h/x?***"),
            (
                "https://a.blob.core.windows.net/c?sv=1&sig=abc",
                "https://a.blob.core.windows.net/c?***",
            ),
            (
                "abfss://c@a.dfs.core.windows.net/x",
                "abfss://c@a.dfs.core.windows.net/x",
            ),
            ("abfss://c:key@a/x", "abfss://***@a/x"),
            ("http://h?t=1", "http://h?***"),
            ("/a/b@c?d", "/a/b@c?d"),
        ] {
            assert_eq!(without_secrets(typed), shown);
        }
    }
}
