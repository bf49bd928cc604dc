//! The two layers that everything is made of, with torch's parameter names. It owns their shapes, not their first values.

use burn::module::{Module, Param};
use burn::tensor::module::layer_norm;
use burn::tensor::{Device, Tensor};
use fratmae_config::Precision;

use crate::fused::{Input, LayerNormOp, LinearOp, apply, input};
use crate::precision::mixed_linear;

/// LayerNorm's epsilon in MAE, SelfMedMAE and this model.
pub(crate) const VIT_EPSILON: f64 = 1e-6;

/// A linear layer over the last axis.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    /// `[in, out]`; torch keeps `[out, in]`, and export transposes.
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Option<Param<Tensor<1>>>,
    /// The precision of its product, or of the products of the attention that it belongs to.
    #[module(skip)]
    pub(crate) precision: Precision,
}

impl Linear {
    pub(crate) fn new(n_in: usize, n_out: usize, device: &Device) -> Self {
        Self {
            bias: Some(zeros([n_out], device)),
            ..Self::without_bias(n_in, n_out, device)
        }
    }

    pub(crate) fn without_bias(n_in: usize, n_out: usize, device: &Device) -> Self {
        Self {
            weight: zeros([n_in, n_out], device),
            bias: None,
            precision: Precision::F32,
        }
    }

    /// # Shapes
    ///
    /// `[.., in]` -> `[.., out]`
    pub(crate) fn forward<const D: usize>(&self, rows: Tensor<D>) -> Tensor<D> {
        match (input(&rows), self.inputs()) {
            (Some(rows), Some([weight, bias])) => apply(LinearOp, [rows, weight, bias]),
            _ => self.reference(rows),
        }
    }

    /// The same in burn's own operations.
    pub(crate) fn reference<const D: usize>(&self, rows: Tensor<D>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(Param::val);
        mixed_linear(rows, self.weight.val(), bias, self.precision)
    }

    /// Weight and bias for a fused operation, if there are both, on the CPU; these compute in f32 only.
    pub(crate) fn inputs(&self) -> Option<[Input; 2]> {
        let bias = self.bias.as_ref()?;
        if self.precision != Precision::F32 {
            return None;
        }
        Some([input(&self.weight.val())?, input(&bias.val())?])
    }
}

/// Layer normalisation over the last axis.
#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    pub(crate) weight: Param<Tensor<1>>,
    pub(crate) bias: Param<Tensor<1>>,
    epsilon: f64,
}

impl LayerNorm {
    pub(crate) fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            weight: zeros([width], device),
            bias: zeros([width], device),
            epsilon,
        }
    }

    /// # Shapes
    ///
    /// `[.., width]` -> `[.., width]`
    pub(crate) fn forward<const D: usize>(&self, rows: Tensor<D>) -> Tensor<D> {
        match (input(&rows), self.inputs()) {
            (Some(rows), Some([weight, bias])) => {
                let epsilon = self.epsilon();
                apply(LayerNormOp { epsilon }, [rows, weight, bias])
            }
            _ => self.reference(rows),
        }
    }

    /// The same in burn's own operations.
    pub(crate) fn reference<const D: usize>(&self, rows: Tensor<D>) -> Tensor<D> {
        let bias = Some(self.bias.val());
        layer_norm(rows, self.weight.val(), bias, self.epsilon)
    }

    /// Weight and bias for a fused operation, if they are on the CPU.
    pub(crate) fn inputs(&self) -> Option<[Input; 2]> {
        Some([input(&self.weight.val())?, input(&self.bias.val())?])
    }

    /// What keeps a row of equal numbers finite.
    pub(crate) fn epsilon(&self) -> f32 {
        self.epsilon as f32
    }
}

/// A parameter of zeros, which are one number in memory; the first values come from [`crate::init`] by name.
pub(crate) fn zeros<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::<D>::zeros([1; D], device).expand(shape))
}
