//! Progress of a run for Kubeflow's trainer, which shows it at its `TrainJob`: sent where its variables name a server.
//!
//! A server that fails costs one warning and nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use fratmae_observe::Snapshot;
use reqwest::{Certificate, Client, header};
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::{MissedTickBehavior, interval};

use crate::otlp::variable;

/// How often progress is sent at most.
const EVERY: Duration = Duration::from_secs(10);
/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What the server takes: as many metrics, with names so long.
const METRICS: usize = 256;
const NAME: usize = 64;

/// A server that takes progress.
#[derive(Debug)]
pub struct Kubeflow {
    client: Client,
    url: String,
    /// The file of the token, which is replaced from time to time.
    token: Option<PathBuf>,
}

impl Kubeflow {
    /// The server that this process's variables name, if any.
    ///
    /// # Errors
    /// What is wrong with its certificates, in one line.
    pub fn from_environment() -> Result<Option<Self>, String> {
        Self::read(&variable)
    }

    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let Some(url) = variable("KUBEFLOW_TRAINER_SERVER_URL") else {
            return Ok(None);
        };
        // Another part of the program may have installed it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder().timeout(TIMEOUT);
        builder = match variable("KUBEFLOW_TRAINER_SERVER_CA_CERT") {
            Some(path) => builder.tls_certs_only(certificates(&path)?),
            // A bare machine may have no certificates at all.
            None if !url.starts_with("https://") => builder.tls_certs_only([]),
            None => builder,
        };
        Ok(Some(Self {
            client: builder.build().map_err(|error| error.to_string())?,
            url,
            token: variable("KUBEFLOW_TRAINER_SERVER_TOKEN").map(PathBuf::from),
        }))
    }

    /// Sends a run's progress until the run has ended.
    pub async fn follow(self, mut snapshots: Receiver<Arc<Snapshot>>) {
        let mut turns = interval(EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut sent, mut has_warned) = (Value::Null, false);
        while snapshots.changed().await.is_ok() {
            turns.tick().await;
            let progress = progress(&snapshots.borrow_and_update());
            if progress == sent {
                continue;
            }
            match self.send(&progress).await {
                Ok(()) => sent = progress,
                Err(reason) if !has_warned => {
                    tracing::warn!(server = %self.url, %reason, "Kubeflow takes no progress");
                    has_warned = true;
                }
                Err(reason) => tracing::debug!(%reason, "Kubeflow takes no progress"),
            }
        }
    }

    async fn send(&self, progress: &Value) -> Result<(), String> {
        let mut request = self.client.post(&self.url);
        if let Some(path) = &self.token {
            let token = tokio::fs::read_to_string(path).await;
            let token = token.map_err(|error| format!("{}: {error}", path.display()))?;
            request = request.bearer_auth(token.trim());
        }
        let request = request
            .header(header::CONTENT_TYPE, "application/json")
            .body(progress.to_string());
        // The address may have words that nobody else is to see.
        let answer = request
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("it answers {status}")),
        }
    }
}

fn certificates(path: &str) -> Result<Vec<Certificate>, String> {
    let wrong = |reason: String| format!("KUBEFLOW_TRAINER_SERVER_CA_CERT = {path}: {reason}");
    let bundle = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    Certificate::from_pem_bundle(&bundle).map_err(|error| wrong(error.to_string()))
}

/// What a server is sent of a run.
fn progress(run: &Snapshot) -> Value {
    let metrics = run
        .metrics
        .iter()
        .filter(|(name, value)| value.is_finite() && !name.is_empty() && name.len() <= NAME);
    let metrics = metrics.take(METRICS);
    let metrics: Vec<Value> = metrics
        .map(|(name, value)| json!({"name": name, "value": value.to_string()}))
        .collect();
    let time = i64::try_from(run.unix_ms).ok();
    let time = time
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or_default();
    let mut status = json!({
        "metrics": metrics,
        "lastUpdatedTime": time.to_rfc3339_opts(SecondsFormat::Secs, true),
    });
    if let Some(percent) = (run.step.min(run.last_step) * 100).checked_div(run.last_step) {
        status["progressPercentage"] = json!(percent);
    }
    if let Some(seconds) = run.eta_seconds.filter(|it| it.is_finite()) {
        status["estimatedRemainingSeconds"] =
            json!(seconds.max(0.0).min(f64::from(i32::MAX)).ceil() as i64);
    }
    json!({"trainerStatus": status})
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    fn snapshot() -> Snapshot {
        Snapshot {
            unix_ms: 1_790_000_000_000,
            step: 30,
            last_step: 400,
            eta_seconds: Some(12.2),
            metrics: [("loss", 1.5), ("accuracy", f64::NAN)]
                .into_iter()
                .collect(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn progress_is_what_the_server_takes() {
        let status = json!({
            "progressPercentage": 7,
            "estimatedRemainingSeconds": 13,
            "metrics": [{"name": "loss", "value": "1.5"}],
            "lastUpdatedTime": "2026-09-21T14:13:20Z",
        });
        assert_eq!(progress(&snapshot()), json!({"trainerStatus": status}));
    }

    #[test]
    fn what_is_unknown_is_not_sent() {
        let status = &progress(&Snapshot::default())["trainerStatus"];
        assert!(status["progressPercentage"].is_null());
        assert!(status["estimatedRemainingSeconds"].is_null());
        assert_eq!(status["metrics"], json!([]));
    }

    #[test]
    fn nothing_is_sent_without_a_server_and_a_wrong_certificate_is_told() {
        assert!(Kubeflow::read(&|_| None).unwrap().is_none());
        let variables = |name: &str| match name {
            "KUBEFLOW_TRAINER_SERVER_URL" => Some("https://trainer".to_owned()),
            "KUBEFLOW_TRAINER_SERVER_CA_CERT" => Some("/nowhere/ca.crt".to_owned()),
            _ => None,
        };
        let wrong = Kubeflow::read(&variables).unwrap_err();
        assert!(wrong.contains("/nowhere/ca.crt"), "{wrong}");
    }

    #[tokio::test]
    async fn a_server_gets_the_progress_with_the_token_of_now() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "secret-1\n").unwrap();
        let path = token.display().to_string();
        let variables = |name: &str| match name {
            "KUBEFLOW_TRAINER_SERVER_URL" => Some(format!("http://{address}/status")),
            "KUBEFLOW_TRAINER_SERVER_TOKEN" => Some(path.clone()),
            _ => None,
        };
        let server = Kubeflow::read(&variables).unwrap().unwrap();
        let (sender, receiver) = watch::channel(Arc::default());
        tokio::spawn(server.follow(receiver));
        sender.send_replace(Arc::new(snapshot()));
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = String::new();
        while !request.ends_with('}') {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "{request}");
            request.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        assert!(request.starts_with("POST /status HTTP/1.1"), "{request}");
        assert!(
            request
                .to_lowercase()
                .contains("authorization: bearer secret-1\r\n"),
            "{request}"
        );
        assert!(
            request.ends_with(&progress(&snapshot()).to_string()),
            "{request}"
        );
    }
}
