//! A run on Kubernetes: its objects, and what a cluster says of them.
//!
//! The objects are made by pure functions, as one list from which the manifest, the chart and the Kustomize base follow.
//! Nothing outside of a namespace is needed, and no operator of ours.

mod chart;
mod cluster;
mod doctor;
mod kustomize;
mod objects;
mod operate;
mod pods;
mod readings;
mod slots;
#[cfg(test)]
mod tests;
mod yaml;

use crate::{RenderedFile, Spec};
use serde_json::Value;
use slots::Slots;
use yaml::Strings;

pub use cluster::KubernetesError;
pub use doctor::{Checkup, doctor};
pub use operate::{list, logs, members, reap, resize, stop, submit};

/// The form in which a run's objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One manifest, as `kubectl apply -f` takes it.
    Manifest,
    /// A Helm chart.
    Helm,
    /// A base for Kustomize.
    Kustomize,
}

/// The manifest of a run: what `launch` applies.
#[must_use]
pub fn render(spec: &Spec) -> Vec<RenderedFile> {
    render_as(spec, Form::Manifest)
}

/// The objects of a run in one of the forms. All describe the same objects.
#[must_use]
pub fn render_as(spec: &Spec, form: Form) -> Vec<RenderedFile> {
    match form {
        Form::Manifest => vec![file(&format!("{}.yaml", spec.name), manifest(spec))],
        Form::Helm => chart::files(spec),
        Form::Kustomize => kustomize::files(spec),
    }
}

/// The objects as they are sent to a cluster.
fn described(spec: &Spec) -> Vec<Value> {
    objects::objects(spec, &Slots::of(spec))
}

fn manifest(spec: &Spec) -> String {
    yaml::documents(&described(spec), Strings::Literal)
}

fn file(name: &str, text: String) -> RenderedFile {
    RenderedFile {
        name: name.to_owned(),
        text,
    }
}
