//! An exporter that learns who sends with its first batch: by then it is known which run this is.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::health::Target;
use super::identity::Identity;

/// The exporter of a signal to its target.
#[derive(Debug)]
pub(super) struct Late<E> {
    spare: Mutex<Option<E>>,
    known: OnceLock<E>,
    identity: Identity,
    target: Arc<Target>,
}

impl<E> Late<E> {
    pub(super) fn new(exporter: E, target: Arc<Target>, identity: &Identity) -> Self {
        Self {
            spare: Mutex::new(Some(exporter)),
            known: OnceLock::new(),
            identity: identity.clone(),
            target,
        }
    }

    /// The exporter, which knows the resource from now on.
    fn exporter(&self, set: impl FnOnce(&mut E, &Resource)) -> Result<&E, OTelSdkError> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut exporter) = spare.take() {
            set(&mut exporter, &self.identity.resource());
            let _ = self.known.set(exporter);
        }
        drop(spare);
        self.known.get().ok_or(OTelSdkError::AlreadyShutdown)
    }
}

impl<E: SpanExporter> SpanExporter for Late<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let items = batch.len();
        let exporter = self.exporter(|exporter, resource| exporter.set_resource(resource));
        let result = match exporter {
            Ok(exporter) => exporter.export(batch).await,
            Err(error) => Err(error),
        };
        self.target.sent(items, &result);
        result
    }
}

impl<E: LogExporter> LogExporter for Late<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let items = batch.iter().count();
        let exporter = self.exporter(|exporter, resource| exporter.set_resource(resource));
        let result = match exporter {
            Ok(exporter) => exporter.export(batch).await,
            Err(error) => Err(error),
        };
        self.target.sent(items, &result);
        result
    }
}
