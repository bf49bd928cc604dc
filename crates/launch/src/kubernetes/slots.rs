//! What of a run's objects can be set in a chart. A plan has the values there and a chart has expressions: everything else
//! of the objects is the same, so that both are one description.

use crate::Spec;
use serde_json::{Value, json};

/// What stands for a run without keys.
pub(super) const NO_KEYS: &str = "none";

/// What stands in the places of the objects that can be set.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    /// The run's name, with which all names begin.
    pub(super) name: String,
    /// Namespace of the objects.
    pub(super) namespace: String,
    /// Where the run is stored.
    pub(super) run: String,
    /// The container image.
    pub(super) image: String,
    /// How many workers there are.
    pub(super) workers: Value,
    /// Cores of a worker, as a text.
    pub(super) cpus: String,
    /// Memory of a worker, with its unit.
    pub(super) memory: String,
    /// Queue of Kueue.
    pub(super) queue: Option<String>,
    /// Secret with the object store's credentials.
    pub(super) store_secret: Option<String>,
    /// How the names of the secrets with the run's keys begin.
    pub(super) keys: Option<String>,
    /// The job file.
    pub(super) job: String,
}

impl Slots {
    /// The values of a run.
    pub(super) fn of(spec: &Spec) -> Self {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            name: spec.name.clone(),
            namespace: spec.kubernetes.namespace.clone(),
            run: spec.run.clone(),
            image: spec.image.clone().unwrap_or_default(),
            workers: json!(spec.workers.wanted),
            cpus: spec.worker.cpus.to_string(),
            memory: mebibytes(spec.worker.memory_mib),
            queue: given(&spec.kubernetes.queue),
            store_secret: given(&spec.kubernetes.store_secret),
            keys: match spec.kubernetes.keys.as_str() {
                "" => Some(spec.name.clone()),
                NO_KEYS => None,
                keys => Some(keys.to_owned()),
            },
            job: spec.job.clone(),
        }
    }

    /// The expressions of the chart of a run. It has a queue and secrets if the run has them.
    pub(super) fn expressions(spec: &Spec) -> Self {
        let values = Self::of(spec);
        let value = |name: &str| format!("{{{{ .Values.{name} }}}}");
        Self {
            name: "{{ .Release.Name }}".to_owned(),
            namespace: "{{ .Release.Namespace }}".to_owned(),
            run: value("run"),
            image: value("image"),
            // Helm reads numbers as floating point ones, and writes large ones with an exponent.
            workers: json!("{{ int .Values.workers }}"),
            cpus: "{{ int .Values.cpus | quote }}".to_owned(),
            memory: "{{ int .Values.memoryMib }}Mi".to_owned(),
            queue: values.queue.map(|_| value("queue")),
            store_secret: values.store_secret.map(|_| value("storeSecret")),
            keys: values.keys.map(|_| value("keys")),
            // Indented as far as the map that it stands in, but for its empty lines.
            job: "|\n{{ regexReplaceAll \"(?m)^ +$\" (.Values.job | trimSuffix \"\\n\" | indent 4) \"\" }}".to_owned(),
        }
    }
}

/// Memory as Kubernetes writes it.
pub(super) fn mebibytes(mebibytes: usize) -> String {
    format!("{mebibytes}Mi")
}
