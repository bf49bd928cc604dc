//! What the cache keeps, what it throws out, and that nothing on its disk can do harm.

use std::time::{Duration, SystemTime};

use super::*;

const FOOTER: [u8; 32] = [7; 32];

fn key(shard: u32, block: u64) -> Key {
    Key {
        shard,
        block,
        footer: FOOTER,
    }
}

/// A folder on a disk; `None` where temporary folders lie in memory.
pub(crate) fn disk() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    (!folder::is_in_memory(folder.path())).then_some(folder)
}

pub(crate) fn open(folder: &Path, mib: u64) -> Cache {
    Cache::open(folder, mib, "digest").unwrap().unwrap()
}

fn files(cache: &Cache) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(&cache.own)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn a_block_comes_back_in_another_process_and_only_under_its_own_name() {
    let Some(folder) = disk() else { return };
    let cache = open(folder.path(), 16);
    assert_eq!(cache.get(key(1, 2)), None);
    cache.put(key(1, 2), b"block");
    assert_eq!(cache.get(key(1, 2)).unwrap(), "block");
    let other = open(folder.path(), 16);
    assert_eq!(other.get(key(1, 2)).unwrap(), "block");
    fs::copy(other.path(key(1, 2)), other.path(key(1, 3))).unwrap();
    assert_eq!(other.get(key(1, 3)), None);
    let prepared_anew = Key {
        footer: [8; 32],
        ..key(1, 2)
    };
    assert_eq!(other.get(prepared_anew), None);
    assert_eq!(
        files(&other),
        [] as [PathBuf; 0],
        "what is no block is removed"
    );
}

#[test]
fn no_damage_to_a_file_is_taken_for_a_block() {
    let Some(folder) = disk() else { return };
    let cache = open(folder.path(), 16);
    let path = cache.path(key(0, 0));
    cache.put(key(0, 0), b"some block");
    let good = fs::read(&path).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    damaged.extend((0..good.len()).map(|at| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        bad
    }));
    damaged.push([&good[..], &good[..]].concat());
    damaged.push(vec![0; 3 << 20]);
    for bad in damaged {
        fs::write(&path, &bad).unwrap();
        assert_eq!(cache.get(key(0, 0)), None, "{} bytes", bad.len());
        assert!(!path.exists());
    }
}

#[test]
fn it_stays_within_its_bound_and_keeps_what_came_first() {
    let Some(folder) = disk() else { return };
    let cache = open(folder.path(), 16);
    let block = vec![1; BLOCK as usize];
    (0..40).for_each(|number| cache.put(key(0, number), &block));
    let kept: Vec<u64> = (0..40)
        .filter(|&number| cache.get(key(0, number)).is_some())
        .collect();
    assert_eq!(kept, (0..13).collect::<Vec<_>>());
    drop(cache);
    let cache = open(folder.path(), 17);
    assert_eq!(files(&cache).len(), 13);
    // A bound that was lowered holds from the next start.
    let on_disk = Cache::on_disk(folder.path(), 3 << 20, "digest").unwrap();
    assert_eq!(files(&on_disk).len(), 2);
}

#[test]
fn other_data_sets_make_room() {
    let Some(folder) = disk() else { return };
    let block = vec![1; BLOCK as usize];
    let other = Cache::open(folder.path(), 16, "other").unwrap().unwrap();
    (0..40).for_each(|number| other.put(key(0, number), &block));
    let cache = open(folder.path(), 16);
    (0..40).for_each(|number| cache.put(key(0, number), &block));
    assert_eq!((files(&other).len(), files(&cache).len()), (0, 13));
}

#[test]
fn several_workers_share_a_folder_within_its_bound() {
    let Some(folder) = disk() else { return };
    let block = vec![1; BLOCK as usize];
    let workers: Vec<Cache> = (0..4).map(|_| open(folder.path(), 16)).collect();
    std::thread::scope(|scope| {
        for (worker, cache) in workers.iter().enumerate() {
            let block = &block;
            scope.spawn(move || {
                // Half of what each writes the others write too.
                (0..20).for_each(|number| cache.put(key((worker % 2) as u32, number), block));
            });
        }
    });
    let has_failed = |cache: &Cache| cache.is_off.load(Ordering::Relaxed);
    assert!(!workers.iter().any(has_failed), "one was in another's way");
    let files = files(&workers[0]);
    let taken: u64 = files
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .sum();
    assert!(taken <= 16 << 20, "{taken}");
    assert!(files.len() >= 8, "{files:?}");
}

#[test]
fn what_a_killed_process_left_is_swept_and_what_is_being_written_is_not() {
    let Some(folder) = disk() else { return };
    let cache = open(folder.path(), 16);
    let [old, new] = ["unfinished-1-1", "unfinished-2-1"].map(|name| cache.own.join(name));
    for path in [&old, &new] {
        fs::write(path, b"half").unwrap();
    }
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let file = fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(long_ago).unwrap();
    open(folder.path(), 16);
    assert_eq!(files(&cache), [new]);
}

#[test]
fn a_disk_that_fails_ends_the_taking_in_and_nothing_else() {
    let Some(folder) = disk() else { return };
    let cache = open(folder.path(), 16);
    cache.put(key(0, 0), b"kept");
    // A folder where the file belongs fails the renaming, as a full disk fails the writing.
    fs::create_dir_all(cache.path(key(0, 1)).join("in the way")).unwrap();
    cache.put(key(0, 1), b"lost");
    cache.put(key(0, 2), b"not tried");
    assert_eq!(cache.get(key(0, 0)).unwrap(), "kept");
    assert_eq!(cache.get(key(0, 2)), None);
    fs::remove_dir_all(folder.path()).unwrap();
    cache.put(key(0, 3), b"nowhere");
    assert_eq!(cache.get(key(0, 0)), None);
}

#[test]
fn a_folder_that_cannot_be_made_is_no_cache_and_no_error() {
    let Some(folder) = disk() else { return };
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(
        Cache::open(&file.join("below"), 16, "digest")
            .unwrap()
            .is_none()
    );
}

#[test]
fn memory_is_refused() {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let refusal = Cache::open(folder.path(), 16, "digest")
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("lies in memory"), "{refusal}");
}

#[test]
fn nothing_beyond_a_link_is_removed() {
    let Some(folder) = disk() else { return };
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("thesis"), vec![0; 30 << 20]).unwrap();
    let root = folder.path().join("cache/fratmae-blocks-1");
    fs::create_dir_all(&root).unwrap();
    std::os::unix::fs::symlink(&theirs, root.join("other")).unwrap();
    let cache = open(&folder.path().join("cache"), 16);
    cache.put(key(0, 0), b"block");
    assert_eq!(cache.get(key(0, 0)).unwrap(), "block");
    assert!(theirs.join("thesis").exists());
    // Nor is a link taken for the cache's own folder.
    let by_link = folder.path().join("by-link");
    fs::create_dir(&by_link).unwrap();
    std::os::unix::fs::symlink(&theirs, by_link.join("fratmae-blocks-1")).unwrap();
    assert!(Cache::open(&by_link, 16, "digest").unwrap().is_none());
    assert!(theirs.join("thesis").exists());
}

#[test]
fn a_pipe_in_the_place_of_a_block_is_a_miss() {
    let Some(folder) = disk() else { return };
    let cache = open(folder.path(), 16);
    let mode = nix::sys::stat::Mode::S_IRWXU;
    nix::unistd::mkfifo(&cache.path(key(0, 0)), mode).unwrap();
    assert_eq!(cache.get(key(0, 0)), None);
}
