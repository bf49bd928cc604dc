//! What a run's objects promise, whatever they are written as.

use super::*;
use crate::sample::spec_of;
use crate::{SpecError, Target};
use fratmae_config::Config;
use serde_json::json;

fn try_spec(sets: &[&str]) -> Result<Spec, SpecError> {
    let base = [
        "run.url=s3://bucket/runs/pilot",
        "data.url=s3://bucket/data",
        "launch.image=registry.example/fratmae@sha256:0f",
        "workers.count=4",
        "workers.min=2",
    ];
    spec_of(Target::Kubernetes, &base, sets)
}

pub(super) fn spec(sets: &[&str]) -> Spec {
    try_spec(sets).unwrap()
}

/// The one object of a kind and name.
fn object(spec: &Spec, kind: &str, name: &str) -> Value {
    let mut found = described(spec)
        .into_iter()
        .filter(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    let object = found.next().unwrap_or_else(|| panic!("no {kind} {name}"));
    assert!(found.next().is_none());
    object
}

fn worker(spec: &Spec) -> Value {
    object(spec, "Job", "pilot-workers")["spec"]["template"]["spec"].clone()
}

#[test]
fn a_run_is_apart_from_others_before_it_has_pods() {
    let kinds: Vec<_> = described(&spec(&[]))
        .iter()
        .map(|object| object["kind"].as_str().unwrap_or_default().to_owned())
        .collect();
    let expected = [
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ServiceAccount",
        "ConfigMap",
        "Service",
        "Job",
        "Job",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn objects_stay_in_their_namespace_and_are_known_as_ours() {
    for sets in [&[][..], &["launch.kubernetes.jobset=true", "workers.min=4"]] {
        let mut sets = sets.to_vec();
        sets.push("launch.kubernetes.namespace=trial");
        for object in described(&spec(&sets)) {
            assert_eq!(object["metadata"]["namespace"], "trial", "{object}");
            let labels = &object["metadata"]["labels"];
            assert_eq!(labels[objects::label::NAME], "fratmae");
            assert_eq!(labels[objects::label::RUN], "pilot");
        }
    }
}

#[test]
fn a_workers_exit_code_says_what_becomes_of_its_place() {
    let job = object(&spec(&[]), "Job", "pilot-workers");
    let rules = job["spec"]["podFailurePolicy"]["rules"].as_array().unwrap();
    let action = |code: u8| {
        let rule = rules.iter().find(|rule| {
            let codes = rule["onExitCodes"]["values"].as_array();
            codes.is_some_and(|codes| codes.contains(&json!(code)))
        });
        rule.map(|rule| rule["action"].as_str().unwrap_or_default())
    };
    for code in [1, 2, 78] {
        assert_eq!(action(code), Some("FailJob"), "{code}");
    }
    for code in [75, 76] {
        assert_eq!(action(code), Some("Ignore"), "{code}");
    }
    // Crashes count.
    for code in [101, 134, 137, 139] {
        assert_eq!(action(code), None, "{code}");
    }
    // Kubernetes refuses rules without both of these.
    assert_eq!(job["spec"]["podReplacementPolicy"], "Failed");
    assert_eq!(worker(&spec(&[]))["restartPolicy"], "Never");
}

#[test]
fn the_first_worker_that_ends_well_ends_the_job() {
    let job = object(&spec(&["launch.workers=3"]), "Job", "pilot-workers");
    assert_eq!(
        job["spec"]["successPolicy"]["rules"],
        json!([{"succeededCount": 1}])
    );
    assert_eq!(job["spec"]["completions"], 3);
    assert_eq!(job["spec"]["parallelism"], 3);
}

#[test]
fn a_pod_is_replaced_at_once_where_that_was_asked_for() {
    let spec = spec(&["launch.kubernetes.replace=fast"]);
    let job = object(&spec, "Job", "pilot-workers");
    assert_eq!(job["spec"]["podReplacementPolicy"], "TerminatingOrFailed");
    assert!(job["spec"]["podFailurePolicy"].is_null());
    assert_eq!(worker(&spec)["tolerations"][0]["tolerationSeconds"], 20);
}

#[test]
fn a_coordinator_is_where_its_name_leads() {
    let job = object(&spec(&[]), "Job", "pilot-coordinator");
    let pod = &job["spec"]["template"]["spec"];
    let arguments = pod["containers"][0]["args"].as_array().unwrap();
    assert!(arguments.contains(&json!("--advertise=pilot-coordinator-0.pilot:7440")));
    assert!(arguments.contains(&json!("--listen=0.0.0.0:7440")));
    assert_eq!(pod["subdomain"], "pilot");
    let service = object(&spec(&[]), "Service", "pilot");
    assert_eq!(service["spec"]["clusterIP"], "None");
    assert_eq!(service["spec"]["publishNotReadyAddresses"], true);
    let labels = &job["spec"]["template"]["metadata"]["labels"];
    for (label, value) in service["spec"]["selector"].as_object().unwrap() {
        assert_eq!(&labels[label], value);
    }
}

#[test]
fn the_job_file_is_the_jobs() {
    let spec = spec(&["train.lr=3e-4"]);
    let map = object(&spec, "ConfigMap", "pilot-job");
    assert_eq!(map["data"]["job.toml"], spec.job.as_str());
    let job = object(&spec, "Job", "pilot-coordinator");
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["args"][1], "/etc/fratmae/job.toml");
    assert_eq!(pod["volumes"][0]["configMap"]["name"], "pilot-job");
}

#[test]
fn a_worker_gets_what_the_job_asks_for() {
    let sets = [
        "launch.gpus=1",
        "launch.cpus=8",
        "launch.memory_gib=32",
        "launch.hours=1.5",
        "workers.grace_s=40",
        "data.cache_dir=/scratch/cache",
        "launch.kubernetes.store_secret=s3-keys",
    ];
    let pod = worker(&spec(&sets));
    let container = &pod["containers"][0];
    let (requests, limits) = (
        &container["resources"]["requests"],
        &container["resources"]["limits"],
    );
    assert_eq!(
        requests,
        &json!({"cpu": "8", "memory": "32768Mi", "nvidia.com/gpu": 1})
    );
    assert_eq!(limits, &json!({"memory": "32768Mi", "nvidia.com/gpu": 1}));
    let arguments = container["args"].as_array().unwrap();
    assert!(
        arguments.contains(&json!("--threads=$(FRATMAE_CPUS)")),
        "{arguments:?}"
    );
    assert!(arguments.contains(&json!("--run=s3://bucket/runs/pilot")));
    assert_eq!(pod["activeDeadlineSeconds"], 5400);
    assert_eq!(pod["terminationGracePeriodSeconds"], 70);
    let folders = container["volumeMounts"].as_array().unwrap().iter();
    let folders: Vec<_> = folders
        .map(|mount| mount["mountPath"].as_str().unwrap())
        .collect();
    assert_eq!(
        folders,
        ["/scratch/cache", "/dev/shm", "/run/fratmae/keys", "/tmp"]
    );
    assert_eq!(
        container["envFrom"],
        json!([{"secretRef": {"name": "s3-keys"}}])
    );
}

#[test]
fn no_pod_has_more_rights_than_it_needs() {
    let spec = spec(&[]);
    for name in ["pilot-workers", "pilot-coordinator"] {
        let job = object(&spec, "Job", name);
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let rights = &pod["containers"][0]["securityContext"];
        assert_eq!(rights["allowPrivilegeEscalation"], false);
        assert_eq!(rights["readOnlyRootFilesystem"], true);
        assert_eq!(rights["capabilities"]["drop"], json!(["ALL"]));
    }
    let policy = object(&spec, "NetworkPolicy", "pilot");
    let own = &policy["spec"]["podSelector"];
    assert_eq!(&policy["spec"]["ingress"][0]["from"][0]["podSelector"], own);
}

#[test]
fn a_doctor_is_given_what_a_worker_is_and_no_keys() {
    let spec = spec(&["launch.gpus=1", "launch.kubernetes.keys=pilot"]);
    let objects = objects::doctor_objects(&spec);
    let job = &objects[2];
    assert_eq!(job["metadata"]["name"], "pilot-doctor-check");
    let pod = &job["spec"]["template"]["spec"];
    let (doctor, worker) = (&pod["containers"][0], &worker(&spec)["containers"][0]);
    assert_eq!(doctor["resources"], worker["resources"]);
    assert_eq!(doctor["image"], worker["image"]);
    assert_eq!(doctor["args"][1], "--config=/etc/fratmae/job.toml");
    assert!(doctor["env"].is_null() && doctor["livenessProbe"].is_null());
    assert_eq!(objects[1]["metadata"]["name"], "pilot-doctor-job");
}

#[test]
fn each_role_gets_its_own_keys_and_no_others() {
    let spec = spec(&["launch.kubernetes.keys=pilot-keys"]);
    for (name, secret) in [
        ("pilot-workers", "pilot-keys-worker"),
        ("pilot-coordinator", "pilot-keys-coordinator"),
    ] {
        let job = object(&spec, "Job", name);
        let pod = &job["spec"]["template"]["spec"];
        let volumes = pod["volumes"].as_array().unwrap().iter();
        let secrets: Vec<_> = volumes
            .filter(|volume| volume["secret"].is_object())
            .collect();
        assert_eq!(secrets.len(), 1);
        assert_eq!(
            secrets[0]["secret"],
            json!({"secretName": secret, "defaultMode": 288})
        );
        let variables = pod["containers"][0]["env"].as_array().unwrap();
        assert!(variables.contains(&json!({"name": "FRATMAE_KEYS", "value": "/run/fratmae/keys"})));
    }
}

#[test]
fn keys_are_the_rule_and_probes_know_it() {
    for (sets, keys, scheme) in [
        (&[][..], "/run/fratmae/keys", "HTTPS"),
        (&["launch.kubernetes.keys=none"], "none", "HTTP"),
    ] {
        let container = &worker(&spec(sets))["containers"][0];
        let variables = container["env"].as_array().unwrap();
        assert!(variables.contains(&json!({"name": "FRATMAE_KEYS", "value": keys})));
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["scheme"], scheme);
        }
    }
}

#[test]
fn a_node_can_be_drained_even_of_a_run_of_fixed_size() {
    let least = |sets: &[&str]| {
        let budget = object(&spec(sets), "PodDisruptionBudget", "pilot-workers");
        budget["spec"]["minAvailable"].clone()
    };
    assert_eq!(least(&[]), 1);
    assert_eq!(least(&["workers.min=4"]), 3);
    assert_eq!(least(&["workers.min=1"]), 0);
}

#[test]
fn jobs_wait_in_a_queue_where_one_is_named() {
    let queued = ["launch.kubernetes.queue=team"];
    for (sets, expected) in [(&queued[..], json!("team")), (&[][..], Value::Null)] {
        for name in ["pilot-workers", "pilot-coordinator"] {
            let job = object(&spec(sets), "Job", name);
            assert_eq!(job["metadata"]["labels"][objects::label::QUEUE], expected);
        }
    }
}

#[test]
fn a_set_has_both_jobs_and_makes_the_service_itself() {
    let spec = spec(&["launch.kubernetes.jobset=true", "workers.min=4"]);
    let set = object(&spec, "JobSet", "pilot");
    assert!(
        !described(&spec)
            .iter()
            .any(|it| it["kind"] == "Service" || it["kind"] == "Job")
    );
    let jobs = set["spec"]["replicatedJobs"].as_array().unwrap();
    assert_eq!(
        (&jobs[0]["name"], &jobs[1]["name"]),
        (&json!("coordinator"), &json!("workers"))
    );
    let coordinator = &jobs[0]["template"]["spec"]["template"]["spec"]["containers"][0];
    let arguments = coordinator["args"].as_array().unwrap();
    assert!(arguments.contains(&json!("--advertise=pilot-coordinator-0-0.pilot:7440")));
    assert!(try_spec(&["launch.kubernetes.jobset=true"]).is_err());
}

#[test]
fn a_chart_has_the_objects_of_the_manifest() {
    let files = render_as(&spec(&[]), Form::Helm);
    let text = |name: &str| &files.iter().find(|file| file.name == name).unwrap().text;
    let template = text("templates/run.yaml");
    assert!(template.contains("completions: {{ int .Values.workers }}\n"));
    assert!(template.contains("name: {{ .Release.Name }}-workers\n"));
    // What can be set is nowhere a value.
    for value in ["pilot", "registry.example", "3000Mi", "s3://bucket/runs"] {
        assert!(!template.contains(value), "{value}");
    }
    let values = text("values.yaml");
    assert!(values.contains("\nworkers: 4\n") && values.contains("\nmemoryMib: 3000\n"));
    let schema: Value = serde_json::from_str(text("values.schema.json")).unwrap();
    assert_eq!(schema["properties"]["workers"]["maximum"], 4);
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn what_is_shipped_is_what_the_shipped_job_is_rendered_to() {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes");
    let config = Config::load(Some(&shipped.join("job.toml")), &[]).unwrap();
    let spec = Spec::of(&config, Target::Kubernetes, 0).unwrap();
    for (folder, form) in [("chart", Form::Helm), ("base", Form::Kustomize)] {
        for RenderedFile { name, text } in render_as(&spec, form) {
            let path = shipped.join(folder).join(&name);
            let there = std::fs::read_to_string(&path).unwrap_or_default();
            // The head of deploy/kubernetes/job.toml has the commands that write them anew.
            assert!(there == text, "{} is another one", path.display());
        }
    }
}
