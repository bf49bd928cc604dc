//! The bytes of a connection: as they come, or over TLS once its other side has shown who it is.

use fratmae_trust::{Accepting, Incoming, Keyring, Role, peer};
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection's stream.
pub(super) enum Socket {
    /// Anybody's.
    Plain(TcpStream),
    /// Its other side is being asked who it is, by whoever reads or writes: nobody else waits for that.
    Asking(Box<Accepting>),
    /// That of a process of this run.
    Known(Box<Incoming<TcpStream>>),
    /// Its other side has shown nothing that counts.
    Refused,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, keys: Option<&Keyring>) -> Self {
        match keys {
            Some(keys) => Self::Asking(Box::new(keys.accept(stream))),
            None => Self::Plain(stream),
        }
    }

    /// Waits until the other side has shown who it is, and gives its role when it has just done so.
    pub(super) fn poll_role(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Role>>> {
        let Self::Asking(asking) = self else {
            return Poll::Ready(Ok(None));
        };
        let shown = ready!(Pin::new(&mut **asking).poll(cx));
        let known = shown.and_then(|stream| {
            let peer = peer(stream.get_ref().1).ok_or(io::ErrorKind::PermissionDenied)?;
            Ok((peer.role(), stream))
        });
        match known {
            Ok((role, stream)) => {
                *self = Self::Known(Box::new(stream));
                Poll::Ready(Ok(Some(role)))
            }
            Err(error) => {
                tracing::debug!(%error, "a connection without keys of this run was closed");
                *self = Self::Refused;
                Poll::Ready(Err(error))
            }
        }
    }
}

fn refused<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::PermissionDenied.into()))
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Known(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Asking(_) | Self::Refused => refused(),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Known(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Asking(_) | Self::Refused => refused(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Known(stream) => Pin::new(stream).poll_flush(cx),
            Self::Asking(_) | Self::Refused => refused(),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Known(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Asking(_) | Self::Refused => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Known(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Asking(_) | Self::Refused => refused(),
        }
    }

    fn is_write_vectored(&self) -> bool {
        // Asked before it is known who is there.
        matches!(self, Self::Plain(_))
    }
}
