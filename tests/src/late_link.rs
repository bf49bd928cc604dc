//! A link on which what a process sends is late: a TCP proxy in front of it that holds its bytes back for a while, and
//! passes on at once what others send to it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Pieces that are held back at a time.
const HELD: usize = 4_096;

/// A running proxy; it ends with the value.
#[derive(Debug)]
pub struct LateLink {
    address: SocketAddr,
    behind: SocketAddr,
    _runtime: Runtime,
}

impl LateLink {
    /// Starts one on loopback, and chooses where the process behind it is to listen.
    ///
    /// # Panics
    /// When the system gives no socket or thread.
    pub fn start(delay: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("the system gives a thread");
        let bind = || runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = bind().expect("the system gives a port");
        let behind = bind().and_then(|free| free.local_addr());
        let behind = behind.expect("the system gives another port");
        let address = listener.local_addr().expect("the socket is bound");
        runtime.spawn(serve(listener, behind, delay));
        Self {
            address,
            behind,
            _runtime: runtime,
        }
    }

    /// Where others reach the process.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the process is to listen.
    pub fn behind(&self) -> SocketAddr {
        self.behind
    }
}

async fn serve(listener: TcpListener, behind: SocketAddr, delay: Duration) {
    while let Ok((client, _)) = listener.accept().await {
        // Whoever goes away in the middle is none of the proxy's business.
        tokio::spawn(async move { pass(client, behind, delay).await });
    }
}

async fn pass(client: TcpStream, behind: SocketAddr, delay: Duration) -> io::Result<()> {
    let process = TcpStream::connect(behind).await?;
    client.set_nodelay(true)?;
    process.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_process, mut to_process) = process.into_split();
    let (sender, mut held) = mpsc::channel::<(Instant, Vec<u8>)>(HELD);
    let late = async move {
        while let Some((due, bytes)) = held.recv().await {
            wait_until(due).await;
            to_client.write_all(&bytes).await?;
        }
        to_client.shutdown().await
    };
    let hold = async move {
        let mut bytes = vec![0; 1 << 16];
        loop {
            let count = from_process.read(&mut bytes).await?;
            let piece = (Instant::now() + delay, bytes[..count].to_vec());
            if count == 0 || sender.send(piece).await.is_err() {
                return Ok::<(), io::Error>(());
            }
        }
    };
    let prompt = async move {
        tokio::io::copy(&mut from_client, &mut to_process).await?;
        to_process.shutdown().await
    };
    tokio::try_join!(late, hold, prompt).map(|_| ())
}

#[expect(clippy::disallowed_methods, reason = "being late is the purpose")]
async fn wait_until(due: Instant) {
    tokio::time::sleep_until(due).await;
}
