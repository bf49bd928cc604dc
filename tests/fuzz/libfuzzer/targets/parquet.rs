//! libFuzzer's program for the target `parquet`. Half of its changes are made within the footer, whose length is
//! written anew: without its length and its mark no byte of a shard is looked at.

#![no_main]

const MARK: &[u8; 4] = b"PAR1";

libfuzzer_sys::fuzz_target!(init: fratmae_fuzz::end_on_panic(), |bytes: &[u8]| {
    fratmae_fuzz::run("parquet", bytes);
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let whole = libfuzzer_sys::fuzzer_mutate;
    match footer_start(&data[..size]) {
        Some(start) if seed % 2 == 0 && size <= max_size => {
            let length = size - 8 - start;
            let length = whole(&mut data[start..], length, max_size - 8 - start);
            let end = start + length;
            data[end..end + 4].copy_from_slice(&(length as u32).to_le_bytes());
            data[end + 4..end + 8].copy_from_slice(MARK);
            end + 8
        }
        _ => whole(data, size, max_size),
    }
});

/// Where the footer of a shard starts that has both its mark and a length within it.
fn footer_start(shard: &[u8]) -> Option<usize> {
    let (rest, tail) = shard.split_last_chunk::<8>()?;
    let [a, b, c, d, mark @ ..] = tail;
    let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
    (mark == MARK)
        .then(|| rest.len().checked_sub(length))
        .flatten()
}
