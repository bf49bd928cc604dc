//! Which failure is which: from what a store's client reports to a [`StoreError`].
//! Owns the reading of error chains and of S3's XML answers; words the messages nowhere.

use std::error::Error;
use std::io::ErrorKind;

use object_store::client::{HttpError, HttpErrorKind};

use crate::address::Kind;
use crate::{Location, StoreError};

/// Longest cause that is shown; an HTML error page is no help to anyone.
const LONGEST_CAUSE: usize = 240;

/// The addresses cloud machines fetch their credentials from; nobody answers there elsewhere.
const METADATA_SERVICES: [&str; 2] = ["http://169.254.", "metadata.google.internal"];

impl Location {
    /// Says what a failed operation on `relative` means.
    pub(crate) fn explain(&self, relative: &str, error: &object_store::Error) -> StoreError {
        let url = self.url_of(relative);
        let reason = one_line(error);
        if let Some(explained) =
            io_kind(error).and_then(|kind| self.explain_io(&url, &reason, kind))
        {
            return explained;
        }
        match error {
            error if is_no_bucket(error) => StoreError::NoBucket { url },
            error if is_without_credentials(error) => {
                self.denied(url, "no credentials are set".to_owned())
            }
            object_store::Error::NotFound { .. } => StoreError::NotFound { url },
            error if is_refusal(error) => self.denied(url, reason),
            object_store::Error::NotImplemented { .. }
            | object_store::Error::NotSupported { .. } => {
                StoreError::IgnoresCondition { url, reason }
            }
            error if is_out_of_reach(error) => self.unreachable(url, reason),
            _ => StoreError::Other {
                url,
                reason: self.at_endpoint(reason),
            },
        }
    }

    pub(crate) fn unreachable(&self, url: String, reason: String) -> StoreError {
        let reason = self.at_endpoint(reason);
        StoreError::Unreachable { url, reason }
    }

    /// Names the endpoint as well, because that is what a person has to look at.
    fn at_endpoint(&self, reason: String) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{reason} (endpoint {endpoint})"),
            None => reason,
        }
    }

    fn denied(&self, url: String, reason: String) -> StoreError {
        let advice = match self.kind {
            Kind::Local => "check who may write and read there",
            Kind::S3 => "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy",
            Kind::Gcs => "check GOOGLE_APPLICATION_CREDENTIALS and the bucket's policy",
            Kind::Azure => "check AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
            Kind::Given => "check the credentials",
        };
        StoreError::Denied {
            url,
            reason,
            advice,
        }
    }

    fn explain_io(&self, url: &str, reason: &str, kind: ErrorKind) -> Option<StoreError> {
        let url = url.to_owned();
        match kind {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(StoreError::Full { url }),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Some(self.denied(url, reason.to_owned()))
            }
            _ => None,
        }
    }
}

/// The innermost cause of a chain, on one line; an S3 error document becomes its code and message.
pub(crate) fn one_line(error: &(dyn Error + 'static)) -> String {
    let cause = chain(error)
        .last()
        .map_or_else(String::new, ToString::to_string);
    let cause = match (element(&cause, "Code"), element(&cause, "Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => cause,
    };
    let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
    let cause = cause.trim_end_matches([':', '.', ' ']);
    match cause.char_indices().nth(LONGEST_CAUSE) {
        Some((end, _)) => format!("{}...", &cause[..end]),
        None => cause.to_owned(),
    }
}

fn is_no_bucket(error: &object_store::Error) -> bool {
    let text = error.to_string();
    text.contains("NoSuchBucket") || text.contains("ContainerNotFound")
}

/// Without credentials a client asks the machine's metadata service for some.
fn is_without_credentials(error: &object_store::Error) -> bool {
    let text = error.to_string();
    METADATA_SERVICES.iter().any(|host| text.contains(host))
}

/// Listings report a refusal as a plain failure with the status in its text.
fn is_refusal(error: &object_store::Error) -> bool {
    let text = error.to_string();
    matches!(
        error,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
    ) || text.contains("status code: 403")
        || text.contains("status code: 401")
}

/// Whether the network or the server failed, rather than the store refusing.
fn is_out_of_reach(error: &object_store::Error) -> bool {
    error.to_string().contains("status code: 5")
        || chain(error)
            .filter_map(|cause| cause.downcast_ref::<HttpError>())
            .any(|http| http.kind() != HttpErrorKind::Decode)
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    chain(error)
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind)
        .last()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn element<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use object_store::memory::InMemory;

    fn generic(source: impl Into<Box<dyn Error + Send + Sync>>) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: source.into(),
        }
    }

    fn explain(error: &object_store::Error) -> StoreError {
        Location::over(Arc::new(InMemory::new()), "", "s3://b/run").explain("x", error)
    }

    #[test]
    fn full_device_is_told_apart() {
        let error = generic(std::io::Error::from_raw_os_error(28));
        let url = "s3://b/run/x".to_owned();
        assert_eq!(explain(&error), StoreError::Full { url });
    }

    #[test]
    fn error_document_becomes_one_line() {
        let error = object_store::Error::PermissionDenied {
            path: "x".into(),
            source: "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>\
                     SignatureDoesNotMatch</Code>\n<Message>The signature\ndoes not match.</Message></Error>"
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
        let error = generic("Server returned non-2xx status code: 403 Forbidden: ");
        assert!(matches!(explain(&error), StoreError::Denied { .. }));
    }

    #[test]
    fn missing_bucket_is_not_a_missing_object() {
        let error = object_store::Error::NotFound {
            path: "x".into(),
            source: "status code: 404 <Code>NoSuchBucket</Code>".into(),
        };
        assert!(matches!(explain(&error), StoreError::NoBucket { .. }));
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
        let error = generic("Server returned non-2xx status code: 503 Service Unavailable: ");
        assert!(explain(&error).is_transient());
    }

    #[test]
    fn missing_credentials_are_called_that() {
        let error = generic("Error performing PUT http://169.254.169.254/latest/api/token");
        assert!(explain(&error).to_string().contains("no credentials"));
    }

    #[test]
    fn long_causes_are_cut() {
        let error = generic("é".repeat(10_000));
        assert!(explain(&error).to_string().chars().count() < 400);
    }
}
