//! The flat view of the parameters that optimizer, reduction, checkpoint and digest share. It owns order, names and kinds.

use std::ops::Range;
use std::sync::Arc;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{AllocationProperty, Bytes, DType, Device, Shape, Tensor, TensorData};

use crate::context_align::ContextAlign;
use crate::error::ModelError;
use crate::fratmae::FratMae;
use crate::vector::DeviceVector;

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
    pub fn to_flat(&self) -> Vec<f32> {
        match &self.loaded {
            Some(loaded) => AsRef::<[f32]>::as_ref(loaded).to_vec(),
            None => vec![0.0; self.n_numbers()],
        }
    }

    /// Replaces all parameters by those of one vector, each copied once.
    ///
    /// # Errors
    ///
    /// [`ModelError::FlatLength`] when the vector belongs to another config.
    pub fn with_flat(mut self, flat: &[f32]) -> Result<Self, ModelError> {
        self.load(flat.to_vec())?;
        self.context_align.iter_mut().for_each(ContextAlign::forget);
        Ok(self)
    }

    /// Replaces all parameters by those of one vector.
    ///
    /// On the CPU they lie in it, and nothing is copied; another device has a copy of its own beside it.
    /// Frozen parameters must be as they were: the embeddings of a frozen text encoder are kept.
    ///
    /// # Errors
    ///
    /// [`ModelError::FlatLength`] when the vector belongs to another config.
    pub fn load(&mut self, flat: Vec<f32>) -> Result<(), ModelError> {
        self.require_length(flat.len())?;
        self.set(flat);
        Ok(())
    }

    /// Replaces all parameters by those of a vector that is on the model's device already.
    ///
    /// # Errors
    ///
    /// [`ModelError::FlatLength`] when the vector belongs to another config.
    pub fn load_on_device(&mut self, flat: &DeviceVector) -> Result<(), ModelError> {
        self.require_length(flat.len())?;
        self.replace(flat.tensor());
        self.loaded = None;
        Ok(())
    }

    /// The same as [`Self::load`] with a vector known to be as long as the model.
    pub(crate) fn set(&mut self, flat: Vec<f32>) {
        let loaded = HostVector::new(flat);
        self.replace(loaded.on(&self.device.clone().inner()));
        self.loaded = Some(loaded);
    }

    fn replace(&mut self, flat: Tensor<1>) {
        let layout = Arc::clone(&self.layout);
        let mut replace = Replace {
            layout: layout.iter(),
            flat,
            device: self.device.clone(),
        };
        *self = self.clone().map(&mut replace);
    }

    fn require_length(&self, found: usize) -> Result<(), ModelError> {
        let expected = self.n_numbers();
        if found == expected {
            return Ok(());
        }
        Err(ModelError::FlatLength { found, expected })
    }

    /// Takes the loaded vector out, and leaves the model without parameters until the next [`Self::load`].
    ///
    /// Nothing is copied if no clone of the model and no graph of a slot shares them.
    ///
    /// # Errors
    ///
    /// [`ModelError::NothingLoaded`] when none is loaded.
    pub fn unload(&mut self) -> Result<Vec<f32>, ModelError> {
        let loaded = self.loaded.take().ok_or(ModelError::NothingLoaded)?;
        let mut clear = Clear(self.device.clone());
        *self = self.clone().map(&mut clear);
        let data = loaded.0.into_data();
        data.try_into_vec().map_err(ModelError::device)
    }

    /// The loaded vector, for another thread to read.
    ///
    /// It must be gone before [`Self::unload`], which else has to copy.
    ///
    /// # Errors
    ///
    /// [`ModelError::NothingLoaded`] when none is loaded.
    pub fn share(&self) -> Result<Box<dyn AsRef<[f32]> + Send>, ModelError> {
        let loaded = self.loaded.clone().ok_or(ModelError::NothingLoaded)?;
        Ok(Box::new(loaded))
    }

    fn n_numbers(&self) -> usize {
        self.layout.iter().map(Parameter::len).sum()
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

/// The flat vector in this machine's memory; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct HostVector(pub(crate) FlexTensor);

impl HostVector {
    pub(crate) fn new(flat: Vec<f32>) -> Self {
        let length = flat.len();
        Self(FlexTensor::from_data(TensorData::new(flat, [length])))
    }

    /// The vector as a tensor of a device: itself on the CPU, else a copy, which travels in one piece.
    pub(crate) fn on(&self, device: &Device) -> Tensor<1> {
        let on_cpu = Tensor::from_primitive::<Flex>(self.0.clone());
        if on_cpu.device() == *device {
            return on_cpu;
        }
        self.copied_to(device)
    }

    fn copied_to(&self, device: &Device) -> Tensor<1> {
        let numbers: &[f32] = self.as_ref();
        let shape = [numbers.len()];
        let bytes = bytes::Bytes::from_owner(self.clone());
        let bytes = Bytes::from_shared(bytes, AllocationProperty::Native);
        let mut data = TensorData::from_bytes(bytes, shape, DType::F32);
        device.staging(std::iter::once(&mut data));
        Tensor::from_data(data, device)
    }
}

impl AsRef<[f32]> for HostVector {
    fn as_ref(&self) -> &[f32] {
        self.0.storage()
    }
}

impl AsRef<[u8]> for HostVector {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

struct Replace<'a> {
    layout: std::slice::Iter<'a, Parameter>,
    flat: Tensor<1>,
    device: Device,
}

impl ModuleMapper for Replace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(parameter) = self.layout.next() else {
            return param;
        };
        let value = self.flat.clone();
        let value = value.narrow(0, parameter.offset, parameter.len());
        let value = value.reshape(Shape::from(parameter.shape.clone()));
        let value = if self.device.is_autodiff() {
            Tensor::from_inner(value).set_require_grad(parameter.learns())
        } else {
            value
        };
        Param::initialized(param.id, value)
    }
}

/// Replaces every parameter by an empty tensor.
struct Clear(Device);

impl ModuleMapper for Clear {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        Param::initialized(param.id, Tensor::zeros([0; D], &self.0))
    }
}

#[cfg(test)]
mod tests;
