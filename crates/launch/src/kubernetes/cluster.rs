//! A cluster's API, as far as it is used: the objects of one namespace, by kind and name.

use super::readings::name;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, LogParams, Patch,
    PatchParams,
};
use kube::{Api, Client, Config};
use serde_json::Value;
use std::time::Duration;

/// Why a run could not be launched on a cluster, or looked at there.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// No cluster is named, or its access cannot be read.
    #[error(
        "no Kubernetes cluster is configured: {0}; `kubectl cluster-info` shows whether one is reached"
    )]
    NoCluster(String),
    /// The cluster said no, or did not answer.
    #[error("{what}: the cluster says: {reason}")]
    Refused {
        /// What was asked of it.
        what: String,
        /// Its answer, on one line.
        reason: String,
    },
    /// What a job runs cannot be changed.
    #[error(
        "{0} runs with another job file, image or resources, which cannot be changed while it does; `fratmae launch stop` \
         ends it, and `fratmae launch` then resumes it with the new ones"
    )]
    Running(String),
    /// More or fewer workers than the run takes.
    #[error("{workers} workers are not from workers.min to workers.count, here {least} to {most}")]
    Workers {
        /// What was asked for.
        workers: usize,
        /// The least.
        least: usize,
        /// The most.
        most: usize,
    },
    /// A `JobSet` has the size that it was made with.
    #[error(
        "launch.kubernetes.jobset = true fixes the number of workers; stop the run and launch it with another one"
    )]
    FixedSize,
    /// The doctor's pod has not ended.
    #[error("the doctor's pod has not ended within {seconds} s: {reason}")]
    NoReport {
        /// How long it was waited for.
        seconds: u64,
        /// What the cluster says of it.
        reason: String,
    },
    /// Keys cannot be made.
    #[error(transparent)]
    Keys(#[from] fratmae_trust::TrustError),
    /// It is still there.
    #[error(
        "{what} has not ended within {seconds} s; `fratmae launch reap` removes it without waiting"
    )]
    Lingers {
        /// The job.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
}

/// How long a connection, and an answer, may take.
const CONNECTS: Duration = Duration::from_secs(10);
const ANSWERS: Duration = Duration::from_secs(30);

/// One namespace of a cluster.
pub(super) struct Cluster {
    client: Client,
    namespace: String,
}

/// What becomes of what an object has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// It is removed after the object.
    After,
    /// The object is there until it is removed.
    Before,
}

impl Cluster {
    /// The cluster of this user, as `kubectl` finds it, or the one that this process runs in; without a name, the namespace
    /// that `kubectl` takes.
    pub(super) async fn of_user(namespace: Option<&str>) -> Result<Self, KubernetesError> {
        let unreadable = |error: &dyn std::error::Error| KubernetesError::NoCluster(line(error));
        let config = Config::infer().await.map_err(|error| unreadable(&error))?;
        Self::of(config, namespace).map_err(|error| unreadable(&error))
    }

    pub(super) fn of(mut config: Config, namespace: Option<&str>) -> Result<Self, kube::Error> {
        config.connect_timeout = Some(CONNECTS);
        config.read_timeout = Some(ANSWERS);
        let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
        let client = Client::try_from(config)?;
        Ok(Self { client, namespace })
    }

    fn api(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, resource)
    }

    /// Makes an object what it is described to be, or asks whether that would be allowed. Fields that others have set and
    /// that the description has too become ours.
    pub(super) async fn apply(
        &self,
        object: &Value,
        manager: &str,
        is_rehearsal: bool,
    ) -> Result<(), KubernetesError> {
        let (kind, name) = (resource(object), name(object));
        let mut parameters = PatchParams::apply(manager).force();
        parameters.dry_run = is_rehearsal;
        let (applied, patch) = (self.api(&kind), Patch::Apply(object));
        let applied = applied.patch(&name, &parameters, &patch);
        applied.await.map(drop).map_err(|error| match &error {
            kube::Error::Api(status)
                if status.code == 422 && status.message.contains("immutable") =>
            {
                KubernetesError::Running(name.clone())
            }
            error => refused(&format!("{} {name}", kind.kind), error),
        })
    }

    /// An object as it is there, if it is.
    pub(super) async fn find(
        &self,
        kind: &ApiResource,
        name: &str,
    ) -> Result<Option<Value>, KubernetesError> {
        let found = self.api(kind).get_opt(name).await;
        let found = found.map_err(|error| refused(&format!("{} {name}", kind.kind), &error))?;
        Ok(found.map(|object| value(&object)))
    }

    /// The objects of a kind that have these labels; none where the cluster does not know the kind.
    pub(super) async fn list(
        &self,
        kind: &ApiResource,
        labels: &str,
    ) -> Result<Vec<Value>, KubernetesError> {
        let found = self
            .api(kind)
            .list(&ListParams::default().labels(labels))
            .await;
        match found {
            Ok(found) => Ok(found.items.iter().map(value).collect()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            Err(error) => Err(refused(&format!("list of {}", kind.plural), &error)),
        }
    }

    /// Removes an object, if it is there.
    pub(super) async fn remove(
        &self,
        kind: &ApiResource,
        name: &str,
        removal: Removal,
    ) -> Result<(), KubernetesError> {
        let parameters = match removal {
            Removal::After => DeleteParams::background(),
            Removal::Before => DeleteParams::foreground(),
        };
        match self.api(kind).delete(name, &parameters).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(refused(&format!("removal of {} {name}", kind.kind), &error)),
        }
    }

    /// The last lines that a pod wrote.
    pub(super) async fn logs(&self, pod: &str, lines: i64) -> Result<String, KubernetesError> {
        let path = format!("/api/v1/namespaces/{}/pods", self.namespace);
        let parameters = LogParams {
            tail_lines: Some(lines),
            ..LogParams::default()
        };
        let what = format!("log of {pod}");
        let request = kube::core::Request::new(path).logs(pod, &parameters);
        let request = request.map_err(|error| KubernetesError::Refused {
            what: what.clone(),
            reason: line(&error),
        })?;
        let text = self.client.request_text(request).await;
        text.map_err(|error| refused(&what, &error))
    }
}

/// How the API calls the kind of an object.
pub(super) fn resource(object: &Value) -> ApiResource {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    kind(text("apiVersion"), text("kind"))
}

/// How the API calls a kind.
pub(super) fn kind(api_version: &str, kind: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

fn value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

fn refused(what: &str, error: &kube::Error) -> KubernetesError {
    let reason = match error {
        kube::Error::Api(status) if !status.message.is_empty() => one_line(&status.message),
        error => line(error),
    };
    KubernetesError::Refused {
        what: what.to_owned(),
        reason,
    }
}

/// An error with its causes, on one line.
fn line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    one_line(&text)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
