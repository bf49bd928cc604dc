//! What cargo's resolved graph must not hold: a runtime below `control`, two versions of a shared vocabulary.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Violation;
use crate::program;

/// Packages whose types cross our crates: two versions of one do not fit together.
const ONE_VERSION: &[&str] = &[
    "arrow-array",
    "arrow-schema",
    "axum",
    "burn",
    "hyper",
    "object_store",
    "parquet",
    "prost",
    "rustls",
    "tonic",
];

/// Packages that bring a clock, chance, input or output to the pure core.
const NOT_BELOW_CONTROL: &[&str] = &["rand", "serde", "tokio", "tonic", "tracing"];

/// Asks `cargo tree` and holds its answers against the law.
///
/// # Errors
/// `cargo tree` fails, for one because `Cargo.lock` does not fit the manifests.
pub(crate) fn check_graph() -> Result<Vec<Violation>> {
    let control = tree(&["-p", "fratmae-control"])?;
    let workspace = tree(&["--workspace", "--all-features"])?;
    Ok(below_control(&control)
        .into_iter()
        .chain(twins(&workspace))
        .collect())
}

fn tree(selection: &[&str]) -> Result<String> {
    let plain = [
        "tree",
        "--locked",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
    ];
    program::output(&mut program::cargo(&[plain.as_slice(), selection].concat()))
}

fn below_control(tree: &str) -> Vec<Violation> {
    let found = packages(tree)
        .into_keys()
        .filter(|name| NOT_BELOW_CONTROL.contains(name));
    found
        .map(|name| {
            violation(
                "crates/control/Cargo.toml",
                format!("`{name}` is below `fratmae-control`"),
            )
        })
        .collect()
}

fn twins(tree: &str) -> Vec<Violation> {
    let several = packages(tree)
        .into_iter()
        .filter(|(name, versions)| versions.len() > 1 && ONE_VERSION.contains(name));
    let rules = several
        .map(|(name, versions)| format!("several versions of `{name}`: {}", versions.join(", ")));
    rules.map(|rule| violation("Cargo.lock", rule)).collect()
}

/// Reads lines such as `bytes v1.12.0 (*)` into names with their different versions.
fn packages(tree: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            let versions = packages.entry(name).or_default();
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
    }
    packages
}

fn violation(path: &str, rule: String) -> Violation {
    Violation {
        path: path.to_owned(),
        line: 1,
        rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_below_control_is_found() {
        let clean = "fratmae-control v0.1.0 (path)\nthiserror v2.0.21\nthiserror-impl v2.0.21 (proc-macro)\n";
        assert!(below_control(clean).is_empty());
        let found = below_control(&format!("{clean}tokio v1.54.0\n"));
        assert_eq!(
            found[0].to_string(),
            "crates/control/Cargo.toml:1: `tokio` is below `fratmae-control`"
        );
    }

    #[test]
    fn twins_of_the_shared_vocabulary_are_found() {
        let tree = "prost v0.14.6\nprost v0.14.6 (*)\nprost v0.13.1\nsyn v1.0.0\nsyn v2.0.0\n\nprost-types v0.14.6\n";
        let found = twins(tree);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].to_string(),
            "Cargo.lock:1: several versions of `prost`: v0.14.6, v0.13.1"
        );
        assert!(twins("prost v0.14.6\nprost v0.14.6 (*)\n").is_empty());
    }

    #[test]
    fn the_law_holds_in_this_graph_s_core() {
        let control = tree(&["-p", "fratmae-control"]).unwrap();
        assert!(
            packages(&control).contains_key("fratmae-control"),
            "{control}"
        );
        assert_eq!(below_control(&control), []);
    }
}
