//! Who is answered, and what every answer says: requests that only look, under a name that no other site can have.
//!
//! A site that somebody has open can let its own name point to this host. The browser then takes our answers for the
//! site's, so the name in `Host` has to be one that nobody can register.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Ends of names that are never in public DNS, so that whoever uses one is of this network.
const PRIVATE: &[&str] = &[".local", ".internal", ".localhost", ".svc", ".home.arpa"];

/// What every answer says: it shows and loads only what comes from here, and is shown nowhere else.
static HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Answers requests that may be made.
pub(crate) async fn guard(
    State(own_name): State<Arc<str>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refusal(&own_name, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in &HEADERS {
        headers.insert(name.clone(), HeaderValue::from_static(value));
    }
    let fresh = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(fresh);
    response
}

fn refusal(own_name: &str, request: &Request<Body>) -> Option<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        let text = "nothing can be changed here: GET and HEAD alone\n";
        return Some((StatusCode::METHOD_NOT_ALLOWED, allow, text).into_response());
    }
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_ours(host, own_name) {
        return None;
    }
    let text = "this name could be anybody's: use the host's address, or start the server with the name that it is \
                to be reached by, as NAME:PORT\n";
    Some((StatusCode::MISDIRECTED_REQUEST, text).into_response())
}

/// Whether nobody else can have the name of a `Host`: an address, a name without a dot or of a private end, or the one
/// that the server was started with.
fn is_ours(host: &str, own_name: &str) -> bool {
    let Ok(uri) = host.parse::<Uri>() else {
        return false;
    };
    // What is no bare authority is something else than a host and its port.
    let Some(authority) = uri.authority().filter(|it| it.as_str() == host) else {
        return false;
    };
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || !name.is_empty() && !name.contains('.') && !authority.as_str().contains('@')
        || PRIVATE.iter().any(|end| name.ends_with(end))
        || !own_name.is_empty() && name == own_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_else_can_register_is_refused() {
        for host in [
            "127.0.0.1:8080",
            "10.0.0.1",
            "[::1]:8080",
            "localhost",
            "node7:80",
            "coordinator.training.svc:80",
            "coordinator.training.svc.cluster.local",
            "Node7.Internal.",
            "node7.example.org:8080",
        ] {
            assert!(is_ours(host, "node7.example.org"), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "node7.example.org.evil.example",
            "evil.example/localhost",
            "user@localhost",
            "local host",
            "[::1",
        ] {
            assert!(!is_ours(host, "node7.example.org"), "{host}");
        }
        assert!(!is_ours("node7.example.org", ""));
    }
}
