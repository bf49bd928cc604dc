//! Runs other programs in the project's root, saying what it runs; their output is read by whoever asked.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};

/// Variables that `cargo run` sets for xtask. A build script may watch them (ring's does), so an inner cargo
/// that inherits them would build dependencies again which the user's own cargo had built.
const SET_BY_CARGO_RUN: &[&str] = &[
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// Names the root of the project that this xtask was built in.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_path_buf()
}

/// Names a path under the build folder that xtask keeps to itself.
pub(crate) fn own_folder() -> PathBuf {
    root().join("target").join("xtask")
}

/// Prepares a cargo command in the project's root, as if the user had typed it.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root()).args(arguments);
    for name in SET_BY_CARGO_RUN {
        command.env_remove(name);
    }
    command
}

/// Says what is run, runs it with this terminal, and answers how it ended.
///
/// # Errors
/// The program could not be started.
pub(crate) fn watch(command: &mut Command) -> Result<ExitStatus> {
    println!("$ {}", line(command));
    command
        .status()
        .with_context(|| format!("cannot start `{}`", line(command)))
}

/// Runs a program to its end and answers with what it wrote to standard output.
///
/// # Errors
/// The program could not be started, or ended without success: then with what it wrote to standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` ended with {}: {}",
            line(command),
            output.status,
            reason.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_holds_the_workspace() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn cargo_is_asked_without_our_own_package() {
        let command = cargo(&["check"]);
        let removed = |name: &str| {
            command
                .get_envs()
                .any(|(key, value)| key == name && value.is_none())
        };
        assert!(removed("CARGO_MANIFEST_DIR") && removed("CARGO_PKG_NAME"));
    }

    #[test]
    fn a_failure_carries_the_reason_that_the_program_gave() {
        let error =
            output(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"])).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("exit status: 3") && message.ends_with("no such thing"),
            "{message}"
        );
        assert_eq!(
            output(Command::new("sh").args(["-c", "echo yes"])).unwrap(),
            "yes\n"
        );
    }
}
