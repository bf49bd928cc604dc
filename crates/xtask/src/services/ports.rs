//! Finds free loopback ports; nothing reserves them after the answer.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// Asks the system for `count` different ports that nobody listens on.
///
/// # Errors
/// The system has none to give.
pub(super) fn free_ports(count: usize) -> Result<Vec<u16>> {
    // All are held until the last is known: the system would else give the same one again.
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()?;
    held.iter()
        .map(|listener| {
            Ok(listener
                .local_addr()
                .context("a listener without an address")?
                .port())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ports_differ_and_can_be_bound() {
        let ports = free_ports(8).unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 8);
        TcpListener::bind((Ipv4Addr::LOCALHOST, ports[0])).unwrap();
    }
}
