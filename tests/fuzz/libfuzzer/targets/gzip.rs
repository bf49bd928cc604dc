//! libFuzzer's program for the target `gzip`. Half of its changes are made to the bytes inside, which are packed anew:
//! a changed stream is hardly ever a stream any more.

#![no_main]

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Most bytes unpacked to be changed: a larger image finds nothing more, only slower.
const MOST: u64 = 1 << 14;

libfuzzer_sys::fuzz_target!(init: fratmae_fuzz::end_on_panic(), |bytes: &[u8]| {
    fratmae_fuzz::run("gzip", bytes);
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let inside = (seed % 2 == 0).then(|| changed_inside(&data[..size], seed));
    match inside.flatten() {
        Some(packed) if packed.len() <= max_size => {
            data[..packed.len()].copy_from_slice(&packed);
            packed.len()
        }
        _ => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
});

fn changed_inside(packed: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(packed)
        .take(MOST)
        .read_to_end(&mut plain)
        .ok()?;
    let size = plain.len();
    plain.resize(size + 64, 0);
    let size = libfuzzer_sys::fuzzer_mutate(&mut plain, size, size + 64);
    let level = Compression::new(seed / 2 % 10);
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(&plain[..size]).ok()?;
    encoder.finish().ok()
}
