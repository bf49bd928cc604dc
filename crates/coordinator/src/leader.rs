//! The coordinator that leads a run now, asked from outside: who it is, what it does, and to store a checkpoint.

use crate::error::CoordinatorError;
use crate::incumbent::live_leader;
use crate::job::{read_run_file, unresumable};
use fratmae_checkpoint::{list, newest_of};
use fratmae_observe::Snapshot;
use fratmae_protocol::{cause, connect, pb};
use fratmae_store::Location;
use std::time::Duration;

/// How long a coordinator may take to answer before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// Has the coordinator of a run store a checkpoint while it trains on. Gives the step of one that is durable and as new
/// as this call.
///
/// # Errors
/// `NoRun`; `Unresumable` if nobody leads it; `Unanswered` if its coordinator ends before; the store's.
pub async fn save(run: &Location) -> Result<u64, CoordinatorError> {
    let run_id = read_run_file(run).await?.run_id;
    let Some(address) = live_leader(run, &run_id).await? else {
        let newest = match newest_of(&list(run).await?) {
            Some(id) => format!("its newest checkpoint is of step {}", id.step),
            None => "it has no checkpoint yet".to_owned(),
        };
        let reason = format!(
            "no coordinator is running, or none that answers, so nothing was saved; {newest}; workers that still train are taken over when the same job is started again"
        );
        return Err(unresumable(run, &reason));
    };
    let unanswered = |reason: String| CoordinatorError::Unanswered {
        address: address.clone(),
        reason,
    };
    let client = connect(&address).await;
    let mut client = client.map_err(|error| unanswered(error.to_string()))?;
    let reply = client.save(pb::SaveRequest { run_id }).await;
    let reply = reply.map_err(|status| unanswered(cause(&status)))?;
    Ok(reply.into_inner().step)
}

/// What there is to see of the run that the coordinator at an address leads, if it answers in time.
pub async fn live_snapshot(address: &str) -> Option<Snapshot> {
    let observe = async {
        let mut client = connect(address).await.ok()?;
        let reply = client.observe(pb::ObserveRequest {}).await.ok()?;
        serde_json::from_str(&reply.into_inner().snapshot).ok()
    };
    tokio::time::timeout(PATIENCE, observe).await.ok()?
}

/// What the coordinator at an address says of its run, if it answers in time.
pub(crate) async fn answer_of(address: &str) -> Option<pb::StatusReply> {
    let asked = tokio::time::timeout(PATIENCE, ask(address)).await;
    asked.ok()?.ok()
}

/// Asks the coordinator at an address how far it is.
pub(crate) async fn ask(
    address: &str,
) -> Result<pb::StatusReply, Box<dyn std::error::Error + Send + Sync>> {
    let mut client = connect(address).await?;
    Ok(client.status(pb::StatusRequest {}).await?.into_inner())
}
