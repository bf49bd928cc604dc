//! Owns the verdict on panics: one in a decoder that is caught by design is let be, any other ends the program.

use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;

/// The one place that catches panics: around the decoders of compressed DICOM pixels.
const CATCHER: &str = "codecs::unpack";
/// Where the decoders that it calls lie.
const DECODERS: [&str; 3] = ["/jpeg-decoder-", "/pure_jpegls-", "/hayro-jpeg2000-"];

/// From now on a panic ends the program, on whatever thread it is and whoever would catch it.
///
/// A task of a runtime that panics is an error to who awaits it: without this, none would be seen.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        if is_caught_by_design(panic) {
            return;
        }
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        tell(&format!(
            "panic on thread {name}: {panic}\n{}\n",
            Backtrace::force_capture()
        ));
        end();
    }));
}

fn is_caught_by_design(panic: &PanicHookInfo<'_>) -> bool {
    let file = panic.location().map_or("", |location| location.file());
    if DECODERS.iter().any(|name| file.contains(name)) {
        return true;
    }
    // A decoder's wrong number may also panic in the standard library.
    file.starts_with("/rustc/") && Backtrace::force_capture().to_string().contains(CATCHER)
}

fn tell(text: &str) {
    use std::io::Write;
    // Nobody is left to be told that standard error is closed.
    let _closed = std::io::stderr().write_all(text.as_bytes());
}

#[expect(
    clippy::disallowed_methods,
    reason = "libFuzzer keeps the input of a program that aborts"
)]
fn end() {
    std::process::abort()
}
