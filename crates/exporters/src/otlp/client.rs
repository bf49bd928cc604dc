//! The connections of exporters, by gRPC and by HTTP: certificates, and a client that works on the runtime of OTLP.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use tokio::runtime::Handle;

use super::OtlpError;
use super::settings::{Receiver, Settings, Signal};

/// Sends on the runtime whose handle it has: exporters call it from threads of their own.
#[derive(Debug)]
pub(super) struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

impl Client {
    /// A client for a signal's receiver; it belongs to the runtime that is entered.
    pub(super) fn new(settings: &Settings, signal: Signal) -> Result<Self, OtlpError> {
        // Another part of the program may have installed it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let receiver = settings.receiver(signal);
        let timeout = receiver.map_or(Duration::ZERO, |it| it.timeout);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("fratmae/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout);
        let wrong = |error: reqwest::Error| wrong(signal, &error.to_string());
        builder = match certificate(signal, receiver)? {
            // A bare machine may have no certificates at all.
            _ if !receiver.is_some_and(Receiver::is_secure) => builder.tls_certs_only([]),
            None => builder,
            Some(pem) => {
                let certificates = reqwest::Certificate::from_pem_bundle(&pem);
                builder.tls_certs_merge(certificates.map_err(wrong)?)
            }
        };
        Ok(Self {
            client: builder.build().map_err(wrong)?,
            runtime: Handle::current(),
        })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = request.try_into()?;
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let mut response = client.execute(request).await?;
            let headers = std::mem::take(response.headers_mut());
            Ok::<_, reqwest::Error>((response.status(), headers, response.bytes().await?))
        });
        let (status, headers, body) = sent.await??;
        let mut response = Response::builder().status(status).body(body)?;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// Whom a gRPC connection trusts, if it is one by TLS: the system's certificates, and those of the file that is named.
pub(super) fn tls(
    settings: &Settings,
    signal: Signal,
) -> Result<Option<ClientTlsConfig>, OtlpError> {
    let receiver = settings.receiver(signal);
    let pem = certificate(signal, receiver)?;
    let tls = || ClientTlsConfig::new().with_native_roots();
    let is_secure = receiver.is_some_and(Receiver::is_secure);
    Ok(is_secure.then(|| match pem {
        Some(pem) => tls().ca_certificate(Certificate::from_pem(pem)),
        None => tls(),
    }))
}

fn certificate(signal: Signal, receiver: Option<&Receiver>) -> Result<Option<Vec<u8>>, OtlpError> {
    let Some(path) = receiver.and_then(|it| it.certificate.as_ref()) else {
        return Ok(None);
    };
    let read = std::fs::read(path);
    read.map(Some).map_err(|error| {
        wrong(
            signal,
            &format!("cannot read the certificates in {path}: {error}"),
        )
    })
}

pub(super) fn wrong(signal: Signal, reason: &str) -> OtlpError {
    OtlpError::Settings {
        signal: signal.name(),
        reason: reason.to_owned(),
    }
}
