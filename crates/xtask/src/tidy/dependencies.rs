//! The dependency law: which of our packages may use which, and who may use `anyhow`.

use super::manifest::{self, Dependency, Manifest, Table};
use super::{TextFile, Violation};

/// Each package and those of ours that it may use. `None` may use all: it composes them or tests them.
const LAW: &[(&str, Option<&[&str]>)] = &[
    ("fratmae-control", Some(&[])),
    ("fratmae-config", Some(&[])),
    ("fratmae-store", Some(&[])),
    ("fratmae-collective", Some(&[])),
    ("fratmae-network", Some(&[])),
    ("fratmae-trust", Some(&[])),
    ("fratmae-launch", Some(&["config", "store", "trust"])),
    ("fratmae-telemetry", Some(&["control"])),
    ("fratmae-observe", Some(&["store", "telemetry"])),
    ("fratmae-viewers", Some(&["observe", "telemetry"])),
    ("fratmae-exporters", Some(&["observe", "telemetry"])),
    ("fratmae-protocol", Some(&["control", "trust"])),
    ("fratmae-imaging", Some(&[])),
    ("fratmae-dataset", Some(&["store"])),
    ("fratmae-prepare", Some(&["dataset", "imaging", "store"])),
    ("fratmae-phantom", Some(&["dataset", "imaging"])),
    ("fratmae-checkpoint", Some(&["control", "store"])),
    ("fratmae-model", Some(&["config"])),
    (
        "fratmae-trainer",
        Some(&[
            "checkpoint",
            "collective",
            "config",
            "control",
            "dataset",
            "model",
            "telemetry",
        ]),
    ),
    (
        "fratmae-pretrain",
        Some(&[
            "config",
            "dataset",
            "model",
            "store",
            "telemetry",
            "trainer",
        ]),
    ),
    (
        "fratmae-worker",
        Some(&[
            "checkpoint",
            "collective",
            "config",
            "control",
            "dataset",
            "model",
            "network",
            "protocol",
            "store",
            "telemetry",
            "trainer",
            "trust",
        ]),
    ),
    (
        "fratmae-coordinator",
        Some(&[
            "checkpoint",
            "config",
            "control",
            "dataset",
            "network",
            "observe",
            "protocol",
            "store",
            "telemetry",
            "trust",
        ]),
    ),
    (
        "fratmae-web",
        Some(&[
            "checkpoint",
            "coordinator",
            "observe",
            "store",
            "telemetry",
            "trust",
        ]),
    ),
    (
        "fratmae-proof",
        Some(&[
            "checkpoint",
            "collective",
            "config",
            "control",
            "coordinator",
            "dataset",
            "model",
            "store",
            "telemetry",
            "trainer",
        ]),
    ),
    ("fratmae-simulation", Some(&["control"])),
    ("fratmae", None),
    ("fratmae-tests", None),
    ("fratmae-nccl-standin", Some(&[])),
    ("fratmae-fuzz", None),
    ("fratmae-libfuzzer", None),
    ("fratmae-benches", None),
    ("xtask", Some(&[])),
];

/// The only packages that may use `anyhow` outside their tests.
const MAY_USE_ANYHOW: &[&str] = &["fratmae", "fratmae-benches", "fratmae-tests", "xtask"];

/// Finds dependencies that the law does not grant, and manifests that go their own way; dev-dependencies are free.
pub(super) fn check(file: &TextFile) -> Vec<Violation> {
    if !(file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml")) {
        return Vec::new();
    }
    let manifest = manifest::parse(&file.text);
    let Some(package) = manifest.package.as_deref() else {
        return Vec::new();
    };
    let Some((_, granted)) = LAW.iter().find(|(name, _)| *name == package) else {
        return vec![file.violation(
            1,
            format!("`{package}` has no line in the dependency law (crates/xtask)"),
        )];
    };
    let mut violations = manifest_rules(file, &manifest);
    for dependency in manifest
        .dependencies
        .iter()
        .filter(|dependency| dependency.table != Table::Dev)
    {
        violations.extend(
            refusal(package, *granted, dependency)
                .map(|rule| file.violation(dependency.line, rule)),
        );
    }
    violations
}

fn manifest_rules(file: &TextFile, manifest: &Manifest) -> Vec<Violation> {
    let own_version = manifest
        .dependencies
        .iter()
        .filter(|dependency| !dependency.from_workspace);
    let mut violations: Vec<Violation> = own_version
        .map(|dependency| {
            file.violation(
                dependency.line,
                "write `workspace = true` on this line: versions live in the root",
            )
        })
        .collect();
    if !manifest.has_workspace_lints {
        violations.push(file.violation(1, "no `[lints] workspace = true`"));
    }
    violations
}

fn refusal(package: &str, granted: Option<&[&str]>, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    // The workspace also knows some of ours without the project's name.
    let is_ours = |(package, _): &&(&str, _)| package.strip_prefix("fratmae-") == Some(name);
    let ours = name
        .strip_prefix("fratmae-")
        .or((name == "fratmae").then_some("fratmae"))
        .or(LAW.iter().find(is_ours).map(|_| name));
    if let (Some(room), Some(granted)) = (ours, granted)
        && !granted.contains(&room)
    {
        return Some(format!("`{package}` may not use `{name}` (dependency law)"));
    }
    if package == "fratmae-control" && name != "thiserror" {
        return Some(format!(
            "`fratmae-control` uses std and thiserror only, not `{name}`"
        ));
    }
    if name == "anyhow" && !MAY_USE_ANYHOW.contains(&package) {
        return Some(format!(
            "`{package}` has an error type of its own: no `anyhow` outside its tests"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn found(package: &str, dependencies: &str) -> Vec<String> {
        let text = format!(
            "[package]\nname = \"{package}\"\n[lints]\nworkspace = true\n[dependencies]\n{dependencies}"
        );
        check(&file("crates/x/Cargo.toml", &text))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn granted_dependencies_pass() {
        assert!(
            found(
                "fratmae-checkpoint",
                "fratmae-store.workspace = true\nserde.workspace = true\n"
            )
            .is_empty()
        );
        assert!(
            found(
                "fratmae",
                "fratmae-worker.workspace = true\nanyhow.workspace = true\n"
            )
            .is_empty()
        );
        assert!(found("fratmae-control", "thiserror.workspace = true\n").is_empty());
    }

    #[test]
    fn an_arrow_against_the_law_is_found() {
        let rules = found(
            "fratmae-dataset",
            "bytes.workspace = true\nfratmae-control.workspace = true\n",
        );
        assert_eq!(
            rules,
            [
                "crates/x/Cargo.toml:7: `fratmae-dataset` may not use `fratmae-control` (dependency law)"
            ]
        );
        assert_eq!(
            found(
                "fratmae-store",
                "x = { package = \"fratmae-config\", workspace = true }\n"
            )
            .len(),
            1
        );
        assert_eq!(found("xtask", "fratmae.workspace = true\n").len(), 1);
        assert_eq!(
            found("fratmae-store", "config.workspace = true\n"),
            ["crates/x/Cargo.toml:6: `fratmae-store` may not use `config` (dependency law)"]
        );
    }

    #[test]
    fn control_stands_on_std() {
        assert_eq!(
            found("fratmae-control", "serde.workspace = true\n").len(),
            1
        );
        assert!(
            found(
                "fratmae-control",
                "[dev-dependencies]\nproptest.workspace = true\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn anyhow_stays_out_of_libraries() {
        assert_eq!(
            found("fratmae-worker", "anyhow.workspace = true\n").len(),
            1
        );
        assert!(
            found(
                "fratmae-worker",
                "[dev-dependencies]\nanyhow.workspace = true\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn a_new_package_needs_a_line_in_the_law() {
        assert!(found("fratmae-new", "")[0].contains("no line in the dependency law"));
    }

    #[test]
    fn versions_and_lints_come_from_the_workspace() {
        assert_eq!(found("fratmae-store", "bytes = \"1\"\n").len(), 1);
        let bare = file(
            "crates/x/Cargo.toml",
            "[package]\nname = \"fratmae-store\"\n",
        );
        assert!(check(&bare)[0].to_string().contains("no `[lints]"));
    }
}
