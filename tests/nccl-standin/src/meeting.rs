//! How the ranks of a communicator find each other: all tell rank 0 where they listen, and then dial one another.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::communicator::Communicator;

/// The pause between two looks at a listener.
const PAUSE: Duration = Duration::from_millis(1);

/// Listeners of unique ids that this process made and no communicator has used, with their ports.
static ROOTS: Mutex<Vec<(u16, TcpListener)>> = Mutex::new(Vec::new());

/// Opens the place where the ranks of a new communicator meet; gives its port.
pub(crate) fn open_root() -> io::Result<u16> {
    let listener = listen()?;
    let port = listener.local_addr()?.port();
    let mut roots = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
    roots.push((port, listener));
    Ok(port)
}

/// Meets the other ranks; gives the connection to each.
pub(crate) fn meet(communicator: &Communicator, root: u16) -> io::Result<Vec<Option<TcpStream>>> {
    let Communicator { rank, world, .. } = *communicator;
    let own = listen()?;
    let port = own.local_addr()?.port();
    let ports = if rank == 0 {
        gather_ports(communicator, root, port)?
    } else {
        tell_port(communicator, root, port)?
    };
    let mut peers: Vec<Option<TcpStream>> = (0..world).map(|_| None).collect();
    for (lower, port) in ports.iter().enumerate().take(rank) {
        let mut peer = dial(communicator, *port)?;
        peer.write_all(&[rank as u8])?;
        peers[lower] = Some(peer);
    }
    for _ in rank + 1..world {
        let mut peer = accept(communicator, &own)?;
        let mut higher = [0];
        peer.read_exact(&mut higher)?;
        let place = peers.get_mut(usize::from(higher[0]));
        *place.ok_or(ErrorKind::InvalidData)? = Some(peer);
    }
    Ok(peers)
}

/// Rank 0: takes everybody's port and tells everybody all of them.
fn gather_ports(communicator: &Communicator, root: u16, own: u16) -> io::Result<Vec<u16>> {
    let mut roots = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
    let at = roots.iter().position(|(port, _)| *port == root);
    let (_, listener) = roots.swap_remove(at.ok_or(ErrorKind::NotFound)?);
    drop(roots);
    let mut ports = vec![own; communicator.world];
    let mut connections = Vec::new();
    for _ in 1..communicator.world {
        let mut connection = accept(communicator, &listener)?;
        let mut said = [0; 3];
        connection.read_exact(&mut said)?;
        let place = ports.get_mut(usize::from(said[0]));
        *place.ok_or(ErrorKind::InvalidData)? = u16::from_le_bytes([said[1], said[2]]);
        connections.push(connection);
    }
    let ports_bytes: Vec<u8> = ports.iter().flat_map(|port| port.to_le_bytes()).collect();
    for mut connection in connections {
        connection.write_all(&ports_bytes)?;
    }
    Ok(ports)
}

fn tell_port(communicator: &Communicator, root: u16, own: u16) -> io::Result<Vec<u16>> {
    let mut connection = dial(communicator, root)?;
    let [low, high] = own.to_le_bytes();
    connection.write_all(&[communicator.rank as u8, low, high])?;
    let mut ports_bytes = vec![0; 2 * communicator.world];
    connection.read_exact(&mut ports_bytes)?;
    let (ports, _) = ports_bytes.as_chunks();
    Ok(ports.iter().map(|port| u16::from_le_bytes(*port)).collect())
}

fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn dial(communicator: &Communicator, port: u16) -> io::Result<TcpStream> {
    let peer = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    peer.set_nodelay(true)?;
    communicator.keep(&peer);
    Ok(peer)
}

fn accept(communicator: &Communicator, listener: &TcpListener) -> io::Result<TcpStream> {
    loop {
        match listener.accept() {
            Ok((peer, _)) => {
                peer.set_nonblocking(false)?;
                peer.set_nodelay(true)?;
                communicator.keep(&peer);
                return Ok(peer);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if communicator.is_aborted() {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        communicator.pause(PAUSE);
    }
}
