//! The images under `docker/`, held against the workspace and the tree: nothing else notices when they fall behind.

use super::{TextFile, Violation};

const IMAGES: &str = "docker/Dockerfile";

/// Finds images that are built by another Rust than the workspace's, that run on another Debian than they are built on
/// (a program needs the C library of its build, or a later one), or that copy what is not there.
pub(super) fn check_images(files: &[TextFile]) -> Vec<Violation> {
    let root = files.iter().find(|file| file.path == "Cargo.toml");
    let rust = root.and_then(|root| rust_version(&root.text)).unwrap_or("");
    let images = files.iter().filter(|file| file.path.starts_with(IMAGES));
    let checked = images.map(|image| (check_bases(image, rust), check_copies(image, files)));
    checked
        .flat_map(|(bases, copies)| bases.into_iter().chain(copies))
        .collect()
}

fn rust_version(manifest: &str) -> Option<&str> {
    let mut lines = manifest.lines();
    let value = lines.find_map(|line| line.strip_prefix("rust-version = "))?;
    Some(value.trim_matches('"'))
}

fn check_bases(image: &TextFile, rust: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut built_on = None;
    for (number, line) in (1..).zip(image.text.lines()) {
        let Some(rest) = line.strip_prefix("FROM ") else {
            continue;
        };
        let base = rest.split(' ').next().unwrap_or(rest);
        let Some(release) = release(base, rust) else {
            let rule =
                format!("`{base}`: use `rust:{rust}-slim-RELEASE` and `debian:RELEASE-slim`");
            violations.push(image.violation(number, rule));
            continue;
        };
        let first = *built_on.get_or_insert(release);
        if release != first {
            let rule = format!("{release} here, {first} above: the program may not start");
            violations.push(image.violation(number, rule));
        }
    }
    violations
}

fn check_copies(image: &TextFile, files: &[TextFile]) -> Vec<Violation> {
    let lines = (1..).zip(image.text.lines());
    let copies = lines.flat_map(|(number, line)| copied(line).map(move |source| (number, source)));
    copies
        .filter(|(_, source)| !is_there(source, files))
        .map(|(number, source)| image.violation(number, format!("`{source}` is not in the tree")))
        .collect()
}

/// The release of Debian in the name of a base that may be used.
fn release<'a>(base: &'a str, rust: &str) -> Option<&'a str> {
    match base.strip_prefix("rust:") {
        Some(tag) => tag.strip_prefix(rust)?.strip_prefix("-slim-"),
        None => base.strip_prefix("debian:")?.strip_suffix("-slim"),
    }
}

/// What a line copies from the tree: all of its words but the last; what comes from another stage is none.
fn copied(line: &str) -> impl Iterator<Item = &str> {
    let words = line.strip_prefix("COPY ");
    let words = words.filter(|words| !words.starts_with("--from="));
    let sources = words.and_then(|words| words.rsplit_once(' '));
    sources
        .into_iter()
        .flat_map(|(sources, _)| sources.split(' '))
}

fn is_there(source: &str, files: &[TextFile]) -> bool {
    let inside = |path: &str| {
        let rest = path.strip_prefix(source);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    source == "." || files.iter().any(|file| inside(&file.path))
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn found(image: &str) -> Vec<String> {
        let files = [
            file(
                "Cargo.toml",
                "[workspace.package]\nrust-version = \"1.95\"\n",
            ),
            file("configs/base.toml", ""),
            file("docker/Dockerfile.cuda", image),
        ];
        let violations = check_images(&files);
        violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_image_of_one_debian_and_the_workspace_s_rust_passes() {
        let image = "\
FROM rust:1.95-slim-bookworm AS build
COPY . .
FROM debian:bookworm-slim
COPY --from=build /out/fratmae /usr/local/bin/fratmae
COPY configs /usr/share/fratmae/configs
";
        assert_eq!(found(image), Vec::<String>::new());
    }

    #[test]
    fn another_rust_is_found() {
        for base in [
            "rust:1.94-slim-bookworm",
            "rust:1.95",
            "rust:1.951-slim-bookworm",
            "alpine",
        ] {
            let found = found(&format!("FROM {base} AS build\n"));
            assert!(found[0].starts_with("docker/Dockerfile.cuda:1: "), "{base}");
        }
    }

    #[test]
    fn a_program_that_runs_on_another_debian_is_found() {
        let found = found("FROM rust:1.95-slim-trixie AS build\nFROM debian:bookworm-slim\n");
        assert_eq!(
            found,
            ["docker/Dockerfile.cuda:2: bookworm here, trixie above: the program may not start"]
        );
    }

    #[test]
    fn what_is_copied_must_be_there() {
        let found = found("COPY configs config /usr/share/fratmae/\n");
        assert_eq!(
            found,
            ["docker/Dockerfile.cuda:1: `config` is not in the tree"]
        );
    }
}
