//! What this process is told to do wrong, once for all of its life.
//!
//! `FRATMAE_STANDIN` holds words between commas: `version=21405`, `device=3` (its number instead of one of its own),
//! `no-device`, `gpus=2` (so many devices), `cuda=12040` (the driver's version), `apart` (no device reaches another's
//! memory), `delay=20` (milliseconds that each collective takes), `remote-errors` (the death of a peer is reported),
//! `hang=init`, `hang=abort`, `hang=collective@3`, `error=collective@3`, `die=init`, `die=collective@3`, and `rank=1` if
//! these befall that rank alone. Collectives are counted from 1 over all communicators of the process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Well,
    Hangs,
    Errs,
    Dies,
}

fn words() -> &'static [String] {
    static WORDS: OnceLock<Vec<String>> = OnceLock::new();
    WORDS.get_or_init(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "the process that opens this library must not know of it"
        )]
        let text = std::env::var("FRATMAE_STANDIN").unwrap_or_default();
        text.split(',').map(|word| word.trim().to_owned()).collect()
    })
}

fn has(word: &str) -> bool {
    words().iter().any(|said| said == word)
}

fn number(key: &str) -> Option<u64> {
    let mut values = words().iter().filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        (name == key).then_some(value)
    });
    values.next()?.parse().ok()
}

fn fate(of: &str, rank: usize) -> Fate {
    if number("rank").is_some_and(|befallen| befallen != rank as u64) {
        return Fate::Well;
    }
    let said = |fault: &str| has(&format!("{fault}={of}"));
    if said("hang") {
        Fate::Hangs
    } else if said("error") {
        Fate::Errs
    } else if said("die") {
        Fate::Dies
    } else {
        Fate::Well
    }
}

pub(crate) fn of_init(rank: usize) -> Fate {
    fate("init", rank)
}

pub(crate) fn of_abort(rank: usize) -> Fate {
    fate("abort", rank)
}

/// The fate of the next collective.
pub(crate) fn of_collective(rank: usize) -> Fate {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
    fate(&format!("collective@{number}"), rank)
}

pub(crate) fn version() -> i32 {
    let version = number("version").and_then(|version| i32::try_from(version).ok());
    version.unwrap_or(23_005)
}

/// The number of the device: each process has one of its own.
pub(crate) fn device() -> u64 {
    number("device").unwrap_or_else(|| u64::from(std::process::id()) << 8)
}

pub(crate) fn has_device() -> bool {
    !has("no-device")
}

pub(crate) fn n_devices() -> i32 {
    let number_given = number("gpus").and_then(|count| i32::try_from(count).ok());
    number_given.unwrap_or(1)
}

pub(crate) fn cuda_version() -> i32 {
    let number_given = number("cuda").and_then(|version| i32::try_from(version).ok());
    number_given.unwrap_or(13_000)
}

pub(crate) fn are_apart() -> bool {
    has("apart")
}

pub(crate) fn delay() -> Duration {
    Duration::from_millis(number("delay").unwrap_or(0))
}

pub(crate) fn reports_remote_errors() -> bool {
    has("remote-errors")
}

/// Ends the process as the kernel would for want of memory.
pub(crate) fn die() {
    // It fails on no process's own id.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::SIGKILL);
}
