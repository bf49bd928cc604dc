//! The page's files, which are in the program: they need no other place, and no other place is asked.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::response::{IntoResponse as _, Response};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// A file: its name, its type, its bytes.
type Asset = (&'static str, &'static str, &'static [u8]);

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        asset!($name, $kind, $name)
    };
    ($name:literal, $kind:expr, $file:literal) => {
        ($name, $kind, include_bytes!(concat!("../page/", $file)))
    };
}

const INDEX: Asset = asset!("index.html", HTML);
const ASSETS: &[Asset] = &[
    INDEX,
    asset!("page.css", CSS),
    asset!("icon.svg", "image/svg+xml"),
    asset!("main.js", JS),
    asset!("dom.js", JS),
    asset!("api.js", JS),
    asset!("list.js", JS),
    asset!("run.js", JS),
    asset!("compare.js", JS),
    asset!("curves.js", JS),
    asset!("charts.js", JS),
    asset!("heat.js", JS),
    asset!("timeline.js", JS),
    asset!("ledger.js", JS),
    asset!("uPlot.iife.min.js", JS, "vendor/uPlot.iife.min.js"),
    asset!("uPlot.min.css", CSS, "vendor/uPlot.min.css"),
];

/// The page itself.
pub(crate) async fn index(headers: HeaderMap) -> Response {
    answer(&INDEX, &headers)
}

/// One of its files.
pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|(known, ..)| *known == name) {
        Some(asset) => answer(asset, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A file, unless the browser has it: it asks each time, as the next version of the program has other files.
fn answer((_, kind, bytes): &Asset, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:016x}\"", digest(bytes));
    let cached = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let asked = headers.get(header::IF_NONE_MATCH);
    match asked.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        true => (StatusCode::NOT_MODIFIED, cached).into_response(),
        false => (cached, [(header::CONTENT_TYPE, *kind)], *bytes).into_response(),
    }
}

/// FNV-1a: tells one version of a file from another.
fn digest(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of all files together: a page that opens at once over a slow line.
    const MOST: usize = 300 << 10;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_page_is_small_and_asks_nobody_else() {
        let total: usize = ASSETS.iter().map(|(.., bytes)| bytes.len()).sum();
        assert!(total <= MOST, "{total} bytes");
        for (name, _, bytes) in ASSETS {
            let others = text(bytes).matches("://").count();
            // The names of SVG and of uPlot's authors, which nobody fetches.
            let names = [
                "http://www.w3.org/",
                "/*! https://github.com/leeoniya/uPlot",
            ];
            let names: usize = names
                .iter()
                .map(|name| text(bytes).matches(name).count())
                .sum();
            assert_eq!(others, names, "{name} names another place");
        }
    }

    #[test]
    fn whatever_the_page_names_is_there() {
        for (name, _, bytes) in ASSETS {
            let parts = text(bytes).split(['"', '\'']);
            for part in parts {
                let file = part
                    .strip_prefix("/page/")
                    .or_else(|| part.strip_prefix("./"));
                let Some(file) = file.filter(|file| file.contains('.')) else {
                    continue;
                };
                assert!(
                    ASSETS.iter().any(|(known, ..)| *known == file),
                    "{name}: {file}"
                );
            }
        }
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let sent = answer(&INDEX, &HeaderMap::new());
        assert_eq!(sent.status(), StatusCode::OK);
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, sent.headers()[header::ETAG].clone());
        assert_eq!(answer(&INDEX, &headers).status(), StatusCode::NOT_MODIFIED);
    }
}
