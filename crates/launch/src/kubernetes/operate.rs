//! What is done with a run on a cluster, in which order: its objects are applied and removed, its pods looked at.
//!
//! The run's journal, and not the cluster, says how the run is.

use super::cluster::{Cluster, KubernetesError, Removal, kind, resource};
use super::described;
use super::objects::{Role, key_secret, label};
use super::readings::{self, label_of, name};
use crate::{Member, Spec};
use fratmae_trust::{Authority, Role as Trusted, draw_key};
use kube::api::ApiResource;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// Who owns the fields of our objects.
pub(super) const MANAGER: &str = "fratmae";
/// Who owns the number of workers after `resize`: it shows who changed it, and when.
const SCALE_MANAGER: &str = "fratmae-scale";
/// Lines of a pod's log.
const LOG_LINES: i64 = 2000;
/// How often a cluster is asked whether something has ended.
const LOOKS: Duration = Duration::from_secs(1);
/// How long certificates in secrets are good: nobody renews those there while the run goes on.
const KEYS_LAST: Duration = Duration::from_secs(30 * 24 * 3600);
/// Seconds beyond the time to leave, for a cluster to notice the end of a pod.
const NOTICES_S: u64 = 60;

/// Applies the objects of a run: what is there already becomes what it is described to be. All are tried first, so that
/// nothing is made of a run of which the cluster refuses a part. Jobs of an earlier launch that have ended make room.
///
/// # Errors
/// There is no cluster, or it refuses one of the objects.
pub async fn submit(spec: &Spec) -> Result<Vec<String>, KubernetesError> {
    let cluster = of(spec).await?;
    submit_to(&cluster, spec).await
}

pub(super) async fn submit_to(
    cluster: &Cluster,
    spec: &Spec,
) -> Result<Vec<String>, KubernetesError> {
    let objects = described(spec);
    for object in objects.iter().filter(|object| is_job(object)) {
        let (kind, name) = (resource(object), name(object));
        let there = cluster.find(&kind, &name).await?;
        if there.is_some_and(|job| readings::verdict(&job).is_some()) {
            remove_and_wait(cluster, spec, &kind, &name).await?;
        }
    }
    for object in &objects {
        cluster.apply(object, MANAGER, true).await?;
    }
    make_keys(cluster, spec).await?;
    for object in &objects {
        cluster.apply(object, MANAGER, false).await?;
    }
    let id = |object: &Value| format!("{}/{}", resource(object).plural, name(object));
    Ok(objects.iter().map(id).collect())
}

/// Makes the secrets with the run's keys, unless the job names others or they are there. Each has what pods of its role
/// need: workers never see the authority's key.
async fn make_keys(cluster: &Cluster, spec: &Spec) -> Result<(), KubernetesError> {
    if !spec.kubernetes.keys.is_empty() {
        return Ok(());
    }
    let [coordinator, worker] = key_secrets(spec);
    if cluster.find(&secret(), &coordinator).await?.is_some() {
        return Ok(());
    }
    let authority = Authority::make(&spec.name)?;
    let key = draw_key()?;
    let certificate = authority.issue(&authority.identity(Trusted::Worker), &key, 0, KEYS_LAST)?;
    let life = KEYS_LAST.as_secs().to_string();
    let root = authority.certificate();
    let of_worker = json!({"ca.crt": root, "tls.crt": certificate, "tls.key": key});
    let of_coordinator = json!({"ca.crt": root, "ca.key": authority.key(), "ca.life": life});
    // Who finds the coordinator's does not look for the worker's.
    for (name, files) in [(worker, of_worker), (coordinator, of_coordinator)] {
        let object = key_secret(spec, &name, &files);
        cluster.apply(&object, MANAGER, false).await?;
    }
    Ok(())
}

/// The processes of a run: its pods, and its jobs that have none.
///
/// # Errors
/// There is no cluster, or it does not tell.
pub async fn members(spec: &Spec) -> Result<Vec<Member>, KubernetesError> {
    members_in(&of(spec).await?, &run_labels(&spec.name)).await
}

pub(super) async fn members_in(
    cluster: &Cluster,
    labels: &str,
) -> Result<Vec<Member>, KubernetesError> {
    let pods = cluster.list(&pod(), labels).await?;
    let mut members = Vec::new();
    for job in cluster.list(&job(), labels).await? {
        let part = |object: &Value| [label::RUN, label::ROLE].map(|label| label_of(object, label));
        let has_pod = |pod: &Value| part(pod) == part(&job);
        if readings::verdict(&job).is_some() || !pods.iter().any(has_pod) {
            members.push(readings::of_job(&job));
        }
    }
    members.extend(pods.iter().map(readings::of_pod));
    Ok(members)
}

/// The last lines of a pod, or of the coordinator's pods.
///
/// # Errors
/// There is no cluster, or it has no such pod.
pub async fn logs(spec: &Spec, member: Option<&str>) -> Result<String, KubernetesError> {
    let cluster = of(spec).await?;
    if let Some(pod) = member {
        return cluster.logs(pod, LOG_LINES).await;
    }
    let mut text = String::new();
    for pod in cluster
        .list(&pod(), &role_labels(spec, Role::Coordinator))
        .await?
    {
        text.push_str(&cluster.logs(&name(&pod), LOG_LINES).await?);
    }
    Ok(text)
}

/// Changes the number of workers. Those that go are asked to leave; the others stay as they are.
///
/// # Errors
/// The run does not take so many, there is no cluster, or it refuses.
pub async fn resize(spec: &Spec, workers: usize) -> Result<(), KubernetesError> {
    resize_in(&of(spec).await?, spec, workers).await
}

pub(super) async fn resize_in(
    cluster: &Cluster,
    spec: &Spec,
    workers: usize,
) -> Result<(), KubernetesError> {
    if spec.kubernetes.jobset {
        return Err(KubernetesError::FixedSize);
    }
    let crate::Workers { least, most, .. } = spec.workers;
    if !(least..=most).contains(&workers) {
        return Err(KubernetesError::Workers {
            workers,
            least,
            most,
        });
    }
    let name = format!("{}-{}", spec.name, Role::Worker.job());
    let sized = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"completions": workers, "parallelism": workers},
    });
    // An apply would make a job that is not there.
    match cluster.find(&job(), &name).await? {
        Some(_) => cluster.apply(&sized, SCALE_MANAGER, false).await,
        None => Err(KubernetesError::Refused {
            what: format!("Job {name}"),
            reason: "there is none".to_owned(),
        }),
    }
}

/// Ends a run in good order: the coordinator first, which has all store a checkpoint, then the workers. The other objects
/// stay, and `submit` resumes the run.
///
/// # Errors
/// There is no cluster, it refuses, or the coordinator does not end.
pub async fn stop(spec: &Spec) -> Result<(), KubernetesError> {
    stop_in(&of(spec).await?, spec).await
}

pub(super) async fn stop_in(cluster: &Cluster, spec: &Spec) -> Result<(), KubernetesError> {
    if spec.kubernetes.jobset {
        return cluster.remove(&job_set(), &spec.name, Removal::After).await;
    }
    for role in [Role::Coordinator, Role::Worker] {
        let name = format!("{}-{}", spec.name, role.job());
        remove_and_wait(cluster, spec, &job(), &name).await?;
    }
    Ok(())
}

/// Removes all objects of a run without waiting for its processes.
///
/// # Errors
/// There is no cluster, or it refuses.
pub async fn reap(spec: &Spec) -> Result<(), KubernetesError> {
    reap_in(&of(spec).await?, spec).await
}

pub(super) async fn reap_in(cluster: &Cluster, spec: &Spec) -> Result<(), KubernetesError> {
    // Those that start pods first.
    for object in described(spec).iter().rev() {
        let (kind, name) = (resource(object), name(object));
        cluster.remove(&kind, &name, Removal::After).await?;
    }
    if spec.kubernetes.keys.is_empty() {
        for name in key_secrets(spec) {
            cluster.remove(&secret(), &name, Removal::After).await?;
        }
    }
    Ok(())
}

/// The processes of all runs in the namespace that this user works in.
///
/// # Errors
/// There is no cluster, or it does not tell.
pub async fn list() -> Result<Vec<Member>, KubernetesError> {
    let labels = format!("{}={}", label::NAME, label::OURS);
    members_in(&Cluster::of_user(None).await?, &labels).await
}

pub(super) async fn of(spec: &Spec) -> Result<Cluster, KubernetesError> {
    Cluster::of_user(Some(&spec.kubernetes.namespace)).await
}

/// Removes a job with its pods, which are asked to leave, and waits until they have.
pub(super) async fn remove_and_wait(
    cluster: &Cluster,
    spec: &Spec,
    kind: &ApiResource,
    name: &str,
) -> Result<(), KubernetesError> {
    let seconds = super::pods::leave_s(spec) + NOTICES_S;
    let mut looks = looks();
    let gone = async {
        cluster.remove(kind, name, Removal::Before).await?;
        while cluster.find(kind, name).await?.is_some() {
            looks.tick().await;
        }
        Ok(())
    };
    let lingers = KubernetesError::Lingers {
        what: format!("{} {name}", kind.kind),
        seconds,
    };
    timeout(Duration::from_secs(seconds), gone)
        .await
        .unwrap_or(Err(lingers))
}

/// When a cluster is asked again.
pub(super) fn looks() -> Interval {
    let mut looks = interval(LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

fn is_job(object: &Value) -> bool {
    object["kind"] == "Job" || object["kind"] == "JobSet"
}

pub(super) fn pod() -> ApiResource {
    kind("v1", "Pod")
}

fn job() -> ApiResource {
    kind("batch/v1", "Job")
}

fn secret() -> ApiResource {
    kind("v1", "Secret")
}

/// The names of the secrets with the run's keys that are made here: the coordinator's and the workers'.
fn key_secrets(spec: &Spec) -> [String; 2] {
    [Role::Coordinator, Role::Worker].map(|role| format!("{}-{}", spec.name, role.name()))
}

fn job_set() -> ApiResource {
    kind("jobset.x-k8s.io/v1alpha2", "JobSet")
}

pub(super) fn run_labels(run: &str) -> String {
    format!("{}={},{}={run}", label::NAME, label::OURS, label::RUN)
}

fn role_labels(spec: &Spec, role: Role) -> String {
    format!("{},{}={}", run_labels(&spec.name), label::ROLE, role.name())
}

#[cfg(test)]
mod tests;
