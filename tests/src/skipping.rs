//! What the surroundings offer: variables that say which services run, and the word for a test that cannot run here.

use std::io::Write as _;

/// With this variable set, a test fails that lacks a tool or a service: where all of these should be, nothing is left out
/// unnoticed.
const COMPLETE: &str = "FRATMAE_TEST_COMPLETE";

/// Says why a test returns without having tried anything, as a tool or a service is missing.
///
/// # Panics
/// Where everything should be there.
pub fn skip(test: &str, reason: &str) {
    assert!(
        variable(COMPLETE).is_none(),
        "{test}: {reason}; {COMPLETE} says that nothing is missing here"
    );
    not_tried(test, reason);
}

/// Says why a test returns without having tried anything, as it needs files that only some machines have.
pub fn lacks_files(test: &str, reason: &str) {
    not_tried(test, reason);
}

/// Says why a test returns without having tried anything, as the system does not allow it to mount, to make namespaces or
/// to become another user: no installation mends that.
pub fn lacks_right(test: &str, reason: &str) {
    not_tried(test, reason);
}

/// One line in one piece, also where the test runner captures output: whoever runs the tests counts such lines.
fn not_tried(test: &str, reason: &str) {
    let line = format!("not tried: {test}: {reason}\n");
    // Without standard error nobody can be told.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Reads a variable of the surroundings; an empty one counts as missing.
#[expect(
    clippy::disallowed_methods,
    reason = "`cargo xtask test` tells tests through variables which services it started"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
