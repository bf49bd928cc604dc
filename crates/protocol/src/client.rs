//! The side of who asks: the only place where a gRPC client is built.

use crate::error::ProtocolError;
use crate::pb::coordination_client::CoordinationClient;
use fratmae_trust::{Keyring, Outgoing, own};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::Status;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// The side of who asks.
pub type Client = CoordinationClient<Channel>;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a silent other side is asked for a sign of life, and how long it may take to give one.
pub(crate) const KEEP_ALIVE: (Duration, Duration) =
    (Duration::from_secs(5), Duration::from_secs(10));

/// Connects to the coordinator at a URL, as whom this process is; without keys to whoever is there.
///
/// # Errors
/// [`ProtocolError::Unreachable`] with the cause.
pub async fn connect(address: &str) -> Result<Client, ProtocolError> {
    connect_as(own(), address).await
}

/// Connects to the coordinator at a URL with keys of one's own, or without any.
///
/// # Errors
/// [`ProtocolError::Unreachable`] with the cause.
pub async fn connect_as(keys: Option<&Keyring>, address: &str) -> Result<Client, ProtocolError> {
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
    let channel = match keys {
        Some(keys) => endpoint.connect_with_connector(Dial(keys.clone())).await,
        None => endpoint.connect().await,
    };
    Ok(CoordinationClient::new(channel.map_err(unreachable)?))
}

/// Opens connections to whoever shows keys of the same run.
struct Dial(Keyring);

impl Service<Uri> for Dial {
    type Response = TokioIo<Outgoing<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let keys = self.0.clone();
        Box::pin(async move {
            let nobody = || io::Error::new(io::ErrorKind::InvalidInput, "it names no host");
            let authority = address.authority().ok_or_else(nobody)?;
            let stream = TcpStream::connect(authority.as_str()).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(keys.connect(stream).await?))
        })
    }
}

/// Why a call failed, in one line: what the coordinator said, or what became of the connection.
#[must_use]
pub fn cause(status: &Status) -> String {
    match status.source() {
        Some(error) if own().is_none() => format!(
            "{}; if it asks for keys, name them with --keys",
            innermost(error)
        ),
        Some(error) => innermost(error),
        None => status.message().to_owned(),
    }
}

/// tonic says only "transport error"; the cause is at the end of its chain.
fn innermost(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
