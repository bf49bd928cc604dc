//! Lists the project's own text files; it judges none.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::TextFile;
use crate::program;

/// Reads every text file that git tracks or would track; a file that is no UTF-8 is no text.
///
/// # Errors
/// git does not answer, or a file cannot be read.
pub(super) fn files(root: &Path) -> Result<Vec<TextFile>> {
    let mut listing = Command::new("git");
    listing.current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--deduplicate",
    ]);
    let names = program::output(&mut listing)?;
    let mut files = Vec::new();
    for path in names.split('\0').filter(|path| !path.is_empty()) {
        let place = root.join(path);
        // A file that was deleted but not yet from git's list is not part of the tree, and a link is no text.
        if place.is_symlink() || !place.is_file() {
            continue;
        }
        let bytes = std::fs::read(&place).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(root: &Path, arguments: &[&str]) {
        assert!(
            Command::new("git")
                .current_dir(root)
                .args(arguments)
                .status()
                .unwrap()
                .success()
        );
    }

    #[test]
    fn new_files_count_and_ignored_deleted_and_binary_ones_do_not() {
        let root = tempfile::tempdir().unwrap();
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(root.path().join(name), bytes).unwrap();
        git(root.path(), &["init", "--quiet"]);
        write(".gitignore", b"ignored\n");
        write("gone", b"gone\n");
        git(root.path(), &["add", "."]);
        std::fs::remove_file(root.path().join("gone")).unwrap();
        write("new", b"new\n");
        write("ignored", b"ignored\n");
        write("binary", &[0xff, 0xfe]);
        let mut found: Vec<String> = files(root.path())
            .unwrap()
            .into_iter()
            .map(|file| file.path)
            .collect();
        found.sort();
        assert_eq!(found, [".gitignore", "new"]);
    }
}
