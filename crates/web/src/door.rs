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
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fratmae_trust::Keyring;
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

/// What is answered without asking who it is: whether this process is well.
const PROBES: &[&str] = &["/healthz", "/readyz"];

/// Who is let in.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// The name that the server was started with.
    pub(crate) name: Arc<str>,
    /// Whose tokens count; none where everybody is let in.
    pub(crate) keys: Option<Keyring>,
}

/// Whether the other side of a connection has shown a certificate with which it may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown(pub(crate) bool);

/// Answers requests that may be made.
pub(crate) async fn guard(State(door): State<Door>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&door, &request) {
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

fn refusal(door: &Door, request: &Request<Body>) -> Option<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        let text = "nothing can be changed here: GET and HEAD alone\n";
        return Some((StatusCode::METHOD_NOT_ALLOWED, allow, text).into_response());
    }
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_ours(host, &door.name) {
        let text = "this name could be anybody's: use the host's address, or start the server with the name that it is \
                    to be reached by, as NAME:PORT\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, text).into_response());
    }
    match &door.keys {
        Some(keys) if !may_look(keys, request) => {
            let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"fratmae\"")];
            let text = "a token is needed, as the password: `fratmae keys token` makes one\n";
            Some((StatusCode::UNAUTHORIZED, ask, text).into_response())
        }
        _ => None,
    }
}

/// Whether a request comes with what lets its sender look: a certificate, or a token.
fn may_look(keys: &Keyring, request: &Request<Body>) -> bool {
    if PROBES.contains(&request.uri().path()) {
        return true;
    }
    if let Some(Shown(true)) = request.extensions().get() {
        return true;
    }
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|given| given.to_str().ok());
    given
        .and_then(token)
        .is_some_and(|token| keys.admits(&token))
}

/// The token that is given as such, or as the password of whatever name.
fn token(given: &str) -> Option<String> {
    let (scheme, word) = given.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(word.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(word.trim()).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    Some(password.to_owned())
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

    #[test]
    fn a_token_is_read_as_such_or_as_a_password_and_from_nothing_else() {
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("basic bWU6YWJj").as_deref(), Some("abc"));
        for given in ["", "Bearer", "abc", "Basic abc", "Basic !!", "Digest abc"] {
            assert_eq!(token(given), None, "{given}");
        }
    }
}
