//! A bit of a worker's parameters that reads as one whatever is written there, as in a faulty module.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};

/// How long it may be what the process wrote.
const LOOK: Duration = Duration::from_millis(1);
/// Which number of the parameters, which is one of those that learn, and which of its bits.
const NUMBER: u64 = 20_000;
const BIT: u32 = 20;

/// The bit, until the value is dropped.
pub(crate) struct StuckBit {
    /// The process whose memory it is in.
    pub(crate) process: u32,
    stuck: Arc<Stuck>,
}

struct Stuck {
    address: AtomicU64,
    is_over: AtomicBool,
}

impl StuckBit {
    /// Holds a bit of the parameters at an address of a process.
    ///
    /// # Errors
    /// That the system does not give the memory of this process.
    pub(crate) fn hold(process: u32, parameters: u64) -> Result<Self> {
        let path = format!("/proc/{process}/mem");
        let memory = OpenOptions::new().read(true).write(true).open(&path);
        let memory = memory.with_context(|| format!("cannot open {path}"))?;
        let stuck = Arc::new(Stuck {
            address: AtomicU64::new(parameters),
            is_over: AtomicBool::new(false),
        });
        let held = Arc::clone(&stuck);
        std::thread::spawn(move || {
            while !held.is_over.load(Ordering::Relaxed) {
                // What lay there may be freed, and the process may be gone.
                let _ = set(&memory, held.address.load(Ordering::Relaxed) + 4 * NUMBER);
                std::thread::park_timeout(LOOK);
            }
        });
        Ok(Self { process, stuck })
    }

    /// The parameters lie at another address now.
    pub(crate) fn move_to(&self, parameters: u64) {
        self.stuck.address.store(parameters, Ordering::Relaxed);
    }
}

impl Drop for StuckBit {
    fn drop(&mut self) {
        self.stuck.is_over.store(true, Ordering::Relaxed);
    }
}

fn set(memory: &File, address: u64) -> io::Result<()> {
    let mut bytes = [0; 4];
    memory.read_exact_at(&mut bytes, address)?;
    let number = u32::from_le_bytes(bytes);
    if number & 1 << BIT == 0 {
        memory.write_all_at(&(number | 1 << BIT).to_le_bytes(), address)?;
    }
    Ok(())
}
