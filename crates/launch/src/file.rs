//! A file as a place gets it.

use serde::Serialize;

/// A script or a manifest, which `launch plan` prints and `launch` submits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenderedFile {
    /// Its name; in a chart, with the folder that it is in there.
    pub name: String,
    /// Its whole text.
    pub text: String,
}
