//! Reads what a host says of itself, from files below roots that a test can choose, and from the system's calls.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::{Host, is_folder};
use crate::commands::doctor::requirements::Requirements;

/// A limit of cgroup v1 that stands for none: the largest number of whole pages.
const NO_LIMIT: u64 = 1 << 62;

/// Where the system's files are found.
#[derive(Debug, Clone)]
pub(crate) struct Roots {
    pub(crate) proc: PathBuf,
    pub(crate) sys: PathBuf,
    pub(crate) dev: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        let [proc, sys, dev] = ["/proc", "/sys", "/dev"].map(PathBuf::from);
        Self { proc, sys, dev }
    }
}

impl Host {
    /// Bytes of memory that this process and its children may still take.
    pub(crate) fn available_memory() -> Option<u64> {
        let roots = Roots::default();
        let bounds = [
            read_memory(&roots.proc, "MemAvailable:"),
            read_memory_limit(&roots),
        ];
        bounds.into_iter().flatten().min()
    }

    /// Reads everything that can be judged.
    pub(crate) fn read(roots: &Roots, need: &Requirements) -> Self {
        let limit = |resource| getrlimit(resource).ok();
        let job = need.job.as_ref();
        let run = job
            .map(|job| job.run_url.as_str())
            .filter(|url| is_folder(url));
        let folder = run.map_or(".", |url| url.strip_prefix("file://").unwrap_or(url));
        let cache = job.and_then(|job| job.cache.as_ref());
        let shared = roots.dev.join("shm");
        Self {
            cores: read_cores(&roots.sys),
            usable_cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernels: fratmae_model::kernel_set(),
            memory: read_memory(&roots.proc, "MemTotal:"),
            available: read_memory(&roots.proc, "MemAvailable:"),
            memory_limit: read_memory_limit(roots),
            files: limit(Resource::RLIMIT_NOFILE).map(|(soft, hard)| (bound(soft), bound(hard))),
            address_space: limit(Resource::RLIMIT_AS).map(|(soft, _)| bound(soft)),
            locked: limit(Resource::RLIMIT_MEMLOCK).map(|(soft, _)| bound(soft)),
            shared: statvfs(&shared)
                .ok()
                .map(|about| about.blocks() * about.fragment_size()),
            disk: existing(Path::new(folder)).and_then(|folder| {
                let free = free(&folder)?;
                Some((folder, free))
            }),
            cache_free: cache.and_then(|(folder, _)| {
                let folder = existing(folder)?;
                access(&folder, AccessFlags::W_OK).ok()?;
                free(&folder)
            }),
        }
    }
}

/// The smallest limit of the groups that this process lies in: of version 2's single tree, or of version 1's tree for
/// memory. In a container the path that the system tells may lie outside what is mounted; then the mount is the group.
pub(super) fn read_memory_limit(roots: &Roots) -> Option<u64> {
    let groups = fs::read_to_string(roots.proc.join("self/cgroup")).ok()?;
    let mounts = roots.sys.join("fs/cgroup");
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        if controllers.is_empty() {
            return limit_above(&mounts, path, "memory.max");
        }
        let is_memory = controllers.split(',').any(|name| name == "memory");
        let mount = is_memory.then(|| mounts.join("memory"))?;
        limit_above(&mount, path, "memory.limit_in_bytes")
    });
    limits.min()
}

/// The smallest limit of a group and those that it lies in.
fn limit_above(mount: &Path, path: &str, file: &str) -> Option<u64> {
    let groups = Path::new(path.trim_start_matches('/')).ancestors();
    let limits = groups.filter_map(|group| {
        let text = fs::read_to_string(mount.join(group).join(file)).ok()?;
        text.trim().parse().ok()
    });
    limits.filter(|limit| *limit < NO_LIMIT).min()
}

/// A line such as `MemTotal:  16384256 kB`, in bytes.
pub(super) fn read_memory(proc: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(proc.join("meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

/// Counts ranges such as `0-3,8-11`.
pub(super) fn read_cores(sys: &Path) -> Option<usize> {
    let text = fs::read_to_string(sys.join("devices/system/cpu/online")).ok()?;
    let counts = text.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(last.checked_sub(first)? + 1)
    });
    counts.sum()
}

fn bound(limit: u64) -> u64 {
    if limit == RLIM_INFINITY {
        u64::MAX
    } else {
        limit
    }
}

/// The folder, or the nearest above it that is there: what is made in it lies on the same disk.
fn existing(folder: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(folder).ok()?;
    let found = whole.ancestors().find(|folder| folder.exists());
    found.map(Path::to_path_buf)
}

fn free(folder: &Path) -> Option<u64> {
    let about = statvfs(folder).ok()?;
    Some(about.blocks_available() * about.fragment_size())
}
