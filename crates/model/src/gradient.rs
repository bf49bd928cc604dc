//! The backward pass of a slot, into one flat vector. It owns where each parameter's gradient goes, not the gradients' formulas.

use burn::backend::{Autodiff, Flex};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Gradients, Tensor, Transaction};

use crate::error::ModelError;
use crate::flat::Parameter;
use crate::fratmae::FratMae;
use crate::fused::{Sink, catch};
use crate::kernels::threads;
use crate::slot::SlotForward;
use crate::vector::DeviceVector;

impl FratMae {
    /// Runs the backward pass of a slot from its weighted reconstruction and, if given, from the global contrastive loss's gradients at
    /// its own PET and text embeddings.
    ///
    /// The result holds the gradient of every parameter that learns, in the layout's order, each at
    /// [`Parameter::gradient`]; what took no part in the loss has zeros. The memory of `spare` is used for it if it is
    /// as long; its numbers mean nothing. On the CPU there is no other copy of the gradients at any time.
    ///
    /// # Shapes
    ///
    /// both embedding gradients `[B, embedding]`, row-major
    ///
    /// # Errors
    ///
    /// [`ModelError::Length`] when a gradient is not as long as its embedding, [`ModelError::DeviceFailed`] when the
    /// model lies on a device without gradients or the device does not give them back.
    pub fn backward(
        &self,
        forward: SlotForward,
        weight: f32,
        embedding_gradients: Option<(&[f32], &[f32])>,
        spare: Vec<f32>,
    ) -> Result<Vec<f32>, ModelError> {
        threads::inside(|| self.backward_here(forward, weight, embedding_gradients, spare))
    }

    /// As [`Self::backward`], with the gradient where the model is: on a GPU nothing passes through this machine's memory.
    ///
    /// # Errors
    ///
    /// As [`Self::backward`].
    pub fn backward_on_device(
        &self,
        forward: SlotForward,
        weight: f32,
        embedding_gradients: Option<(&[f32], &[f32])>,
    ) -> Result<DeviceVector, ModelError> {
        if self.device.clone().inner() == Device::flex() {
            let gradient = self.backward(forward, weight, embedding_gradients, Vec::new())?;
            return Ok(DeviceVector::new(gradient, &self.device));
        }
        let total = forward.total(weight, embedding_gradients)?;
        drop(forward);
        let mut all = All {
            layout: self.layout.iter(),
            gradients: total.backward(),
            pieces: Vec::new(),
        };
        self.visit(&mut all);
        Ok(DeviceVector::of_pieces(all.pieces))
    }

    fn backward_here(
        &self,
        forward: SlotForward,
        weight: f32,
        embedding_gradients: Option<(&[f32], &[f32])>,
        spare: Vec<f32>,
    ) -> Result<Vec<f32>, ModelError> {
        let total = forward.total(weight, embedding_gradients)?;
        drop(forward);
        let layout = &self.layout;
        let length = layout
            .iter()
            .map(|parameter| parameter.gradient.len())
            .sum();
        let flat = if spare.len() == length {
            spare
        } else {
            vec![0.0; length]
        };
        let mut places = Places {
            layout: layout.iter(),
            sink: Sink::new(flat),
        };
        self.visit(&mut places);
        let (gradients, sink) = catch(places.sink, || total.backward());
        let mut rest = Rest {
            layout: layout.iter(),
            gradients,
            pieces: Vec::new(),
            number: 0,
        };
        self.visit(&mut rest);
        Ok(rest.read(sink)?.finish())
    }
}

/// Tells the sink where each parameter's gradient goes.
struct Places<'a> {
    layout: std::slice::Iter<'a, Parameter>,
    sink: Sink,
}

impl ModuleVisitor for Places<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(place) = self.layout.next().filter(|place| place.learns()) else {
            return;
        };
        let on_cpu = param.val().try_into_primitive::<Autodiff<Flex>>();
        let node = on_cpu.ok().map(|tensor| tensor.id());
        self.sink.expect(node, place.gradient.clone());
    }
}

/// Collects the gradients that burn kept itself: those of parameters outside fused parts, or on another device.
struct Rest<'a> {
    layout: std::slice::Iter<'a, Parameter>,
    gradients: Gradients,
    /// Which parameter's, and its gradient.
    pieces: Vec<(usize, Tensor<1>)>,
    number: usize,
}

impl Rest<'_> {
    /// Reads them all at once, since every read waits for the device, and adds them to what was written.
    fn read(self, mut sink: Sink) -> Result<Sink, ModelError> {
        let (numbers, grads): (Vec<_>, Vec<_>) = self.pieces.into_iter().unzip();
        let transaction = grads
            .into_iter()
            .fold(Transaction::default(), |all, grad| all.register(grad));
        let read = transaction.try_execute().map_err(ModelError::device)?;
        for (number, grad) in numbers.into_iter().zip(read) {
            let grad = grad.try_cast_as::<f32>().map_err(ModelError::device)?;
            sink.add(number, grad.as_slice().map_err(ModelError::device)?);
        }
        Ok(sink)
    }
}

impl ModuleVisitor for Rest<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(place) = self.layout.next().filter(|place| place.learns()) else {
            return;
        };
        if let Some(gradient) = param.val().grad_remove(&mut self.gradients) {
            let gradient = gradient.reshape([place.len()]);
            self.pieces.push((self.number, gradient));
        }
        self.number += 1;
    }
}

/// Collects all gradients, in their order.
struct All<'a> {
    layout: std::slice::Iter<'a, Parameter>,
    gradients: Gradients,
    pieces: Vec<Tensor<1>>,
}

impl ModuleVisitor for All<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(place) = self.layout.next().filter(|place| place.learns()) else {
            return;
        };
        let gradient = param.val().grad_remove(&mut self.gradients);
        let gradient = gradient.unwrap_or_else(|| param.val().inner().zeros_like());
        self.pieces
            .push(gradient.cast(DType::F32).reshape([place.len()]));
    }
}
