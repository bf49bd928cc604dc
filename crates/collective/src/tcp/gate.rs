//! The accepting half of a mesh: lets the higher ranks in and keeps everybody else out until the deadline.
//!
//! One thread serves all visitors without blocking, so a silent stranger delays nobody.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tracing::debug;

use super::handshake::{ANSWER, HELLO, Identity, Verdict, Word};
use super::watch::Watch;
use super::wire;

/// How long the gate rests when nobody has anything to say.
const REST: Duration = Duration::from_millis(1);

/// How many visitors may be talking at once; above it the oldest is sent away, and a true peer dials again.
const VISITORS: usize = 64;

/// Takes the ranks above this one in; gives those that came when all are there or the watch ends the wait.
pub(super) fn accept(
    listener: &TcpListener,
    me: &Identity,
    watch: &Watch,
) -> io::Result<BTreeMap<usize, TcpStream>> {
    let mut gate = Gate {
        me,
        visitors: Vec::new(),
        joined: BTreeMap::new(),
    };
    let missing = me.world - 1 - me.rank;
    listener.set_nonblocking(true)?;
    while gate.joined.len() < missing && watch.check().is_ok() {
        gate.admit(listener)?;
        gate.serve()?;
        if gate.joined.len() < missing {
            watch.pause(REST);
        }
    }
    listener.set_nonblocking(false)?;
    Ok(gate.joined)
}

struct Gate<'a> {
    me: &'a Identity,
    visitors: Vec<Visitor>,
    joined: BTreeMap<usize, TcpStream>,
}

impl Gate<'_> {
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
            if self.visitors.len() == VISITORS {
                self.visitors.remove(0);
            }
            self.visitors.push(Visitor {
                stream,
                from,
                welcomed: None,
                buffer: [0; HELLO],
                filled: 0,
            });
        }
    }

    /// Hears every visitor once.
    fn serve(&mut self) -> io::Result<()> {
        for mut visitor in std::mem::take(&mut self.visitors) {
            match visitor.hear(self.me) {
                Progress::Waiting => self.visitors.push(visitor),
                Progress::Gone => {}
                Progress::Joined(rank) => {
                    wire::prepare(&visitor.stream)?;
                    self.joined.insert(rank, visitor.stream);
                }
            }
        }
        Ok(())
    }
}

/// A connection that is not a peer yet.
struct Visitor {
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

impl Visitor {
    fn hear(&mut self, me: &Identity) -> Progress {
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
            Verdict::Welcome(rank) if self.say(me, Word::Welcome) => {
                self.welcomed = Some(rank);
                Progress::Waiting
            }
            Verdict::Welcome(_) => Progress::Gone,
            Verdict::Refuse(refusal) => {
                debug!(%from, generation = me.generation, ?refusal, "refused a connection");
                self.say(me, Word::Refuse(refusal));
                Progress::Gone
            }
            Verdict::Stranger => {
                debug!(%from, "closed a connection that does not speak this protocol");
                Progress::Gone
            }
        }
    }

    /// Sends a few bytes into a fresh connection, whose buffer has room for them.
    fn say(&mut self, me: &Identity, word: Word) -> bool {
        matches!(self.stream.write(&me.answer(word)), Ok(ANSWER))
    }

    fn conclude(&self, me: &Identity, rank: usize) -> Progress {
        let mut confirmation = [0; ANSWER];
        confirmation.copy_from_slice(&self.buffer[..ANSWER]);
        match me.read_answer(&confirmation) {
            Some(Word::Confirm) => Progress::Joined(rank),
            _ => Progress::Gone,
        }
    }
}
