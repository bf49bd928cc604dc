//! Each fused part against the composition it stands for, forward and backward, and against itself.

use burn::module::{Module, ModuleDisplay, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use fratmae_config::Decoder;

use crate::attention::{CausalAttention, CrossAttention, SelfAttention, causal_bias};
use crate::block::{DecoderBlock, EncoderBlock, Mlp};
use crate::kernels::activation::Activation;
use crate::layer::{LayerNorm, Linear, VIT_EPSILON};
use crate::loss::{reconstruction, reconstruction_of};
use crate::tests::tiny;

/// Numbers between -1 and 1 that do not repeat.
fn wave<const D: usize>(shape: [usize; D], step: f32) -> Tensor<D> {
    let n = shape.iter().product();
    let values: Vec<f32> = (0..n)
        .map(|i: usize| (1.0 + i as f32 * step).sin())
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &tiny::device())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// Gives every parameter a value of its own and a gradient.
struct Stir(f32);

impl ModuleMapper for Stir {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 0.13;
        let value = wave(param.dims(), self.0).mul_scalar(0.6).detach();
        Param::initialized(param.id, value.require_grad())
    }
}

struct InputGrads<'a>(&'a Gradients, Vec<Vec<f32>>);

impl ModuleVisitor for InputGrads<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let grad = param.val().grad(self.0).map(values);
        self.1.push(grad.unwrap_or_default());
    }
}

/// The output of `forward`, and the gradients of its inputs and of all parameters of `module` below a bent sum.
fn outcome<M: Module>(
    module: &M,
    inputs: &[[usize; 3]],
    forward: impl Fn(&M, &[Tensor<3>]) -> Tensor<3>,
) -> Vec<Vec<f32>> {
    let leaf = |(i, &shape): (usize, &[usize; 3])| {
        wave(shape, 0.7 + 0.2 * i as f32).detach().require_grad()
    };
    let inputs: Vec<_> = inputs.iter().enumerate().map(leaf).collect();
    let output = forward(module, &inputs);
    let bend = wave(output.dims(), 0.37);
    let gradients = (output.clone() * bend).sum().backward();
    let mut found = vec![values(output)];
    found.extend(
        inputs
            .iter()
            .map(|input| values(input.grad(&gradients).unwrap())),
    );
    let mut grads = InputGrads(&gradients, found);
    module.visit(&mut grads);
    grads.1
}

#[track_caller]
fn assert_close(found: &[Vec<f32>], expected: &[Vec<f32>]) {
    assert_eq!(found.len(), expected.len());
    let largest = |values: &[f32]| values.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    // Some gradients are sums whose terms cancel, and what is left of them is rounding: a key's bias has none at all.
    let floor = 0.05 * expected.iter().map(|e| largest(e)).fold(0.0, f32::max);
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "tensor {number}");
        let scale = floor.max(largest(expected));
        for (a, b) in found.iter().zip(expected) {
            assert!(
                (a - b).abs() < 1e-4 * scale,
                "tensor {number}: {a} is not {b} of {scale}"
            );
        }
    }
}

/// Two samples of seven tokens, and shapes that fill no vector and several.
const SHAPES: [[usize; 3]; 3] = [[2, 7, 12], [1, 33, 24], [3, 5, 60]];

#[test]
fn an_affine_map_is_its_composition() {
    for shape in SHAPES {
        let module = Linear::new(shape[2], 17, &tiny::device()).map(&mut Stir(0.0));
        let fused = outcome(&module, &[shape], |m, x| m.forward(x[0].clone()));
        let reference = outcome(&module, &[shape], |m, x| m.reference(x[0].clone()));
        assert_close(&fused, &reference);
    }
}

#[test]
fn a_layer_norm_is_its_composition() {
    for shape in SHAPES {
        let module = LayerNorm::new(shape[2], 1e-3, &tiny::device()).map(&mut Stir(0.0));
        let fused = outcome(&module, &[shape], |m, x| m.forward(x[0].clone()));
        let reference = outcome(&module, &[shape], |m, x| m.reference(x[0].clone()));
        assert_close(&fused, &reference);
    }
}

#[derive(Module, Debug)]
struct Normed<M> {
    norm: LayerNorm,
    inner: M,
}

fn normed<M: Module + ModuleDisplay>(width: usize, inner: M) -> Normed<M> {
    let norm = LayerNorm::new(width, VIT_EPSILON, &tiny::device());
    Normed { norm, inner }.map(&mut Stir(0.2))
}

#[test]
fn a_perceptron_is_its_composition_with_both_activations() {
    for (shape, activation) in SHAPES.into_iter().flat_map(|shape| {
        [Activation::Gelu, Activation::QuickGelu].map(|activation| (shape, activation))
    }) {
        let module = normed(shape[2], Mlp::new(shape[2], 4, &tiny::device()));
        let run = |recompute| {
            outcome(&module, &[shape], |m, x| {
                m.inner
                    .fused(&x[0], &m.norm, activation, recompute)
                    .unwrap()
            })
        };
        let reference = outcome(&module, &[shape], |m, x| {
            let inside = m
                .inner
                .reference(m.norm.reference(x[0].clone()), activation);
            x[0].clone() + inside
        });
        assert_close(&run(false), &reference);
        assert!(run(false) == run(true), "computing again changes no bit");
    }
}

#[test]
fn self_attention_is_its_composition() {
    for shape in SHAPES {
        let module = normed(shape[2], SelfAttention::new(shape[2], 3, &tiny::device()));
        let run = |recompute| {
            outcome(&module, &[shape], |m, x| {
                m.inner.fused(&x[0], &m.norm, recompute).unwrap()
            })
        };
        let reference = outcome(&module, &[shape], |m, x| {
            x[0].clone() + m.inner.reference(m.norm.reference(x[0].clone()))
        });
        assert_close(&run(false), &reference);
        assert!(run(false) == run(true), "computing again changes no bit");
    }
}

#[test]
fn causal_attention_is_its_composition() {
    for shape in SHAPES {
        let module = normed(shape[2], CausalAttention::new(shape[2], 3, &tiny::device()));
        let fused = outcome(&module, &[shape], |m, x| {
            m.inner.fused(&x[0], &m.norm).unwrap()
        });
        let reference = outcome(&module, &[shape], |m, x| {
            let bias = causal_bias(shape[1], &tiny::device());
            x[0].clone() + m.inner.reference(m.norm.reference(x[0].clone()), bias)
        });
        assert_close(&fused, &reference);
    }
}

#[derive(Module, Debug)]
struct Asking {
    norms: [LayerNorm; 2],
    inner: CrossAttention,
}

#[test]
fn cross_attention_is_its_composition() {
    for shape in SHAPES {
        let norm = || LayerNorm::new(shape[2], VIT_EPSILON, &tiny::device());
        let inner = CrossAttention::new(shape[2], 3, &tiny::device());
        let module = Asking {
            norms: [norm(), norm()],
            inner,
        }
        .map(&mut Stir(0.1));
        let shapes = [shape, [shape[0], shape[1] + 4, shape[2]]];
        let run = |recompute| {
            outcome(&module, &shapes, |m, x| {
                let norms = m.norms.each_ref();
                m.inner.fused(&x[0], &x[1], norms, recompute).unwrap()
            })
        };
        let reference = outcome(&module, &shapes, |m, x| {
            let asked = m.norms[0].reference(x[0].clone());
            x[0].clone() + m.inner.reference(asked, m.norms[1].reference(x[1].clone()))
        });
        assert_close(&run(false), &reference);
        assert!(run(false) == run(true), "computing again changes no bit");
    }
}

#[test]
fn the_loss_is_its_composition() {
    let grad = |fused: bool| {
        let prediction = wave([6, 21], 0.3).detach().require_grad();
        let target = wave([6, 21], 0.9);
        let loss = if fused {
            reconstruction_of(prediction.clone(), values(target), 2)
        } else {
            reconstruction(prediction.clone(), target, 2)
        };
        let gradients = loss.clone().mul_scalar(3.0).backward();
        vec![values(loss), values(prediction.grad(&gradients).unwrap())]
    };
    assert_close(&grad(true), &grad(false));
}

#[test]
fn blocks_have_the_same_bits_for_any_number_of_threads() {
    let device = tiny::device();
    let encoder = EncoderBlock::new(96, 4, 4, &device).map(&mut Stir(0.0));
    let decoder = Decoder {
        width: 96,
        depth: 1,
        heads: 4,
        self_attention: true,
    };
    let decoder = DecoderBlock::new(&decoder, 4, &device).map(&mut Stir(0.0));
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
        pool.build().unwrap().install(|| {
            let one = outcome(&encoder, &[[3, 131, 96]], |m, x| m.forward(x[0].clone()));
            let two = outcome(&decoder, &[[2, 131, 96], [2, 70, 96]], |m, x| {
                m.forward(x[0].clone(), x[1].clone())
            });
            (one, two)
        })
    };
    let one = run(1);
    for n_threads in [2, 3, 5] {
        assert!(run(n_threads) == one, "{n_threads} threads");
    }
}

#[test]
fn a_device_without_gradients_computes_the_same() {
    let module = normed(12, Mlp::new(12, 4, &tiny::device()));
    let with = module.inner.fused(
        &wave([2, 7, 12], 0.7),
        &module.norm,
        Activation::Gelu,
        false,
    );
    let module = module.to_device(&Device::flex());
    let input = wave([2, 7, 12], 0.7).inner();
    let without = module
        .inner
        .fused(&input, &module.norm, Activation::Gelu, false);
    assert!(values(with.unwrap()) == values(without.unwrap()));
}

#[test]
fn rows_of_a_table_are_its_composition() {
    let grads = |fused: bool| {
        let table = wave([9, 5], 0.3).detach().require_grad();
        let numbers = vec![3, 0, 3, 8];
        let found: Tensor<2> = if fused {
            let numbers = std::sync::Arc::new(numbers);
            super::apply(
                super::EmbeddingOp { numbers },
                [super::input(&table).unwrap()],
            )
        } else {
            table
                .clone()
                .select(0, Tensor::from_data([3, 0, 3, 8], &tiny::device()))
        };
        let gradients = (found.clone() * wave([4, 5], 0.7)).sum().backward();
        vec![values(found), values(table.grad(&gradients).unwrap())]
    };
    assert_close(&grads(true), &grads(false));
}
