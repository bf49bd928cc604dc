//! What `fratmae --version` prints: the version, the commit if there is a repository, and the features of the build.

use std::process::Command;

#[expect(
    clippy::disallowed_methods,
    reason = "cargo hands features to a build script in the environment, and packagers the commit"
)]
fn main() {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FRATMAE_COMMIT");
    // Written to by each commit and checkout, in a worktree as well.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && std::path::Path::new(&log).exists()
    {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = variable("FRATMAE_COMMIT").or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let commit = commit.map_or_else(String::new, |commit| format!("commit {commit}, "));
    let features = ["cuda", "rehearsal"]
        .into_iter()
        .filter(|name| variable(&format!("CARGO_FEATURE_{}", name.to_uppercase())).is_some());
    let features: Vec<&str> = features.collect();
    let features = match features.as_slice() {
        [] => "CPU only".to_owned(),
        some => format!("features: {}", some.join(", ")),
    };
    let version = variable("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=FRATMAE_BUILD={version} ({commit}{features})");
}

/// What git prints; nothing without git or a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
