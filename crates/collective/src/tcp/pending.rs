//! Connections that are no peers yet: who has come to a port, what each has said so far, and whom a group takes in.
//!
//! All are served without blocking, so a silent one delays nobody.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tracing::debug;

use super::handshake::{ANSWER, Agreement, HELLO, HelloOutcome, Identity, draw, is_hello};
use super::mesh::Connection;
use super::wire;
use crate::Refusal;

/// How many there may be at once; above it one is sent away, and a true peer dials again.
const MOST: usize = 256;

/// How long one may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// Who has come, in that order.
#[derive(Debug, Default)]
pub(super) struct PendingConnections(Vec<Pending>);

impl PendingConnections {
    /// Takes in who waits at the listener, as many as there may be at most: the caller looks at its deadline then.
    pub(super) fn admit(&mut self, listener: &TcpListener) -> io::Result<()> {
        for _ in 0..MOST {
            match listener.accept() {
                Ok((stream, from)) => self.receive(stream, from),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionAborted | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Where there are too many, the oldest goes that has not said hello; if all have, the oldest.
    fn receive(&mut self, stream: TcpStream, from: SocketAddr) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        if self.0.len() == MOST {
            let unproven = self.0.iter().position(|connection| !connection.is_proven());
            self.0.remove(unproven.unwrap_or(0));
        }
        self.0.push(Pending {
            stream,
            from,
            came: Instant::now(),
            welcomed: None,
            buffer: [0; HELLO],
            filled: 0,
        });
    }

    /// Hears everybody while no group forms: who has said hello waits, who has left or says something else goes.
    pub(super) fn hear(&mut self) {
        self.0
            .retain_mut(|connection| !matches!(connection.read_hello(), Heard::Gone));
    }

    /// Hears everybody once, and takes in the ranks that are missing. The first that proves to be a rank stays it.
    pub(super) fn serve(
        &mut self,
        me: &Identity,
        joined: &mut BTreeMap<usize, Connection>,
    ) -> io::Result<()> {
        for mut connection in std::mem::take(&mut self.0) {
            match connection.converse(me, joined) {
                Progress::Waiting => self.0.push(connection),
                Progress::Gone => {}
                Progress::Joined(welcomed) => {
                    if let Entry::Vacant(seat) = joined.entry(welcomed.rank) {
                        wire::prepare(&connection.stream)?;
                        seat.insert(Connection {
                            stream: connection.stream,
                            keys: me.keys(&welcomed.agreement, false),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// A connection that is not a peer yet.
#[derive(Debug)]
struct Pending {
    stream: TcpStream,
    from: SocketAddr,
    came: Instant,
    /// As whom it was welcomed.
    welcomed: Option<Box<Welcomed>>,
    buffer: [u8; HELLO],
    filled: usize,
}

/// A welcome that waits for its confirmation.
#[derive(Debug)]
struct Welcomed {
    rank: usize,
    agreement: Agreement,
}

/// What came of reading.
enum Heard {
    All,
    Part,
    Gone,
}

enum Progress {
    Waiting,
    Joined(Box<Welcomed>),
    Gone,
}

impl Pending {
    fn is_proven(&self) -> bool {
        self.welcomed.is_some() || self.filled == HELLO && is_hello(&self.buffer)
    }

    /// Reads the hello, which is all that may come before the answer.
    fn read_hello(&mut self) -> Heard {
        match self.read(HELLO) {
            Heard::All if !is_hello(&self.buffer) => {
                debug!(from = %self.from, "closed a connection that does not speak this protocol");
                Heard::Gone
            }
            Heard::All if !self.is_quiet() => Heard::Gone,
            Heard::Part if self.came.elapsed() > HELLO_WITHIN => Heard::Gone,
            heard => heard,
        }
    }

    fn read(&mut self, needed: usize) -> Heard {
        while self.filled < needed {
            match self.stream.read(&mut self.buffer[self.filled..needed]) {
                Ok(0) => return Heard::Gone,
                Ok(bytes) => self.filled += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::Part,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Heard::Gone,
            }
        }
        Heard::All
    }

    /// Whether the connection is open and nothing more has come.
    fn is_quiet(&self) -> bool {
        let looked = self.stream.peek(&mut [0]);
        looked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    fn converse(&mut self, me: &Identity, joined: &BTreeMap<usize, Connection>) -> Progress {
        let heard = match self.welcomed {
            None => self.read_hello(),
            Some(_) => self.read(ANSWER),
        };
        match (heard, self.welcomed.take()) {
            (Heard::Gone, _) => Progress::Gone,
            (Heard::Part, welcomed) => {
                self.welcomed = welcomed;
                Progress::Waiting
            }
            (Heard::All, None) => self.answer(me, joined),
            (Heard::All, Some(welcomed)) => self.conclude(me, welcomed),
        }
    }

    fn answer(&mut self, me: &Identity, joined: &BTreeMap<usize, Connection>) -> Progress {
        let refusal = match me.judge(&self.buffer) {
            HelloOutcome::Welcome(rank) if joined.contains_key(&rank) => Refusal::OtherPlace,
            HelloOutcome::Welcome(rank) => return self.welcome(me, rank),
            HelloOutcome::Refuse(refusal) => refusal,
            HelloOutcome::NotOurs => return Progress::Gone,
        };
        debug!(from = %self.from, generation = me.generation, ?refusal, "refused a connection");
        self.send(&me.refuse(refusal));
        Progress::Gone
    }

    fn welcome(&mut self, me: &Identity, rank: usize) -> Progress {
        let Some(drawn) = draw() else {
            return Progress::Gone;
        };
        let hello = self.buffer;
        let welcome = me.welcome(&hello, &drawn);
        if !self.send(&welcome) {
            return Progress::Gone;
        }
        let agreement = Agreement { hello, welcome };
        self.welcomed = Some(Box::new(Welcomed { rank, agreement }));
        self.filled = 0;
        Progress::Waiting
    }

    /// Sends a few bytes into a fresh connection, whose buffer has room for them.
    fn send(&mut self, answer: &[u8; ANSWER]) -> bool {
        matches!(self.stream.write(answer), Ok(ANSWER))
    }

    fn conclude(&self, me: &Identity, welcomed: Box<Welcomed>) -> Progress {
        let mut confirmation = [0; ANSWER];
        confirmation.copy_from_slice(&self.buffer[..ANSWER]);
        match me.is_confirmed(&welcomed.agreement, &confirmation) {
            true => Progress::Joined(welcomed),
            false => Progress::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal::Sealing;
    use super::*;
    use crate::Membership;
    use std::net::Ipv4Addr;

    /// A listener, and somebody who has said hello as rank 1 of two.
    fn dialled() -> (TcpListener, TcpStream, PendingConnections) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        peer.write_all(&identity(1).hello(0, &[7; 32])).unwrap();
        let mut connections = PendingConnections::default();
        // What was written before is there once the connection is taken over loopback.
        hear_until(&listener, &mut connections, |connections| {
            connections.0.iter().any(Pending::is_proven)
        });
        (listener, peer, connections)
    }

    fn identity(rank: usize) -> Identity {
        let membership = Membership {
            run: "run".to_owned(),
            generation: 5,
            rank,
            addresses: vec![(Ipv4Addr::LOCALHOST, 1).into(); 2],
            slots: vec![0..1, 1..2],
        };
        Identity::of(&membership, Sealing::Plain)
    }

    fn hear_until(
        listener: &TcpListener,
        connections: &mut PendingConnections,
        is_so: impl Fn(&PendingConnections) -> bool,
    ) {
        let began = Instant::now();
        while !is_so(connections) {
            assert!(began.elapsed() < Duration::from_secs(10));
            connections.admit(listener).unwrap();
            connections.hear();
        }
    }

    #[test]
    fn of_too_many_those_go_first_that_have_not_said_hello() {
        let (listener, peer, mut connections) = dialled();
        let dial = |_| TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        for _ in 0..4 {
            let silent: Vec<_> = (0..100).map(dial).collect();
            connections.admit(&listener).unwrap();
            connections.hear();
            assert!(connections.0.len() <= MOST);
            drop(silent);
        }
        let from = peer.local_addr().unwrap();
        assert!(
            connections
                .0
                .iter()
                .any(|connection| connection.from == from)
        );
    }

    #[test]
    fn who_leaves_is_forgotten_though_it_had_said_hello() {
        let (listener, peer, mut connections) = dialled();
        drop(peer);
        hear_until(&listener, &mut connections, |connections| {
            connections.0.is_empty()
        });
    }

    #[test]
    fn a_confirmation_that_comes_before_the_welcome_is_none() {
        let (listener, mut peer, mut connections) = dialled();
        let confirmation = identity(1).confirm(&Agreement {
            hello: [0; HELLO],
            welcome: [0; ANSWER],
        });
        peer.write_all(&confirmation).unwrap();
        hear_until(&listener, &mut connections, |connections| {
            connections.0.is_empty()
        });
    }
}
