//! What this machine lets chaos do: hosts whose cables can be cut, a file system that can be frozen, a clock that lies.

use std::{cell::Cell, path::PathBuf};

use anyhow::{Result, bail};

use super::{disk::Disk, fault::Kind, hosts::Hosts, run_dir::RunDir};

/// Where systems have the library that shows a process another time.
const CLOCKS: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
];

/// The means, which are gone with the value.
pub(crate) struct Means {
    pub(crate) hosts: Hosts,
    disk: Option<Disk>,
    is_frozen: Cell<bool>,
    clock: Option<PathBuf>,
    /// Kinds of faults that are not possible here, and why.
    left_out: Vec<(Kind, String)>,
}

impl Means {
    /// Finds or makes what these kinds of faults need.
    pub(crate) fn find(kinds: &[Kind], places: usize, folder: &RunDir) -> Self {
        let mut left_out = Vec::new();
        let mut leave_out = |is_one: fn(Kind) -> bool, reason: &str| {
            let ones = kinds.iter().copied().filter(|kind| is_one(*kind));
            left_out.extend(ones.map(|kind| (kind, reason.to_owned())));
        };
        let needed = |is_one: fn(Kind) -> bool| kinds.iter().any(|kind| is_one(*kind));
        let needs_disk = |kind: Kind| kind == Kind::HangStore;
        let needs_clock = |kind: Kind| kind == Kind::WrongClock;
        let hosts = needed(Kind::needs_hosts).then(|| Hosts::start(places));
        let hosts = hosts.and_then(|hosts| {
            if let Err(reason) = &hosts {
                leave_out(Kind::needs_hosts, &format!("{reason:#}"));
            }
            hosts.ok()
        });
        let disk = needed(needs_disk).then(|| Disk::mount(folder));
        let disk = disk.and_then(|disk| {
            if let Err(reason) = &disk {
                leave_out(needs_disk, &format!("{reason:#}"));
            }
            disk.ok()
        });
        let mut clocks = CLOCKS.iter().map(PathBuf::from);
        let clock = clocks.find(|clock| clock.is_file());
        if clock.is_none() {
            leave_out(needs_clock, "libfaketime is not installed");
        }
        Self {
            hosts: hosts.unwrap_or_else(|| Hosts::loopback(places)),
            disk,
            is_frozen: Cell::new(false),
            clock,
            left_out,
        }
    }

    /// Those kinds that are possible here.
    pub(crate) fn possible(&self, wanted: &[Kind]) -> Vec<Kind> {
        let is_left_out = |kind: &Kind| self.left_out.iter().any(|(other, _)| other == kind);
        let kinds = wanted.iter().copied();
        kinds.filter(|kind| !is_left_out(kind)).collect()
    }

    /// A line for each kind that is not.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let left_out = self.left_out.iter();
        let line = |(kind, reason): &(Kind, String)| format!("{}: {reason}", kind.name());
        left_out.map(line).collect()
    }

    /// What to put before a command so that its clock is as it should be, or hours ahead.
    pub(crate) fn clock(&self, is_wrong: bool) -> Vec<String> {
        match self.clock.as_ref().filter(|_| is_wrong) {
            Some(clock) => vec![
                "env".to_owned(),
                format!("LD_PRELOAD={}", clock.display()),
                "FAKETIME=+3h".to_owned(),
                "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            ],
            None => Vec::new(),
        }
    }

    /// From now on nothing that is written to the run's store comes to an end.
    ///
    /// # Errors
    /// That it hangs already, or what the system said.
    pub(crate) fn freeze(&self) -> Result<()> {
        let Some(disk) = self.disk.as_ref().filter(|_| !self.is_frozen()) else {
            bail!("the store hung already");
        };
        disk.freeze()?;
        self.is_frozen.set(true);
        Ok(())
    }

    /// What was held up goes on.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn thaw(&self) -> Result<()> {
        match self.disk.as_ref().filter(|_| self.is_frozen.replace(false)) {
            Some(disk) => disk.thaw(),
            None => Ok(()),
        }
    }

    /// Whether the run's store hangs now.
    pub(crate) fn is_frozen(&self) -> bool {
        self.is_frozen.get()
    }
}
