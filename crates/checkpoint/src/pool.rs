//! Memory for copies of a state, kept from one checkpoint to the next.
//!
//! The first write to a page costs several times the copy of it, above all where a hypervisor has to find the page.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of new memory written to before `fill` checks whether it must stop.
const FILL_PIECE: usize = 1 << 20;

/// Free buffers; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct BufferPool {
    limit: u64,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl BufferPool {
    /// An empty one that keeps at most `limit` bytes; the default one keeps nothing.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            free: Arc::default(),
        }
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// The free bytes.
    pub(crate) fn bytes(&self) -> usize {
        bytes(&self.lock())
    }

    /// Keeps a buffer, whatever is in it, unless it would exceed the limit.
    pub(crate) fn keep(&self, buffer: Vec<u8>) {
        let mut free = self.lock();
        let size = buffer.capacity();
        if size > 0 && (bytes(&free) + size) as u64 <= self.limit {
            free.push(buffer);
        }
    }

    /// The smallest buffer that holds `size` bytes, emptied; a new one if there is none.
    pub(crate) fn take(&self, size: usize) -> Vec<u8> {
        let mut free = self.lock();
        let sizes = free.iter().map(Vec::capacity).enumerate();
        let fitting = sizes.filter(|(_, capacity)| *capacity >= size);
        let Some((place, _)) = fitting.min_by_key(|(_, capacity)| *capacity) else {
            drop(free);
            return Vec::with_capacity(size);
        };
        let mut buffer = free.swap_remove(place);
        buffer.clear();
        buffer
    }

    /// Gets buffers of these sizes from the system, as far as there are no free ones, until `stop` is set.
    pub(crate) fn fill(&self, sizes: &[usize], stop: &AtomicBool) {
        let is_stopped = || stop.load(Ordering::Relaxed);
        let mut free = self.bytes();
        for &size in sizes {
            if let Some(rest) = free.checked_sub(size) {
                free = rest;
                continue;
            }
            if is_stopped() {
                return;
            }
            let mut buffer = Vec::with_capacity(size);
            while buffer.len() < size && !is_stopped() {
                buffer.resize(size.min(buffer.len() + FILL_PIECE), 0);
            }
            self.keep(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // No thread leaves it half changed.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(free: &[Vec<u8>]) -> usize {
    free.iter().map(Vec::capacity).sum()
}

/// Bytes whose memory goes back to its pool.
#[derive(Debug)]
pub(crate) struct PooledBytes {
    pub(crate) bytes: Vec<u8>,
    pool: BufferPool,
}

impl PooledBytes {
    /// No bytes, and no memory yet.
    pub(crate) fn empty(pool: &BufferPool) -> Self {
        Self {
            bytes: Vec::new(),
            pool: pool.clone(),
        }
    }

    /// Takes the memory for `size` bytes.
    pub(crate) fn allocate(&mut self, size: usize) {
        self.bytes = self.pool.take(size);
    }
}

impl AsRef<[u8]> for PooledBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PooledBytes {
    fn drop(&mut self) {
        self.pool.keep(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_that_is_large_enough_is_taken_and_comes_back() {
        let pool = BufferPool::new(100);
        for size in [40, 10, 20] {
            pool.keep(Vec::with_capacity(size));
        }
        let mut pooled = PooledBytes::empty(&pool);
        pooled.allocate(15);
        let address = pooled.bytes.as_ptr();
        assert_eq!((pooled.bytes.capacity(), pool.bytes()), (20, 50));
        drop(pooled);
        assert_eq!(pool.bytes(), 70);
        let again = pool.take(20);
        assert_eq!(again.as_ptr(), address);
        assert!(pool.take(41).capacity() >= 41);
        assert_eq!(pool.bytes(), 50);
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let pool = BufferPool::new(50);
        for _ in 0..3 {
            pool.keep(Vec::with_capacity(20));
        }
        assert_eq!(pool.bytes(), 40);
        BufferPool::default().keep(vec![1]);
        assert_eq!(BufferPool::default().bytes(), 0);
    }

    #[test]
    fn filling_gets_what_is_missing_and_can_be_stopped() {
        let (pool, stop) = (BufferPool::new(100), AtomicBool::new(false));
        pool.keep(Vec::with_capacity(40));
        pool.fill(&[30, 20], &stop);
        assert_eq!(pool.bytes(), 60);
        stop.store(true, Ordering::Relaxed);
        pool.fill(&[30, 20, 50], &stop);
        assert_eq!(pool.bytes(), 60);
    }
}
