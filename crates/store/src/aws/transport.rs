//! The AWS library's requests for credentials, sent with the same HTTP client as everything else.
//! Its own client would bring a second copy of hyper's TLS and a library of cryptography in C.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use reqwest::{Method, Request};
use std::time::Duration;
use url::Url;

/// A client and how long one request may take.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    limit: Duration,
}

/// A request to a service of credentials is short.
const LIMIT: Duration = Duration::from_secs(5);

impl Transport {
    pub(super) fn new(client: reqwest::Client) -> Self {
        Self {
            client,
            limit: LIMIT,
        }
    }
}

impl HttpClient for Transport {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let limit = settings
            .read_timeout()
            .map_or(LIMIT, |read| read.min(LIMIT));
        SharedHttpConnector::new(Self {
            client: self.client.clone(),
            limit,
        })
    }
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (client, limit) = (self.client.clone(), self.limit);
        HttpConnectorFuture::new(async move {
            let mut request = translated(&request)?;
            *request.timeout_mut() = Some(limit);
            let answer = client.execute(request).await.map_err(failed)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = answer.bytes().await.map_err(failed)?;
            let status = status.as_u16().try_into().map_err(other)?;
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            for (name, value) in &headers {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                response
                    .headers_mut()
                    .append(name.as_str().to_owned(), value);
            }
            Ok(response)
        })
    }
}

fn translated(request: &HttpRequest) -> Result<Request, ConnectorError> {
    let method = Method::from_bytes(request.method().as_bytes()).map_err(other)?;
    let url = Url::parse(request.uri()).map_err(other)?;
    let mut translated = Request::new(method, url);
    for (name, value) in request.headers() {
        let name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).map_err(other)?;
        let value = reqwest::header::HeaderValue::from_str(value).map_err(other)?;
        translated.headers_mut().append(name, value);
    }
    let body = request.body().bytes().unwrap_or_default().to_vec();
    *translated.body_mut() = Some(body.into());
    Ok(translated)
}

fn failed(error: reqwest::Error) -> ConnectorError {
    let is_timeout = error.is_timeout();
    // Its address may hold a token.
    let error = error.without_url().into();
    match is_timeout {
        true => ConnectorError::timeout(error),
        false => ConnectorError::io(error),
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> ConnectorError {
    ConnectorError::other(Box::new(error), None)
}
