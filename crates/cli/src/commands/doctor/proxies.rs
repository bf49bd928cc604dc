//! Proxies that the environment names: a store behind one that does not let it pass looks like a store that is down.

use super::finding::{Finding, State};

const NAMES: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];

/// The variables that are set, in either case, with their values.
#[expect(
    clippy::disallowed_methods,
    reason = "proxies are every program's conventions; no setting of a run comes this way"
)]
pub(crate) fn read() -> Vec<(String, String)> {
    let names = NAMES
        .iter()
        .flat_map(|name| [(*name).to_owned(), name.to_lowercase()]);
    names
        .filter_map(|name| {
            let value = std::env::var(&name).ok()?;
            (!value.is_empty()).then_some((name, value))
        })
        .collect()
}

/// Names what is set, without anybody's password.
pub(crate) fn judge(set: &[(String, String)]) -> Option<Finding> {
    if !set
        .iter()
        .any(|(name, _)| !name.eq_ignore_ascii_case("NO_PROXY"))
    {
        return None;
    }
    let named = set
        .iter()
        .map(|(name, value)| format!("{name}={}", without_user(value)));
    Some(Finding::new(
        "proxies",
        State::Note,
        named.collect::<Vec<_>>().join(", "),
        "object stores are reached through them; list those that are not in NO_PROXY",
    ))
}

fn without_user(value: &str) -> String {
    let (scheme, rest) = value.split_once("://").unwrap_or(("", value));
    match (scheme, rest.rsplit_once('@')) {
        (_, None) => value.to_owned(),
        ("", Some((_, host))) => format!("***@{host}"),
        (scheme, Some((_, host))) => format!("{scheme}://***@{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(set: &[(&str, &str)]) -> Option<String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let set: Vec<_> = set.iter().map(owned).collect();
        judge(&set).map(|finding| finding.found)
    }

    #[test]
    fn proxies_are_named_and_their_passwords_are_not() {
        let found = judged(&[
            ("https_proxy", "http://me:secret@proxy:3128"),
            ("HTTP_PROXY", "me:secret@proxy:3128"),
            ("NO_PROXY", "10.0.0.0/8,.internal"),
        ]);
        assert_eq!(
            found.as_deref(),
            Some(
                "https_proxy=http://***@proxy:3128, HTTP_PROXY=***@proxy:3128, NO_PROXY=10.0.0.0/8,.internal"
            )
        );
    }

    #[test]
    fn without_a_proxy_there_is_nothing_to_tell() {
        assert_eq!(judged(&[]), None);
        assert_eq!(judged(&[("no_proxy", "localhost")]), None);
    }
}
