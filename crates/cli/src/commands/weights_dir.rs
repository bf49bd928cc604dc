//! A folder of exported weights on a disk: what is in it, written and read. Names and layouts are the `model` crate's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use fratmae_model::{FratMae, Parameter};
use fratmae_model::{ModelConfig, TensorFile, export, import};

/// The weights.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// The network's config.
pub(crate) const CONFIG: &str = "config.json";

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

/// Reads a folder that [`write_folder`] or another program wrote.
///
/// # Errors
/// A file is not there, is damaged, or they do not fit together.
pub(crate) fn read_folder(folder: &Path) -> Result<(ModelConfig, Vec<Parameter>, Vec<f32>)> {
    let place = folder.join(CONFIG);
    let text = read(&place)?;
    let config: ModelConfig =
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", place.display()))?;
    config
        .check()
        .with_context(|| format!("{} is no model's config", place.display()))?;
    let file = read_tensors(&folder.join(WEIGHTS))?;
    let parameters = FratMae::layout(&config);
    let flat = import(&file, &parameters, &config)?;
    Ok((config, parameters, flat))
}

/// Reads a file of tensors.
///
/// # Errors
/// It is not there or damaged.
pub(crate) fn read_tensors(path: &Path) -> Result<TensorFile> {
    Ok(TensorFile::read(&path.display().to_string(), &read(path)?)?)
}

/// Writes a file of tensors.
///
/// # Errors
/// What the system says of the file.
pub(crate) fn write_tensors(path: &Path, file: &TensorFile) -> Result<()> {
    write(path, &file.to_bytes()?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
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
