//! The flat view of the parameters that optimizer, reduction, checkpoint and digest share. It owns order, names and kinds.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Gradients, Tensor, TensorData};

use crate::error::ModelError;
use crate::fratmae::FratMae;

/// One parameter's place in the flat vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in an exported file, such as `pet_encoder.blocks.0.attn.qkv.weight`.
    pub name: String,
    /// Its shape as it is stored here: a `Linear`'s weight is `[in, out]`, where torch has `[out, in]`.
    pub shape: Vec<usize>,
    /// Where its first number lies in the flat vector.
    pub offset: usize,
    /// How the optimizer treats it.
    pub update: Update,
}

impl Parameter {
    /// How many numbers it has.
    #[expect(clippy::len_without_is_empty, reason = "no parameter is empty")]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// How the optimizer treats a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// It learns and its weights decay.
    Decay,
    /// It learns without decay: biases, norms, class and mask tokens, positions, the temperature.
    NoDecay,
    /// It never changes, and no gradient is kept for it.
    Frozen,
}

impl FratMae {
    /// The layout of the flat vector; a function of the config alone.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut layout = Layout {
            path: Path::default(),
            text_learns: self.text_learns,
            parameters: Vec::new(),
            offset: 0,
        };
        self.visit(&mut layout);
        layout.parameters
    }

    /// Copies all parameters into one vector.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give them back.
    pub fn to_flat(&self) -> Result<Vec<f32>, ModelError> {
        let mut values = Values {
            flat: Vec::with_capacity(self.num_params()),
            failure: None,
        };
        self.visit(&mut values);
        values.failure.map_or(Ok(values.flat), Err)
    }

    /// Replaces all parameters by those of one vector, each copied once.
    ///
    /// # Errors
    ///
    /// [`ModelError::FlatLength`] when the vector belongs to another config.
    pub fn with_flat(self, flat: &[f32]) -> Result<Self, ModelError> {
        let expected = self.num_params();
        if flat.len() != expected {
            return Err(ModelError::FlatLength {
                found: flat.len(),
                expected,
            });
        }
        Ok(self.replaced_by(flat))
    }

    /// The same with a vector known to be as long as the model.
    pub(crate) fn replaced_by(self, flat: &[f32]) -> Self {
        let mut replace = Replace {
            path: Path::default(),
            text_learns: self.text_learns,
            rest: flat,
        };
        self.map(&mut replace)
    }

    /// Copies the gradients of all parameters into one vector; what took no part in the loss has zeros.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give them back.
    pub fn gradients(&self, gradients: &Gradients) -> Result<Vec<f32>, ModelError> {
        let mut slopes = Slopes {
            gradients,
            flat: Vec::with_capacity(self.num_params()),
            failure: None,
        };
        self.visit(&mut slopes);
        slopes.failure.map_or(Ok(slopes.flat), Err)
    }
}

/// The name of the parameter that a walk stands at.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn name(&self) -> String {
        // The paper's module groups what the contrastive loss needs; exported names do not have it.
        let parts = self.0.iter().filter(|part| *part != "context_align");
        parts.map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

fn update(name: &str, n_axes: usize, text_learns: bool) -> Update {
    let last = name.rsplit('.').next().unwrap_or(name);
    match last {
        "pos_embed" => Update::Frozen,
        _ if name.starts_with("text.") && !text_learns => Update::Frozen,
        "cls_token" | "mask_token" => Update::NoDecay,
        _ if name.ends_with("position_embedding.weight") => Update::NoDecay,
        // One axis: a bias, a norm's weight or the temperature.
        _ if n_axes == 1 => Update::NoDecay,
        _ => Update::Decay,
    }
}

struct Layout {
    path: Path,
    text_learns: bool,
    parameters: Vec<Parameter>,
    offset: usize,
}

impl ModuleVisitor for Layout {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.name();
        let parameter = Parameter {
            update: update(&name, D, self.text_learns),
            name,
            shape: param.dims().to_vec(),
            offset: self.offset,
        };
        self.offset += parameter.len();
        self.parameters.push(parameter);
    }
}

struct Values {
    flat: Vec<f32>,
    failure: Option<ModelError>,
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let read = append(param.val(), &mut self.flat);
        self.failure = self.failure.take().or(read.err());
    }
}

struct Slopes<'a> {
    gradients: &'a Gradients,
    flat: Vec<f32>,
    failure: Option<ModelError>,
}

impl ModuleVisitor for Slopes<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let parameter = param.val();
        match parameter.grad(self.gradients) {
            Some(gradient) => {
                let read = append(gradient, &mut self.flat);
                self.failure = self.failure.take().or(read.err());
            }
            None => {
                let n = parameter.dims().iter().product::<usize>();
                self.flat.resize(self.flat.len() + n, 0.0);
            }
        }
    }
}

fn append<const D: usize>(tensor: Tensor<D>, flat: &mut Vec<f32>) -> Result<(), ModelError> {
    let data = tensor
        .try_into_data_as::<f32>()
        .map_err(ModelError::device)?;
    flat.extend_from_slice(data.as_slice().map_err(ModelError::device)?);
    Ok(())
}

struct Replace<'a> {
    path: Path,
    text_learns: bool,
    rest: &'a [f32],
}

impl ModuleMapper for Replace<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id: ParamId = param.id;
        let old = param.val();
        let shape = old.dims();
        let (values, rest) = self.rest.split_at(shape.iter().product());
        self.rest = rest;
        let device = old.device();
        let learns = update(&self.path.name(), D, self.text_learns) != Update::Frozen;
        let data = TensorData::new(values.to_vec(), shape);
        let new = Tensor::from_data(data, &device);
        Param::initialized(id, new.set_require_grad(learns && device.is_autodiff()))
    }
}

#[cfg(test)]
mod tests;
