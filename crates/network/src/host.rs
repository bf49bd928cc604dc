//! What this host is to others: its address, and what tells it from other hosts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use if_addrs::{IfOperStatus, Interface};

use crate::endpoint::{Endpoint, Reach};

/// Addresses that belong to nobody (RFC 5737, RFC 3849): the way to them is the default route.
const ELSEWHERE: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
];

/// The address at which others reach a socket of this host that is bound to `listening`, which is the unspecified
/// address of its family: that of the default route, else the first of an interface that is up; none without a network.
///
/// A socket at `::` takes IPv4 as well, so a host without IPv6 shows its IPv4 address.
#[must_use]
pub fn own_address(listening: IpAddr) -> Option<IpAddr> {
    let is_served = |address: &IpAddr| listening.is_ipv6() || address.is_ipv4();
    let is_shown = |address: &IpAddr| {
        is_served(address) && Endpoint::of(*address, 1).reach() == Reach::Anywhere
    };
    let by_route = ELSEWHERE.into_iter().filter_map(towards);
    let mut by_interface = interfaces();
    // IPv6 first, as the route: what listens at `::` was meant for it.
    by_interface.sort_by_key(IpAddr::is_ipv4);
    by_route.chain(by_interface).find(is_shown)
}

/// What no two hosts and no two network namespaces share; empty where the system does not tell.
#[must_use]
pub fn host_id() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let network = std::fs::read_link("/proc/self/ns/net");
    match (boot, network) {
        (Ok(boot), Ok(network)) => format!("{}/{}", boot.trim(), network.display()),
        _ => String::new(),
    }
}

/// What this host is called; empty where the system does not tell.
#[must_use]
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.unwrap_or_default().trim().to_owned()
}

/// This host's address on the way to `target`. Connecting a datagram socket sends nothing: it asks for the route.
fn towards(target: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match target {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(target, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The addresses of all interfaces that are up, in the system's order.
fn interfaces() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let is_up = |interface: &&Interface| interface.oper_status != IfOperStatus::Down;
    interfaces.iter().filter(is_up).map(Interface::ip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_loopback_is_loopback_in_both_families() {
        let four = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(towards(four), Some(four));
        // A host without IPv6 has no way there.
        let six = IpAddr::from(Ipv6Addr::LOCALHOST);
        assert!(towards(six).is_none_or(|found| found == six));
    }

    #[test]
    fn what_is_shown_to_others_is_never_loopback_and_of_a_family_that_is_served() {
        for any in [
            IpAddr::from(Ipv4Addr::UNSPECIFIED),
            Ipv6Addr::UNSPECIFIED.into(),
        ] {
            let Some(own) = own_address(any) else {
                continue;
            };
            assert_eq!(Endpoint::of(own, 1).reach(), Reach::Anywhere, "{own}");
            assert!(any.is_ipv6() || own.is_ipv4(), "{own}");
        }
    }

    #[test]
    fn a_host_is_itself() {
        assert_eq!(host_id(), host_id());
    }
}
