//! The mesh as the control plane of a group whose vectors go another way: small exchanges, and a monitor of the peers.

use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::TcpGroup;
use super::call_guard::CallGuard;
use super::exchange::{Call, PeerExchange};
use super::frame::{Incoming, Outgoing};
use super::mesh::Peer;
use super::wire::Fault;
use crate::{CollectiveError, Operation};

/// The longest pause between two looks.
const LONGEST: Duration = Duration::from_millis(1);
/// The shortest.
const SHORTEST: Duration = Duration::from_micros(20);

/// Why a wait ended before what was waited for.
#[derive(Debug)]
pub(crate) enum Interruption<'a, E> {
    /// What was waited for has failed.
    Failed(E),
    /// This peer is gone.
    Closed(&'a Peer),
    TimedOut,
    Aborted,
}

impl TcpGroup {
    /// What the ranks agree on before their first call, within the time for joining.
    pub(crate) fn before_first_call<T>(
        &self,
        body: impl FnOnce(&Self, &Call) -> Result<T, CollectiveError>,
    ) -> Result<T, CollectiveError> {
        let call = self.numbered(Operation::Form, 0, self.settings.join_within);
        body(self, &call)
    }

    /// Lets every peer see at once that this rank is out.
    pub(crate) fn leave(&self) {
        for peer in &self.peers {
            // It fails only on a connection that is closed already.
            let _ = peer.stream.shutdown(Shutdown::Both);
        }
    }
}

impl Call {
    /// Its number in this generation.
    pub(crate) fn sequence(&self) -> u64 {
        self.stamp.sequence
    }

    /// Sends every peer the same message and gives theirs, in rank order.
    pub(crate) fn send_all(
        &self,
        peers: &[Peer],
        mine: &[u8],
        limit: u64,
    ) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let mut messages = vec![Vec::new(); peers.len()];
        let exchange = |(peer, into)| PeerExchange {
            peer,
            outgoing: Outgoing::Bytes(mine),
            incoming: Incoming::Bytes { limit, into },
        };
        self.exchange(peers.iter().zip(&mut messages).map(exchange).collect())?;
        Ok(messages)
    }

    /// Waits until every rank has come to this point: none leaves a call that another is still in.
    pub(crate) fn barrier(&self, peers: &[Peer]) -> Result<(), CollectiveError> {
        self.send_all(peers, &[], 0).map(|_| ())
    }

    /// Polls until `is_done`; ends early if a peer is gone, the deadline passes or the call is aborted.
    pub(crate) fn wait_until<'a, E>(
        &self,
        peers: &'a [Peer],
        mut is_done: impl FnMut() -> Result<bool, E>,
    ) -> Result<(), Interruption<'a, E>> {
        let guard = CallGuard::new(&self.abort, self.deadline);
        let mut monitor = PeerMonitor::open(peers);
        let begun = Instant::now();
        while !is_done().map_err(Interruption::Failed)? {
            match guard.check() {
                Ok(()) => {}
                Err(Fault::TimedOut) => return Err(Interruption::TimedOut),
                Err(_) => return Err(Interruption::Aborted),
            }
            if let Some(peer) = monitor.gone() {
                // An abort closes the connections at this end.
                return Err(match self.abort.is_aborted() {
                    true => Interruption::Aborted,
                    false => Interruption::Closed(peer),
                });
            }
            // Soon after the start much may happen; what takes long is not hurt by a longer pause.
            guard.pause((begun.elapsed() / 16).clamp(SHORTEST, LONGEST));
        }
        Ok(())
    }
}

/// Looks at connections without reading from them: what a peer that has got further sent is there for the next call,
/// and whether it went after that shows all the same.
struct PeerMonitor<'a> {
    peers: &'a [Peer],
    sockets: Vec<PollFd<'a>>,
}

impl<'a> PeerMonitor<'a> {
    fn open(peers: &'a [Peer]) -> Self {
        // The peer's end, which nix does not name; poll reports the other ends of a connection unasked.
        let ends = PollFlags::from_bits_retain(nix::libc::POLLRDHUP);
        let socket = |peer: &'a Peer| PollFd::new(peer.stream.as_fd(), ends);
        let sockets = peers.iter().map(socket).collect();
        Self { peers, sockets }
    }

    /// The first peer whose connection is closed.
    fn gone(&mut self) -> Option<&'a Peer> {
        // It fails on an interruption alone, and is asked again.
        let n_gone = poll(&mut self.sockets, PollTimeout::ZERO).unwrap_or(0);
        if n_gone == 0 {
            return None;
        }
        let is_gone = |socket: &PollFd<'_>| socket.any().unwrap_or(true);
        let at = self.sockets.iter().position(is_gone)?;
        self.peers.get(at)
    }
}
