//! The two layers everything is made of, with torch's parameter names. It owns their shapes, not their first values.

use burn::module::{Module, Param};
use burn::tensor::module::{layer_norm, linear};
use burn::tensor::{Device, Tensor};

/// LayerNorm's epsilon in MAE, SelfMedMAE and this model.
pub(crate) const VIT_EPSILON: f64 = 1e-6;

/// An affine map over the last axis.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    /// `[in, out]`; torch keeps `[out, in]`, and export transposes.
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    pub(crate) fn new(n_in: usize, n_out: usize, device: &Device) -> Self {
        Self {
            bias: Some(blank([n_out], device)),
            ..Self::without_bias(n_in, n_out, device)
        }
    }

    pub(crate) fn without_bias(n_in: usize, n_out: usize, device: &Device) -> Self {
        Self {
            weight: blank([n_in, n_out], device),
            bias: None,
        }
    }

    /// # Shapes
    ///
    /// `[.., in]` -> `[.., out]`
    pub(crate) fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(Param::val);
        linear(input, self.weight.val(), bias)
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
            weight: blank([width], device),
            bias: blank([width], device),
            epsilon,
        }
    }

    /// # Shapes
    ///
    /// `[.., width]` -> `[.., width]`
    pub(crate) fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let bias = Some(self.bias.val());
        layer_norm(input, self.weight.val(), bias, self.epsilon)
    }
}

/// A parameter of zeros; the first values come from [`crate::init`] by name.
pub(crate) fn blank<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::zeros(shape, device))
}
