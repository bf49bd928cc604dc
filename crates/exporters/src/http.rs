//! `GET /metrics`: the values of now, in the format that the reader asks for.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::families::Families;
use crate::text::Format;

/// Tells the values of now.
pub type Source = Arc<dyn Fn() -> Families + Send + Sync>;

/// Serves what `source` tells at `/metrics`.
pub fn router(source: Source) -> Router {
    let answer = move |headers: HeaderMap| {
        let accept = headers.get(header::ACCEPT);
        let accept = accept.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let format = Format::accepted(accept);
        let text = format.write(&source());
        async move { ([(header::CONTENT_TYPE, format.content_type())], text).into_response() }
    };
    Router::new().route("/metrics", get(answer))
}
