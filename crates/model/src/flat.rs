//! The flat view of the parameters that optimizer, reduction, checkpoint and digest share. It owns order, names and kinds.

use std::ops::Range;
use std::sync::Arc;

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Autodiff, Flex};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Shape, Tensor, TensorData};

use crate::context_align::ContextAlign;
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
    /// Where its gradient lies in a gradient vector; empty when it never changes.
    pub gradient: Range<usize>,
    /// How the optimizer treats it.
    pub update: Update,
}

impl Parameter {
    /// How many numbers it has.
    #[expect(clippy::len_without_is_empty, reason = "no parameter is empty")]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it ever changes.
    pub fn learns(&self) -> bool {
        self.update != Update::Frozen
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
        self.layout.to_vec()
    }

    /// Copies all parameters into one vector.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give them back.
    pub fn to_flat(&self) -> Result<Vec<f32>, ModelError> {
        let mut values = Values {
            flat: Vec::with_capacity(self.n_numbers()),
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
    pub fn with_flat(mut self, flat: &[f32]) -> Result<Self, ModelError> {
        self.hold(flat.to_vec())?;
        self.context_align.iter_mut().for_each(ContextAlign::forget);
        Ok(self)
    }

    /// Replaces all parameters by those of one vector; on the CPU they lie in it, and nothing is copied.
    ///
    /// Frozen ones must be as they were: what a frozen text encoder has read is kept.
    ///
    /// # Errors
    ///
    /// [`ModelError::FlatLength`] when the vector belongs to another config.
    pub fn hold(&mut self, flat: Vec<f32>) -> Result<(), ModelError> {
        if flat.len() != self.n_numbers() {
            return Err(ModelError::FlatLength {
                found: flat.len(),
                expected: self.n_numbers(),
            });
        }
        self.set(flat);
        Ok(())
    }

    /// The same with a vector known to be as long as the model.
    pub(crate) fn set(&mut self, flat: Vec<f32>) {
        let layout = Arc::clone(&self.layout);
        let mut replace = Replace {
            layout: layout.iter(),
            flat: Flat::new(flat, &self.device),
            device: self.device.clone(),
        };
        *self = self.clone().map(&mut replace);
    }

    /// Gives the vector back that the parameters lie in, and leaves the model without any until the next [`Self::hold`].
    ///
    /// Nothing is copied on the CPU when no clone of the model and no slot on its way holds on to them.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give them back.
    pub fn release(&mut self) -> Result<Vec<f32>, ModelError> {
        let held = self.storage();
        let copied = match held {
            Some(_) => Vec::new(),
            None => self.to_flat()?,
        };
        let mut clear = Clear(self.device.clone());
        *self = self.clone().map(&mut clear);
        match held {
            Some(storage) => storage
                .into_data()
                .try_into_vec()
                .map_err(ModelError::device),
            None => Ok(copied),
        }
    }

    /// Whether parameters that it holds lie in memory that other threads can read.
    pub fn lends(&self) -> bool {
        is_shared(&self.device)
    }

    /// The vector that the parameters lie in, for another thread to read; none where the device has a copy of its own.
    ///
    /// It must be gone before [`Self::release`], which else has to copy.
    pub fn lend(&self) -> Option<Box<dyn AsRef<[f32]> + Send>> {
        Some(Box::new(View(self.storage()?)))
    }

    fn n_numbers(&self) -> usize {
        self.layout.iter().map(Parameter::len).sum()
    }

    /// The vector that all parameters lie in, if they do.
    fn storage(&self) -> Option<FlexTensor> {
        let first = self.pet_encoder.cls_token.val();
        let first = match first.clone().try_into_primitive::<Autodiff<Flex>>() {
            Ok(tensor) => tensor.into_primitive(),
            Err(_) => first.try_into_primitive::<Flex>().ok()?,
        };
        let whole = Layout::contiguous(Shape::new([self.n_numbers()]));
        let is_whole = first.bytes().len() == whole.num_elements() * size_of::<f32>();
        is_whole.then(|| first.with_layout(whole))
    }
}

/// Lays the parameters of a model out; its tensors say their shapes.
pub(crate) fn layout(model: &FratMae, text_learns: bool) -> Vec<Parameter> {
    let mut layout = Layouter {
        path: Path::default(),
        text_learns,
        parameters: Vec::new(),
        n_numbers: 0,
        n_learning: 0,
    };
    model.visit(&mut layout);
    layout.parameters
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

struct Layouter {
    path: Path,
    text_learns: bool,
    parameters: Vec<Parameter>,
    n_numbers: usize,
    n_learning: usize,
}

impl ModuleVisitor for Layouter {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.name();
        let update = update(&name, D, self.text_learns);
        let length = param.dims().iter().product::<usize>();
        let begin = self.n_learning;
        if update != Update::Frozen {
            self.n_learning += length;
        }
        self.parameters.push(Parameter {
            name,
            shape: param.dims().to_vec(),
            offset: self.n_numbers,
            gradient: begin..self.n_learning,
            update,
        });
        self.n_numbers += length;
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

fn append<const D: usize>(tensor: Tensor<D>, flat: &mut Vec<f32>) -> Result<(), ModelError> {
    let data = tensor
        .try_into_data_as::<f32>()
        .map_err(ModelError::device)?;
    flat.extend_from_slice(data.as_slice().map_err(ModelError::device)?);
    Ok(())
}

/// The flat vector, read only.
struct View(FlexTensor);

impl AsRef<[f32]> for View {
    fn as_ref(&self) -> &[f32] {
        self.0.storage()
    }
}

/// Whether tensors of the device can lie in a vector of ours.
fn is_shared(device: &Device) -> bool {
    let probe = Tensor::<1>::zeros([1], &device.clone().inner());
    probe.try_into_primitive::<Flex>().is_ok()
}

/// A flat vector where its device wants it.
enum Flat {
    /// Parameters are views of it.
    Shared(FlexTensor),
    /// Parameters are copied out of it.
    Copied(Vec<f32>),
}

impl Flat {
    fn new(flat: Vec<f32>, device: &Device) -> Self {
        if is_shared(device) {
            let length = flat.len();
            return Self::Shared(FlexTensor::from_data(TensorData::new(flat, [length])));
        }
        Self::Copied(flat)
    }

    /// One parameter, without a place in any graph.
    fn read<const D: usize>(&self, parameter: &Parameter, device: &Device) -> Tensor<D> {
        let shape = Shape::from(parameter.shape.clone());
        match self {
            Self::Shared(flat) => {
                let steps = Layout::contiguous(shape.clone()).strides().to_vec();
                let layout = Layout::new(shape, steps, parameter.offset);
                Tensor::from_primitive::<Flex>(flat.clone().with_layout(layout))
            }
            Self::Copied(flat) => {
                let values = flat[parameter.offset..][..parameter.len()].to_vec();
                Tensor::from_data(TensorData::new(values, shape), &device.clone().inner())
            }
        }
    }
}

struct Replace<'a> {
    layout: std::slice::Iter<'a, Parameter>,
    flat: Flat,
    device: Device,
}

impl ModuleMapper for Replace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(parameter) = self.layout.next() else {
            return param;
        };
        let value = self.flat.read(parameter, &self.device);
        let value = if self.device.is_autodiff() {
            Tensor::from_inner(value).set_require_grad(parameter.learns())
        } else {
            value
        };
        Param::initialized(param.id, value)
    }
}

/// Puts nothing in the place of every parameter.
struct Clear(Device);

impl ModuleMapper for Clear {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        Param::initialized(param.id, Tensor::zeros([0; D], &self.0))
    }
}

#[cfg(test)]
mod tests;
