//! A folder of exported weights on a disk: what is in it, written and read. Names and layouts are the `model` crate's.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use fratmae_model::{FratMae, Parameter};
use fratmae_model::{ModelConfig, TensorFile, export, import};

/// The weights.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// The network's config.
pub(crate) const CONFIG: &str = "config.json";

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
    write(&folder.join(WEIGHTS), &bytes)?;
    let text = format!("{:#}\n", serde_json::to_value(config)?);
    write(&folder.join(CONFIG), text.as_bytes())
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

/// Writes beside the file and renames, so that nobody finds half of it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    fs::write(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
