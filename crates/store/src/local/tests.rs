//! Links, pipes, devices and folders in the place of files.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use nix::unistd::mkfifo;

use super::*;
use crate::{Location, StoreError};

/// A run's folder and another one beside it, in which lies a file.
fn folders() -> (tempfile::TempDir, Location, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("thesis"), "kept").unwrap();
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    let root = Location::open(run.to_str().unwrap()).unwrap();
    (folder, root, elsewhere)
}

fn names(listed: Vec<crate::Entry>) -> Vec<String> {
    listed.into_iter().map(|entry| entry.relative).collect()
}

#[tokio::test]
async fn nothing_is_listed_written_or_deleted_beyond_a_link() {
    let (folder, root, elsewhere) = folders();
    root.put("a/own", "1").await.unwrap();
    symlink(&elsewhere, folder.path().join("run/a/link")).unwrap();
    symlink("/", folder.path().join("run/everything")).unwrap();
    assert_eq!(names(root.list("").await.unwrap()), ["a/own"]);
    assert_eq!(root.list_folders("a").await.unwrap(), [""; 0]);
    let line = root.delete("a/link/thesis").await.unwrap_err().to_string();
    assert!(line.contains("a link, where a folder is needed"), "{line}");
    root.put("a/link/new", "2").await.unwrap_err();
    root.list("a/link").await.unwrap_err();
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
    // The link itself is an object's name like any other.
    root.delete("a/link").await.unwrap();
    assert_eq!(fs::read(elsewhere.join("thesis")).unwrap(), b"kept");
}

#[tokio::test]
async fn a_root_may_be_a_link_and_files_are_read_through_links() {
    let (folder, root, elsewhere) = folders();
    symlink(&elsewhere, folder.path().join("run/shards")).unwrap();
    symlink(elsewhere.join("thesis"), folder.path().join("run/file")).unwrap();
    assert_eq!(root.get("shards/thesis").await.unwrap(), "kept");
    assert_eq!(root.get("file").await.unwrap(), "kept");
    assert_eq!(names(root.list("").await.unwrap()), ["file"]);
    let link = folder.path().join("run-by-link");
    symlink(folder.path().join("run"), &link).unwrap();
    let by_link = Location::open(link.to_str().unwrap()).unwrap();
    by_link.put("b", "3").await.unwrap();
    assert_eq!(names(by_link.list("").await.unwrap()), ["b", "file"]);
    by_link.delete("b").await.unwrap();
    assert_eq!(names(root.list("").await.unwrap()), ["file"]);
}

#[tokio::test]
async fn what_is_no_file_is_named_at_once() {
    let (folder, root, _) = folders();
    let run = folder.path().join("run");
    mkfifo(&run.join("pipe"), Mode::S_IRWXU).unwrap();
    symlink("/dev/zero", run.join("device")).unwrap();
    fs::create_dir(run.join("folder")).unwrap();
    let began = Instant::now();
    for (name, what) in [
        ("pipe", "a named pipe"),
        ("device", "a device"),
        ("folder", "a folder"),
    ] {
        let read = root.get(name).await.unwrap_err();
        let ranges = root.get_ranges(name, &[0..4, 4..8]).await.unwrap_err();
        let size = root.size(name).await.unwrap_err();
        let created = root.create(name, Bytes::from_static(b"x")).await;
        for error in [read, ranges, size, created.unwrap_err()] {
            assert!(matches!(error, StoreError::OtherKind { .. }), "{error}");
            assert!(error.to_string().contains(what), "{error}");
        }
    }
    assert_eq!(names(root.list("").await.unwrap()), [""; 0]);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_long_list_comes_whole() {
    let (folder, root, _) = folders();
    for folder_of in ["a", "b", "c"] {
        let path = folder.path().join("run").join(folder_of);
        fs::create_dir(&path).unwrap();
        (0..700).for_each(|number| fs::write(path.join(number.to_string()), "").unwrap());
    }
    assert_eq!(root.list("").await.unwrap().len(), 2100);
    assert_eq!(root.list("b").await.unwrap().len(), 700);
}

#[test]
fn only_a_number_after_the_mark_is_unfinished() {
    for (name, expected) in [("a#1", true), ("a#", false), ("a#x", false), ("a1", false)] {
        assert_eq!(is_unfinished(FilePath::new(name)), expected, "{name}");
    }
}
