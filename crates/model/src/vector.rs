//! Flat vectors on the model's device: parameters, moments and gradients that never pass through this machine's memory.
//! It owns the transfers to and from the device, not the meaning of the numbers.

#[cfg(feature = "cuda")]
mod gpu;
mod sum;
mod update;

use std::any::Any;
use std::ops::Range;

use burn::backend::Flex;
use burn::tensor::{Device, Tensor};

use crate::error::ModelError;
use crate::flat::{HostVector, Parameter, Update};

pub use self::sum::bit_sum;
pub use self::update::UpdateFactors;

/// A flat vector where the model computes.
///
/// Clones share its memory, and nobody who holds one sees it change: an update of a vector that somebody else holds
/// makes a new one. So a state that is written to a checkpoint stays as it is while training goes on.
#[derive(Debug, Clone)]
pub struct DeviceVector(Tensor<1>);

impl DeviceVector {
    /// Takes numbers to a device, in one piece; to the CPU they need not go.
    pub fn new(numbers: Vec<f32>, device: &Device) -> Self {
        Self(HostVector::new(numbers).on(&device.clone().inner()))
    }

    /// A vector of zeros.
    pub fn zeros(len: usize, device: &Device) -> Self {
        Self(Tensor::zeros([len], &device.clone().inner()))
    }

    /// One at each number of a flat vector whose weight decays, and zero at all others.
    pub fn decays(layout: &[Parameter], device: &Device) -> Self {
        let of = |parameter: &Parameter| {
            let decays = f32::from(u8::from(parameter.update == Update::Decay));
            std::iter::repeat_n(decays, parameter.len())
        };
        Self::new(layout.iter().flat_map(of).collect(), device)
    }

    /// Gradients one after the other.
    pub(crate) fn of_pieces(pieces: Vec<Tensor<1>>) -> Self {
        Self(Tensor::cat(pieces, 0))
    }

    pub(crate) fn tensor(&self) -> Tensor<1> {
        self.0.clone()
    }

    /// How many numbers it has.
    #[expect(clippy::len_without_is_empty, reason = "no parameter is empty")]
    pub fn len(&self) -> usize {
        self.0.dims()[0]
    }

    /// The vector itself where the device is the CPU.
    pub fn on_cpu(&self) -> Option<impl AsRef<[f32]> + use<>> {
        let on_cpu = self.0.clone().try_into_primitive::<Flex>();
        on_cpu.ok().map(HostVector)
    }

    /// Brings some of its numbers to this machine's memory.
    ///
    /// # Errors
    ///
    /// [`ModelError::Length`] if the range goes past the end, [`ModelError::DeviceFailed`] when the device does not give
    /// them back.
    pub fn read(&self, range: Range<usize>) -> Result<Vec<f32>, ModelError> {
        if range.start > range.end || range.end > self.len() {
            return Err(ModelError::Length {
                part: "numbers to read",
                found: range.end,
                expected: self.len(),
            });
        }
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let piece = self.0.clone().narrow(0, range.start, range.len());
        piece.try_into_vec_as().map_err(ModelError::device)
    }

    /// Brings all of it to this machine's memory; on the CPU nothing is copied if nobody else holds it.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give it back.
    pub fn into_vec(self) -> Result<Vec<f32>, ModelError> {
        let data = self.0.try_into_data().map_err(ModelError::device)?;
        data.try_into_vec().map_err(ModelError::device)
    }

    /// Adds another vector of the same length.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Replaces one number by a function of it.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn with_number(self, at: usize, of: impl Fn(f32) -> f32) -> Result<Self, ModelError> {
        let before = self.read(at..at + 1)?;
        let after: Vec<f32> = before.into_iter().map(of).collect();
        let after = Tensor::<1>::from_data(after.as_slice(), &self.0.device());
        let range = at..at + 1;
        Ok(Self(self.0.slice_assign([range], after)))
    }

    /// The sum of the squares, one number that is still on the device.
    #[must_use]
    pub fn squares(&self) -> Self {
        Self(self.0.clone().square().sum())
    }

    /// The Euclidean norm.
    ///
    /// Its last bits may differ between GPUs of one kind: what many ranks go by must come from one of them.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give it back.
    pub fn norm(&self) -> Result<f64, ModelError> {
        let squares = self.squares().read(0..1)?;
        Ok(squares.into_iter().map(f64::from).sum::<f64>().sqrt())
    }

    /// A sum in which every bit counts: one flipped bit always changes it. Comparable between devices of one kind.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give it back.
    pub fn bit_sum(&self) -> Result<u64, ModelError> {
        if let Some(numbers) = self.on_cpu() {
            return Ok(bit_sum(numbers.as_ref()));
        }
        #[cfg(feature = "cuda")]
        let sum = gpu::bit_sum(self);
        #[cfg(not(feature = "cuda"))]
        let sum = Err(ModelError::device("this build has no kernels for it"));
        sum
    }

    /// Where the vector is on its NVIDIA GPU, once all that makes it has been computed.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when it is on another device or was not computed.
    pub fn in_gpu_memory(&self) -> Result<GpuMemory, ModelError> {
        #[cfg(feature = "cuda")]
        let memory = gpu::memory(self);
        #[cfg(not(feature = "cuda"))]
        let memory = Err(ModelError::device("this build knows no GPU's memory"));
        memory
    }

    /// A gradient in which the parameters that never change have zeros: as long as the flat vector.
    pub fn spread(self, layout: &[Parameter]) -> Self {
        let mut pieces = Vec::new();
        for run in layout.chunk_by(|one, next| one.learns() == next.learns()) {
            let of_run = || run.iter().map(|parameter| parameter.gradient.clone());
            let begin = of_run().map(|range| range.start).min().unwrap_or_default();
            let n_learning: usize = of_run().map(|range| range.len()).sum();
            pieces.push(match n_learning {
                0 => {
                    let n = run.iter().map(Parameter::len).sum::<usize>();
                    Tensor::zeros([n], &self.0.device())
                }
                n => self.0.clone().narrow(0, begin, n),
            });
        }
        Self::of_pieces(pieces)
    }
}

/// A vector's place in a GPU's memory, where it stays while this lives.
pub struct GpuMemory {
    /// Where its first number is.
    pub address: u64,
    /// How many numbers it has.
    pub floats: usize,
    /// The runtime's own hold on the memory, whose type is a GPU's affair.
    #[expect(dead_code, reason = "it is held, not read")]
    hold: Box<dyn Any + Send>,
}

#[cfg(test)]
mod tests;
