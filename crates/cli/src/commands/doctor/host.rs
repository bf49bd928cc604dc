//! The host itself: cores, kernels, memory, limits, disk. What is found is judged here and read in `reading`.

mod reading;

pub(crate) use reading::Roots;

use std::path::PathBuf;

use super::finding::{Finding, State, size};
use super::requirements::Requirements;

/// Files that any process here may have open at once.
const FILES: u64 = 1024;
/// Files and connections that a worker needs beside those to its peers.
const OWN_FILES: u64 = 256;
/// Shared memory below which NCCL is known to fail between the GPUs of a host.
const SHARED_BYTES: u64 = 1 << 30;
/// Free disk below which little works for long.
const DISK_BYTES: u64 = 1 << 30;

/// What was found; what cannot be read is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Host {
    /// Cores that the machine has, and that this process may use.
    pub(crate) cores: Option<usize>,
    pub(crate) usable_cores: usize,
    pub(crate) kernels: String,
    /// Bytes of memory: the machine's, what is available of it, and the limit of this process's group.
    pub(crate) memory: Option<u64>,
    pub(crate) available: Option<u64>,
    pub(crate) memory_limit: Option<u64>,
    /// Soft and hard limit of open files.
    pub(crate) files: Option<(u64, u64)>,
    /// Soft limit of this process's address space; `u64::MAX` for none.
    pub(crate) address_space: Option<u64>,
    /// Soft limit of locked memory; `u64::MAX` for none.
    pub(crate) locked: Option<u64>,
    /// Size of `/dev/shm`.
    pub(crate) shared: Option<u64>,
    /// Where the run lies if it is a folder, else the working folder, with the bytes free.
    pub(crate) disk: Option<(PathBuf, u64)>,
    /// Bytes free where the cache is to lie; none if it cannot be written there.
    pub(crate) cache_free: Option<u64>,
}

impl Host {
    /// Judges what was found; GPUs and InfiniBand ports make some of it matter.
    pub(crate) fn judge(&self, need: &Requirements, gpus: usize, ports: usize) -> Vec<Finding> {
        let mut findings = vec![
            self.cores(),
            self.kernels(),
            self.memory(need),
            self.files(need),
        ];
        findings.extend(self.address_space(need));
        findings.extend([self.locked(ports), self.shared(gpus, need)]);
        findings.extend(self.disk(need));
        findings.extend(self.cache(need));
        findings
    }

    fn cores(&self) -> Finding {
        let usable = self.usable_cores;
        match self.cores {
            Some(all) if usable < all => Finding::new(
                "cores",
                State::Note,
                format!("{usable} of {all}"),
                "if more are meant, widen the CPU affinity or the group's quota",
            ),
            _ => Finding::ok("cores", usable.to_string()),
        }
    }

    fn kernels(&self) -> Finding {
        let is_slow = self.kernels.starts_with("x86_64") && !self.kernels.contains("+avx2+fma");
        let (state, advice) = match is_slow {
            true => (
                State::Warning,
                "this CPU lacks AVX2: training on it is slow",
            ),
            false => (State::Ok, "must be the same on every host of a run"),
        };
        Finding::new("kernels", state, self.kernels.as_str(), advice)
    }

    fn memory(&self, need: &Requirements) -> Finding {
        let limit = self
            .memory_limit
            .filter(|limit| self.memory.is_none_or(|all| *limit < all));
        let Some(bound) = limit.or(self.memory) else {
            let advice = "see that /proc is mounted";
            return Finding::new("memory", State::Note, "cannot be read", advice);
        };
        let mut found = size(bound);
        if let Some(all) = self.memory.filter(|_| limit.is_some()) {
            found.push_str(&format!(
                ", the limit of this process's group, of {}",
                size(all)
            ));
        }
        let Some(job) = need.job.as_ref().filter(|_| !need.demands_gpu()) else {
            return Finding::ok("memory", found);
        };
        let wanted = job.worker_bytes;
        found.push_str(&format!(
            "; a worker of this job takes at least {}, {} of them {}",
            size(wanted),
            job.workers,
            size(wanted * job.workers as u64)
        ));
        let free = limit.or(self.available).unwrap_or(bound);
        if wanted > bound {
            let advice = "more workers on other hosts, a smaller train.batch, or workers.activation_checkpointing = true";
            return Finding::new("memory", State::Missing, found, advice);
        }
        if wanted > free {
            found.push_str(&format!(", {} are available", size(free)));
            return Finding::new("memory", State::Warning, found, "end what else runs here");
        }
        Finding::ok("memory", found)
    }

    /// A limit counts what a process maps, which is far more than what it uses, and ends it without a reason.
    fn address_space(&self, need: &Requirements) -> Option<Finding> {
        let limit = self.address_space.filter(|limit| *limit != u64::MAX)?;
        let wanted = need.job.as_ref().map_or(0, |job| job.worker_bytes);
        let state = match limit < wanted {
            true => State::Missing,
            false => State::Warning,
        };
        let advice = "ulimit -v unlimited before the start; Slurm passes a shell's limits on, unless --propagate=NONE";
        Some(Finding::new("address space", state, size(limit), advice))
    }

    fn files(&self, need: &Requirements) -> Finding {
        let peers = need.job.as_ref().map_or(0, |job| job.workers as u64);
        let wanted = FILES.max(OWN_FILES + peers);
        let Some((soft, hard)) = self.files else {
            return Finding::new("open files", State::Note, "cannot be read", "ulimit -n");
        };
        let found = format!(
            "{} allowed, {wanted} needed",
            unlimited(soft, u64::to_string)
        );
        if soft >= wanted {
            return Finding::ok("open files", found);
        }
        let advice = match hard >= wanted {
            true => format!("ulimit -n {wanted} before the start"),
            false => {
                format!("raise nofile to {wanted} in limits.conf, or LimitNOFILE= of its service")
            }
        };
        let state = match soft < OWN_FILES + peers {
            true => State::Missing,
            false => State::Warning,
        };
        Finding::new("open files", state, found, advice)
    }

    fn locked(&self, ports: usize) -> Finding {
        let Some(locked) = self.locked else {
            return Finding::new("locked memory", State::Note, "cannot be read", "ulimit -l");
        };
        let found = unlimited(locked, |bytes| size(*bytes));
        if ports > 0 && locked != u64::MAX {
            let advice = "InfiniBand needs it unlimited: ulimit -l unlimited, or LimitMEMLOCK=infinity of its service";
            return Finding::new("locked memory", State::Warning, found, advice);
        }
        Finding::ok("locked memory", found)
    }

    fn shared(&self, gpus: usize, need: &Requirements) -> Finding {
        let state = match gpus > 1 {
            true if need.demands_nccl() => State::Missing,
            true => State::Warning,
            false => State::Note,
        };
        let Some(shared) = self.shared else {
            let advice = "NCCL between GPUs of one host needs it: mount a tmpfs there";
            return Finding::new("/dev/shm", state, "not there", advice);
        };
        if shared >= SHARED_BYTES {
            return Finding::ok("/dev/shm", size(shared));
        }
        let advice = "NCCL between GPUs of one host needs 1 GiB: --shm-size=1g for a container, or mount -o remount,size=1g /dev/shm";
        Finding::new("/dev/shm", state, size(shared), advice)
    }

    fn disk(&self, need: &Requirements) -> Option<Finding> {
        let (folder, free) = self.disk.as_ref()?;
        let mut found = format!("{} free at {}", size(*free), folder.display());
        let job = need.job.as_ref().filter(|job| is_folder(&job.run_url));
        if let Some(job) = job {
            let all = job.checkpoint_bytes * job.checkpoints;
            found.push_str(&format!(
                "; {} checkpoints take {}",
                job.checkpoints,
                size(all)
            ));
            let advice = "free some, put run.url elsewhere, or lower checkpoint.keep_last";
            if *free < job.checkpoint_bytes {
                return Some(Finding::new("disk", State::Missing, found, advice));
            }
            if *free < all {
                return Some(Finding::new("disk", State::Warning, found, advice));
            }
        }
        if *free < DISK_BYTES {
            return Some(Finding::new("disk", State::Warning, found, "free some"));
        }
        Some(Finding::ok("disk", found))
    }

    fn cache(&self, need: &Requirements) -> Option<Finding> {
        let (folder, wanted) = need.job.as_ref()?.cache.as_ref()?;
        let Some(free) = self.cache_free else {
            let found = format!("{} cannot be written", folder.display());
            let advice =
                "without it every epoch reads the store: correct data.cache_dir or its permissions";
            return Some(Finding::new("cache", State::Warning, found, advice));
        };
        let found = format!(
            "{} free at {}, may take {}",
            size(free),
            folder.display(),
            size(*wanted)
        );
        if free < *wanted {
            let advice = "free some, or lower data.cache_mib";
            return Some(Finding::new("cache", State::Warning, found, advice));
        }
        Some(Finding::ok("cache", found))
    }
}

/// Whether a run's address is a place in the file system.
pub(super) fn is_folder(url: &str) -> bool {
    url.starts_with("file://") || !url.contains("://")
}

fn unlimited(limit: u64, text: impl Fn(&u64) -> String) -> String {
    match limit {
        u64::MAX => "unlimited".to_owned(),
        limit => text(&limit),
    }
}

#[cfg(test)]
mod tests;
