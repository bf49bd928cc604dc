//! The yardstick: as many bytes as the group moves, between as many sockets, with no arithmetic and no protocol.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context as _, Result, anyhow};

/// Bytes that one call of the system hands over at most.
const PIECE: usize = 1 << 18;

/// Connections over loopback, each with both of its ends here.
pub(crate) struct Streams {
    pairs: Vec<[TcpStream; 2]>,
}

impl Streams {
    /// Opens so many.
    ///
    /// # Errors
    /// What the system says of sockets.
    pub(crate) fn connect(count: usize) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let connect = |_| {
            let dialled = TcpStream::connect(listener.local_addr()?)?;
            let (accepted, _) = listener.accept()?;
            for end in [&dialled, &accepted] {
                end.set_nodelay(true)?;
            }
            Ok([dialled, accepted])
        };
        let pairs = (0..count).map(connect).collect::<Result<_>>()?;
        Ok(Self { pairs })
    }

    /// Sends `bytes` from every end to its other end, all at the same time.
    ///
    /// # Errors
    /// What the system says of a socket.
    pub(crate) fn copy(&self, bytes: usize) -> Result<()> {
        let there = self.pairs.iter().map(|[one, other]| (one, other));
        let back = self.pairs.iter().map(|[one, other]| (other, one));
        run(there.chain(back), bytes)
    }

    /// Sends `bytes` one way through every connection, all at the same time.
    ///
    /// # Errors
    /// What the system says of a socket.
    pub(crate) fn pull(&self, bytes: usize) -> Result<()> {
        run(self.pairs.iter().map(|[one, other]| (one, other)), bytes)
    }
}

/// A thread for each end that sends and each that receives.
fn run<'a>(ways: impl Iterator<Item = (&'a TcpStream, &'a TcpStream)>, bytes: usize) -> Result<()> {
    std::thread::scope(|scope| {
        let both = |(from, to)| {
            [
                scope.spawn(move || send(from, bytes)),
                scope.spawn(move || receive(to, bytes)),
            ]
        };
        let threads: Vec<_> = ways.flat_map(both).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}

fn send(mut end: &TcpStream, bytes: usize) -> Result<()> {
    let piece = vec![1; PIECE.min(bytes)];
    let mut left = bytes;
    while left > 0 {
        let size = left.min(PIECE);
        end.write_all(&piece[..size]).context("sending")?;
        left -= size;
    }
    Ok(())
}

fn receive(mut end: &TcpStream, bytes: usize) -> Result<()> {
    let mut piece = vec![0; PIECE.min(bytes)];
    let mut left = bytes;
    while left > 0 {
        let size = left.min(PIECE);
        end.read_exact(&mut piece[..size]).context("receiving")?;
        left -= size;
    }
    Ok(())
}
