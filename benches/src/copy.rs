//! The yardstick: as many bytes as a reduction moves, between as many sockets, with no arithmetic and no protocol.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context as _, Result, anyhow};

/// Bytes that one call of the system hands over at most.
const PIECE: usize = 1 << 18;

/// One connection between each two of `world` peers.
pub(crate) struct Mesh {
    ends: Vec<TcpStream>,
}

impl Mesh {
    /// Connects every pair over loopback.
    ///
    /// # Errors
    /// What the system says of sockets.
    pub(crate) fn connect(world: usize) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut ends = Vec::new();
        for _ in 0..world * (world - 1) / 2 {
            let dialled = TcpStream::connect(listener.local_addr()?)?;
            let (accepted, _) = listener.accept()?;
            ends.extend([dialled, accepted]);
        }
        for end in &ends {
            end.set_nodelay(true)?;
        }
        Ok(Self { ends })
    }

    /// Sends `bytes` from every end to its other end, all at the same time.
    ///
    /// # Errors
    /// What the system says of a socket.
    pub(crate) fn copy(&self, bytes: usize) -> Result<()> {
        std::thread::scope(|scope| {
            let both = |end| {
                [
                    scope.spawn(move || send(end, bytes)),
                    scope.spawn(move || receive(end, bytes)),
                ]
            };
            let threads: Vec<_> = self.ends.iter().flat_map(both).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
        })
    }
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
