//! The side of who answers: the only place where a gRPC server is built, and the bounds on what it takes.
//!
//! Whoever reaches the port can connect and send. What that costs is bounded here, in descriptors and in bytes; whose
//! word counts is the coordinator's matter.

mod connections;
mod messages;
mod socket;

use crate::client::KEEP_ALIVE;
use crate::pb::coordination_server::{Coordination, CoordinationServer};
use connections::Incoming;
use fratmae_trust::Keyring;
use messages::Metered;
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::transport::Server;

pub use connections::{Caller, Stay};
pub use messages::{Charge, Inflow};

/// How long a connection may be open without a call.
const IDLE: Duration = Duration::from_secs(10);
/// Calls at once on one connection: a worker makes one.
const CALLS: u32 = 4;
/// Bytes that may be on their way on one connection: the least that HTTP/2 allows.
const WINDOW: u32 = 65_535;

/// How much a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once. Beyond them the one that has been without a call for longest is closed.
    pub connections: usize,
    /// Bytes of the largest message.
    pub message: usize,
}

/// Serves whoever connects, until `stop` is there; then until every stream has ended. With keys only those are heard who
/// show some of the same run, and over TLS.
///
/// A request's extensions have its [`Caller`], which knows what it may ask for, and its [`Inflow`].
///
/// # Errors
/// The transport's.
pub async fn serve(
    listener: TcpListener,
    service: impl Coordination,
    (bounds, keys): (Bounds, Option<Keyring>),
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let incoming = Incoming::new((listener, keys), bounds.connections, IDLE);
    let (interval, timeout) = KEEP_ALIVE;
    Server::builder()
        .http2_keepalive_interval(Some(interval))
        .http2_keepalive_timeout(Some(timeout))
        .max_concurrent_streams(CALLS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .add_service(Metered::new(
            CoordinationServer::new(service).max_decoding_message_size(bounds.message),
            bounds.message,
        ))
        .serve_with_incoming_shutdown(incoming, stop)
        .await
}
