//! A process by its number and the time of its start: a number alone may be another process's by now.

use std::io::{self, Write as _};
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that was there when it was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    id: u32,
    /// In ticks since the machine started.
    started: u64,
}

/// What the system says of a process.
struct Stat {
    parent: u32,
    started: u64,
    is_over: bool,
}

impl Process {
    /// The process of this number, if there is one.
    pub(super) fn of(id: u32) -> Option<Self> {
        let stat = stat(id).filter(|stat| !stat.is_over)?;
        let started = stat.started;
        Some(Self { id, started })
    }

    pub(super) const fn id(self) -> u32 {
        self.id
    }

    fn is_there(self) -> bool {
        Self::of(self.id) == Some(self)
    }

    /// Its children.
    pub(super) fn children(self) -> Vec<Self> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let is_child = |id: &u32| stat(*id).is_some_and(|stat| stat.parent == self.id);
        let mut ids: Vec<u32> = ids.filter(is_child).collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(Self::of).collect()
    }

    /// The words of its command line.
    pub(super) fn words(self) -> Vec<String> {
        let bytes = std::fs::read(format!("/proc/{}/cmdline", self.id)).unwrap_or_default();
        let words = bytes.split(|byte| *byte == 0);
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    /// Sends it a signal, unless it has ended.
    pub(super) fn signal(self, signal: Signal) {
        if let (true, Ok(id)) = (self.is_there(), i32::try_from(self.id)) {
            // One that ends at this moment hears it no more.
            let _ = kill(Pid::from_raw(id), signal);
        }
    }
}

fn stat(id: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before it may have spaces and brackets.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Stat {
        is_over: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// Adds a process to those of a file.
pub(super) fn note(path: &Path, process: Process) -> io::Result<()> {
    let mut file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(path)?;
    file.write_all(format!("{} {}\n", process.id, process.started).as_bytes())
}

/// Those of a file that are still there.
pub(super) fn read(path: &Path) -> Vec<Process> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let process = |line: &str| {
        let (id, started) = line.split_once(' ')?;
        Some(Process {
            id: id.parse().ok()?,
            started: started.parse().ok()?,
        })
    };
    let processes = text.lines().filter_map(process);
    processes.filter(|process| process.is_there()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processes");
        let own = Process::of(std::process::id()).unwrap();
        let other = Process {
            started: own.started + 1,
            ..own
        };
        note(&path, other).unwrap();
        note(&path, own).unwrap();
        std::fs::File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"rubbish\n4294967295 x\n")
            .unwrap();
        assert_eq!(read(&path), [own]);
        assert!(!own.words().is_empty());
    }

    #[test]
    fn children_are_found_and_one_that_has_ended_is_not_there() {
        let own = Process::of(std::process::id()).unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let found = Process::of(child.id()).unwrap();
        assert!(own.children().contains(&found));
        found.signal(Signal::SIGKILL);
        child.wait().unwrap();
        assert!(!found.is_there());
        found.signal(Signal::SIGKILL);
    }
}
