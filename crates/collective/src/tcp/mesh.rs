//! Forms the full mesh of one generation: every rank accepts the higher ranks and dials the lower ones.
//!
//! Owns retries while dialling; the messages are in `handshake.rs`, the accepting half in `port.rs`.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::TcpSettings;
use super::call_guard::{CallGuard, moment_after};
use super::handshake::{ANSWER, Agreement, Answer, Identity, draw};
use super::port::MeshPort;
use super::seal::{LineKeys, Sealing, Seals};
use super::wire::{Fault, Wire, prepare};
use crate::{CollectiveError, Membership, Refusal};

/// The pause before a peer that did not answer is dialled again.
const PAUSE: Duration = Duration::from_millis(5);

/// The longest wait for one connection to open, so that a lost packet or an abort costs no more.
const PATIENCE: Duration = Duration::from_millis(500);

/// A rank of the same generation and the connection to it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) rank: usize,
    pub(crate) address: SocketAddr,
    pub(super) stream: Arc<TcpStream>,
    /// Seals what goes over the connection; none where it goes as it is.
    pub(super) seals: Option<Seals>,
}

/// A connection to a peer, and the keys that both sides have come to.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) keys: LineKeys,
}

/// Connects to every other rank; the peers come in rank order.
pub(super) fn form(
    port: &MeshPort,
    membership: &Membership,
    settings: &TcpSettings,
) -> Result<Vec<Peer>, CollectiveError> {
    let within = settings.join_within;
    let guard = CallGuard::new(&settings.abort, moment_after(within));
    let mesh = Mesh {
        membership,
        me: Identity::of(membership, settings.sealing),
        within,
        guard,
        links: Mutex::default(),
    };
    thread::scope(|scope| {
        for rank in 0..membership.rank {
            mesh.guard.spawn(scope, format!("dial rank {rank}"), {
                let mesh = &mesh;
                move || mesh.dial(rank)
            });
        }
        mesh.accept(port);
    });
    mesh.into_peers()
}

struct Mesh<'a> {
    membership: &'a Membership,
    me: Identity,
    within: Duration,
    guard: CallGuard,
    links: Mutex<BTreeMap<usize, Connection>>,
}

/// Why one attempt to dial did not lead to a peer.
enum Setback {
    Refused(Refusal),
    Io(io::Error),
    /// It closed, or the guard ended the wait.
    Silent,
}

impl From<Fault> for Setback {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io(error) => Self::Io(error),
            _ => Self::Silent,
        }
    }
}

impl Mesh<'_> {
    fn accept(&self, port: &MeshPort) {
        match port.accept(&self.me, &self.guard) {
            Ok(links) => {
                let awaited = self.me.rank + 1..self.me.world;
                let absent = awaited.into_iter().find(|rank| !links.contains_key(rank));
                if let Some(rank) = absent {
                    self.guard.fail(self.absent(rank, None));
                }
                self.lock().extend(links);
            }
            Err(source) => self.guard.fail(CollectiveError::Listener { source }),
        }
    }

    /// Dials until the peer takes this rank in, refuses it for good, or the guard ends the wait.
    fn dial(&self, peer: usize) {
        let mut last = Setback::Silent;
        while self.guard.check().is_ok() {
            match self.attempt(peer) {
                Ok(link) => {
                    self.lock().insert(peer, link);
                    return;
                }
                Err(Setback::Refused(refusal)) if !matches!(refusal, Refusal::Early { .. }) => {
                    return self.guard.fail(self.refused(peer, refusal));
                }
                Err(Setback::Silent) => {}
                Err(setback) => last = setback,
            }
            self.guard.pause(PAUSE);
        }
        self.guard.fail(match last {
            Setback::Refused(refusal) => self.refused(peer, refusal),
            Setback::Io(source) => self.absent(peer, Some(source)),
            Setback::Silent => self.absent(peer, None),
        });
    }

    fn attempt(&self, peer: usize) -> Result<Connection, Setback> {
        let patience = PATIENCE
            .min(self.guard.remaining())
            .max(Duration::from_millis(1));
        let address = &self.membership.addresses[peer];
        let stream = TcpStream::connect_timeout(address, patience).map_err(Setback::Io)?;
        prepare(&stream).map_err(Setback::Io)?;
        let mut wire = Wire::new(&stream, &self.guard);
        let no_randomness = || Setback::Io(io::Error::other("the system has no randomness"));
        let hello = self.me.hello(peer, &draw().ok_or_else(no_randomness)?);
        wire.write(&hello)?;
        let mut welcome = [0; ANSWER];
        wire.read(&mut welcome)?;
        match self.me.read_answer(&hello, &welcome) {
            Some(Answer::Welcome) => {}
            Some(Answer::Refuse(refusal)) => return Err(Setback::Refused(refusal)),
            None => return Err(Setback::Silent),
        }
        let agreement = Agreement { hello, welcome };
        wire.write(&self.me.confirm(&agreement))?;
        let keys = self.me.keys(&agreement, true);
        Ok(Connection { stream, keys })
    }

    fn absent(&self, peer: usize, source: Option<io::Error>) -> CollectiveError {
        let Membership {
            generation,
            addresses,
            ..
        } = self.membership;
        let (address, generation) = (addresses[peer], *generation);
        CollectiveError::Absent {
            peer,
            address,
            generation,
            waited: self.within,
            source,
        }
    }

    fn refused(&self, peer: usize, refusal: Refusal) -> CollectiveError {
        let Membership {
            generation,
            addresses,
            ..
        } = self.membership;
        CollectiveError::Refused {
            peer,
            address: addresses[peer],
            generation: *generation,
            refusal,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Connection>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_peers(self) -> Result<Vec<Peer>, CollectiveError> {
        self.guard.outcome()?;
        let sealing: Sealing = self.me.sealing;
        let links = self
            .links
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let peer = |(rank, link): (usize, Connection)| Peer {
            rank,
            address: self.membership.addresses[rank],
            stream: Arc::new(link.stream),
            seals: Seals::of(sealing, &link.keys),
        };
        Ok(links.into_iter().map(peer).collect())
    }
}
