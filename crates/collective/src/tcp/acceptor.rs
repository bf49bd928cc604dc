//! The accepting half of a mesh: lets the higher ranks in and keeps everybody else out until the deadline.
//!
//! One thread serves all pending connections without blocking, so a silent one delays nobody.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tracing::debug;

use super::call_guard::CallGuard;
use super::handshake::{ANSWER, HELLO, HandshakeMessage, HelloOutcome, Identity};
use super::wire;

/// How long the acceptor pauses when no connection has sent anything.
const PAUSE: Duration = Duration::from_millis(1);

/// How many pending may be talking at once; above it the oldest is sent away, and a true peer dials again.
const MAX_PENDING: usize = 64;

/// Takes the ranks above this one in; gives those that came when all are there or the guard ends the wait.
pub(super) fn accept(
    listener: &TcpListener,
    me: &Identity,
    guard: &CallGuard,
) -> io::Result<BTreeMap<usize, TcpStream>> {
    let mut acceptor = Acceptor {
        me,
        pending: Vec::new(),
        joined: BTreeMap::new(),
    };
    let missing = me.world - 1 - me.rank;
    listener.set_nonblocking(true)?;
    while acceptor.joined.len() < missing && guard.check().is_ok() {
        acceptor.admit(listener)?;
        acceptor.serve()?;
        if acceptor.joined.len() < missing {
            guard.pause(PAUSE);
        }
    }
    listener.set_nonblocking(false)?;
    Ok(acceptor.joined)
}

struct Acceptor<'a> {
    me: &'a Identity,
    pending: Vec<Pending>,
    joined: BTreeMap<usize, TcpStream>,
}

impl Acceptor<'_> {
    /// Takes in every connection that waits at the listener.
    fn admit(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
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
    }

    fn receive(&mut self, stream: TcpStream, from: SocketAddr) {
        if stream.set_nonblocking(true).is_ok() {
            if self.pending.len() == MAX_PENDING {
                self.pending.remove(0);
            }
            self.pending.push(Pending {
                stream,
                from,
                welcomed: None,
                buffer: [0; HELLO],
                filled: 0,
            });
        }
    }

    /// Hears every connection once.
    fn serve(&mut self) -> io::Result<()> {
        for mut connection in std::mem::take(&mut self.pending) {
            match connection.read(self.me) {
                Progress::Waiting => self.pending.push(connection),
                Progress::Gone => {}
                Progress::Joined(rank) => {
                    wire::prepare(&connection.stream)?;
                    self.joined.insert(rank, connection.stream);
                }
            }
        }
        Ok(())
    }
}

/// A connection that is not a peer yet.
struct Pending {
    stream: TcpStream,
    from: SocketAddr,
    welcomed: Option<usize>,
    buffer: [u8; HELLO],
    filled: usize,
}

enum Progress {
    Waiting,
    Joined(usize),
    Gone,
}

impl Pending {
    fn read(&mut self, me: &Identity) -> Progress {
        let needed = if self.welcomed.is_some() {
            ANSWER
        } else {
            HELLO
        };
        while self.filled < needed {
            match self.stream.read(&mut self.buffer[self.filled..needed]) {
                Ok(0) => return Progress::Gone,
                Ok(bytes) => self.filled += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waiting,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Progress::Gone,
            }
        }
        self.filled = 0;
        match self.welcomed {
            None => self.answer(me),
            Some(rank) => self.conclude(me, rank),
        }
    }

    fn answer(&mut self, me: &Identity) -> Progress {
        let from = self.from;
        match me.judge(&self.buffer) {
            HelloOutcome::Welcome(rank) if self.send(me, HandshakeMessage::Welcome) => {
                self.welcomed = Some(rank);
                Progress::Waiting
            }
            HelloOutcome::Welcome(_) => Progress::Gone,
            HelloOutcome::Refuse(refusal) => {
                debug!(%from, generation = me.generation, ?refusal, "refused a connection");
                self.send(me, HandshakeMessage::Refuse(refusal));
                Progress::Gone
            }
            HelloOutcome::NotOurs => {
                debug!(%from, "closed a connection that does not speak this protocol");
                Progress::Gone
            }
        }
    }

    /// Sends a few bytes into a fresh connection, whose buffer has room for them.
    fn send(&mut self, me: &Identity, message: HandshakeMessage) -> bool {
        matches!(self.stream.write(&me.answer(message)), Ok(ANSWER))
    }

    fn conclude(&self, me: &Identity, rank: usize) -> Progress {
        let mut confirmation = [0; ANSWER];
        confirmation.copy_from_slice(&self.buffer[..ANSWER]);
        match me.read_answer(&confirmation) {
            Some(HandshakeMessage::Confirm) => Progress::Joined(rank),
            _ => Progress::Gone,
        }
    }
}
