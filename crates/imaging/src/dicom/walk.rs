//! Owns the walk through folders: every regular file once, whatever links lead to it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::ImageError;

/// What a tree holds.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) files: Vec<PathBuf>,
    /// Pipes, sockets, devices and links that lead nowhere: opening one of them may never end.
    pub(super) others: Vec<PathBuf>,
}

/// Lists a tree. A folder that several links lead to counts once, by its own name if that is in the tree.
///
/// # Errors
/// `Io` where a folder cannot be listed.
pub(super) fn walk(root: &Path) -> Result<Walked, ImageError> {
    let mut walked = Walked::default();
    let mut known = HashSet::new();
    let mut folders = vec![root.to_path_buf()];
    let mut links = Vec::new();
    while let Some(folder) = folders.pop().or_else(|| links.pop()) {
        let io = |source| ImageError::Io {
            action: "list",
            path: folder.clone(),
            source,
        };
        if !known.insert(folder.canonicalize().map_err(io)?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let path = entry.path();
            let is_link = entry.file_type().map_err(io)?.is_symlink();
            match fs::metadata(&path) {
                Ok(found) if found.is_dir() && is_link => links.push(path),
                Ok(found) if found.is_dir() => folders.push(path),
                Ok(found) if found.is_file() => walked.files.push(path),
                _ => walked.others.push(path),
            }
        }
        // The one that comes first by name is looked into first.
        links.sort_by(|one, other| other.cmp(one));
    }
    walked.files.sort();
    walked.others.sort();
    Ok(walked)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(root: &Path, paths: &[PathBuf]) -> Vec<String> {
        let name = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        paths.iter().map(name).collect()
    }

    #[test]
    fn links_in_a_circle_and_pipes_end_no_walk() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let deep = root.join("a/b/c/d/e/f/g/h/i/j/k/l/m/n");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("1"), b"").unwrap();
        symlink(root, deep.join("back")).unwrap();
        symlink(root.join("a"), root.join("0-a-again")).unwrap();
        symlink("nowhere", root.join("broken")).unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let walked = walk(root).unwrap();
        assert_eq!(
            names(root, &walked.files),
            ["a/b/c/d/e/f/g/h/i/j/k/l/m/n/1"]
        );
        assert_eq!(names(root, &walked.others), ["broken", "pipe", "socket"]);
    }

    #[test]
    fn a_link_to_a_folder_elsewhere_is_followed_once() {
        let [one, other] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        fs::write(other.path().join("1"), b"").unwrap();
        symlink(other.path(), one.path().join("x")).unwrap();
        symlink(other.path(), one.path().join("b")).unwrap();
        let walked = walk(one.path()).unwrap();
        assert_eq!(names(one.path(), &walked.files), ["b/1"]);
    }
}
