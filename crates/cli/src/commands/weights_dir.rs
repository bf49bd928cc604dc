//! A folder of exported weights on a disk: what is in it, and writing it. Names and layouts are the `model` crate's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use fratmae_model::{ModelConfig, Parameter, export};

/// The weights.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// The network's config.
pub(crate) const CONFIG: &str = "config.json";

/// What an audit of the run proved; beside the weights, and in the run.
pub(crate) const PROVENANCE: &str = "provenance.json";

/// The model card.
pub(crate) const CARD: &str = "README.md";
/// What a model card begins with.
pub(crate) const CARD_TITLE: &str = "# FratMAE encoders for PET/CT";

/// Writes a model's config and weights to a folder, which is made if need be.
///
/// # Errors
/// What the system says of the folder.
pub(crate) fn write_folder(
    folder: &Path,
    config: &ModelConfig,
    parameters: &[Parameter],
    flat: &[f32],
) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let bytes = export(parameters, flat, config).to_bytes()?;
    // The config shows whose the folder is, so it comes first.
    let text = format!("{:#}\n", serde_json::to_value(config)?);
    write(&folder.join(CONFIG), text.as_bytes())?;
    write(&folder.join(WEIGHTS), &bytes)
}

/// Writes beside the file, under a name that nobody else has, and renames, so that nobody finds half of it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // As any new file: what the system lets others do with it is the user's choice.
    let permissions = Permissions::from_mode(0o666);
    let mut unfinished = tempfile::Builder::new();
    let unfinished = unfinished.prefix(".unfinished-").permissions(permissions);
    let written = unfinished.tempfile_in(folder).and_then(|file| {
        fs::write(file.path(), bytes)?;
        Ok(file.persist(path)?)
    });
    written
        .map(drop)
        .with_context(|| format!("cannot write {}", path.display()))
}
