//! How an operation with a hand-written backward pass enters burn's graph, and the conversion of tensors to slices.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Shape, Tensor, TensorData};

use super::sink::Sink;
use crate::kernels::linear::Target;
use crate::kernels::product::Beta;

/// An operation on slices with N inputs: activations first, then parameters.
pub(crate) trait Op<const N: usize>: Debug + Clone + Send + 'static {
    /// What the backward pass needs besides the inputs.
    type Saved: Debug + Clone + Send + 'static;

    /// The output, its shape, and what is saved for the backward pass.
    fn forward(&self, inputs: [View<'_>; N]) -> (Vec<f32>, Vec<usize>, Self::Saved);

    /// Turns the output's gradient into the gradients of the inputs that need one.
    fn backward(
        &self,
        inputs: [View<'_>; N],
        saved: Self::Saved,
        grad: Vec<f32>,
        to: &mut InputGrads<N>,
    );
}

/// An input's numbers and shape.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) shape: &'a [usize],
}

/// A tensor on the CPU, with or without a place in the graph.
pub(crate) enum Input {
    Tracked(FloatTensor<Autodiff<Flex>>),
    Plain(FlexTensor),
}

/// The tensor, if it lies on the CPU.
pub(crate) fn input<const D: usize>(tensor: &Tensor<D>) -> Option<Input> {
    let contiguous = |tensor: &FlexTensor| tensor.as_slice::<f32>().is_some();
    if let Ok(tensor) = tensor.clone().try_into_primitive::<Autodiff<Flex>>() {
        return contiguous(tensor.primitive()).then_some(Input::Tracked(tensor));
    }
    let tensor = tensor.clone().try_into_primitive::<Flex>().ok()?;
    contiguous(&tensor).then_some(Input::Plain(tensor))
}

/// Runs an operation and, if an input needs a gradient, enters it into burn's graph.
///
/// # Shapes
///
/// the output has `D` axes
pub(crate) fn apply<O: Op<N>, const N: usize, const D: usize>(
    op: O,
    inputs: [Input; N],
) -> Tensor<D> {
    let mut nodes = Vec::with_capacity(N);
    let tensors = inputs.map(|input| match input {
        Input::Plain(tensor) => tensor,
        Input::Tracked(tensor) => {
            let (tensor, node) = tensor.into_parts();
            nodes.push(node);
            tensor
        }
    });
    let (values, shape, saved) = op.forward(views(&tensors));
    let output = on_host(values, shape);
    let Ok(nodes) = <[_; N]>::try_from(nodes) else {
        return Tensor::from_primitive::<Flex>(output);
    };
    let step = Step::<O>(PhantomData);
    let entered = match step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(step) => step.finish(SavedForBackward { op, tensors, saved }, output),
        OpsKind::UnTracked(step) => step.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(entered)
}

fn views<const N: usize>(tensors: &[FlexTensor; N]) -> [View<'_>; N] {
    tensors.each_ref().map(|tensor| View {
        values: tensor
            .as_slice()
            .expect("`input` lets through contiguous tensors of f32 alone"),
        shape: tensor.layout().shape().as_slice(),
    })
}

fn on_host(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// The numbers of a gradient, without a copy where nobody else holds it.
fn into_values(grad: FlexTensor) -> Vec<f32> {
    let data = grad.into_data();
    data.try_into_vec().expect("the gradient of f32 is f32")
}

/// An operation in the graph.
struct Step<O>(PhantomData<fn(O)>);

impl<O> Debug for Step<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Step")
    }
}

/// What an operation keeps in the graph until its backward pass.
#[derive(Debug, Clone)]
struct SavedForBackward<O, K, const N: usize> {
    op: O,
    tensors: [FlexTensor; N],
    saved: K,
}

impl<O: Op<N>, const N: usize> Backward<Flex, N> for Step<O> {
    type State = SavedForBackward<O, O::Saved, N>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let SavedForBackward { op, tensors, saved } = ops.state;
        let grad = into_values(gradients.consume::<Flex>(&ops.node));
        let mut grads = InputGrads {
            nodes: ops.parents.map(|parent| parent.map(|parent| parent.id)),
            lengths: tensors
                .each_ref()
                .map(|tensor| tensor.layout().num_elements()),
            found: [const { None }; N],
            sink: Sink::take(),
        };
        op.backward(views(&tensors), saved, grad, &mut grads);
        grads.register(&tensors, gradients);
    }
}

/// Where the gradients of an operation's inputs go: into the sink, or back to burn.
pub(crate) struct InputGrads<const N: usize> {
    nodes: [Option<NodeId>; N],
    lengths: [usize; N],
    found: [Option<Vec<f32>>; N],
    sink: Option<Sink>,
}

impl<const N: usize> InputGrads<N> {
    /// Whether an input needs a gradient.
    pub(crate) fn is_wanted(&self, input: usize) -> bool {
        self.nodes[input].is_some()
    }

    /// How many numbers an input has.
    pub(crate) fn length(&self, input: usize) -> usize {
        self.lengths[input]
    }

    /// Sets an input's gradient.
    pub(crate) fn set(&mut self, input: usize, grad: Vec<f32>) {
        self.found[input] = Some(grad);
    }

    /// Where to write or add a parameter's gradient, if it is wanted.
    pub(crate) fn target(&mut self, input: usize) -> Option<Target<'_>> {
        let node = self.nodes[input]?;
        if let Some(target) = self.sink.as_mut().and_then(|sink| sink.target(node)) {
            return Some(target);
        }
        let values = self.found[input].insert(vec![0.0; self.lengths[input]]);
        Some(Target {
            values,
            beta: Beta::Accumulate,
        })
    }

    fn register(self, tensors: &[FlexTensor; N], gradients: &mut Gradients) {
        if let Some(sink) = self.sink {
            sink.put_back();
        }
        let wanted = self.nodes.into_iter().zip(self.found).zip(tensors);
        for ((node, grad), tensor) in wanted {
            if let (Some(node), Some(grad)) = (node, grad) {
                let shape = tensor.layout().shape().clone();
                gradients.register::<Flex>(node, on_host(grad, shape));
            }
        }
    }
}
