//! A host for each process: network namespaces on one switch, whose cables can be cut; or this machine's loopback alone.

use std::process::Command;

use anyhow::{Result, bail};

use super::fault::Party;

/// The first three numbers of every address.
const NET: &str = "10.78.0";
/// An address that no card has: what is sent to it is dropped by the switch.
const NOBODY: &str = "02:00:00:00:00:01";
/// What the namespaces of all calls begin with.
const PREFIX: &str = "fratmae-chaos-";

/// The hosts of a run; they are gone with the value.
pub(crate) struct Hosts {
    /// What the names of this call's namespaces begin with; none where there are no namespaces.
    prefix: Option<String>,
    workers: usize,
}

/// A way in which the network fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing from or to a host arrives.
    Whole(Party),
    /// What the first sends to the second does not arrive.
    Towards(Party, Party),
    /// What a host sends arrives nowhere.
    Outbound(Party),
    /// A host sends slowly.
    Slow(Party),
}

impl Hosts {
    /// Makes a host for the coordinator and for each worker.
    ///
    /// # Errors
    /// Why this user or system cannot.
    pub(crate) fn start(workers: usize) -> Result<Self> {
        remove_stale();
        let hosts = Self {
            prefix: Some(format!("{PREFIX}{}-", std::process::id())),
            workers,
        };
        let switch = hosts.name("switch");
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "br0", "up"])?;
        for party in hosts.parties() {
            hosts.add(party, &switch)?;
        }
        Ok(hosts)
    }

    /// This machine alone.
    pub(crate) const fn loopback(workers: usize) -> Self {
        Self {
            prefix: None,
            workers,
        }
    }

    /// Whether the network can be cut.
    pub(crate) const fn can_cut(&self) -> bool {
        self.prefix.is_some()
    }

    /// What to put before a command so that it runs on a party's host.
    pub(crate) fn on(&self, party: Party) -> Vec<String> {
        if !self.can_cut() {
            return Vec::new();
        }
        let name = self.name(&label(party));
        ["ip", "netns", "exec", &name].map(str::to_owned).to_vec()
    }

    /// The address of a party's host.
    pub(crate) fn address(&self, party: Party) -> String {
        if self.can_cut() {
            address(party)
        } else {
            "127.0.0.1".to_owned()
        }
    }

    /// Cuts.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn cut(&self, cut: Cut) -> Result<()> {
        match cut {
            Cut::Whole(party) => self.forward(party, "0"),
            Cut::Towards(from, to) => self.mislead(from, to),
            Cut::Outbound(from) => self
                .parties()
                .filter(|to| *to != from)
                .try_for_each(|to| self.mislead(from, to)),
            Cut::Slow(party) => {
                let words = "qdisc replace dev eth0 root tbf rate 2mbit burst 16kb latency 300ms";
                self.tc(party, words)
            }
        }
    }

    /// Mends what was cut; what is whole stays so.
    pub(crate) fn mend(&self, cut: Cut) {
        // Another fault's end may have mended it before.
        let _ = match cut {
            Cut::Whole(party) => self.forward(party, "3"),
            Cut::Towards(from, to) => self.lead(from, to),
            Cut::Outbound(from) => {
                let others = self.parties().filter(|to| *to != from);
                others.for_each(|to| drop(self.lead(from, to)));
                Ok(())
            }
            Cut::Slow(party) => self.tc(party, "qdisc delete dev eth0 root"),
        };
    }

    fn parties(&self) -> impl Iterator<Item = Party> + use<> {
        let workers = (0..self.workers).map(Party::Worker);
        std::iter::once(Party::Coordinator).chain(workers)
    }

    fn add(&self, party: Party, switch: &str) -> Result<()> {
        let (name, port) = (self.name(&label(party)), label(party));
        let address = format!("{}/24", address(party));
        ip(&["netns", "add", &name])?;
        ip(&[
            "-n", switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns",
            &name,
        ])?;
        ip(&["-n", switch, "link", "set", &port, "master", "br0", "up"])?;
        ip(&["-n", &name, "address", "add", &address, "dev", "eth0"])?;
        ip(&["-n", &name, "link", "set", "eth0", "up"])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])
    }

    /// Lets the switch forward a host's packets (3), or drop them (0).
    fn forward(&self, party: Party, state: &str) -> Result<()> {
        let (switch, port) = (self.name("switch"), label(party));
        let words = ["link", "set", "dev", &port, "state", state];
        let bridge = ["netns", "exec", &switch, "bridge"];
        ip(&[bridge.as_slice(), words.as_slice()].concat())
    }

    fn mislead(&self, from: Party, to: Party) -> Result<()> {
        let (name, to) = (self.name(&label(from)), address(to));
        ip(&[
            "-n",
            &name,
            "neigh",
            "replace",
            &to,
            "lladdr",
            NOBODY,
            "dev",
            "eth0",
            "nud",
            "permanent",
        ])
    }

    fn lead(&self, from: Party, to: Party) -> Result<()> {
        let (name, to) = (self.name(&label(from)), address(to));
        ip(&["-n", &name, "neigh", "delete", &to, "dev", "eth0"])
    }

    fn tc(&self, party: Party, words: &str) -> Result<()> {
        let name = self.name(&label(party));
        let words: Vec<&str> = words.split(' ').collect();
        let tc = ["netns", "exec", name.as_str(), "tc"];
        ip(&[tc.as_slice(), words.as_slice()].concat())
    }

    fn name(&self, of: &str) -> String {
        format!("{}{of}", self.prefix.as_deref().unwrap_or_default())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        if let Some(prefix) = &self.prefix {
            remove(|name| name.starts_with(prefix));
        }
    }
}

fn label(party: Party) -> String {
    match party {
        Party::Coordinator => "c".to_owned(),
        Party::Worker(place) => format!("w{place}"),
    }
}

fn address(party: Party) -> String {
    match party {
        Party::Coordinator => format!("{NET}.1"),
        Party::Worker(place) => format!("{NET}.{}", place + 2),
    }
}

/// Removes the namespaces of calls that were killed: their process is no more.
fn remove_stale() {
    remove(|name| {
        let rest = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('-'));
        rest.is_some_and(|(id, _)| !std::path::Path::new("/proc").join(id).exists())
    });
}

fn remove(is_due: impl Fn(&str) -> bool) {
    let listed = Command::new("ip").args(["netns", "list"]).output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let listed = listed.unwrap_or_default();
    let names = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| is_due(name)) {
        // Another call may be removing it too.
        let _ = ip(&["netns", "delete", name]);
    }
}

fn ip(words: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(words).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("ip {}: {}", words.join(" "), said.trim())
}
