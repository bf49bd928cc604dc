//! AdamW's update of a number (arXiv 1711.05101, decoupled weight decay), in memory and on a device.
//!
//! Every number is updated by the same arithmetic whatever the number of threads. A GPU has a kernel of its own and not
//! burn's operations: which of those are fused into one, and so how they round, can differ from process to process.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::DeviceVector;

/// Numbers updated in one piece.
const PIECE: usize = 1 << 15;

/// The factors of one update, the same for every number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateFactors {
    /// What the first moment keeps.
    pub beta1: f32,
    /// What the second moment keeps.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Learning rate over the first moment's bias correction.
    pub rate: f32,
    /// One over the root of the second moment's bias correction.
    pub scale: f32,
    /// What weight decay leaves of a parameter.
    pub keep: f32,
    /// What clipping leaves of a gradient.
    pub clip: f32,
}

impl UpdateFactors {
    /// Updates parameters and their moments in place, those of which weight decay leaves `keep`.
    pub fn update(
        &self,
        keep: f32,
        parameters: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
        gradient: &[f32],
    ) {
        let moments = first.iter_mut().zip(second);
        for ((parameter, (first, second)), gradient) in
            parameters.iter_mut().zip(moments).zip(gradient)
        {
            self.update_one(keep, parameter, first, second, *gradient);
        }
    }

    #[inline]
    fn update_one(
        &self,
        keep: f32,
        parameter: &mut f32,
        first: &mut f32,
        second: &mut f32,
        gradient: f32,
    ) {
        let gradient = gradient * self.clip;
        *first = self.beta1 * *first + (1.0 - self.beta1) * gradient;
        *second = self.beta2 * *second + (1.0 - self.beta2) * gradient * gradient;
        let step = self.rate * *first / (second.sqrt() * self.scale + self.epsilon);
        *parameter = *parameter * keep - step;
    }

    /// Updates parameters, first and second moments where they lie, and gives the new ones.
    ///
    /// A number whose gradient is zero and whose moments are zero keeps its bits unless it decays.
    ///
    /// # Shapes
    ///
    /// all of one length; `decays` has one where a weight decays and zero elsewhere
    pub fn update_on_device(
        &self,
        state: [DeviceVector; 3],
        gradient: DeviceVector,
        decays: &DeviceVector,
    ) -> [DeviceVector; 3] {
        let [parameters, first, second] = state.map(|vector| vector.0.into_dispatch());
        let (gradient, decays) = (gradient.0.into_dispatch(), decays.tensor().into_dispatch());
        let (parameters, first, second) =
            Dispatch::adamw(parameters, first, second, gradient, decays, *self);
        [parameters, first, second].map(|vector| DeviceVector(Tensor::from_dispatch(vector)))
    }
}

/// The update as an operation of burn's, on each device in its own way.
#[backend_extension(Flex, Cube: cfg(feature = "cuda"), Fusion: cfg(feature = "cuda"))]
#[expect(
    unreachable_pub,
    reason = "the macro makes public what it writes around it"
)]
pub trait VectorOps: Backend {
    /// Parameters, first and second moments after the update.
    #[fusion(meta = |parameters, first, second, _, _, _| (parameters.clone(), first.clone(), second.clone()))]
    fn adamw(
        parameters: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        decays: FloatTensor<Self>,
        factors: UpdateFactors,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl VectorOps for Flex {
    fn adamw(
        parameters: FlexTensor,
        first: FlexTensor,
        second: FlexTensor,
        gradient: FlexTensor,
        decays: FlexTensor,
        factors: UpdateFactors,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [mut parameters, mut first, mut second] = [parameters, first, second].map(numbers);
        let gradient: &[f32] = gradient.storage();
        let decays: &[f32] = decays.storage();
        let moments = first
            .par_chunks_mut(PIECE)
            .zip(second.par_chunks_mut(PIECE));
        let given = gradient.par_chunks(PIECE).zip(decays.par_chunks(PIECE));
        parameters
            .par_chunks_mut(PIECE)
            .zip(moments)
            .zip(given)
            .for_each(|((parameters, (first, second)), (gradient, decays))| {
                let moments = first.iter_mut().zip(second);
                let given = gradient.iter().zip(decays);
                for ((parameter, (first, second)), (gradient, decays)) in
                    parameters.iter_mut().zip(moments).zip(given)
                {
                    let keep = if *decays > 0.0 { factors.keep } else { 1.0 };
                    factors.update_one(keep, parameter, first, second, *gradient);
                }
            });
        let tensor = |numbers: Vec<f32>| {
            let shape = [numbers.len()];
            FlexTensor::from_data(TensorData::new(numbers, shape))
        };
        (tensor(parameters), tensor(first), tensor(second))
    }
}

/// A vector's numbers, without a copy where nobody else holds them.
fn numbers(vector: FlexTensor) -> Vec<f32> {
    let data = vector.into_data();
    data.try_into_vec().expect("flat vectors are of f32")
}
