//! libFuzzer's program for the target `data_manifest`; what it runs is in `fratmae-fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: fratmae_fuzz::end_on_panic(), |bytes: &[u8]| {
    fratmae_fuzz::run("data_manifest", bytes);
});
