//! The handle that ends a group's calls from another thread.
//!
//! It owns the flag and what is to be done when it is raised; it does not know what a group is made of.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Hook = Box<dyn Fn() + Send>;

/// Ends the pending and all later calls of one group; cheap to clone, and usable from any thread.
///
/// A handle belongs to one group: make a new one for the next generation.
#[derive(Clone, Default)]
pub struct AbortHandle {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    aborted: AtomicBool,
    hooks: Mutex<Vec<Hook>>,
}

impl AbortHandle {
    /// Makes a handle that no group listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the pending call at once and every later one with [`CollectiveError::Aborted`](crate::CollectiveError::Aborted).
    ///
    /// Idempotent. The peers see this rank's connections close.
    pub fn abort(&self) {
        self.inner.aborted.store(true, Ordering::SeqCst);
        for hook in self.lock().iter() {
            hook();
        }
    }

    /// Tells whether [`abort`](Self::abort) was called.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.inner.aborted.load(Ordering::SeqCst)
    }

    /// Adds what an abort has to do; done at once if the abort has already come. May run more than once.
    pub(crate) fn on_abort(&self, hook: impl Fn() + Send + 'static) {
        let mut hooks = self.lock();
        if self.is_aborted() {
            hook();
        }
        hooks.push(Box::new(hook));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Hook>> {
        self.inner
            .hooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("aborted", &self.is_aborted())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn counting(handle: &AbortHandle) -> Arc<AtomicUsize> {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        handle.on_abort(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        count
    }

    #[test]
    fn a_clone_aborts_the_same_group() {
        let handle = AbortHandle::new();
        let count = counting(&handle);
        assert!(!handle.is_aborted());
        handle.clone().abort();
        assert!(handle.is_aborted());
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_hook_added_after_the_abort_runs_at_once() {
        let handle = AbortHandle::new();
        handle.abort();
        assert_eq!(counting(&handle).load(Ordering::SeqCst), 1);
    }
}
