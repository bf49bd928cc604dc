//! How long a store may take and how often it may fail before a call gives up, and the one line that says it is unwell.
//! Owns the waits between tries; what is tried again is decided in `objects` and `reading`.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::address::Kind;
use crate::watched::watched;
use crate::{Location, StoreError};

/// Bytes per second below which a transfer counts as stuck.
const SLOWEST_LINK: u64 = 1 << 20;

/// The first wait between two tries, and the longest.
const WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// How often a store that goes on failing is mentioned.
const MENTION_EVERY: Duration = Duration::from_secs(30);

/// The least silence of a file system that counts: a disk may be slow while much is written to it, but one on a network
/// can hang for good.
const FILES: Duration = Duration::from_secs(30);

/// How long a call retries a store that fails or is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Longest silence: without an answer, or in the middle of one. Then the request is dropped and sent again.
    pub stall: Duration,
    /// How long one call goes on trying; a second more for each MiB it moves.
    pub total: Duration,
}

impl Default for RetryPolicy {
    /// Short enough that a person at a terminal hears of a store that is down within 15 seconds.
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(4),
            total: Duration::from_secs(10),
        }
    }
}

/// What has been seen of a store; shared by all clones of its location.
#[derive(Debug, Default)]
pub(crate) struct Health {
    has_answered: AtomicBool,
    failures: AtomicU64,
    /// When and at how many failures it was last mentioned; a std lock, never held across an await.
    mentioned: Mutex<Option<(Instant, u64)>>,
}

impl Health {
    pub(crate) fn answered(&self) {
        self.has_answered.store(true, Ordering::Relaxed);
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Counts a failure that is tried again, and says so, now and then.
    fn failed(&self, error: &StoreError) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let mut mentioned = self
            .mentioned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = match *mentioned {
            Some((when, _)) if when.elapsed() < MENTION_EVERY => return,
            Some((_, before)) => before,
            None => 0,
        };
        *mentioned = Some((Instant::now(), failures));
        tracing::warn!(failures = failures - before, %error, "the store is unwell; trying again");
    }
}

/// One call's tries.
pub(crate) struct Tries<'location> {
    location: &'location Location,
    started: Instant,
    tries: u32,
    /// Whether the credentials were fetched again since the store refused them.
    is_renewed: bool,
}

impl<'location> Tries<'location> {
    pub(crate) fn new(location: &'location Location) -> Self {
        Self {
            location,
            started: Instant::now(),
            tries: 0,
            is_renewed: false,
        }
    }

    /// Waits before the next try of a call that moves `bytes`; gives `error` back when there is to be none.
    ///
    /// # Errors
    /// `error`: it is not transient, or the time is over, or the store has never answered anything and this was
    /// no mere silence, so that its address is probably wrong. A refusal is tried once more if there are new credentials.
    pub(crate) async fn again(&mut self, error: StoreError, bytes: u64) -> Result<(), StoreError> {
        self.tries += 1;
        let health = &self.location.health;
        if !error.is_transient() {
            health.answered();
            return self.renewed(error).await;
        }
        let never_answered = !health.has_answered.load(Ordering::Relaxed);
        let wait = wait_before(self.tries);
        let limit = self.location.retry.total + allowance(bytes);
        let is_over = self.started.elapsed() + wait >= limit;
        if is_over || (never_answered && !error.is_silence()) {
            return Err(error.after(self.tries, self.started.elapsed()));
        }
        health.failed(&error);
        pause(wait).await;
        Ok(())
    }

    /// Credentials that were replaced under a long run are fetched again.
    async fn renewed(&mut self, error: StoreError) -> Result<(), StoreError> {
        let credentials = match (&error, &self.location.way.credentials) {
            (StoreError::Denied { .. }, Some(credentials)) if !self.is_renewed => credentials,
            _ => return Err(error),
        };
        self.is_renewed = credentials.renew().await;
        match self.is_renewed {
            true => Ok(()),
            false => Err(error),
        }
    }
}

impl Location {
    /// Sets how long calls bear with the store; clones made before keep theirs.
    #[must_use]
    pub fn with_retry_policy(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Bears with the store from the first call on, as somebody else has reached it: its address is right.
    #[must_use]
    pub fn assume_reachable(self) -> Self {
        self.health.answered();
        self
    }

    /// Counts the failures of this store that were tried again, over all clones of the location.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.health.failures()
    }

    /// Tries an operation of this name that moves `bytes` until it succeeds, fails for good, or the time is over.
    pub(crate) async fn patiently<T, F>(
        &self,
        (name, bytes): (&'static str, u64),
        relative: &str,
        operation: impl FnMut() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let tried = self.try_patiently(bytes, relative, operation);
        watched(name, |_| bytes, tried).await
    }

    async fn try_patiently<T, F>(
        &self,
        bytes: u64,
        relative: &str,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut tries = Tries::new(self);
        loop {
            let limit = self.retry.stall + allowance(bytes);
            self.credentialed(relative).await?;
            let error = match self.with_stall_timeout(limit, operation()).await {
                Some(Ok(done)) => {
                    self.health.answered();
                    return Ok(done);
                }
                Some(Err(error)) => self.explain(relative, &error),
                None => self.silent(relative),
            };
            tries.again(error, bytes).await?;
        }
    }

    /// Sees to it that credentials are at hand, so that fetching them is not taken for silence of the store.
    ///
    /// # Errors
    /// [`StoreError::Denied`] with the reason why there are none.
    pub(crate) async fn credentialed(&self, relative: &str) -> Result<(), StoreError> {
        let Some(credentials) = &self.way.credentials else {
            return Ok(());
        };
        let current = credentials.current().await;
        current
            .map(drop)
            .map_err(|error| self.denied(self.url_of(relative), error.to_string()))
    }

    /// Waits no longer than the limit; what a file system does not return from goes on without anybody waiting for it.
    pub(crate) async fn with_stall_timeout<T>(
        &self,
        limit: Duration,
        operation: impl Future<Output = T>,
    ) -> Option<T> {
        let limit = match self.kind {
            Kind::Local => limit.max(FILES),
            _ => limit,
        };
        tokio::time::timeout(limit, operation).await.ok()
    }
}

/// The time that a slow but living link may take for some bytes.
fn allowance(bytes: u64) -> Duration {
    Duration::from_secs(bytes / SLOWEST_LINK)
}

/// Doubles from try to try, each with a random half, so that many readers do not come back at once.
fn wait_before(tries: u32) -> Duration {
    let [first, longest] = WAITS;
    let whole = longest.min(first.saturating_mul(1 << tries.saturating_sub(1).min(16)));
    // Nothing that is kept depends on this number.
    whole.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a wait between two tries waits for nothing but time"
)]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_longest_and_differ() {
        let [first, longest] = WAITS;
        for tries in 1..40 {
            let whole = longest.min(first * (1 << (tries - 1).min(10)));
            let wait = wait_before(tries);
            assert!(wait >= whole / 2 && wait <= whole, "{tries}: {wait:?}");
        }
        let waits: std::collections::BTreeSet<Duration> = (0..20).map(|_| wait_before(3)).collect();
        assert!(waits.len() > 5, "{waits:?}");
    }
}
