//! First values out of another network's file: a 2-D or 3-D ViT by timm's and MAE's names, or an earlier export.
//! It loads what fits, resizes what can be resized, and reports every name.

use std::collections::BTreeSet;

use super::adapt::{Positions, kernel};
use super::error::{Faults, WeightsError, shown};
use super::export::GRID_NOTE;
use super::file::TensorFile;
use super::torch::{from_torch, torch_shape};
use crate::ModelConfig;
use crate::flat::Parameter;
use crate::patchify::PatchGrid;

/// What was loaded of the file, and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InitReport {
    /// Parameters taken as they are.
    pub taken: Vec<String>,
    /// Parameters whose tensor was inflated or interpolated.
    pub adapted: Vec<String>,
    /// Parameters that keep their first values: the file has no such tensor.
    pub absent: Vec<String>,
    /// Parameters that keep their first values: the file's tensor has another shape, which is reported.
    pub misshapen: Vec<String>,
    /// Tensors of the file that were not used.
    pub unused: Vec<String>,
}

impl InitReport {
    /// The report as text, one line per kind.
    pub fn lines(&self) -> Vec<String> {
        let lists = [
            ("loaded", &self.taken),
            ("loaded and resized", &self.adapted),
            ("not in the file, initial values kept", &self.absent),
            (
                "of another shape in the file, initial values kept",
                &self.misshapen,
            ),
        ];
        let parameters = lists
            .into_iter()
            .map(|(what, names)| ("parameters", what, names));
        parameters
            .chain([("tensors of the file", "not used", &self.unused)])
            .filter(|(_, _, names)| !names.is_empty())
            .map(|(of, what, names)| format!("{} {of} {what}: {}", names.len(), shown(names)))
            .collect()
    }
}

/// Puts what a file has for this model into the flat vector.
///
/// A ViT by timm's or MAE's names, under any one prefix, goes into both encoders. Its class token takes over its
/// position, since positions here have none for it.
///
/// # Errors
///
/// [`WeightsError::NothingFits`] when no tensor of the file could be used.
pub fn init_from(
    file: &TensorFile,
    parameters: &[Parameter],
    config: &ModelConfig,
    flat: &mut [f32],
) -> Result<InitReport, WeightsError> {
    let source = Source {
        file,
        vit_prefix: vit_prefix(file),
        config,
        grid: PatchGrid::new(config).counts(),
    };
    let mut report = InitReport::default();
    let mut used = BTreeSet::new();
    for parameter in parameters {
        let place = &mut flat[parameter.offset..][..parameter.len()];
        let name = parameter.name.clone();
        match source.find(parameter) {
            Find::Absent => report.absent.push(name),
            Find::Misshapen(found) => {
                let expected = torch_shape(parameter, config);
                report
                    .misshapen
                    .push(format!("{name} is {found:?} and not {expected:?}"));
            }
            Find::Fits { from, values, how } => {
                place.copy_from_slice(&from_torch(parameter, &values));
                used.insert(from);
                match how {
                    None => report.taken.push(name),
                    Some(how) => report.adapted.push(format!("{name} {how}")),
                }
            }
        }
    }
    let unused = file.tensors.keys().filter(|name| !used.contains(*name));
    report.unused = unused.cloned().collect();
    refuse_nothing(file, parameters, report)
}

/// A lone number such as the temperature fits every model, so it makes no file fit.
fn refuse_nothing(
    file: &TensorFile,
    parameters: &[Parameter],
    report: InitReport,
) -> Result<InitReport, WeightsError> {
    let is_lone = |name: &String| {
        let mut named = parameters.iter().filter(|one| one.name == *name);
        named.any(|one| one.len() == 1)
    };
    if !(report.taken.iter().all(is_lone) && report.adapted.is_empty()) {
        return Ok(report);
    }
    let faults = Faults {
        unknown: report.unused,
        misshapen: report.misshapen,
        ..Faults::default()
    };
    Err(WeightsError::NothingFits {
        file: file.name.clone(),
        faults: faults.line(),
    })
}

/// The prefix under which a ViT lies in the file; none for one of our own exports.
fn vit_prefix(file: &TensorFile) -> Option<String> {
    let mut prefixes = file
        .tensors
        .keys()
        .filter_map(|name| name.strip_suffix("patch_embed.proj.weight"));
    let first = prefixes.next()?;
    let is_ours = first == "ct_encoder." || first == "pet_encoder.";
    (!is_ours).then(|| first.to_owned())
}

struct Source<'a> {
    file: &'a TensorFile,
    vit_prefix: Option<String>,
    config: &'a ModelConfig,
    grid: [usize; 3],
}

enum Find {
    Absent,
    Misshapen(Vec<usize>),
    Fits {
        from: String,
        values: Vec<f32>,
        /// What was done to them, if anything.
        how: Option<String>,
    },
}

impl Source<'_> {
    fn find(&self, parameter: &Parameter) -> Find {
        let Some(from) = self.name_of(&parameter.name) else {
            return Find::Absent;
        };
        let Ok((shape, values)) = self.file.floats(&from) else {
            return Find::Absent;
        };
        let last = parameter.name.rsplit('.').next();
        let (values, how) = match last {
            Some("pos_embed") => self.positions(shape, values, parameter),
            Some("cls_token") => self.class_token(&from, shape, values, parameter),
            _ if from.ends_with("patch_embed.proj.weight") => self.kernel(shape, values, parameter),
            _ if shape == torch_shape(parameter, self.config) => (Some(values.to_vec()), None),
            _ => (None, None),
        };
        match values.filter(|values| values.len() == parameter.len()) {
            Some(values) => Find::Fits { from, values, how },
            None => Find::Misshapen(shape.to_vec()),
        }
    }

    /// The file's name for one of our parameters, if it has it.
    fn name_of(&self, ours: &str) -> Option<String> {
        let has = |name: &String| self.file.tensors.contains_key(name);
        let Some(prefix) = &self.vit_prefix else {
            return Some(ours.to_owned()).filter(has);
        };
        let part = ours.strip_prefix("pet_encoder.");
        let part = part.or_else(|| ours.strip_prefix("ct_encoder."))?;
        Some(format!("{prefix}{part}")).filter(has)
    }

    fn kernel(&self, shape: &[usize], values: &[f32], parameter: &Parameter) -> Adapted {
        let expected = torch_shape(parameter, self.config);
        if shape.first() != expected.first() {
            return (None, None);
        }
        let how = (shape != expected).then(|| format!("inflated from {shape:?}"));
        (kernel(shape, values, self.config.patch), how)
    }

    fn positions(&self, shape: &[usize], values: &[f32], parameter: &Parameter) -> Adapted {
        let read = self.read_positions(shape, values);
        let fits = read.filter(|_| shape.last() == parameter.shape.last());
        let how = shape != parameter.shape;
        (
            fits.map(|table| table.on(self.grid)),
            how.then(|| format!("interpolated from {shape:?}")),
        )
    }

    fn read_positions<'a>(&self, shape: &[usize], values: &'a [f32]) -> Option<Positions<'a>> {
        let recorded = self.file.notes.get(GRID_NOTE).and_then(|note| grid(note));
        Positions::read(shape, values, recorded, self.grid)
    }

    fn class_token(
        &self,
        from: &str,
        shape: &[usize],
        values: &[f32],
        parameter: &Parameter,
    ) -> Adapted {
        if shape != parameter.shape {
            return (None, None);
        }
        let table = self
            .file
            .floats(&from.replace("cls_token", "pos_embed"))
            .ok();
        let table = table.and_then(|(shape, values)| self.read_positions(shape, values));
        let own = table.and_then(|table| table.class.map(<[f32]>::to_vec));
        match own.filter(|own| own.len() == values.len() && own.iter().any(|x| *x != 0.0)) {
            None => (Some(values.to_vec()), None),
            Some(own) => (
                Some(values.iter().zip(own).map(|(a, b)| a + b).collect()),
                Some("with its position added".to_owned()),
            ),
        }
    }
}

/// Torch's numbers if they can be made to fit, and what was done to them.
type Adapted = (Option<Vec<f32>>, Option<String>);

/// Reads `2x10x12`.
fn grid(note: &str) -> Option<[usize; 3]> {
    let sides: Option<Vec<usize>> = note.split('x').map(|side| side.parse().ok()).collect();
    sides?.try_into().ok()
}

#[cfg(test)]
mod tests;
