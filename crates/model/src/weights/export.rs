//! A whole model as a file of torch's tensors, and back. It owns which tensors such a file has; it fits all or nothing.

use super::error::{Faults, WeightsError};
use super::file::{FileTensor, TensorFile, TensorValues};
use super::torch::{from_torch, to_torch, torch_shape};
use crate::ModelConfig;
use crate::flat::Parameter;
use crate::patchify::PatchGrid;

/// The note that tells the grid of patches, so that another grid can take over the positions.
pub(super) const GRID_NOTE: &str = "grid";

/// Lays out the flat vector as named tensors in torch's layouts.
///
/// Encoders that share their weights are written twice, under both names, so that no reader needs to know.
pub fn export(parameters: &[Parameter], flat: &[f32], config: &ModelConfig) -> TensorFile {
    let mut file = TensorFile {
        name: "model.safetensors".to_owned(),
        ..TensorFile::default()
    };
    let [d, h, w] = PatchGrid::new(config).counts();
    file.notes
        .insert(GRID_NOTE.to_owned(), format!("{d}x{h}x{w}"));
    for parameter in parameters {
        let own = &flat[parameter.offset..][..parameter.len()];
        let shape = torch_shape(parameter, config);
        let tensor = FileTensor::float(shape, to_torch(parameter, own));
        if let Some(twin) = twin_name(&parameter.name, config) {
            file.tensors.insert(twin, tensor.clone());
        }
        file.tensors.insert(parameter.name.clone(), tensor);
    }
    file
}

/// The second name of a parameter that serves both modalities.
fn twin_name(name: &str, config: &ModelConfig) -> Option<String> {
    let part = name.strip_prefix("pet_encoder.")?;
    config.shared_encoders.then(|| format!("ct_encoder.{part}"))
}

/// Reads an exported file into a flat vector.
///
/// # Errors
///
/// [`WeightsError::Mismatch`] lists what is missing, unknown or of another shape.
pub fn import(
    file: &TensorFile,
    parameters: &[Parameter],
    config: &ModelConfig,
) -> Result<Vec<f32>, WeightsError> {
    let mut flat = vec![0.0; parameters.iter().map(Parameter::len).sum()];
    let mut faults = Faults::default();
    for parameter in parameters {
        let place = &mut flat[parameter.offset..][..parameter.len()];
        take(file, parameter, config, place, &mut faults);
    }
    let known = |name: &String| {
        let is = |own: &String| own == name;
        parameters
            .iter()
            .any(|p| is(&p.name) || twin_name(&p.name, config).as_ref().is_some_and(is))
    };
    let unknown = file.tensors.keys().filter(|name| !known(name));
    faults.unknown.extend(unknown.cloned());
    faults.refuse(&file.name)?;
    Ok(flat)
}

fn take(
    file: &TensorFile,
    parameter: &Parameter,
    config: &ModelConfig,
    place: &mut [f32],
    faults: &mut Faults,
) {
    let expected = torch_shape(parameter, config);
    match file.tensors.get(&parameter.name) {
        Some(FileTensor {
            shape,
            values: TensorValues::Float(values),
        }) if *shape == expected || is_single(shape, &expected) => {
            place.copy_from_slice(&from_torch(parameter, values));
        }
        Some(tensor) => faults.misshapen(&parameter.name, &tensor.shape, &expected),
        None => faults.missing.push(parameter.name.clone()),
    }
}

/// One number, whether it is written as a scalar or as a list of one.
fn is_single(shape: &[usize], expected: &[usize]) -> bool {
    expected.is_empty() && *shape == [1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FratMae;
    use crate::tests::tiny;

    fn exported() -> (FratMae, Vec<f32>, TensorFile) {
        let model = FratMae::new(&tiny::config(), 5, &tiny::device());
        let flat = model.to_flat();
        let file = export(&model.parameters(), &flat, &tiny::config());
        (model, flat, file)
    }

    #[test]
    fn what_is_exported_is_imported_to_the_bit() {
        let (model, flat, file) = exported();
        let bytes = file.to_bytes().unwrap();
        let read = TensorFile::read("f", &bytes).unwrap();
        let back = import(&read, &model.parameters(), &tiny::config()).unwrap();
        assert_eq!(back, flat);
        assert_eq!(read.notes["grid"], "2x2x3");
    }

    #[test]
    fn a_file_that_does_not_fit_is_refused_with_every_name() {
        let (model, _, mut file) = exported();
        file.tensors.remove("logit_scale");
        let stray = FileTensor::float([1], vec![0.0]);
        file.tensors.insert("stray".to_owned(), stray.clone());
        file.tensors
            .insert("pet_projection.weight".to_owned(), stray);
        let line = import(&file, &model.parameters(), &tiny::config())
            .unwrap_err()
            .to_string();
        for part in [
            "1 missing (logit_scale)",
            "1 unknown (stray)",
            "pet_projection.weight is [1] and not [8, 12]",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }

    #[test]
    fn a_temperature_in_a_list_of_one_is_taken_too() {
        let (model, flat, mut file) = exported();
        let single = FileTensor::float([1], vec![2.0]);
        file.tensors.insert("logit_scale".to_owned(), single);
        let back = import(&file, &model.parameters(), &tiny::config()).unwrap();
        assert_eq!(back.iter().zip(&flat).filter(|(a, b)| a != b).count(), 1);
    }
}
