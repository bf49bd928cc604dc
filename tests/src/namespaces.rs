//! Two hosts on one machine: network namespaces with addresses of their own, joined by a cable.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::disk::succeed;

/// Tells the hosts of one process apart.
static MADE: AtomicU32 = AtomicU32::new(0);

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// 10.77.0.1 and fd77::1
    First,
    /// 10.77.0.2 and fd77::2
    Second,
}

/// The two hosts; they are gone with the value.
#[derive(Debug)]
pub struct TwoHosts {
    names: [String; 2],
    cable: [String; 2],
}

impl Host {
    /// Its address.
    pub fn address(self) -> &'static str {
        match self {
            Self::First => "10.77.0.1",
            Self::Second => "10.77.0.2",
        }
    }

    /// Its IPv6 address.
    pub fn address6(self) -> &'static str {
        match self {
            Self::First => "fd77::1",
            Self::Second => "fd77::2",
        }
    }
}

impl TwoHosts {
    /// Makes the hosts and joins them.
    ///
    /// # Errors
    /// Why this user or system cannot.
    pub fn start() -> Result<Self, String> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", std::process::id());
        let hosts = Self {
            names: ["a", "b"].map(|end| format!("fratmae-{id}-{end}")),
            cable: ["a", "b"].map(|end| format!("fm{id}{end}")),
        };
        let cable = &hosts.cable;
        for name in &hosts.names {
            ip(&["netns", "add", name])?;
        }
        ip(&[
            "link", "add", &cable[0], "type", "veth", "peer", "name", &cable[1],
        ])?;
        for host in [Host::First, Host::Second] {
            let (name, end) = (hosts.name(host), &cable[host as usize]);
            let address = format!("{}/24", host.address());
            ip(&["link", "set", end, "netns", name])?;
            ip(&["-n", name, "address", "add", &address, "dev", end])?;
            ip(&["-n", name, "link", "set", end, "up"])?;
            let address = format!("{}/64", host.address6());
            // Nobody else can have it: without the test for that it is there at once.
            ip(&["-n", name, "address", "add", &address, "dev", end, "nodad"])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        Ok(hosts)
    }

    /// What to put before a command so that it runs on a host.
    pub fn on(&self, host: Host) -> [&str; 4] {
        ["ip", "netns", "exec", self.name(host)]
    }

    /// Cuts the cable: packets vanish, and nobody is told.
    ///
    /// # Panics
    /// When the system does not.
    pub fn cut(&self) {
        let ([_, name], [_, end]) = (&self.names, &self.cable);
        let cut = ip(&["-n", name, "link", "set", end, "down"]);
        cut.unwrap_or_else(|reason| panic!("the cable cannot be cut: {reason}"));
    }

    /// Lets packets from a host to an address vanish, as a firewall does.
    ///
    /// # Panics
    /// When the system does not.
    pub fn drop_packets(&self, from: Host, to: &str) {
        let (name, end) = (self.name(from), &self.cable[from as usize]);
        let nobody = "02:00:00:00:00:01";
        let lost = ip(&[
            "-n",
            name,
            "neigh",
            "replace",
            to,
            "lladdr",
            nobody,
            "dev",
            end,
            "nud",
            "permanent",
        ]);
        lost.unwrap_or_else(|reason| panic!("packets to {to} cannot be dropped: {reason}"));
    }

    fn name(&self, host: Host) -> &str {
        &self.names[host as usize]
    }
}

impl Drop for TwoHosts {
    fn drop(&mut self) {
        for name in &self.names {
            // What was never made cannot be removed.
            let _ = ip(&["netns", "delete", name]);
        }
        let _ = ip(&["link", "delete", &self.cable[0]]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    succeed(Command::new("ip").args(arguments))
}
