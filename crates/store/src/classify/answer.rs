//! What an answer over HTTP that is no success says: its status, and the code and message of its document.
//! The client beneath hands an answer on as text only, so it is read from there.

use object_store::Error;

use super::chain::{chain, line};

/// How the client beneath begins the text of an answer with its status, and of one that is a failure all the same.
const STATUS: &str = "Server returned non-2xx status code: ";
const DOCUMENT: &str = "Server returned error response: ";

/// An answer that is no success.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    /// The status and its words.
    phrase: String,
    code: Option<String>,
    message: Option<String>,
    has_document: bool,
    body: String,
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    NoBucket,
    NotFound,
    OtherRegion,
    Full,
    Expired,
    ClockSkew,
    Signature,
    Proxy,
    Refused,
    Down,
    PlainHttp,
    Other,
}

impl Answer {
    /// The answer in the chain of `error`, if there is one.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let text = chain(error).last()?.to_string();
        if let Some((_, body)) = text.split_once(DOCUMENT) {
            return Some(Self::read("500", body));
        }
        let (_, text) = text.split_once(STATUS)?;
        let (phrase, body) = text
            .split_once(": ")
            .unwrap_or((text.trim_end_matches(':'), ""));
        Some(Self::read(phrase, body))
    }

    fn read(phrase: &str, body: &str) -> Self {
        let part = |names: [&str; 2]| {
            let found = element(body, names[0]).or_else(|| member(body, names[1]));
            found.map(str::to_owned)
        };
        let (code, message) = (
            part(["Code", "error"]),
            part(["Message", "error_description"]),
        );
        Self {
            status: phrase
                .get(..3)
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(0),
            phrase: phrase.trim().to_owned(),
            has_document: code.is_some(),
            code,
            message,
            body: body.trim().to_owned(),
        }
    }

    /// Whether a store can have sent it: one without a body as well, since answers to some requests have none.
    pub(super) fn is_of_a_store(&self) -> bool {
        self.has_document
    }

    /// The answer in one line.
    pub(super) fn line(&self) -> String {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => line(&format!("{code}: {message}")),
            (Some(code), None) => line(code),
            (None, _) if self.body.is_empty() => line(&self.phrase),
            (None, _) if self.body.contains('<') => {
                format!("it answered {} with a web page", line(&self.phrase))
            }
            (None, _) => line(&format!("{}: {}", self.phrase, self.body)),
        }
    }

    pub(super) fn meaning(&self) -> Meaning {
        match self.code.as_deref().unwrap_or_default() {
            "NoSuchBucket" | "ContainerNotFound" => return Meaning::NoBucket,
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => return Meaning::OtherRegion,
            "ExpiredToken"
            | "ExpiredTokenException"
            | "TokenRefreshRequired"
            | "RequestExpired" => {
                return Meaning::Expired;
            }
            "RequestTimeTooSkewed" | "RequestInTheFuture" => return Meaning::ClockSkew,
            "SignatureDoesNotMatch" | "AuthenticationFailed" | "AccessDenied" | "AuthFailure"
                if self.status < 500 =>
            {
                return Meaning::Signature;
            }
            "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" | "AccountIsFull" => {
                return Meaning::Full;
            }
            "InvalidAccessKeyId" | "InvalidToken" | "InvalidClientTokenId" | "invalid_grant" => {
                return Meaning::Refused;
            }
            _ => {}
        }
        match self.status {
            301 | 307 | 308 => Meaning::OtherRegion,
            401 | 403 => Meaning::Refused,
            404 => Meaning::NotFound,
            407 => Meaning::Proxy,
            400 if self.body.contains("HTTPS server") || self.body.contains("HTTPS port") => {
                Meaning::PlainHttp
            }
            507 => Meaning::Full,
            500.. => Meaning::Down,
            _ => Meaning::Other,
        }
    }
}

/// The text of an element of XML.
fn element<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The text of a member of JSON.
fn member<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let document = Some(document.trim()).filter(|text| text.starts_with('{'))?;
    let (_, rest) = document.split_once(&format!("\"{name}\""))?;
    let text = rest.trim_start().strip_prefix(':')?.trim_start();
    let (text, _) = text.strip_prefix('"')?.split_once('"')?;
    Some(text).filter(|text| !text.is_empty())
}
