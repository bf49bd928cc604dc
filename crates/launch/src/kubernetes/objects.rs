//! The objects of a run, pure: what keeps it apart, what names it, and the two jobs. No operator is needed, and nothing is
//! asked of the cluster that is not in a namespace.

use super::pods::{coordinator_pod, doctor_pod, worker_pod};
use super::slots::Slots;
use crate::Spec;
use fratmae_config::Replace;
use serde_json::{Map, Value, json};

/// How often a worker's place is filled again after ends that no rule names: crashes, and what the kernel kills for memory.
const CRASHES: u32 = 20;
/// How often a coordinator is started again, which takes over its run each time. Evictions count too.
const LIVES: u32 = 50;
/// How long jobs that have ended are kept, in seconds, so that somebody can look at them.
const KEPT_S: u32 = 7 * 24 * 3600;
/// The same for the doctor's, which is removed once its report is read.
const DOCTOR_KEPT_S: u32 = 3600;

/// The parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Coordinator,
    Worker,
    /// No part of it: looks whether its workers could run.
    Doctor,
}

impl Role {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Worker => "worker",
            Self::Doctor => "doctor",
        }
    }

    /// What the job is called that has its pods, after the run's name.
    pub(super) const fn job(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Worker => "workers",
            Self::Doctor => "check",
        }
    }
}

/// Labels by which our objects are known.
pub(super) mod label {
    pub(crate) const NAME: &str = "app.kubernetes.io/name";
    pub(crate) const RUN: &str = "app.kubernetes.io/instance";
    pub(crate) const ROLE: &str = "app.kubernetes.io/component";
    pub(crate) const MANAGER: &str = "app.kubernetes.io/managed-by";
    pub(crate) const QUEUE: &str = "kueue.x-k8s.io/queue-name";
    /// The value of `NAME` and `MANAGER`.
    pub(crate) const OURS: &str = "fratmae";
}

/// All objects, in the order in which Helm creates them, which is a good one: what closes doors comes before what is inside.
pub(super) fn objects(spec: &Spec, slots: &Slots) -> Vec<Value> {
    let mut objects = vec![
        network_policy(slots),
        disruption_budget(spec, slots),
        service_account(slots),
        config_map(slots),
    ];
    match spec.kubernetes.jobset {
        true => objects.push(job_set(spec, slots)),
        false => objects.extend([
            service(slots),
            job(slots, Role::Coordinator, coordinator_job(spec, slots)),
            job(slots, Role::Worker, worker_job(spec, slots)),
        ]),
    }
    objects
}

/// What looks, in a worker's place, whether workers could run there. Nothing of it is the run's.
pub(super) fn doctor_objects(spec: &Spec) -> Vec<Value> {
    let mut slots = Slots::of(spec);
    slots.name.push_str("-doctor");
    slots.keys = None;
    let check = json!({
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": DOCTOR_KEPT_S,
        "template": doctor_pod(spec, &slots),
    });
    vec![
        service_account(&slots),
        config_map(&slots),
        job(&slots, Role::Doctor, check),
    ]
}

/// The labels that choose a run's pods.
pub(super) fn selector(slots: &Slots, role: Option<Role>) -> Value {
    let mut labels = Map::new();
    labels.insert(label::NAME.to_owned(), json!(label::OURS));
    labels.insert(label::RUN.to_owned(), json!(slots.name));
    if let Some(role) = role {
        labels.insert(label::ROLE.to_owned(), json!(role.name()));
    }
    labels.into()
}

fn metadata(slots: &Slots, name: &str) -> Value {
    let mut labels = selector(slots, None);
    labels[label::MANAGER] = json!(label::OURS);
    json!({"name": name, "namespace": slots.namespace, "labels": labels})
}

/// Only the processes of a run reach each other. Probes come from the node, which no policy keeps out.
fn network_policy(slots: &Slots) -> Value {
    let own = json!({"matchLabels": selector(slots, None)});
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(slots, &slots.name),
        "spec": {
            "podSelector": own,
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": own}]}],
        },
    })
}

/// Nodes are drained of one worker more than the least at most. With the least itself as the bound, a run of a fixed number
/// of workers would keep a node from being drained for ever. Pods of jobs allow a number of pods here and no share.
fn disruption_budget(spec: &Spec, slots: &Slots) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(slots, &format!("{}-workers", slots.name)),
        "spec": {
            "minAvailable": spec.workers.least.saturating_sub(1),
            "selector": {"matchLabels": selector(slots, Some(Role::Worker))},
            // Workers without a coordinator do nothing, and would keep a node from being drained for ever.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    })
}

/// An account without a right and without a token: no process of a run asks the cluster for anything.
fn service_account(slots: &Slots) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(slots, &slots.name),
        "automountServiceAccountToken": false,
    })
}

fn config_map(slots: &Slots) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(slots, &format!("{}-job", slots.name)),
        "data": {"job.toml": slots.job},
    })
}

/// A secret with keys of the run. It is no part of a plan: what it holds is written down nowhere.
pub(super) fn key_secret(spec: &Spec, name: &str, files: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(&Slots::of(spec), name),
        "type": "Opaque",
        "stringData": files,
    })
}

/// Names the coordinator's pod, whichever address it has. Workers look for it before it is ready.
fn service(slots: &Slots) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(slots, &slots.name),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": selector(slots, None),
            "ports": [
                {"name": "grpc", "port": Spec::PORT, "targetPort": "grpc"},
                {"name": "metrics", "port": Spec::METRICS_PORT, "targetPort": "metrics"},
            ],
        },
    })
}

fn job(slots: &Slots, role: Role, spec: Value) -> Value {
    let mut metadata = metadata(slots, &format!("{}-{}", slots.name, role.job()));
    metadata["labels"][label::ROLE] = json!(role.name());
    into_queue(slots, &mut metadata);
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
}

fn into_queue(slots: &Slots, metadata: &mut Value) {
    if let Some(queue) = &slots.queue {
        metadata["labels"][label::QUEUE] = json!(queue);
    }
}

/// One pod, whose container is started again where it is after a crash. If its node does not answer there is a second pod
/// at once, although the first may still live: whoever takes the run over fences the other one off.
///
/// Kubernetes allows no rules by exit code with that. After an end for good the coordinator finds in the journal that its
/// run has ended, and ends at once, until its lives are used up.
fn coordinator_job(spec: &Spec, slots: &Slots) -> Value {
    json!({
        "completionMode": "Indexed",
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": LIVES,
        "podReplacementPolicy": "TerminatingOrFailed",
        "ttlSecondsAfterFinished": KEPT_S,
        "template": coordinator_pod(spec, slots),
    })
}

/// A pod for each worker. The first that ends with 0 says that the run is finished, and the job has succeeded.
///
/// No number of places that are given up ends the job: the run goes on with the others.
fn worker_job(spec: &Spec, slots: &Slots) -> Value {
    let mut job = json!({
        "completionMode": "Indexed",
        "completions": slots.workers,
        "parallelism": slots.workers,
        "backoffLimitPerIndex": CRASHES,
        "podReplacementPolicy": "TerminatingOrFailed",
        "successPolicy": {"rules": [{"succeededCount": 1}]},
        "ttlSecondsAfterFinished": KEPT_S,
        "template": worker_pod(spec, slots),
    });
    if spec.kubernetes.replace == Replace::Ended {
        job["podReplacementPolicy"] = json!("Failed");
        job["podFailurePolicy"] = exit_rules();
    }
    job
}

/// What a worker's end means; the first rule that fits counts, and what none fits is a crash.
fn exit_rules() -> Value {
    let rule = |action: &str, codes: &[u8]| {
        let container = Role::Worker.name();
        json!({
            "action": action,
            "onExitCodes": {"containerName": container, "operator": "In", "values": codes},
        })
    };
    json!({"rules": [
        // For good: the run failed, the call is wrong, or this worker is refused.
        rule("FailJob", &[1, 2, 78]),
        // It left and the run goes on, or its machine is unfit: another one takes the place.
        rule("Ignore", &[75, 76]),
        // Evicted, preempted, or its node is gone.
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]})
}

/// Both jobs as one. Its own rules have nothing to do: pods are replaced inside each job, and the set is not begun again
/// because of one of them.
fn job_set(spec: &Spec, slots: &Slots) -> Value {
    let mut metadata = metadata(slots, &slots.name);
    into_queue(slots, &mut metadata);
    let part = |role: Role, job: Value| {
        let labels = selector(slots, Some(role));
        json!({
            "name": role.job(),
            "replicas": 1,
            "template": {"metadata": {"labels": labels}, "spec": without_time_to_live(job)},
        })
    };
    let coordinator = Role::Coordinator.job();
    json!({
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": metadata,
        "spec": {
            "network": {"enableDNSHostnames": true, "subdomain": slots.name, "publishNotReadyAddresses": true},
            "coordinator": {"replicatedJob": coordinator, "jobIndex": 0, "podIndex": 0},
            "successPolicy": {"operator": "All", "targetReplicatedJobs": [coordinator]},
            "failurePolicy": {
                "maxRestarts": 3,
                "rules": [{
                    "name": "forgood",
                    "action": "FailJobSet",
                    "onJobFailureReasons": ["PodFailurePolicy"],
                }],
            },
            "ttlSecondsAfterFinished": KEPT_S,
            "replicatedJobs": [
                part(Role::Coordinator, coordinator_job(spec, slots)),
                part(Role::Worker, worker_job(spec, slots)),
            ],
        },
    })
}

/// The set decides when its jobs are removed.
fn without_time_to_live(mut job: Value) -> Value {
    if let Some(job) = job.as_object_mut() {
        job.remove("ttlSecondsAfterFinished");
    }
    job
}
