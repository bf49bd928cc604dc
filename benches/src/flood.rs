//! `flood`: sends a coordinator what no honest worker sends, for some seconds. `benches/floods.py` measures what that
//! costs a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fratmae_model::kernel_set;
use fratmae_network::host_id;
use fratmae_protocol::pb::from_worker::Message;
use fratmae_protocol::{Client, connect, pb};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Clients at once, each with a connection and a stream of its own.
const CLIENTS: usize = 20;
/// Connections that say nothing: as many as most systems allow a process to have open.
const SILENT: usize = 1_100;
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sends one kind of messages until the time is over, and prints how many were sent.
///
/// # Errors
/// The kind is not known, or the system gives no threads.
pub(crate) fn run(kind: &str, address: &str, seconds: f64) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("a runtime")?;
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let sent = Arc::new(AtomicU64::new(0));
    let flood: fn(usize) -> Flood = match kind {
        "connections" => |_| Flood::Connections,
        "large" => |_| Flood::messages(None, heartbeat(2_000_000)),
        "small" => |_| Flood::messages(None, heartbeat(4_000)),
        "registrations" => |number| Flood::messages(None, registration(number, "another version")),
        "members" => |number| Flood::messages(Some(member(number)), heartbeat(30_000)),
        "figures" => |number| Flood::messages(Some(member(number)), figures(250_000)),
        "silent" => |number| Flood::Silent(Box::new(member(number))),
        _ => bail!("no kind of flood: {kind}"),
    };
    let clients = match kind {
        "connections" | "silent" => SILENT,
        _ => CLIENTS,
    };
    runtime.block_on(async {
        let mut floods = JoinSet::new();
        for number in 0..clients {
            let (flood, address) = (flood(number), address.to_owned());
            let sent = Arc::clone(&sent);
            floods.spawn(timeout_at(until, async move {
                loop {
                    // What was refused is tried again.
                    flood.once(&address, &sent).await;
                    tokio::task::yield_now().await;
                }
            }));
        }
        while floods.join_next().await.is_some() {}
    });
    println!("{kind}: {} sent", sent.load(Ordering::Relaxed));
    Ok(())
}

enum Flood {
    /// A connection that says nothing.
    Connections,
    /// A member that says nothing.
    Silent(Box<pb::FromWorker>),
    /// A stream with a first message, of a member, and another one again and again.
    Messages {
        first: Option<Box<pb::FromWorker>>,
        again: Box<pb::FromWorker>,
    },
}

impl Flood {
    fn messages(first: Option<pb::FromWorker>, again: pb::FromWorker) -> Self {
        Self::Messages {
            first: first.map(Box::new),
            again: Box::new(again),
        }
    }

    /// Sends until it is refused.
    async fn once(&self, address: &str, sent: &AtomicU64) {
        match self {
            Self::Connections => {
                let place = address.trim_start_matches("http://");
                let Ok(Ok(stream)) = timeout(PATIENCE, TcpStream::connect(place)).await else {
                    return;
                };
                sent.fetch_add(1, Ordering::Relaxed);
                let _ = stream.readable().await;
            }
            Self::Silent(first) => {
                if let Some((say, mut heard)) = attend(address).await
                    && say.send((**first).clone()).await.is_ok()
                {
                    sent.fetch_add(1, Ordering::Relaxed);
                    while let Ok(Some(_)) = heard.message().await {}
                }
            }
            Self::Messages { first, again } => {
                let Some((say, mut heard)) = attend(address).await else {
                    return;
                };
                if let Some(first) = first {
                    let _ = say.send((**first).clone()).await;
                    // Only then is it taken for a member.
                    let _ = timeout(PATIENCE, heard.message()).await;
                }
                let read = async { while let Ok(Some(_)) = heard.message().await {} };
                let write = async {
                    while say.send((**again).clone()).await.is_ok() {
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                };
                tokio::select! {
                    () = read => {}
                    () = write => {}
                }
            }
        }
    }
}

async fn attend(address: &str) -> Option<(mpsc::Sender<pb::FromWorker>, Streaming<pb::ToWorker>)> {
    let mut client: Client = timeout(PATIENCE, connect(address)).await.ok()?.ok()?;
    let (say, said) = mpsc::channel(4);
    let heard = timeout(PATIENCE, client.attend(ReceiverStream::new(said)));
    let heard = heard.await.ok()?.ok()?.into_inner();
    Some((say, heard))
}

fn heartbeat(laps: usize) -> pb::FromWorker {
    pb::FromWorker {
        message: Some(Message::Heartbeat(pb::Heartbeat {
            // Two bytes each on the wire.
            laps: vec![pb::Lap::default(); laps],
            ..Default::default()
        })),
    }
}

fn figures(phases: usize) -> pb::FromWorker {
    let figures = pb::Figures {
        phases: vec![pb::PhaseSeconds::default(); phases],
        ..Default::default()
    };
    pb::FromWorker {
        message: Some(Message::Applied(pb::Applied {
            figures: Some(figures),
            ..Default::default()
        })),
    }
}

fn member(number: usize) -> pb::FromWorker {
    registration(number, env!("CARGO_PKG_VERSION"))
}

fn registration(number: usize, version: &str) -> pb::FromWorker {
    pb::FromWorker {
        message: Some(Message::Register(pb::Register {
            name: format!("flood-{number}"),
            version: version.to_owned(),
            group_address: "127.0.0.1:9".to_owned(),
            kernels: kernel_set(),
            device: Some("cpu".to_owned()),
            host: host_id(),
            ..Default::default()
        })),
    }
}
