//! Memory that copies of a state are made in, kept from one checkpoint to the next.
//!
//! The first write to a page costs several times the copy of it, and most of all where a hypervisor has to find the page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory that lies ready; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Reserve {
    limit: usize,
    ready: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Reserve {
    /// An empty one that keeps at most `limit` bytes; one of 0 bytes, the default, keeps nothing.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            ready: Arc::default(),
        }
    }

    /// The bytes that lie ready.
    #[must_use]
    pub fn bytes(&self) -> usize {
        bytes(&self.ready())
    }

    /// Keeps memory, whatever is in it, unless there is enough.
    pub fn keep(&self, memory: Vec<u8>) {
        let mut ready = self.ready();
        if memory.capacity() > 0 && bytes(&ready) + memory.capacity() <= self.limit {
            ready.push(memory);
        }
    }

    /// The smallest memory that holds `size` bytes, with nothing in it; new memory if there is none.
    #[must_use]
    pub fn take(&self, size: usize) -> Vec<u8> {
        let mut ready = self.ready();
        let sizes = ready.iter().map(Vec::capacity).enumerate();
        let fitting = sizes.filter(|(_, capacity)| *capacity >= size);
        let Some((place, _)) = fitting.min_by_key(|(_, capacity)| *capacity) else {
            drop(ready);
            return Vec::with_capacity(size);
        };
        let mut memory = ready.swap_remove(place);
        memory.clear();
        memory
    }

    fn ready(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // No thread leaves it half changed.
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(ready: &[Vec<u8>]) -> usize {
    ready.iter().map(Vec::capacity).sum()
}

/// Bytes whose memory goes back to where it came from.
#[derive(Debug)]
pub(crate) struct Borrowed {
    pub(crate) bytes: Vec<u8>,
    reserve: Reserve,
}

impl Borrowed {
    /// No bytes, and no memory yet.
    pub(crate) fn nothing(reserve: &Reserve) -> Self {
        Self {
            bytes: Vec::new(),
            reserve: reserve.clone(),
        }
    }

    /// Takes the memory for `size` bytes.
    pub(crate) fn take(&mut self, size: usize) {
        self.bytes = self.reserve.take(size);
    }
}

impl AsRef<[u8]> for Borrowed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.reserve.keep(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_that_is_large_enough_is_taken_and_comes_back() {
        let reserve = Reserve::new(100);
        for size in [40, 10, 20] {
            reserve.keep(Vec::with_capacity(size));
        }
        let mut borrowed = Borrowed::nothing(&reserve);
        borrowed.take(15);
        let place = borrowed.bytes.as_ptr();
        assert_eq!((borrowed.bytes.capacity(), reserve.bytes()), (20, 50));
        drop(borrowed);
        assert_eq!(reserve.bytes(), 70);
        let again = reserve.take(20);
        assert_eq!(again.as_ptr(), place);
        assert!(reserve.take(41).capacity() >= 41);
        assert_eq!(reserve.bytes(), 50);
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let reserve = Reserve::new(50);
        for _ in 0..3 {
            reserve.keep(Vec::with_capacity(20));
        }
        assert_eq!(reserve.bytes(), 40);
        Reserve::default().keep(vec![1]);
        assert_eq!(Reserve::default().bytes(), 0);
    }
}
