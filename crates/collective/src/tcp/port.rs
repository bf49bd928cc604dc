//! The port where peers come in, served for as long as its worker lives.
//!
//! While no group forms nobody is let in, and yet everybody is taken off the system's queue: a host whose queue is full
//! looks as if it were gone. Whoever says hello for a group that has not begun to form here waits for it.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::call_guard::CallGuard;
use super::handshake::Identity;
use super::mesh::Connection;
use super::pending::PendingConnections;

/// How long a forming group pauses when no connection has sent anything.
const PAUSE: Duration = Duration::from_millis(1);

/// Milliseconds after which connections are looked at although nobody new has come, and after which the thread sees
/// that the port is closed.
const LOOK_MS: u8 = 200;

/// Milliseconds between two looks at least, in which a group that forms gets the door.
const BREATH_MS: u8 = 1;

/// The port where a worker's peers come in. Dropping it closes it.
#[derive(Debug)]
pub struct MeshPort {
    door: Arc<Door>,
}

#[derive(Debug)]
struct Door {
    listener: TcpListener,
    /// Whoever has the lock serves the door: a group for as long as it forms, else the thread.
    pending: Mutex<PendingConnections>,
    is_closed: AtomicBool,
}

impl MeshPort {
    /// Serves a listener from now on, on a thread of its own.
    ///
    /// # Errors
    /// The system's, for want of a thread.
    pub fn open(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let door = Arc::new(Door {
            listener,
            pending: Mutex::default(),
            is_closed: AtomicBool::new(false),
        });
        let kept = Arc::clone(&door);
        let thread = thread::Builder::new().name("mesh port".to_owned());
        thread.spawn(move || kept.keep())?;
        Ok(Self { door })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.door.listener.local_addr()
    }

    /// Takes the ranks above this one in; gives those that came when all are there or the guard ends the wait.
    pub(super) fn accept(
        &self,
        me: &Identity,
        guard: &CallGuard,
    ) -> io::Result<BTreeMap<usize, Connection>> {
        let missing = me.world - 1 - me.rank;
        let mut joined = BTreeMap::new();
        if missing == 0 {
            return Ok(joined);
        }
        let mut pending = self.door.lock();
        while joined.len() < missing && guard.check().is_ok() {
            pending.admit(&self.door.listener)?;
            pending.serve(me, &mut joined)?;
            if joined.len() < missing {
                guard.pause(PAUSE);
            }
        }
        Ok(joined)
    }
}

impl Drop for MeshPort {
    fn drop(&mut self) {
        self.door.is_closed.store(true, Ordering::SeqCst);
    }
}

impl Door {
    /// Takes everybody off the queue until the port is closed.
    fn keep(&self) {
        while !self.is_closed.load(Ordering::SeqCst) {
            let queue = PollFd::new(self.listener.as_fd(), PollFlags::POLLIN);
            wait(&mut [queue], LOOK_MS);
            let admitted = {
                let mut pending = self.lock();
                let admitted = pending.admit(&self.listener);
                pending.hear();
                admitted
            };
            // Without a file for another connection, some have to be closed first.
            let pause = if admitted.is_ok() { BREATH_MS } else { LOOK_MS };
            wait(&mut [], pause);
        }
    }

    fn lock(&self) -> MutexGuard<'_, PendingConnections> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for one of these, or this long.
fn wait(sockets: &mut [PollFd<'_>], milliseconds: u8) {
    // It fails on an interruption alone: then it was a short wait.
    let _ = poll(sockets, PollTimeout::from(milliseconds));
}
