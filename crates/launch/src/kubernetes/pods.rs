//! The pods of a run: what runs in them, what they are given, and what they may not do.

use super::objects::{Role, selector};
use super::slots::{NO_KEYS, Slots, mebibytes};
use crate::Spec;
use fratmae_config::Replace;
use serde_json::{Map, Value, json};

/// The user of the image.
const USER: u32 = 10_001;
/// Seconds that a pod has beyond `workers.grace_s`, for its last words.
const MARGIN_S: u64 = 30;
/// Seconds after which a node that does not answer is given up. A run goes on within seconds; Kubernetes waits for 300.
const NODE_S: u32 = 20;
/// MiB of shared memory for NCCL, part of the memory of the pod.
const SHARED_MIB: usize = 1024;
/// Where the coordinator finds the job file.
const JOB_DIR: &str = "/etc/fratmae";
/// Where a process finds its keys, and the variable that says so.
const KEYS_DIR: &str = "/run/fratmae/keys";
const KEYS: &str = "FRATMAE_KEYS";
/// The mode of their files, 0440: they belong to the pod's group.
const KEYS_MODE: u32 = 0o440;
/// The variable with the cores that a worker asks for.
const CPUS: &str = "FRATMAE_CPUS";

/// Seconds that a pod has between the request to leave and its end by force.
pub(super) const fn leave_s(spec: &Spec) -> u64 {
    spec.grace_s + MARGIN_S
}

/// The pod of the coordinator.
pub(super) fn coordinator_pod(spec: &Spec, slots: &Slots) -> Value {
    let host = match spec.kubernetes.jobset {
        // The set's name, the job's, its index, and the pod's index.
        true => format!("{}-coordinator-0-0.{}", slots.name, slots.name),
        false => format!("{}-coordinator-0.{}", slots.name, slots.name),
    };
    let mut arguments = spec.coordinator_arguments(
        &format!("{JOB_DIR}/job.toml"),
        &format!("0.0.0.0:{}", Spec::PORT),
        Some(&format!("{host}:{}", Spec::PORT)),
    );
    arguments.push(format!("--run={}", slots.run));
    let container = Container {
        role: Role::Coordinator,
        arguments,
        ports: vec![("grpc", Spec::PORT)],
        requests: json!({
            "cpu": spec.coordinator.cpus.to_string(),
            "memory": mebibytes(spec.coordinator.memory_mib),
        }),
        variables: Vec::new(),
        mounts: vec![job_file(slots)],
    };
    let mut pod = pod(spec, slots, container);
    pod["spec"]["restartPolicy"] = json!("OnFailure");
    pod["spec"]["tolerations"] = tolerations();
    pod
}

/// The pod of a worker.
pub(super) fn worker_pod(spec: &Spec, slots: &Slots) -> Value {
    let found = Spec {
        run: slots.run.clone(),
        ..spec.clone()
    };
    // The number of threads follows the request, so that who changes a manifest or a chart changes both.
    let arguments = found.worker_arguments().into_iter();
    let arguments = arguments.map(|argument| match argument.starts_with("--threads=") {
        true => format!("--threads=$({CPUS})"),
        false => argument,
    });
    let container = Container {
        role: Role::Worker,
        arguments: arguments.collect(),
        ports: Vec::new(),
        requests: requests(spec, slots),
        variables: vec![
            json!({
                "name": CPUS,
                "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}},
            }),
            // Compiled kernels are kept there. The image's own folder cannot be written.
            json!({"name": "HOME", "value": "/tmp"}),
        ],
        mounts: folders(spec),
    };
    let mut pod = pod(spec, slots, container);
    if let Some(hours) = spec.hours {
        pod["spec"]["activeDeadlineSeconds"] = json!((hours * 3600.0).ceil().max(1.0) as u64);
    }
    if spec.kubernetes.replace == Replace::Fast {
        pod["spec"]["tolerations"] = tolerations();
    }
    pod
}

/// The pod in which the doctor looks at what a worker is given.
pub(super) fn doctor_pod(spec: &Spec, slots: &Slots) -> Value {
    let mut mounts = folders(spec);
    mounts.push(job_file(slots));
    let container = Container {
        role: Role::Doctor,
        arguments: vec![
            "doctor".to_owned(),
            format!("--config={JOB_DIR}/job.toml"),
            "--all".to_owned(),
        ],
        ports: Vec::new(),
        requests: requests(spec, slots),
        variables: Vec::new(),
        mounts,
    };
    pod(spec, slots, container)
}

/// What a worker asks for.
fn requests(spec: &Spec, slots: &Slots) -> Value {
    let mut requests = json!({"cpu": slots.cpus, "memory": slots.memory});
    if spec.worker.gpus > 0 {
        requests["nvidia.com/gpu"] = json!(spec.worker.gpus);
    }
    requests
}

/// The folders of a worker that are its pod's own.
fn folders(spec: &Spec) -> Vec<Mount> {
    let mut mounts = Vec::from_iter(cache(&spec.host_options));
    if spec.worker.gpus > 0 {
        mounts.push(Mount {
            name: "shm",
            path: "/dev/shm".to_owned(),
            source: (
                "emptyDir",
                json!({"medium": "Memory", "sizeLimit": mebibytes(SHARED_MIB)}),
            ),
        });
    }
    mounts
}

fn job_file(slots: &Slots) -> Mount {
    Mount {
        name: "job",
        path: JOB_DIR.to_owned(),
        source: ("configMap", json!({"name": format!("{}-job", slots.name)})),
    }
}

/// The folder of the cache, if the job names one.
fn cache(host_options: &[String]) -> Option<Mount> {
    let mut paths = host_options
        .iter()
        .filter_map(|option| option.strip_prefix("--cache-dir="));
    paths.next().map(|path| Mount {
        name: "cache",
        path: path.to_owned(),
        source: ("emptyDir", json!({})),
    })
}

/// The one container of a pod.
struct Container {
    role: Role,
    arguments: Vec<String>,
    /// Ports beside that of the metrics.
    ports: Vec<(&'static str, u16)>,
    /// What it asks for. Memory and devices are also its limit; cores are not, as idle ones are nobody's loss.
    requests: Value,
    variables: Vec<Value>,
    /// Folders beside `/tmp`.
    mounts: Vec<Mount>,
}

/// A folder in a container.
struct Mount {
    name: &'static str,
    path: String,
    source: (&'static str, Value),
}

impl Mount {
    fn volume(&self) -> Value {
        let (kind, source) = &self.source;
        json!({"name": self.name, *kind: source})
    }

    fn place(&self) -> Value {
        let mut place = json!({"name": self.name, "mountPath": self.path});
        if self.source.0 != "emptyDir" {
            place["readOnly"] = json!(true);
        }
        place
    }
}

fn pod(spec: &Spec, slots: &Slots, container: Container) -> Value {
    let mut container = container;
    let temporary = Mount {
        name: "tmp",
        path: "/tmp".to_owned(),
        source: ("emptyDir", json!({})),
    };
    match &slots.keys {
        // It meets no process of a run.
        _ if container.role == Role::Doctor => {}
        Some(keys) => {
            let secret = format!("{keys}-{}", container.role.name());
            container
                .variables
                .push(json!({"name": KEYS, "value": KEYS_DIR}));
            container.mounts.push(Mount {
                name: "keys",
                path: KEYS_DIR.to_owned(),
                source: (
                    "secret",
                    json!({"secretName": secret, "defaultMode": KEYS_MODE}),
                ),
            });
        }
        None => container
            .variables
            .push(json!({"name": KEYS, "value": NO_KEYS})),
    }
    container.mounts.push(temporary);
    let volumes: Vec<Value> = container.mounts.iter().map(Mount::volume).collect();
    json!({
        "metadata": {"labels": selector(slots, Some(container.role))},
        "spec": {
            "restartPolicy": "Never",
            "subdomain": slots.name,
            "serviceAccountName": slots.name,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": leave_s(spec),
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [described(spec, slots, container)],
            "volumes": volumes,
        },
    })
}

fn described(spec: &Spec, slots: &Slots, container: Container) -> Value {
    let Container {
        role,
        mut arguments,
        mut ports,
        requests,
        variables,
        mounts,
    } = container;
    let is_served = role != Role::Doctor;
    if is_served {
        arguments.push(format!("--metrics=0.0.0.0:{}", Spec::METRICS_PORT));
        ports.push(("metrics", Spec::METRICS_PORT));
    }
    let ports = ports.iter();
    let ports: Vec<Value> = ports
        .map(|(name, port)| json!({"name": name, "containerPort": port}))
        .collect();
    let mut container = Map::new();
    let mut set = |key: &str, value: Value| container.insert(key.to_owned(), value);
    set("name", json!(role.name()));
    set("image", json!(slots.image));
    // Else the image says what is started.
    if spec.program != "fratmae" {
        set("command", json!([spec.program]));
    }
    set("args", json!(arguments));
    set("ports", json!(ports));
    if !variables.is_empty() {
        set("env", json!(variables));
    }
    if let Some(secret) = &slots.store_secret {
        set("envFrom", json!([{"secretRef": {"name": secret}}]));
    }
    set(
        "resources",
        json!({"requests": requests, "limits": limits(&requests)}),
    );
    // A coordinator that prepares data, and a worker whose coordinator is not there yet, are well: nothing here depends on
    // the store or on others, or a store that is ill would have every pod killed.
    if is_served {
        for (name, probe) in probes(slots) {
            set(name, probe);
        }
    }
    set(
        "securityContext",
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        }),
    );
    let places: Vec<Value> = mounts.iter().map(Mount::place).collect();
    set("volumeMounts", json!(places));
    container.into()
}

/// How a cluster sees that a process lives and works.
fn probes(slots: &Slots) -> [(&'static str, Value); 3] {
    let scheme = match slots.keys {
        Some(_) => "HTTPS",
        None => "HTTP",
    };
    let probe = |path: &str, period_s: u32, failures: u32| {
        json!({
            "httpGet": {"path": path, "port": "metrics", "scheme": scheme},
            "periodSeconds": period_s,
            "timeoutSeconds": 5,
            "failureThreshold": failures,
        })
    };
    [
        ("startupProbe", probe("/healthz", 5, 120)),
        ("livenessProbe", probe("/healthz", 10, 6)),
        ("readinessProbe", probe("/readyz", 5, 3)),
    ]
}

fn limits(requests: &Value) -> Value {
    let mut limits = requests.clone();
    if let Some(limits) = limits.as_object_mut() {
        limits.remove("cpu");
    }
    limits
}

fn tolerations() -> Value {
    let toleration = |reason: &str| {
        json!({
            "key": format!("node.kubernetes.io/{reason}"),
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": NODE_S,
        })
    };
    json!([toleration("unreachable"), toleration("not-ready")])
}
