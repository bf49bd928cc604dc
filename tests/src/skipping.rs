//! What the surroundings offer: variables that say which services run, and the word for a test that cannot run here.

use std::io::Write as _;

/// Says why a test returns without having tried anything, also where the test runner captures output.
pub fn skip(test: &str, reason: &str) {
    // Without standard error nobody can be told.
    let _ = writeln!(std::io::stderr(), "not tried: {test}: {reason}");
}

/// Reads a variable of the surroundings; an empty one counts as missing.
#[expect(
    clippy::disallowed_methods,
    reason = "`cargo xtask test` tells tests through variables which services it started"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
