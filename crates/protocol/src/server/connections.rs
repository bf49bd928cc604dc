//! Connections, as many as there is room for. One that makes no call is closed after a while, and earlier where others
//! need its place: a connection costs a descriptor, and nobody has said yet whose it is.

use super::socket::Socket;
use fratmae_trust::{Action, Keyring, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::time::{Interval, MissedTickBehavior};
use tonic::Status;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::server::Connected;

/// How often connections are looked through, and how long nobody is let in after the system has refused a descriptor.
const LOOK: Duration = Duration::from_millis(250);
/// Connections that are closed and may not be gone yet.
const CLOSING: usize = 16;

/// The connections of one server.
#[derive(Debug)]
struct Connections {
    most: usize,
    /// How long one may be without a call.
    idle: Duration,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    next: u64,
    open: BTreeMap<u64, Entry>,
    /// Those of them that are without a call, and since when.
    idle: BTreeSet<(Instant, u64)>,
    /// Those that are closed and whose descriptor is not yet free.
    closing: usize,
    /// Who waits to let the next one in.
    acceptor: Option<Waker>,
}

#[derive(Debug)]
struct Entry {
    calls: usize,
    /// Since when it has been without a call, or was when it last had none.
    since: Instant,
    reader: Option<Waker>,
}

impl Book {
    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.open.remove(&number)?;
        self.idle.remove(&(entry.since, number));
        Some(entry)
    }

    /// Closes a connection: its reader finds out.
    fn close(&mut self, number: u64) {
        if let Some(entry) = self.remove(number) {
            self.closing += 1;
            if let Some(reader) = entry.reader {
                reader.wake();
            }
        }
    }

    /// The connection that has been without a call for longest, and since when.
    fn idlest(&self) -> Option<(u64, Instant)> {
        let (since, number) = self.idle.first()?;
        Some((*number, *since))
    }

    fn begin_call(&mut self, number: u64) {
        if let Some(entry) = self.open.get_mut(&number) {
            entry.calls += 1;
            self.idle.remove(&(entry.since, number));
        }
    }

    fn end_call(&mut self, number: u64, now: Instant) {
        if let Some(entry) = self.open.get_mut(&number) {
            entry.calls -= 1;
            entry.since = now;
            if entry.calls == 0 {
                self.idle.insert((now, number));
            }
        }
    }
}

impl Connections {
    // A std lock, never held across an await.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection, if there is one that nobody needs more.
    fn enter(self: &Arc<Self>, now: Instant, is_anybody: bool) -> Option<Caller> {
        let mut book = self.book();
        if book.open.len() >= self.most {
            let (idlest, _) = book.idlest()?;
            book.close(idlest);
        }
        let number = book.next;
        book.next += 1;
        let entry = Entry {
            calls: 0,
            since: now,
            reader: None,
        };
        book.open.insert(number, entry);
        book.idle.insert((now, number));
        Some(Caller {
            connections: Arc::clone(self),
            number,
            is_anybody,
            role: Arc::default(),
        })
    }

    /// Closes those that have been without a call since before `limit`.
    fn close_idle(&self, limit: Instant) {
        let mut book = self.book();
        while let Some((idlest, since)) = book.idlest()
            && since <= limit
        {
            book.close(idlest);
        }
    }
}

/// Lets connections in.
pub(super) struct Incoming {
    listener: TcpListener,
    /// Those who connect have to show keys of the same run.
    keys: Option<Keyring>,
    connections: Arc<Connections>,
    looks: Interval,
    /// The system has refused a descriptor.
    is_pausing: bool,
}

impl Incoming {
    pub(super) fn new(
        (listener, keys): (TcpListener, Option<Keyring>),
        most: usize,
        idle: Duration,
    ) -> Self {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            listener,
            keys,
            connections: Arc::new(Connections {
                most,
                idle,
                book: Mutex::default(),
            }),
            looks,
            is_pausing: false,
        }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.looks.poll_tick(cx).is_ready() {
            self.is_pausing = false;
            if let Some(limit) = Instant::now().checked_sub(self.connections.idle) {
                self.connections.close_idle(limit);
            }
        }
        {
            let mut book = self.connections.book();
            if self.is_pausing || book.closing >= CLOSING {
                book.acceptor = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        loop {
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, _)) => {
                    let is_anybody = self.keys.is_none();
                    let entered = self.connections.enter(Instant::now(), is_anybody);
                    let Some(caller) = entered else {
                        continue;
                    };
                    // Orders are small and urgent. A peer that is gone by now is found when it is read.
                    let _ = stream.set_nodelay(true);
                    let socket = Socket::new(stream, self.keys.as_ref());
                    return Poll::Ready(Some(Ok(Connection { socket, caller })));
                }
                Err(_) => {
                    // Mostly that there are no more descriptors; the listener would say so again at once.
                    self.is_pausing = true;
                    let mut book = self.connections.book();
                    if let Some((idlest, _)) = book.idlest() {
                        book.close(idlest);
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Drop for Incoming {
    /// Nobody waits for those that make no call.
    fn drop(&mut self) {
        self.connections.close_idle(Instant::now());
    }
}

/// The connection of a request; a clone is the same one.
#[derive(Clone, Debug)]
pub struct Caller {
    connections: Arc<Connections>,
    number: u64,
    /// Nobody is asked who he is.
    is_anybody: bool,
    /// What it has shown to be.
    role: Arc<OnceLock<Role>>,
}

impl Caller {
    /// Lets it ask for something.
    ///
    /// # Errors
    /// Its role may not.
    pub fn permit(&self, action: Action) -> Result<(), Status> {
        match self.role.get() {
            _ if self.is_anybody => Ok(()),
            Some(role) if role.may(action) => Ok(()),
            Some(role) => Err(Status::permission_denied(format!(
                "the keys of this run's {role} are not enough for that"
            ))),
            None => Err(Status::unauthenticated("nobody has shown any keys")),
        }
    }

    /// Keeps the connection open for as long as the value lives.
    #[must_use]
    pub fn stay(&self) -> Stay {
        self.connections.book().begin_call(self.number);
        Stay(self.clone())
    }

    /// Whether the connection was closed; if not, its reader is told when it is.
    fn is_closed(&self, reader: &Waker) -> bool {
        let mut book = self.connections.book();
        let Some(entry) = book.open.get_mut(&self.number) else {
            return true;
        };
        if !entry
            .reader
            .as_ref()
            .is_some_and(|known| known.will_wake(reader))
        {
            entry.reader = Some(reader.clone());
        }
        false
    }

    /// The connection is gone.
    fn leave(&self) {
        let mut book = self.connections.book();
        if book.remove(self.number).is_none() {
            book.closing -= 1;
        }
        if let Some(acceptor) = book.acceptor.take() {
            acceptor.wake();
        }
    }
}

/// A call that keeps its connection open.
#[derive(Debug)]
pub struct Stay(Caller);

impl Drop for Stay {
    fn drop(&mut self) {
        let mut book = self.0.connections.book();
        book.end_call(self.0.number, Instant::now());
    }
}

/// A connection that was let in.
pub(super) struct Connection {
    socket: Socket,
    caller: Caller,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.caller.leave();
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl Connection {
    /// The socket, unless the connection was closed, or once its other side has shown who it is; `cx` is told of either.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut Socket>>> {
        if self.caller.is_closed(cx.waker()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if let Some(role) = ready!(self.socket.poll_role(cx))? {
            // The first word counts.
            let _ = self.caller.role.set(role);
        }
        Poll::Ready(Ok(Pin::new(&mut self.socket)))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpStream;
    use tonic::codegen::tokio_stream::StreamExt as _;

    const SOON: Duration = Duration::from_secs(20);

    async fn incoming(most: usize, idle: Duration) -> (Incoming, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Incoming::new((listener, None), most, idle), address)
    }

    async fn connected(
        incoming: &mut Incoming,
        address: std::net::SocketAddr,
    ) -> (TcpStream, Connection) {
        let client = TcpStream::connect(address).await.unwrap();
        let connection = incoming.next().await.unwrap().unwrap();
        (client, connection)
    }

    /// Whether a connection was closed, without waiting for it.
    fn is_closed(connection: &Connection) -> bool {
        connection.caller.is_closed(Waker::noop())
    }

    #[tokio::test]
    async fn the_connection_that_is_without_a_call_for_longest_makes_room() {
        let (mut incoming, address) = incoming(3, SOON).await;
        let (_a, first) = connected(&mut incoming, address).await;
        let (_b, second) = connected(&mut incoming, address).await;
        let (_c, third) = connected(&mut incoming, address).await;
        let stay = first.caller.stay();
        let (_d, fourth) = connected(&mut incoming, address).await;
        assert!(!is_closed(&first) && is_closed(&second) && !is_closed(&third));
        // After its call it is the youngest of all.
        drop(stay);
        let (_e, fifth) = connected(&mut incoming, address).await;
        assert!(!is_closed(&first) && is_closed(&third) && !is_closed(&fourth));
        assert!(!is_closed(&fifth));
    }

    #[tokio::test]
    async fn where_all_make_calls_nobody_else_comes_in() {
        let (mut incoming, address) = incoming(1, SOON).await;
        let (_a, first) = connected(&mut incoming, address).await;
        let _stay = first.caller.stay();
        let mut second = TcpStream::connect(address).await.unwrap();
        let mut byte = [0];
        let refused = async {
            tokio::select! {
                _ = incoming.next() => panic!("it was let in"),
                end = second.read(&mut byte) => end,
            }
        };
        let end = tokio::time::timeout(SOON, refused).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        assert!(!is_closed(&first));
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_closed_and_its_reader_learns_it() {
        let (mut incoming, address) = incoming(3, Duration::from_millis(50)).await;
        let (_a, mut silent) = connected(&mut incoming, address).await;
        let (_b, calling) = connected(&mut incoming, address).await;
        let _stay = calling.caller.stay();
        let mut byte = [0];
        let read = async {
            tokio::select! {
                _ = incoming.next() => panic!("nobody else connects"),
                read = silent.read(&mut byte) => read,
            }
        };
        let read = tokio::time::timeout(SOON, read).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!(!is_closed(&calling));
        drop(silent);
        assert_eq!(incoming.connections.book().closing, 0);
    }

    #[tokio::test]
    async fn the_end_of_serving_waits_for_nobody_without_a_call() {
        let (mut incoming, address) = incoming(3, SOON).await;
        let (_a, silent) = connected(&mut incoming, address).await;
        let (_b, calling) = connected(&mut incoming, address).await;
        let _stay = calling.caller.stay();
        drop(incoming);
        assert!(is_closed(&silent) && !is_closed(&calling));
    }
}
