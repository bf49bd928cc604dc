//! What a collective does when the stream comes to it: floats go to peers and come from them, all at once.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;

use crate::communicator::Communicator;

/// Floats in memory of the caller, which keeps them until the stream has passed.
#[derive(Clone, Copy)]
pub(crate) struct Floats {
    pub(crate) address: usize,
    pub(crate) count: usize,
}

impl Floats {
    fn bytes(self) -> usize {
        self.count * size_of::<f32>()
    }

    fn read(self) -> Vec<u8> {
        let from: *const u8 = std::ptr::with_exposed_provenance(self.address);
        // SAFETY: the caller of the collective gave so many floats there, and bytes need no alignment.
        unsafe { std::slice::from_raw_parts(from, self.bytes()) }.to_vec()
    }

    fn write(self, bytes: &[u8]) {
        let to: *mut u8 = std::ptr::with_exposed_provenance_mut(self.address);
        // SAFETY: as in `read`; there are exactly so many bytes.
        unsafe { to.copy_from(bytes.as_ptr(), bytes.len().min(self.bytes())) };
    }
}

/// One part of a collective.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Send { to: usize, floats: Floats },
    Receive { from: usize, floats: Floats },
    Sum { from: Floats, to: Floats },
}

/// Carries all parts out.
pub(crate) fn run(communicator: &Communicator, parts: &[Part]) -> io::Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = parts
            .iter()
            .map(|part| scope.spawn(move || part.run(communicator)))
            .collect();
        let failed = || io::Error::other("a thread panicked");
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(failed())))
            .fold(Ok(()), Result::and)
    })
}

impl Part {
    fn run(self, communicator: &Communicator) -> io::Result<()> {
        match self {
            Self::Send { to, floats } => send(peer(communicator, to)?, &floats.read()),
            Self::Receive { from, floats } => {
                let bytes = receive(peer(communicator, from)?, floats.bytes())?;
                floats.write(&bytes);
                Ok(())
            }
            Self::Sum { from, to } => sum(communicator, from, to),
        }
    }
}

/// Everybody sends everything to everybody and adds in the order of ranks: another order than the slot tree's.
fn sum(communicator: &Communicator, from: Floats, to: Floats) -> io::Result<()> {
    let mine = from.read();
    let others = (0..communicator.world).filter(|rank| *rank != communicator.rank);
    let others: Vec<usize> = others.collect();
    let mut brought = thread::scope(|scope| {
        let mut threads = Vec::new();
        for rank in &others {
            let peer = peer(communicator, *rank)?;
            scope.spawn(|| send(peer, &mine));
            threads.push(scope.spawn(|| receive(peer, mine.len())));
        }
        let panicked = || io::Error::other("a thread panicked");
        let join = |thread: thread::ScopedJoinHandle<'_, io::Result<Vec<u8>>>| {
            thread.join().unwrap_or_else(|_| Err(panicked()))
        };
        threads
            .into_iter()
            .map(join)
            .collect::<io::Result<Vec<_>>>()
    })?;
    brought.insert(communicator.rank, mine);
    let mut total = vec![0.0; from.count];
    for bytes in brought {
        for (sum, value) in total.iter_mut().zip(bytes.as_chunks().0) {
            *sum += f32::from_ne_bytes(*value);
        }
    }
    let bytes: Vec<u8> = total.iter().flat_map(|sum| sum.to_ne_bytes()).collect();
    to.write(&bytes);
    Ok(())
}

fn peer(communicator: &Communicator, rank: usize) -> io::Result<&TcpStream> {
    let peers = communicator.peers.get().ok_or(ErrorKind::NotConnected)?;
    let peer = peers.get(rank).and_then(Option::as_ref);
    peer.ok_or_else(|| ErrorKind::InvalidInput.into())
}

fn send(mut peer: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    peer.write_all(&(bytes.len() as u64).to_le_bytes())?;
    peer.write_all(bytes)
}

fn receive(mut peer: &TcpStream, length: usize) -> io::Result<Vec<u8>> {
    let mut announced = [0; 8];
    peer.read_exact(&mut announced)?;
    if u64::from_le_bytes(announced) != length as u64 {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    peer.read_exact(&mut bytes)?;
    Ok(bytes)
}
