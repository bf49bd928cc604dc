//! The memory of another process: bits in it flipped, or held, as a faulty module flips and holds them.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a bit that is stuck may be what the process wrote.
const LOOK: Duration = Duration::from_millis(1);

/// Flips one bit of the 32-bit number at an address of a process.
///
/// # Panics
/// When the system does not give the memory of this process.
pub fn flip_bit(process: u32, address: u64, bit: u32) {
    let flipped = change(&memory(process), address, |number| number ^ 1 << bit);
    assert!(flipped.expect("it lies there"), "one bit is another");
}

fn memory(process: u32) -> File {
    let memory = OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{process}/mem"));
    memory.expect("the memory of a process of ours can be opened")
}

/// Changes the 32-bit number at an address; says whether it is another now.
fn change(memory: &File, address: u64, to: impl Fn(u32) -> u32) -> io::Result<bool> {
    let mut bytes = [0; 4];
    memory.read_exact_at(&mut bytes, address)?;
    let number = u32::from_le_bytes(bytes);
    let changed = to(number);
    if changed != number {
        memory.write_all_at(&changed.to_le_bytes(), address)?;
    }
    Ok(changed != number)
}

/// A bit of a process's memory that keeps one value whatever is written there, until this is dropped.
#[derive(Debug)]
pub struct StuckBit {
    state: Arc<Stuck>,
    holder: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Stuck {
    address: AtomicU64,
    n_set: AtomicU64,
    is_over: AtomicBool,
}

impl StuckBit {
    /// Holds one bit of the 32-bit number at an address of a process, at the value that it does not have now.
    ///
    /// # Panics
    /// When the system does not give the memory of this process.
    pub fn hold(process: u32, address: u64, bit: u32) -> Self {
        let memory = memory(process);
        let (flipped, mask) = (Cell::new(0), 1 << bit);
        let first = change(&memory, address, |number| {
            flipped.set(number ^ mask);
            flipped.get()
        });
        first.expect("it lies there");
        let held = flipped.get() & mask;
        let state = Arc::new(Stuck {
            address: AtomicU64::new(address),
            n_set: AtomicU64::new(1),
            is_over: AtomicBool::new(false),
        });
        let stuck = Arc::clone(&state);
        let holder = std::thread::spawn(move || {
            while !stuck.is_over.load(Ordering::Relaxed) {
                let address = stuck.address.load(Ordering::Relaxed);
                // What lay there may be freed, and the process may be gone.
                let is_set = change(&memory, address, |number| number & !mask | held);
                let is_set = is_set.unwrap_or_default();
                stuck.n_set.fetch_add(u64::from(is_set), Ordering::Relaxed);
                std::thread::park_timeout(LOOK);
            }
        });
        Self {
            state,
            holder: Some(holder),
        }
    }

    /// From now on the number at another address is meant: the process keeps there what it kept at the one before.
    pub fn move_to(&self, address: u64) {
        self.state.address.store(address, Ordering::Relaxed);
    }

    /// How often the process had another value there.
    pub fn n_set(&self) -> u64 {
        self.state.n_set.load(Ordering::Relaxed)
    }
}

impl Drop for StuckBit {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        if let Some(holder) = self.holder.take() {
            // It panics nowhere.
            let _ = holder.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::waiting::wait_until;

    fn address(number: &AtomicU32) -> u64 {
        std::ptr::from_ref(number).addr() as u64
    }

    #[test]
    fn a_bit_of_our_own_memory_is_flipped() {
        let number = Box::new(AtomicU32::new(5));
        flip_bit(std::process::id(), address(&number), 1);
        assert_eq!(number.load(Ordering::SeqCst), 7);
    }

    #[test]
    fn a_stuck_bit_has_one_value_again_whatever_is_written() {
        for (first, held) in [(0, 8), (8, 0)] {
            let number = Box::new(AtomicU32::new(first));
            let bit = StuckBit::hold(std::process::id(), address(&number), 3);
            for written in [0, 5, 8, 13] {
                number.store(written, Ordering::SeqCst);
                wait_until("the bit", Duration::from_secs(5), || {
                    number.load(Ordering::SeqCst) == written & !8 | held
                });
            }
            assert!(bit.n_set() >= 3);
            drop(bit);
            number.store(first, Ordering::SeqCst);
            assert_eq!(number.load(Ordering::SeqCst), first);
        }
    }
}
