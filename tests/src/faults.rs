//! A sick network in front of a store: an HTTP proxy that fails, breaks off, cuts short and stalls answers by a seed.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::seeded::Seeded;

/// Bytes of a request's or an answer's head that are read at most.
const LONGEST_HEAD: usize = 1 << 16;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It is answered 500 and never reaches the store.
    Error,
    /// It is answered 503 and never reaches the store.
    Unavailable,
    /// The store carries it out, and its answer is reset in the middle.
    Reset,
    /// Likewise, and its answer ends in the middle, though it said how long it would be.
    Truncated,
    /// Likewise, and its answer stops in the middle for a while and then goes on.
    Stall,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Error,
        Self::Unavailable,
        Self::Reset,
        Self::Truncated,
        Self::Stall,
    ];
}

/// How sick the network is.
#[derive(Debug, Clone, Copy)]
pub struct Sickness {
    /// From which the faults follow, by the number of the request.
    pub seed: u64,
    /// One in so many requests is spoiled.
    pub one_in: u64,
    /// How long a stall lasts.
    pub stall: Duration,
}

/// A running proxy; it ends with the value.
#[derive(Debug)]
pub struct SickNetwork {
    address: SocketAddr,
    state: Arc<State>,
    _runtime: Runtime,
}

#[derive(Debug)]
struct State {
    upstream: String,
    sickness: Sickness,
    requests: AtomicU64,
    holds: AtomicBool,
    done: Mutex<Vec<Fault>>,
}

impl SickNetwork {
    /// Starts a proxy on loopback in front of `upstream`, an address `http://HOST:PORT`.
    ///
    /// # Panics
    /// When the system gives no socket or thread.
    pub fn start(upstream: &str, sickness: Sickness) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("the system gives a thread");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("the system gives a port");
        let address = listener.local_addr().expect("the socket is bound");
        let host = upstream.trim_start_matches("http://").trim_end_matches('/');
        let state = Arc::new(State {
            upstream: host.to_owned(),
            sickness,
            requests: AtomicU64::new(0),
            holds: AtomicBool::new(false),
            done: Mutex::default(),
        });
        runtime.spawn(serve(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            _runtime: runtime,
        }
    }

    /// Names where it listens, as an endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on no request is answered, and no connection ends.
    pub fn hold(&self) {
        self.state.holds.store(true, Ordering::SeqCst);
    }

    /// Counts the requests so far.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Counts the requests so far that met this fault.
    pub fn count(&self, fault: Fault) -> usize {
        let done = self.state.done.lock();
        let done = done.unwrap_or_else(PoisonError::into_inner);
        done.iter().filter(|&&other| other == fault).count()
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A client that goes away in the middle is none of the proxy's business.
        tokio::spawn(async move { state.pass(client).await });
    }
}

impl State {
    /// Passes one request on and its answer back; then both connections end.
    async fn pass(&self, mut client: TcpStream) -> io::Result<()> {
        let Some(request) = read_request(&mut client).await? else {
            return Ok(());
        };
        if self.holds.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        let fault = self.draw();
        let status = match fault {
            Some(Fault::Error) => Some("500 Internal Server Error"),
            Some(Fault::Unavailable) => Some("503 Service Unavailable"),
            _ => None,
        };
        if let Some(status) = status {
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return client.write_all(answer.as_bytes()).await;
        }
        let mut store = TcpStream::connect(&self.upstream).await?;
        store.write_all(&request).await?;
        // Small answers of a test are held whole, so that a fault can strike in their middle.
        let mut answer = Vec::new();
        store.read_to_end(&mut answer).await?;
        let middle = middle(&answer);
        match fault {
            Some(Fault::Reset) => {
                client.write_all(&answer[..middle]).await?;
                client.flush().await?;
                client.set_zero_linger()
            }
            Some(Fault::Truncated) => client.write_all(&answer[..middle]).await,
            Some(Fault::Stall) => {
                client.write_all(&answer[..middle]).await?;
                // Until then nobody sends anything, so that this is no more than a wait.
                let silence = client.read_u8();
                let _ = tokio::time::timeout(self.sickness.stall, silence).await;
                client.write_all(&answer[middle..]).await
            }
            _ => client.write_all(&answer).await,
        }
    }

    /// The fate of the next request.
    fn draw(&self) -> Option<Fault> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let mut draw = Seeded::new(self.sickness.seed ^ number.wrapping_mul(0x0123_4567_89ab_cdef));
        if draw.below(self.sickness.one_in) != 0 {
            return None;
        }
        let fault = Fault::ALL[draw.below(Fault::ALL.len() as u64) as usize];
        let done = self.done.lock();
        done.unwrap_or_else(PoisonError::into_inner).push(fault);
        Some(fault)
    }
}

/// Reads a request, and asks in its name that the connection be closed after the answer.
async fn read_request(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = end_of_head(&bytes) {
            break end;
        }
        if client.read_buf(&mut bytes).await? == 0 || bytes.len() > LONGEST_HEAD {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + length.unwrap_or(0);
    while bytes.len() < whole {
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    let rest = bytes.split_off(end - 2);
    bytes.extend_from_slice(b"Connection: close\r\n");
    bytes.extend(rest);
    Ok(Some(bytes))
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(at + 4)
}

/// The middle of an answer's body; of its head where it has no body.
fn middle(answer: &[u8]) -> usize {
    let head = end_of_head(answer).unwrap_or(answer.len());
    if answer.len() > head + 1 {
        head + (answer.len() - head) / 2
    } else {
        head / 2
    }
}
