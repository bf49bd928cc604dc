//! Who this process is. It is told once, before the first connection, and every connection is made by it.

use crate::keyring::Keyring;
use std::sync::OnceLock;

/// What a process was told of its keys.
#[derive(Clone, Debug)]
pub enum Keys {
    /// It has these, and speaks with nobody who does not show keys of the same run.
    Own(Keyring),
    /// It was told to do without, and speaks with everybody.
    Without,
}

static KEYS: OnceLock<Keys> = OnceLock::new();

/// Tells this process who it is; the first word counts.
pub fn set_keys(keys: Keys) {
    // Who comes second has the same command line.
    let _ = KEYS.set(keys);
}

/// What this process was told of its keys; nothing if it was told nothing.
#[must_use]
pub fn keys() -> Option<&'static Keys> {
    KEYS.get()
}

/// This process's keys, if it has some.
#[must_use]
pub fn own() -> Option<&'static Keyring> {
    match keys()? {
        Keys::Own(keyring) => Some(keyring),
        Keys::Without => None,
    }
}
