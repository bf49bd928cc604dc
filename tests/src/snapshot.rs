//! Folders as a whole: what lies in them, and copies.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

/// Lists every file under a folder with its size and the time of its last change.
///
/// # Panics
/// When the folder cannot be read.
pub fn snapshot(folder: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let mut files = BTreeMap::new();
    visit(folder, &mut |file| {
        let name = file.strip_prefix(folder).expect("it lies in the folder");
        let meta = file.metadata().expect("a file just listed");
        let changed = meta.modified().expect("the file system keeps times");
        files.insert(name.display().to_string(), (meta.len(), changed));
    });
    files
}

/// Copies a folder and all it holds to a place where nothing is.
///
/// # Panics
/// When it cannot be read, or the copy not written.
pub fn copy_folder(from: &Path, to: &Path) {
    visit(from, &mut |file| {
        let target = to.join(file.strip_prefix(from).expect("it lies in the folder"));
        std::fs::create_dir_all(target.parent().expect("a file has a folder"))
            .expect("can be written");
        std::fs::copy(file, target).expect("can be copied");
    });
}

fn visit(folder: &Path, each: &mut dyn FnMut(&Path)) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            visit(&path, each);
        } else {
            each(&path);
        }
    }
}
