//! A communicator: its state, the connections to its peers, and how it is waited for and ended.

use std::ffi::c_int;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

pub(crate) const SUCCESS: c_int = 0;
pub(crate) const INTERNAL_ERROR: c_int = 3;
pub(crate) const INVALID_ARGUMENT: c_int = 4;
pub(crate) const INVALID_USAGE: c_int = 5;
pub(crate) const REMOTE_ERROR: c_int = 6;
pub(crate) const IN_PROGRESS: c_int = 7;

/// One rank's end.
pub(crate) struct Communicator {
    pub(crate) rank: usize,
    pub(crate) world: usize,
    state: AtomicI32,
    /// The connection to each other rank, by rank; none to itself.
    pub(crate) peers: OnceLock<Vec<Option<TcpStream>>>,
    open: Mutex<Open>,
    aborted: Condvar,
}

#[derive(Default)]
struct Open {
    is_aborted: bool,
    sockets: Vec<TcpStream>,
}

impl Communicator {
    pub(crate) fn new(world: usize, rank: usize) -> Self {
        Self {
            rank,
            world,
            state: AtomicI32::new(IN_PROGRESS),
            peers: OnceLock::new(),
            open: Mutex::default(),
            aborted: Condvar::new(),
        }
    }

    pub(crate) fn state(&self) -> c_int {
        self.state.load(Ordering::SeqCst)
    }

    /// Takes up something new; refused unless all before is done.
    pub(crate) fn take_up(&self) -> Result<(), c_int> {
        let order = Ordering::SeqCst;
        let taken = self
            .state
            .compare_exchange(SUCCESS, IN_PROGRESS, order, order);
        taken.map(|_| ()).map_err(|state| match state {
            IN_PROGRESS => INVALID_USAGE,
            error => error,
        })
    }

    /// What was taken up is issued; an error that came meanwhile stays.
    pub(crate) fn ready(&self) {
        let order = Ordering::SeqCst;
        let _ = self
            .state
            .compare_exchange(IN_PROGRESS, SUCCESS, order, order);
    }

    pub(crate) fn fail(&self, error: c_int) {
        self.state.store(error, Ordering::SeqCst);
    }

    /// Keeps a connection, so that an abort closes it; closed at once if the abort has come.
    pub(crate) fn keep(&self, socket: &TcpStream) {
        let mut open = self.lock();
        if open.is_aborted {
            let _ = socket.shutdown(Shutdown::Both);
        }
        open.sockets.extend(socket.try_clone());
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.lock().is_aborted
    }

    /// Waits, at most until an abort.
    pub(crate) fn pause(&self, pause: Duration) {
        let open = self.lock();
        drop(
            self.aborted
                .wait_timeout_while(open, pause, |open| !open.is_aborted),
        );
    }

    /// Waits until an abort, as a kernel does whose peer never comes.
    pub(crate) fn hang(&self) {
        let open = self.lock();
        drop(self.aborted.wait_while(open, |open| !open.is_aborted));
    }

    pub(crate) fn abort(&self) {
        let mut open = self.lock();
        open.is_aborted = true;
        for socket in &open.sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.aborted.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
