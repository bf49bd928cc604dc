//! The side of who asks: the only place where a gRPC client is built.

use crate::error::ProtocolError;
use crate::pb::coordination_client::CoordinationClient;
use std::error::Error;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// The side of who asks.
pub type Client = CoordinationClient<Channel>;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a silent other side is asked for a sign of life, and how long it may take to give one.
pub(crate) const KEEP_ALIVE: (Duration, Duration) =
    (Duration::from_secs(5), Duration::from_secs(10));

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

/// tonic says only "transport error"; the cause is at the end of its chain.
fn innermost(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
