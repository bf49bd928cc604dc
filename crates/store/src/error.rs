//! What can go wrong with a store, each as one line that says where and what to do.
//! Owns the wording only; which failure is which is decided in `classify`.

use std::time::Duration;

/// The reason of a failure that is only the lack of an answer.
pub(crate) const SILENCE: &str = "it does not answer";
/// The reason of a failure that is the lack of the rest of an answer.
pub(crate) const STALL: &str = "it stopped in the middle of an answer";

/// A failure of a store or of the way to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing is stored under this address.
    #[error("{url} does not exist; check the address")]
    NotFound {
        /// The object asked for.
        url: String,
    },
    /// The store did not answer, or answered that it is down.
    #[error("cannot reach {url}: {reason}; {advice}")]
    Unreachable {
        /// The object or root asked for.
        url: String,
        /// What the network said, with the endpoint and the proxy where one is set.
        reason: String,
        advice: &'static str,
    },
    /// Credentials or permissions are missing or wrong.
    #[error("no access to {url}: {reason}; {advice}")]
    Denied {
        /// The object or root asked for.
        url: String,
        /// What the store said.
        reason: String,
        /// What to check for a store of this kind.
        advice: &'static str,
    },
    /// The bucket or container is not there.
    #[error("the bucket of {url} does not exist; create it or correct its name")]
    NoBucket {
        /// The object or root asked for.
        url: String,
    },
    /// The bucket is in another region than requests are signed for.
    #[error(
        "the bucket of {url} is in another region: {reason}; set AWS_REGION to the bucket's region"
    )]
    OtherRegion {
        /// The object or root asked for.
        url: String,
        /// The region that was asked, and the bucket's where the store named it.
        reason: String,
    },
    /// The device or the quota is used up.
    #[error("cannot write {url}: {reason}; free some space and run the command again")]
    Full {
        /// The object that was being written.
        url: String,
        /// Whether it is the device or a quota.
        reason: &'static str,
    },
    /// A folder is where a file is needed, or the reverse.
    #[error("cannot use {url}: {reason}; check the address")]
    OtherKind {
        /// The object or root asked for.
        url: String,
        /// What is there and what is needed.
        reason: &'static str,
    },
    /// The object is larger than any of its kind.
    #[error(
        "{url} is not what was written: it has {bytes} bytes, and one of its kind has {limit} at most; restore it from a copy"
    )]
    TooLarge {
        /// The object asked for.
        url: String,
        bytes: u64,
        /// How much is read.
        limit: u64,
    },
    /// The file system has no hard links.
    #[error(
        "the file system of {url} has no hard links, as FAT, exFAT and some network drives have none; a file that two processes write is created with them, so use a folder on another file system"
    )]
    NoHardLinks {
        /// The object that was to be created.
        url: String,
    },
    /// The address has a scheme this build does not open.
    #[error("cannot open {url}: `{scheme}` is none of: a path, file://, s3://, gs://, az://")]
    Unsupported {
        /// The address as given, without credentials.
        url: String,
        scheme: String,
    },
    /// The address or the settings that go with it cannot be used.
    #[error("cannot open {url}: {reason}")]
    BadAddress {
        /// The address as given, without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store overwrote an object that it was asked to create only if absent.
    #[error(
        "the store at {url} does not honour create-if-absent ({reason}), so two coordinators could both write; use another store"
    )]
    IgnoresCondition {
        /// The root that was probed.
        url: String,
        reason: String,
    },
    /// Any other failure the store reported.
    #[error("the store failed on {url}: {reason}")]
    Other {
        /// The object or root asked for.
        url: String,
        /// The innermost cause, on one line.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed later with nothing changed by the user.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether nothing was heard, as opposed to something bad.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Unreachable { reason, .. } if reason.starts_with(SILENCE) || reason.starts_with(STALL))
    }

    /// Says how often and how long it was tried, when that was more than once.
    pub(crate) fn after(mut self, tries: u32, time: Duration) -> Self {
        if let Self::Unreachable { reason, .. } = &mut self
            && tries > 1
        {
            *reason = format!(
                "{reason}, the last of {tries} tries in {} s",
                time.as_secs()
            );
        }
        self
    }
}
