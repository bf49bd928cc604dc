//! What a process answers over HTTP to whoever watches over it: its values of now, that it lives, and whether it is ready.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::families::Families;
use crate::text::Format;

/// Tells the values of now.
pub type Source = Arc<dyn Fn() -> Families + Send + Sync>;

/// Tells whether a process is ready.
pub type Readiness = Arc<dyn Fn() -> bool + Send + Sync>;

/// Serves what `source` tells at `/metrics`, in the format that the reader asks for.
///
/// `/healthz` says that the process turns. It asks nobody else: a store or a peer that is ill is no reason to end a process
/// that waits for it. `/readyz` says what `is_ready` says.
pub fn router(source: Source, is_ready: Readiness) -> Router {
    let answer = move |headers: HeaderMap| {
        let accept = headers.get(header::ACCEPT);
        let accept = accept.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let format = Format::accepted(accept);
        let text = format.write(&source());
        async move { ([(header::CONTENT_TYPE, format.content_type())], text).into_response() }
    };
    let ready = move || {
        let is_ready = is_ready();
        async move {
            match is_ready {
                true => (StatusCode::OK, "ready\n"),
                false => (StatusCode::SERVICE_UNAVAILABLE, "not ready yet\n"),
            }
        }
    };
    Router::new()
        .route("/metrics", get(answer))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
}
