//! Worlds of threads over real loopback sockets.

mod bits;
mod failures;
mod joining;
mod replicating;
mod waiting;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::thread;
use std::time::Duration;

use super::*;

/// Far above what anything here takes: reaching it is a failure.
const LONG: Duration = Duration::from_secs(30);

/// Nobody listens there. A port that was free a moment ago would not do: another test may hold it by now.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// A world's ports and memberships, one a rank.
struct World {
    ports: Vec<MeshPort>,
    addresses: Vec<SocketAddr>,
    exchange: Vec<Range<usize>>,
    generation: u64,
}

impl World {
    fn new(exchange: Vec<Range<usize>>) -> Self {
        let bind = |_| MeshPort::open(TcpListener::bind(("127.0.0.1", 0)).unwrap()).unwrap();
        let ports: Vec<_> = (0..exchange.len()).map(bind).collect();
        let addresses = ports
            .iter()
            .map(|port| port.local_addr().unwrap())
            .collect();
        Self {
            ports,
            addresses,
            exchange,
            generation: 5,
        }
    }

    /// A world in which every rank holds one slot.
    fn of(ranks: usize) -> Self {
        Self::new((0..ranks).map(|rank| rank..rank + 1).collect())
    }

    /// The run is named after a port that this world holds, so that no other test's ranks are taken for ours.
    fn membership(&self, rank: usize) -> Membership {
        let run = self.ports[0].local_addr().unwrap().to_string();
        let (addresses, slots) = (self.addresses.clone(), self.exchange.clone());
        Membership {
            run,
            generation: self.generation,
            rank,
            addresses,
            slots,
        }
    }

    fn join(&self, rank: usize) -> TcpGroup {
        TcpGroup::connect(&self.ports[rank], &self.membership(rank), LONG).unwrap()
    }

    /// Joins all ranks, hands each its group in its own thread, and gives the answers in rank order.
    fn run<T: Send>(&self, body: impl Fn(TcpGroup) -> T + Sync) -> Vec<T> {
        thread::scope(|scope| {
            let body = &body;
            let start = |rank| scope.spawn(move || body(self.join(rank)));
            let threads: Vec<_> = (0..self.exchange.len()).map(start).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        })
    }

    /// As [`run`](Self::run), and also gives the groups back, so that none closes before all have answered.
    fn run_keeping<T: Send>(&self, body: impl Fn(&mut TcpGroup) -> T + Sync) -> Vec<T> {
        let answers = self.run(|mut group| (body(&mut group), group));
        answers.into_iter().map(|(answer, _group)| answer).collect()
    }
}

/// Sums of gradients of one value each, for failures that happen before the values matter.
fn flat_sums(group: &TcpGroup, elements: usize) -> SlotSums {
    let slots = group.membership.slots[group.rank()].clone();
    let mut sums = SlotSums::new(group.membership.tree(), slots.clone());
    slots.for_each(|_| sums.push(vec![1.0; elements]));
    sums
}
