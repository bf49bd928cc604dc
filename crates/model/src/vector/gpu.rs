//! What burn offers no operation for on a GPU: the update's kernel, sums over bits, and where a vector lies in its memory.
//!
//! It goes through burn's fusion and the runtime beneath to the device's own addresses: the one place that does, so
//! that a new version of burn breaks here and nowhere else.

#![expect(
    unsafe_code,
    reason = "a kernel takes memory of a length that is said, not known"
)]

use std::any::Any;

use burn::backend::{Cube, TensorMetadata as _};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::client::Client;
#[cfg(feature = "rehearsal")]
use burn_cubecl::cubecl::cpu::CpuRuntime;
use burn_cubecl::cubecl::cuda::CudaRuntime;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::cubecl::server::Handle;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl_runtime::runtime::Runtime;
use cubecl_runtime::server::ServerError;

use super::update::{UpdateFactors, VectorOps};
use super::{DeviceVector, GpuMemory, sum};
use crate::error::ModelError;

/// Threads of a group: what every GPU can run at once.
const GROUP: usize = 256;
/// Groups of [`bit_sum`], and threads of all of them: enough for the largest GPU, and half a megabyte to bring back.
const SUM_GROUPS: u32 = 512;
const SUMS: usize = SUM_GROUPS as usize * GROUP;

/// As [`DeviceVector::in_gpu_memory`].
pub(super) fn memory(vector: &DeviceVector) -> Result<GpuMemory, ModelError> {
    let tensor = resolved(vector)?;
    let floats = vector.len();
    let place = place(&tensor.client, tensor.handle.clone());
    let (address, bytes, hold) = place.map_err(ModelError::device)?;
    vector.0.device().sync().map_err(ModelError::device)?;
    if !tensor.is_contiguous() || bytes < (floats * size_of::<f32>()) as u64 {
        return Err(ModelError::device("a gradient does not lie in one piece"));
    }
    Ok(GpuMemory {
        address,
        floats,
        hold,
    })
}

/// The address and size of memory, and what keeps it there.
fn place(client: &Client, handle: Handle) -> Result<(u64, u64, Box<dyn Any + Send>), ServerError> {
    #[cfg(feature = "rehearsal")]
    if let Ok(hold) = client.get_resource::<<CpuRuntime as Runtime>::Server>(handle.clone()) {
        let (address, bytes) = hold.resource().get_write_ptr_and_length();
        return Ok((
            address.expose_provenance() as u64,
            bytes as u64,
            Box::new(hold),
        ));
    }
    let hold = client.get_resource::<<CudaRuntime as Runtime>::Server>(handle)?;
    let (address, bytes) = (hold.resource().ptr, hold.resource().size);
    Ok((address, bytes, Box::new(hold)))
}

/// The vector as the runtime knows it, once burn has handed over all that makes it.
fn resolved(vector: &DeviceVector) -> Result<CubeTensor, ModelError> {
    let fused = vector.tensor().try_into_primitive::<Cube>();
    let fused = fused.map_err(|_| ModelError::device("it is no GPU"))?;
    let client = fused.client.clone();
    Ok(client.resolve_tensor_float::<CubeBackend>(fused))
}

/// As [`DeviceVector::bit_sum`], by running sums: sum i takes the numbers i, i + SUMS, i + 2 SUMS and so on.
pub(super) fn bit_sum(vector: &DeviceVector) -> Result<u64, ModelError> {
    let tensor = into_contiguous(resolved(vector)?);
    let client = tensor.client.clone();
    let sums = client.empty(SUMS * size_of::<u32>());
    // SAFETY: the memory was just made for so many numbers.
    let out = unsafe { BufferArg::from_raw_parts(sums.clone(), SUMS) };
    bit_sums::launch(
        &client,
        CubeCount::Static(SUM_GROUPS, 1, 1),
        CubeDim::new_1d(GROUP as u32),
        tensor.into_buffer_arg(),
        out,
    );
    let bytes = client.read_one(sums).map_err(ModelError::device)?;
    let words = bytes.as_chunks::<4>().0.iter();
    let words = words.map(|word| u64::from(u32::from_le_bytes(*word)));
    Ok(sum::total(vector.len(), words))
}

#[cube(launch)]
fn bit_sums(values: &[f32], sums: &mut [u32]) {
    let n_sums = sums.len();
    let mut sum = 0x9e37_79b9u32;
    let mut at = ABSOLUTE_POS;
    while at < values.len() {
        // Times an odd number, so that nothing is lost.
        sum = (sum ^ u32::reinterpret(values[at])) * 0x85eb_ca6bu32;
        sum ^= sum >> 15u32;
        at += n_sums;
    }
    if ABSOLUTE_POS < n_sums {
        sums[ABSOLUTE_POS] = sum;
    }
}

impl VectorOps for CubeBackend {
    fn adamw(
        parameters: CubeTensor,
        first: CubeTensor,
        second: CubeTensor,
        gradient: CubeTensor,
        decays: CubeTensor,
        factors: UpdateFactors,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let like = |tensor: &CubeTensor| {
            let (client, device) = (tensor.client.clone(), tensor.device.clone());
            empty_device_contiguous_dtype(client, device, tensor.shape(), tensor.dtype)
        };
        let new = [like(&parameters), like(&first), like(&second)];
        let client = parameters.client.clone();
        let n_numbers = parameters.meta.num_elements();
        let group = CubeDim::new_1d(GROUP as u32);
        let [out, first_out, second_out] = new.each_ref().map(|new| new.clone().into_buffer_arg());
        let [parameters, first, second, gradient, decays] =
            [parameters, first, second, gradient, decays]
                .map(|given| into_contiguous(given).into_buffer_arg());
        adamw::launch(
            &client,
            cubecl::calculate_cube_count_elemwise(&client, n_numbers, group),
            group,
            parameters,
            first,
            second,
            gradient,
            decays,
            out,
            first_out,
            second_out,
            factors.beta1,
            factors.beta2,
            factors.epsilon,
            factors.rate,
            factors.scale,
            factors.keep,
            factors.clip,
        );
        new.into()
    }
}

/// The update of `update.rs`, a thread a number.
#[cube(launch)]
fn adamw(
    parameters: &[f32],
    first: &[f32],
    second: &[f32],
    gradient: &[f32],
    decays: &[f32],
    parameters_out: &mut [f32],
    first_out: &mut [f32],
    second_out: &mut [f32],
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    rate: f32,
    scale: f32,
    keep: f32,
    clip: f32,
) {
    let at = ABSOLUTE_POS;
    if at < parameters_out.len() {
        let gradient = gradient[at] * clip;
        let first = beta1 * first[at] + (1.0f32 - beta1) * gradient;
        let second = beta2 * second[at] + (1.0f32 - beta2) * gradient * gradient;
        let step = rate * first / (second.sqrt() * scale + epsilon);
        // One, or what decay leaves.
        let kept = 1.0f32 + decays[at] * (keep - 1.0f32);
        parameters_out[at] = parameters[at] * kept - step;
        first_out[at] = first;
        second_out[at] = second;
    }
}
