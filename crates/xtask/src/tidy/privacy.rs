//! What belongs to one machine and not into the project: its paths, and where it fetches packages from.

use super::{TextFile, Violation};

/// Folders at the root of somebody's machine. A user's own folder is written `~`.
const MACHINE_FOLDERS: &[&str] = &["work", "root", "home", "Users"];

/// Settings that choose a package registry; they belong into the user's own configuration.
const REGISTRY_SETTINGS: &[&str] = &[
    "index-url",
    "index_url",
    "trusted-host",
    "replace-with",
    "PIP_INDEX",
    "UV_INDEX",
    "CARGO_REGISTRIES",
    "npm_config_registry",
];

/// This file names what it looks for.
const OWN_PATH: &str = "crates/xtask/src/tidy/privacy.rs";

/// Finds both kinds in any text file.
pub(super) fn check(file: &TextFile) -> Vec<Violation> {
    if file.path == OWN_PATH {
        return Vec::new();
    }
    let is_lock = file.path == "Cargo.lock";
    let found = file.text.lines().enumerate().flat_map(|(at, line)| {
        let foreign = (is_lock && names_other_registry(line))
            .then(|| "a package from another registry".to_owned());
        let rules = machine_path(line)
            .into_iter()
            .chain(registry_setting(line))
            .chain(foreign);
        rules
            .map(move |rule| file.violation(at + 1, rule))
            .collect::<Vec<_>>()
    });
    found.collect()
}

fn machine_path(line: &str) -> Option<String> {
    let folder = MACHINE_FOLDERS.iter().find(|folder| {
        let path = format!("/{folder}/");
        line.match_indices(&path)
            .any(|(at, _)| !continues_path(&line[..at]))
    })?;
    Some(format!("`/{folder}/` is a path of one machine"))
}

/// Tells whether a slash after `before` goes on with a longer path.
fn continues_path(before: &str) -> bool {
    let goes_on = |character: char| character.is_alphanumeric() || "_-.}~*>)".contains(character);
    before.ends_with(goes_on)
}

fn registry_setting(line: &str) -> Option<String> {
    let setting = REGISTRY_SETTINGS
        .iter()
        .find(|setting| line.contains(*setting))?;
    Some(format!(
        "`{setting}`: where packages come from is the machine's own setting"
    ))
}

fn names_other_registry(line: &str) -> bool {
    let Some(source) = line.strip_prefix("source = \"") else {
        return false;
    };
    !source.starts_with("registry+https://github.com/rust-lang/crates.io-index")
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn found(text: &str) -> usize {
        check(&file("docs/a.md", text)).len()
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for folder in MACHINE_FOLDERS {
            for text in [
                format!("see /{folder}/main"),
                format!("(\"/{folder}/.cache\")"),
                format!("DIR=/{folder}/someone/data"),
                format!("`/{folder}/x`"),
            ] {
                assert_eq!(found(&text), 1, "{text}");
            }
        }
    }

    #[test]
    fn longer_paths_and_other_folders_are_fine() {
        for folder in MACHINE_FOLDERS {
            for text in [
                format!("target/{folder}/a"),
                format!("$OUT/../{folder}/a"),
                format!("{{dir}}/{folder}/a"),
                format!("/tmp/{folder}-a"),
                format!("/{folder}shop/a"),
            ] {
                assert_eq!(found(&text), 0, "{text}");
            }
        }
        assert_eq!(found("~/data"), 0);
    }

    #[test]
    fn registry_settings_are_found() {
        assert_eq!(found("pip install --index-url x y"), 1);
        assert_eq!(
            check(&file(".cargo/config.toml", "replace-with = \"x\"\n")).len(),
            1
        );
    }

    #[test]
    fn the_lock_file_knows_one_registry() {
        let line = |source: &str| file("Cargo.lock", &format!("source = \"{source}\"\n"));
        assert!(
            check(&line(
                "registry+https://github.com/rust-lang/crates.io-index"
            ))
            .is_empty()
        );
        assert_eq!(check(&line("git+https://example.org/a#1")).len(), 1);
    }
}
