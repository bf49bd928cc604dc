//! Failures as the clients and file systems report them, and the lines that people read.

use std::error::Error;
use std::io::ErrorKind;
use std::sync::Arc;

use super::*;
use object_store::memory::InMemory;

fn generic(source: impl Into<Box<dyn Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic {
        store: "S3",
        source: source.into(),
    }
}

fn place() -> Location {
    Location::over(Arc::new(InMemory::new()), "", "s3://b/run")
}

fn explain(error: &object_store::Error) -> StoreError {
    place().explain("x", error)
}

fn answered(status: &str, body: &str) -> object_store::Error {
    generic(format!(
        "Server returned non-2xx status code: {status}: {body}"
    ))
}

fn document(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code>\n<Message>{message}</Message></Error>"
    )
}

#[test]
fn full_device_and_full_quota_are_told_apart() {
    for (errno, word) in [(28, "space"), (122, "quota")] {
        let error = generic(std::io::Error::from_raw_os_error(errno));
        let explained = explain(&error);
        assert!(matches!(explained, StoreError::Full { .. }), "{explained}");
        assert!(explained.to_string().contains(word), "{explained}");
    }
    let explained = explain(&answered("507 Insufficient Storage", ""));
    assert!(matches!(explained, StoreError::Full { .. }), "{explained}");
}

#[test]
fn error_document_becomes_one_line() {
    let error = object_store::Error::PermissionDenied {
        path: "x".into(),
        source: format!(
            "Server returned non-2xx status code: 403 Forbidden: {}",
            document("SignatureDoesNotMatch", "The signature\ndoes not match.")
        )
        .into(),
    };
    let StoreError::Denied { reason, .. } = explain(&error) else {
        panic!("not denied: {error}");
    };
    assert_eq!(
        reason,
        "SignatureDoesNotMatch: The signature does not match"
    );
}

#[test]
fn refusal_of_a_listing_is_a_refusal() {
    let error = answered("403 Forbidden", "");
    assert!(matches!(explain(&error), StoreError::Denied { .. }));
}

#[test]
fn missing_bucket_is_not_a_missing_object() {
    let error = object_store::Error::NotFound {
        path: "x".into(),
        source: "Server returned non-2xx status code: 404 Not Found: <Code>NoSuchBucket</Code>"
            .into(),
    };
    assert!(matches!(explain(&error), StoreError::NoBucket { .. }));
    let error = object_store::Error::NotFound {
        path: "x".into(),
        source: "Server returned non-2xx status code: 404 Not Found: <Code>NoSuchKey</Code>".into(),
    };
    assert!(matches!(explain(&error), StoreError::NotFound { .. }));
}

#[test]
fn refused_connection_is_out_of_reach() {
    let cause = std::io::Error::from(ErrorKind::ConnectionRefused);
    let error = generic(HttpError::new(HttpErrorKind::Connect, cause));
    let explained = explain(&error);
    assert!(explained.is_transient(), "{explained}");
    assert!(explained.to_string().contains("connection refused"));
}

#[test]
fn server_that_is_down_behind_a_balancer_is_out_of_reach() {
    for status in [
        "503 Service Unavailable",
        "502 Bad Gateway",
        "500 Internal Server Error",
    ] {
        assert!(explain(&answered(status, "")).is_transient(), "{status}");
    }
    let error = generic("Server returned error response: <Error><Code>SlowDown</Code></Error>");
    assert!(explain(&error).is_transient());
}

#[test]
fn missing_credentials_are_called_that() {
    let error = generic("Error performing PUT http://169.254.169.254/latest/api/token");
    assert!(explain(&error).to_string().contains("no credentials"));
}

#[test]
fn expired_credentials_are_called_that() {
    for code in ["ExpiredToken", "TokenRefreshRequired", "RequestExpired"] {
        let body = document(code, "The provided token has expired.");
        let explained = explain(&answered("400 Bad Request", &body));
        assert!(
            matches!(explained, StoreError::Denied { .. }),
            "{explained}"
        );
        assert!(explained.to_string().contains("expired ("), "{explained}");
    }
}

#[test]
fn another_region_is_named_with_the_variable() {
    for error in [
        answered(
            "301 Moved Permanently",
            &document("PermanentRedirect", "Use the endpoint."),
        ),
        answered(
            "400 Bad Request",
            &document("AuthorizationHeaderMalformed", "expecting 'eu-west-1'"),
        ),
        generic(
            "Received redirect without LOCATION, this normally indicates an incorrectly configured region",
        ),
    ] {
        let explained = explain(&error);
        assert!(
            matches!(explained, StoreError::OtherRegion { .. }),
            "{explained}"
        );
        assert!(explained.to_string().contains("AWS_REGION"), "{explained}");
    }
}

#[test]
fn skewed_clock_is_called_that_without_a_date_too() {
    let error = answered(
        "403 Forbidden",
        &document("RequestTimeTooSkewed", "too large"),
    );
    assert!(explain(&error).to_string().contains("set the clock"));
}

#[test]
fn a_page_is_no_answer_of_a_store() {
    let mut place = place();
    place.kind = Kind::S3;
    place.way.proxy = Some("http://p:3128 of http_proxy".into());
    let page = "<html><body><h1>Blocked by policy</h1></body></html>";
    for status in ["403 Forbidden", "407 Proxy Authentication Required"] {
        let line = place.explain("x", &answered(status, page)).to_string();
        assert!(
            line.contains("through the proxy http://p:3128 of http_proxy"),
            "{line}"
        );
        assert!(!line.contains("AWS_ACCESS_KEY_ID"), "{line}");
    }
    // What the store itself refuses is none of the proxy's doing.
    let refused = answered("403 Forbidden", &document("AccessDenied", "Access Denied"));
    let line = place.explain("x", &refused).to_string();
    assert!(
        !line.contains("proxy") && line.contains("AWS_ACCESS_KEY_ID"),
        "{line}"
    );
    let silent = place.unreachable("s3://b/x".into(), "connection refused".into());
    assert!(silent.to_string().contains("NO_PROXY"), "{silent}");
}

#[test]
fn plain_http_to_tls_and_the_reverse_are_told() {
    let error = answered(
        "400 Bad Request",
        "Client sent an HTTP request to an HTTPS server.",
    );
    assert!(explain(&error).to_string().contains("write https://"));
    for (cause, advice) in [
        (
            "received corrupt message of type InvalidContentType",
            "write http://",
        ),
        ("invalid peer certificate: UnknownIssuer", "AWS_CA_BUNDLE"),
        ("invalid HTTP version parsed", "write https://"),
    ] {
        let cause = std::io::Error::other(cause);
        let error = generic(HttpError::new(HttpErrorKind::Connect, cause));
        let explained = explain(&error);
        assert!(explained.to_string().contains(advice), "{explained}");
        assert!(!explained.is_transient(), "{explained}");
    }
}

#[test]
fn read_only_and_wrong_kinds_of_files_are_told() {
    let mut place = place();
    place.kind = Kind::Local;
    for (errno, part) in [
        (30, "read-only"),
        (20, "a part of its path is a file"),
        (21, "it is a folder"),
        (39, "it is a folder"),
        (13, "who may write"),
    ] {
        let error = generic(std::io::Error::from_raw_os_error(errno));
        let line = place.explain("x", &error).to_string();
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn nothing_secret_is_in_a_reason() {
    let error = generic("error sending request for url (https://u:HIDDEN@h/x?sig=HIDDEN)");
    let line = explain(&error).to_string();
    assert!(
        !line.contains("HIDDEN") && line.contains("https://***@h/x?***"),
        "{line}"
    );
}

#[test]
fn long_causes_are_cut() {
    let error = generic("é".repeat(10_000));
    assert!(explain(&error).to_string().chars().count() < 400);
}

#[test]
fn spans_are_in_words_of_their_size() {
    assert_eq!(span(40), "40 s");
    assert_eq!(span(960), "16 min");
    assert_eq!(span(3 * 3600), "3 h");
    assert_eq!(span(86_400 * 400), "400 days");
}
