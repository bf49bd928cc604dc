//! The memory of another process: bits in it flipped, as a faulty module flips them.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

/// Flips one bit of the 32-bit number at an address of a process.
///
/// # Panics
/// When the system does not give the memory of this process.
pub fn flip_bit(process: u32, address: u64, bit: u32) {
    let memory = OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{process}/mem"))
        .expect("the memory of a process of ours can be opened");
    let mut bytes = [0; 4];
    memory
        .read_exact_at(&mut bytes, address)
        .expect("it lies there");
    let flipped = u32::from_le_bytes(bytes) ^ 1 << bit;
    let bytes = flipped.to_le_bytes();
    memory
        .write_all_at(&bytes, address)
        .expect("it can be written");
}

/// Clears one bit of the 32-bit number at an address of a process, as a cell does that is stuck; says whether that
/// memory is still there.
pub fn stick_bit(process: u32, address: u64, bit: u32) -> bool {
    let memory = OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{process}/mem"));
    let Ok(memory) = memory else {
        return false;
    };
    let mut bytes = [0; 4];
    if memory.read_exact_at(&mut bytes, address).is_err() {
        return false;
    }
    let number = u32::from_le_bytes(bytes);
    let stuck = number & !(1 << bit);
    stuck == number || memory.write_all_at(&stuck.to_le_bytes(), address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_of_our_own_memory_is_flipped() {
        let number = Box::new(std::sync::atomic::AtomicU32::new(5));
        let address = std::ptr::from_ref(&*number).addr() as u64;
        flip_bit(std::process::id(), address, 1);
        assert_eq!(number.load(std::sync::atomic::Ordering::SeqCst), 7);
    }
}
