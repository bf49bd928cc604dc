//! Whether workers of a job could run on a cluster: the doctor looks from a pod like theirs.

use super::cluster::{Cluster, KubernetesError, Removal, resource};
use super::described;
use super::objects::doctor_objects;
use super::operate::{MANAGER, looks, of, pod, remove_and_wait, run_labels};
use super::readings::{label_of, name, of_pod};
use crate::{MemberState, Spec};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// How long the doctor's pod may wait for a node and its image, and look.
const PATIENCE: Duration = Duration::from_secs(600);
/// Lines of its report at most.
const LINES: i64 = 1000;

/// What the doctor found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// What it wrote.
    pub report: String,
    /// Whether nothing is missing that the job needs.
    pub is_sound: bool,
}

/// Tries all objects of a run without making one, then has the doctor look from a pod like a worker's, and removes it.
///
/// # Errors
/// There is no cluster, it refuses an object, or the pod does not come to its end.
pub async fn doctor(spec: &Spec) -> Result<Checkup, KubernetesError> {
    doctor_in(&of(spec).await?, spec).await
}

pub(super) async fn doctor_in(cluster: &Cluster, spec: &Spec) -> Result<Checkup, KubernetesError> {
    for object in described(spec) {
        cluster.apply(&object, MANAGER, true).await?;
    }
    let objects = doctor_objects(spec);
    for object in &objects {
        // A doctor that was interrupted may have left it.
        if object["kind"] == "Job" {
            let (kind, name) = (resource(object), name(object));
            remove_and_wait(cluster, spec, &kind, &name).await?;
        }
        cluster.apply(object, MANAGER, false).await?;
    }
    let found = timeout(PATIENCE, examined(cluster, &objects)).await;
    let found = match found {
        Ok(found) => found,
        Err(_) => Err(never_looked(cluster, &objects).await),
    };
    for object in objects.iter().rev() {
        let (kind, name) = (resource(object), name(object));
        cluster.remove(&kind, &name, Removal::After).await?;
    }
    found
}

/// The report of the doctor's pod, once that has ended.
async fn examined(cluster: &Cluster, objects: &[Value]) -> Result<Checkup, KubernetesError> {
    let mut looks = looks();
    loop {
        looks.tick().await;
        for found in cluster.list(&pod(), &labels(objects)).await? {
            let is_sound = match found["status"]["phase"].as_str() {
                Some("Succeeded") => true,
                Some("Failed") => false,
                _ => continue,
            };
            let report = cluster.logs(&name(&found), LINES).await?;
            return Ok(Checkup { report, is_sound });
        }
    }
}

/// Why there is no report.
async fn never_looked(cluster: &Cluster, objects: &[Value]) -> KubernetesError {
    let pods = cluster.list(&pod(), &labels(objects)).await;
    let pods = pods.unwrap_or_default();
    let reason = pods.iter().map(of_pod).next();
    KubernetesError::NoReport {
        seconds: PATIENCE.as_secs(),
        reason: match reason {
            Some(member) if member.state == MemberState::Waiting => member.reason,
            Some(member) => member.state.to_string(),
            None => "the cluster made no pod".to_owned(),
        },
    }
}

fn labels(objects: &[Value]) -> String {
    let run = objects
        .first()
        .map(|it| label_of(it, super::objects::label::RUN));
    run_labels(&run.unwrap_or_default())
}
