//! Both ends of the conversation: the only place where a gRPC client or server is built.

use crate::error::ProtocolError;
use crate::pb::coordination_client::CoordinationClient;
use crate::pb::coordination_server::{Coordination, CoordinationServer};
use std::error::Error;
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};

/// The side of who asks.
pub type Client = CoordinationClient<Channel>;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a silent coordinator is asked for a sign of life, and how long it may take to give one.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));

/// Connects to the coordinator at a URL.
///
/// # Errors
/// [`ProtocolError::Unreachable`] with the cause.
pub async fn connect(address: &str) -> Result<Client, ProtocolError> {
    let (interval, timeout) = KEEP_ALIVE;
    let unreachable = |error: tonic::transport::Error| ProtocolError::Unreachable {
        cause: innermost(&error),
    };
    let endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(unreachable)?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(interval)
        .keep_alive_timeout(timeout)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    let channel = endpoint.connect().await.map_err(unreachable)?;
    Ok(CoordinationClient::new(channel))
}

/// Serves whoever connects, until `stop` is there; then until every stream has ended.
///
/// # Errors
/// The transport's.
pub async fn serve(
    listener: TcpListener,
    service: impl Coordination,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .add_service(CoordinationServer::new(service))
        .serve_with_incoming_shutdown(incoming, stop)
        .await
}

/// tonic says only "transport error"; the cause is at the end of its chain.
fn innermost(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
