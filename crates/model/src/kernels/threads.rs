//! Kernels run on a thread of the pool, which hands work to the other threads directly.

/// Runs `work` on a thread of the pool; a thread outside would hand every kernel over and sleep until it is done.
pub(crate) fn inside<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_some() {
        return work();
    }
    rayon::scope(|_| work())
}
