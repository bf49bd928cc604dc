//! What others see of a call of the store: a span with its operation, its bytes, and whether it failed.

use std::future::Future;

use tracing::field::Empty;
use tracing::{Instrument as _, info_span};

use crate::StoreError;

/// Makes a call within its span; it has no name of an object. That nothing is there is an answer and no failure.
pub(crate) async fn watched<T>(
    operation: &'static str,
    bytes: impl FnOnce(&T) -> u64,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let span = info_span!(
        target: "trace",
        "store",
        otel.name = operation,
        operation,
        bytes = Empty,
        failed = Empty
    );
    let result = call.instrument(span.clone()).await;
    match &result {
        Ok(done) => span.record("bytes", bytes(done)),
        Err(StoreError::NotFound { .. }) => &span,
        Err(_) => span.record("failed", true),
    };
    result
}
