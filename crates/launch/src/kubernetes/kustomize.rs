//! A base for Kustomize: the manifest, and the file that names it. What is changed is patched from an overlay.

use super::{file, manifest};
use crate::{RenderedFile, Spec};

/// The objects in the order of the manifest.
const KUSTOMIZATION: &str = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- run.yaml
sortOptions:
  order: fifo
";

pub(super) fn files(spec: &Spec) -> Vec<RenderedFile> {
    vec![
        file("kustomization.yaml", KUSTOMIZATION.to_owned()),
        file("run.yaml", manifest(spec)),
    ]
}
