//! Which failure is which: from what a store's client reports to a [`StoreError`].
//! Owns the reading of error chains; what an HTTP answer says is read in `answer`, and no message is worded here twice.

mod answer;
mod chain;

use std::io::ErrorKind;

use object_store::client::{HttpError, HttpErrorKind};

use crate::address::Kind;
use crate::aws::NoCredentials;
use crate::local::NotAFile;
use crate::{Location, StoreError};

use answer::{Answer, Meaning};
use chain::{chain, find};
pub(crate) use chain::{chained, one_line};

/// The addresses cloud machines fetch their credentials from; nobody answers there elsewhere.
const METADATA_SERVICES: [&str; 3] = [
    "http://169.254.",
    "metadata.google.internal",
    "computeMetadata",
];

const CHECK_STORE: &str = "check that the store is up and the endpoint right";
const CHECK_FILES: &str =
    "check that the file system there answers (`ls` it), as one on a network may not";
const CHECK_PROXY: &str = "check the proxy, or name the store's host in NO_PROXY to go past it";

/// Stores bear with clocks that are up to 15 minutes apart; a smaller distance is not the reason.
const CLOCK_TOLERANCE_S: i64 = 880;

impl Location {
    /// Says what a failed operation on `relative` means.
    pub(crate) fn explain(&self, relative: &str, error: &object_store::Error) -> StoreError {
        let url = self.url_of(relative);
        if let Some(&NotAFile(reason)) = find::<std::io::Error>(error).and_then(inside) {
            return StoreError::OtherKind { url, reason };
        }
        if let Some(explained) = self.explain_io(&url, error) {
            return explained;
        }
        if let Some(none) = find::<NoCredentials>(error) {
            return self.denied(url, none.to_string());
        }
        if let Some(answer) = Answer::of(error) {
            return self.explain_answer(url, &answer, error);
        }
        match error {
            error if is_without_credentials(error) => {
                self.denied(url, "no credentials are set".to_owned())
            }
            object_store::Error::NotFound { .. } => StoreError::NotFound { url },
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => self.denied(url, one_line(error)),
            object_store::Error::NotImplemented { .. } if self.kind == Kind::Local => {
                StoreError::NoHardLinks { url }
            }
            object_store::Error::NotImplemented { .. }
            | object_store::Error::NotSupported { .. } => StoreError::IgnoresCondition {
                url,
                reason: one_line(error),
            },
            error if is_bare_redirect(error) => self.other_region(url),
            error if is_out_of_reach(error) => self.out_of_reach(url, error),
            _ => StoreError::Other {
                url,
                reason: self.on_the_way(one_line(error)),
            },
        }
    }

    /// A failure that may pass, with what is on the way to the store.
    pub(crate) fn unreachable(&self, url: String, reason: String) -> StoreError {
        StoreError::Unreachable {
            url,
            reason: self.on_the_way(reason),
            advice: match (self.kind, &self.way.proxy) {
                (Kind::Local, _) => CHECK_FILES,
                (_, Some(_)) => CHECK_PROXY,
                (_, None) => CHECK_STORE,
            },
        }
    }

    /// Names the endpoint and the proxy as well, because those are what a person has to look at.
    fn on_the_way(&self, reason: String) -> String {
        match (&self.way.endpoint, &self.way.proxy) {
            (Some(endpoint), Some(proxy)) => {
                format!("{reason} (endpoint {endpoint}, through the proxy {proxy})")
            }
            (Some(endpoint), None) => format!("{reason} (endpoint {endpoint})"),
            (None, Some(proxy)) => format!("{reason} (through the proxy {proxy})"),
            (None, None) => reason,
        }
    }

    fn explain_answer(
        &self,
        url: String,
        answer: &Answer,
        error: &object_store::Error,
    ) -> StoreError {
        let reason = answer.line();
        match answer.meaning() {
            Meaning::NoBucket => StoreError::NoBucket { url },
            Meaning::NotFound => StoreError::NotFound { url },
            Meaning::OtherRegion => self.other_region(url),
            Meaning::Full => StoreError::Full {
                url,
                reason: "the store or its quota is full",
            },
            Meaning::Expired => StoreError::Denied {
                url,
                reason: format!("the credentials have expired ({reason})"),
                advice: "renew them (`aws sso login`, or a new AWS_SESSION_TOKEN) and run the command again",
            },
            Meaning::ClockSkew => self.wrong_clock(url, &reason),
            Meaning::Signature if self.way.seen.clock_ahead().abs() > CLOCK_TOLERANCE_S => {
                self.wrong_clock(url, &reason)
            }
            Meaning::Proxy => StoreError::Denied {
                url,
                reason: self.on_the_way(reason),
                advice: "the proxy wants a user and a password: http://USER:PASSWORD@HOST:PORT",
            },
            Meaning::Refused if self.way.proxy.is_some() && !answer.is_of_a_store() => {
                StoreError::Denied {
                    url,
                    reason: self.on_the_way(reason),
                    advice: CHECK_PROXY,
                }
            }
            Meaning::Refused if is_without_credentials(error) => {
                self.denied(url, "no credentials are set".to_owned())
            }
            Meaning::Signature | Meaning::Refused => self.denied(url, reason),
            Meaning::Down => self.unreachable(url, reason),
            Meaning::PlainHttp => StoreError::Other {
                url,
                reason: self
                    .on_the_way(format!("{reason}; the endpoint speaks TLS, write https://")),
            },
            Meaning::Other => StoreError::Other {
                url,
                reason: self.on_the_way(reason),
            },
        }
    }

    fn other_region(&self, url: String) -> StoreError {
        let ours = self.way.region.as_deref().unwrap_or("another region");
        let reason = match self.way.seen.region() {
            Some(theirs) => format!("it is in {theirs}, and requests are signed for {ours}"),
            None => format!("requests are signed for {ours}"),
        };
        StoreError::OtherRegion { url, reason }
    }

    fn wrong_clock(&self, url: String, said: &str) -> StoreError {
        let ahead = self.way.seen.clock_ahead();
        let reason = match ahead.abs() > CLOCK_TOLERANCE_S {
            true => format!(
                "the clock of this machine is {} {} the store's ({said})",
                span(ahead.unsigned_abs()),
                if ahead > 0 { "ahead of" } else { "behind" }
            ),
            false => format!("the clocks of this machine and the store differ ({said})"),
        };
        StoreError::Denied {
            url,
            reason,
            advice: "set the clock (timedatectl set-ntp true)",
        }
    }

    pub(crate) fn denied(&self, url: String, reason: String) -> StoreError {
        let advice = match self.kind {
            Kind::Local => "check who may write and read there",
            Kind::S3 if reason.starts_with("SignatureDoesNotMatch") => {
                "check AWS_SECRET_ACCESS_KEY, or the profile that it comes from"
            }
            Kind::S3 => {
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_PROFILE, and the bucket's policy"
            }
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

    /// The failures of a file system; those of a network are no reason of their own.
    fn explain_io(&self, url: &str, error: &object_store::Error) -> Option<StoreError> {
        let kind = find::<std::io::Error>(error)?.kind();
        let url = url.to_owned();
        match kind {
            ErrorKind::StorageFull => Some(StoreError::Full {
                url,
                reason: "no space is left on the device",
            }),
            ErrorKind::QuotaExceeded => Some(StoreError::Full {
                url,
                reason: "the disk quota is used up",
            }),
            ErrorKind::ReadOnlyFilesystem => Some(StoreError::Denied {
                url,
                reason: "its file system is mounted read-only".to_owned(),
                advice: "mount it for writing, or choose another folder",
            }),
            ErrorKind::PermissionDenied if self.kind == Kind::Local => {
                Some(self.denied(url, one_line(error)))
            }
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists if self.kind == Kind::Local => {
                Some(StoreError::OtherKind {
                    url,
                    reason: "a part of its path is a file or a link, where a folder is needed",
                })
            }
            ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => Some(StoreError::OtherKind {
                url,
                reason: "it is a folder, where a file is needed",
            }),
            _ => None,
        }
    }

    fn out_of_reach(&self, url: String, error: &object_store::Error) -> StoreError {
        let reason = one_line(error);
        if let Some(advice) = tls_advice(&reason) {
            return StoreError::Denied {
                url,
                reason: self.on_the_way(reason),
                advice,
            };
        }
        let is_cut_off = reason.contains("handshake eof");
        match self.unreachable(url, reason) {
            // A server that is starting does this as well, so it is tried again.
            StoreError::Unreachable { url, reason, .. } if is_cut_off => StoreError::Unreachable {
                url,
                reason,
                advice: "the endpoint ended the handshake of TLS: write http:// if that is meant",
            },
            other => other,
        }
    }
}

/// What to do about a connection that fails before anything is said on it.
fn tls_advice(reason: &str) -> Option<&'static str> {
    let has = |part| reason.contains(part);
    if has("InvalidContentType") || has("corrupt message") || has("wrong version number") {
        return Some("the endpoint does not speak TLS: write http:// if that is meant");
    }
    if has("invalid HTTP version") || has("invalid HTTP status-line") || has("Invalid HTTP") {
        return Some("the endpoint does not speak HTTP: write https:// if that is meant");
    }
    if has("certificate") {
        return Some(
            "name the authority's certificate in AWS_CA_BUNDLE, or correct the host's name",
        );
    }
    None
}

/// What of ours a failure of the file system carries.
fn inside(error: &std::io::Error) -> Option<&NotAFile> {
    error.get_ref()?.downcast_ref()
}

/// The number that the system gave a failure.
pub(crate) fn os_error(error: &object_store::Error) -> Option<i32> {
    find::<std::io::Error>(error)?.raw_os_error()
}

/// Without credentials a client asks the machine's metadata service for some.
fn is_without_credentials(error: &object_store::Error) -> bool {
    let text = error.to_string();
    METADATA_SERVICES.iter().any(|host| text.contains(host))
}

/// A redirect that names no place: S3's way to say that the bucket is in another region.
fn is_bare_redirect(error: &object_store::Error) -> bool {
    error.to_string().contains("redirect without LOCATION")
}

/// Whether the network failed, rather than the store refusing.
fn is_out_of_reach(error: &object_store::Error) -> bool {
    chain(error)
        .filter_map(|cause| cause.downcast_ref::<HttpError>())
        .any(|http| http.kind() != HttpErrorKind::Decode)
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
