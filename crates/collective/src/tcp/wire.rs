//! One direction of one socket, moved in slices so that a deadline, an abort or a failure elsewhere ends the wait.
//!
//! It moves bytes and counts them; `frame.rs` and `handshake.rs` know what they mean.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::call_guard::CallGuard;
use super::seal::Seals;

/// Bytes that this process has sent to peers, and received from them.
static SENT: AtomicU64 = AtomicU64::new(0);
static RECEIVED: AtomicU64 = AtomicU64::new(0);

/// Bytes that this process has moved over TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub sent: u64,
    pub received: u64,
}

impl Traffic {
    /// Until now, by all groups.
    #[must_use]
    pub fn now() -> Self {
        Self {
            sent: SENT.load(Ordering::Relaxed),
            received: RECEIVED.load(Ordering::Relaxed),
        }
    }
}

/// The longest time a thread sits in the system before it looks at the guard again.
const SLICE: Duration = Duration::from_millis(5);

/// Why bytes stopped moving.
#[derive(Debug)]
pub(super) enum Fault {
    Closed,
    TimedOut,
    /// The call was aborted or has failed elsewhere: this thread has nothing to tell.
    Stopped,
    Io(io::Error),
    Mismatch {
        what: &'static str,
        expected: u64,
        found: u64,
    },
    TooLong {
        bytes: u64,
        limit: u64,
    },
    /// What came was not sealed by the peer, or not in this place.
    Forged,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
            | ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// Sets a connection up for [`Wire`]: no delay for small frames, waits in slices.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SLICE))?;
    stream.set_write_timeout(Some(SLICE))
}

/// A prepared connection under a guard.
pub(super) struct Wire<'a> {
    stream: &'a TcpStream,
    guard: &'a CallGuard,
    seals: Option<&'a Seals>,
    moved: u64,
}

impl<'a> Wire<'a> {
    pub(super) fn new(stream: &'a TcpStream, guard: &'a CallGuard) -> Self {
        Self {
            stream,
            guard,
            seals: None,
            moved: 0,
        }
    }

    /// The same with all bytes in records, where there are seals.
    pub(super) fn sealed(self, seals: Option<&'a Seals>) -> Self {
        Self { seals, ..self }
    }

    /// Counts the bytes moved so far.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Fills `into`.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<(), Fault> {
        match self.seals {
            Some(seals) => seals.into().read(into, |room| self.read_bytes(room)),
            None => self.read_bytes(into),
        }
    }

    fn read_bytes(&mut self, into: &mut [u8]) -> Result<(), Fault> {
        let mut filled = 0;
        while filled < into.len() {
            self.guard.check()?;
            let outcome = self.stream.read(&mut into[filled..]);
            filled += self.account(outcome, &RECEIVED)?;
        }
        Ok(())
    }

    /// Sends all of `bytes`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.write_pieces(&mut [IoSlice::new(bytes)])
    }

    /// Sends all of several pieces, one after the other.
    pub(super) fn write_pieces(&mut self, pieces: &mut [IoSlice<'_>]) -> Result<(), Fault> {
        match self.seals {
            Some(seals) => seals.out().write(pieces, |record| {
                self.write_bytes(&mut [IoSlice::new(record)])
            }),
            None => self.write_bytes(pieces),
        }
    }

    fn write_bytes(&mut self, mut pieces: &mut [IoSlice<'_>]) -> Result<(), Fault> {
        // What is empty is passed over: a write of nothing looks like the end of the connection.
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            self.guard.check()?;
            let outcome = self.stream.write_vectored(pieces);
            IoSlice::advance_slices(&mut pieces, self.account(outcome, &SENT)?);
        }
        Ok(())
    }

    fn account(
        &mut self,
        outcome: io::Result<usize>,
        direction: &AtomicU64,
    ) -> Result<usize, Fault> {
        let fault = match outcome {
            Ok(0) => Fault::Closed,
            Ok(bytes) => {
                self.moved += bytes as u64;
                direction.fetch_add(bytes as u64, Ordering::Relaxed);
                return Ok(bytes);
            }
            Err(error) if is_slice_over(&error) => return Ok(0),
            Err(error) => Fault::from(error),
        };
        Err(if self.guard.is_stopped() {
            Fault::Stopped
        } else {
            fault
        })
    }
}

fn is_slice_over(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;
    use std::time::Instant;

    use super::super::call_guard::moment_after;
    use super::*;
    use crate::AbortHandle;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        prepare(&near).unwrap();
        (near, far)
    }

    fn guard(deadline: Duration) -> CallGuard {
        CallGuard::new(&AbortHandle::new(), moment_after(deadline))
    }

    #[test]
    fn a_message_in_pieces_is_read_whole_and_counted() {
        let (near, mut far) = pair();
        let guard = guard(Duration::MAX);
        let mut wire = Wire::new(&near, &guard);
        let mut message = [0; 6];
        thread::scope(|scope| {
            scope.spawn(|| {
                b"abcdef"
                    .chunks(1)
                    .for_each(|piece| far.write_all(piece).unwrap())
            });
            wire.read(&mut message[..4]).unwrap();
        });
        wire.read(&mut message[4..]).unwrap();
        assert_eq!((&message, wire.moved()), (b"abcdef", 6));
    }

    #[test]
    fn pieces_come_one_after_the_other_and_an_empty_one_is_no_end() {
        let (near, mut far) = pair();
        let guard = guard(Duration::MAX);
        let long = vec![7; 8 << 20];
        let parts: [&[u8]; 5] = [b"", b"ab", b"", &long, b"c"];
        let whole = parts.concat();
        let mut came = vec![0; whole.len()];
        thread::scope(|scope| {
            scope.spawn(|| far.read_exact(&mut came).unwrap());
            let mut wire = Wire::new(&near, &guard);
            let before = Traffic::now();
            wire.write_pieces(&mut parts.map(IoSlice::new)).unwrap();
            assert_eq!(wire.moved(), whole.len() as u64);
            // Other tests send as well.
            assert!(Traffic::now().sent - before.sent >= wire.moved());
        });
        assert!(came == whole);
    }

    #[test]
    fn a_close_a_deadline_and_a_stop_are_told_apart() {
        let (near, far) = pair();
        let over = guard(Duration::from_millis(1));
        assert!(matches!(
            Wire::new(&near, &over).read(&mut [0]),
            Err(Fault::TimedOut)
        ));
        let stopped = guard(Duration::MAX);
        stopped.fail(crate::CollectiveError::Aborted);
        assert!(matches!(
            Wire::new(&near, &stopped).read(&mut [0]),
            Err(Fault::Stopped)
        ));
        drop(far);
        let guard = guard(Duration::MAX);
        assert!(matches!(
            Wire::new(&near, &guard).read(&mut [0]),
            Err(Fault::Closed)
        ));
    }

    #[test]
    fn a_stop_elsewhere_ends_a_wait_within_slices() {
        let (near, _far) = pair();
        let guard = guard(Duration::MAX);
        let started = Instant::now();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| Wire::new(&near, &guard).read(&mut [0]));
            guard.fail(crate::CollectiveError::Aborted);
            assert!(matches!(waiting.join().unwrap(), Err(Fault::Stopped)));
        });
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
