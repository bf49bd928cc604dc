//! Other processes by their numbers: whose children they are, whether they live, and signals to them.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Lists the living children of a process, lowest number first.
pub fn children_of(parent: u32) -> Vec<u32> {
    let mut children: Vec<u32> = all()
        .filter(|process| stat(*process).is_some_and(|stat| stat.parent == parent && stat.lives()))
        .collect();
    children.sort_unstable();
    children
}

/// Tells whether a process still runs; one that has ended and waits to be collected does not.
pub fn is_alive(process: u32) -> bool {
    stat(process).is_some_and(|stat| stat.lives())
}

/// Sends a signal to one process.
///
/// # Panics
/// When there is no such process.
pub fn send(process: u32, signal: Signal) {
    kill(pid(process), signal).expect("the process is there");
}

pub(crate) fn pid(process: u32) -> Pid {
    Pid::from_raw(i32::try_from(process).expect("process numbers are small"))
}

fn all() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc lists processes");
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

struct Stat {
    state: char,
    parent: u32,
}

impl Stat {
    fn lives(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// Reads `PID (name) STATE PARENT …`; the name may hold anything, so it is left at its last bracket.
fn stat(process: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"));
    let text = text.ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some(Stat {
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
    })
}

/// Resident memory of a process in MiB: now (`VmRSS`), or at its largest (`VmHWM`).
///
/// # Panics
/// When it has ended.
pub fn memory_of(process: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .expect("the system tells the memory of a process that runs");
    let line = status
        .lines()
        .find(|line| line.starts_with(key))
        .expect("the system tells the memory of a process that runs");
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .expect("the system tells the memory of a process that runs")
        .parse()
        .expect("the system tells the memory of a process that runs");
    kib / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_until_it_has_ended() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert!(children_of(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_alive(child.id()));
    }
}
