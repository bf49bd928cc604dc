//! Owns the decoding of stored voxels to `f32` and the turn from NIfTI's order (axis 0 fastest) to ours (axis 2 fastest).
//!
//! A few slices are held at a time beside the result, so that a whole-body image is never in memory twice.

use std::io::{ErrorKind, Read};
use std::ops::Range;

use nifti::{Endianness, NiftiHeader, NiftiType};

/// Slices decoded at once: one cache line of the result.
const SLAB: usize = 16;

/// How voxels lie in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    kind: NiftiType,
    swapped: bool,
}

impl Stored {
    pub(super) fn of(header: &NiftiHeader) -> Result<Self, String> {
        let kind = header
            .data_type()
            .map_err(|_| format!("its voxel type {} is unknown", header.datatype))?;
        match kind {
            NiftiType::Float128
            | NiftiType::Complex64
            | NiftiType::Complex128
            | NiftiType::Complex256 => Err(format!(
                "its voxels are {kind:?}: export them as 64-bit floats or smaller"
            )),
            NiftiType::Rgb24 | NiftiType::Rgba32 => {
                Err(format!("its voxels are colours ({kind:?}), not values"))
            }
            _ => Ok(Self {
                kind,
                swapped: header.endianness == Endianness::Big,
            }),
        }
    }

    pub(super) fn bytes(self) -> usize {
        self.kind.size_of()
    }
}

/// Stored value to real value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaling {
    slope: f64,
    intercept: f64,
}

impl Scaling {
    /// Takes slope and intercept; a slope that is 0 or not finite means that there are none.
    pub(super) fn of(header: &NiftiHeader) -> Result<Self, String> {
        let [slope, intercept] = [header.scl_slope, header.scl_inter].map(f64::from);
        if slope == 0.0 || !slope.is_finite() {
            return Ok(Self {
                slope: 1.0,
                intercept: 0.0,
            });
        }
        if !intercept.is_finite() {
            return Err(format!("its scaling intercept is {intercept}"));
        }
        Ok(Self { slope, intercept })
    }
}

/// Which voxels are NaN or infinite.
#[derive(Debug, Default)]
pub(super) struct NotFinite {
    pub(super) count: usize,
    pub(super) first: Option<[usize; 3]>,
}

/// Reads the voxels of a `shape` image and turns them to our order.
pub(super) fn read(
    input: &mut dyn Read,
    shape: [usize; 3],
    stored: Stored,
    scaling: Scaling,
) -> Result<(Vec<f32>, NotFinite), String> {
    let total: usize = shape.iter().product();
    let mut voxels = Vec::new();
    voxels
        .try_reserve_exact(total)
        .map_err(|error| format!("{total} voxels do not fit in memory: {error}"))?;
    voxels.resize(total, 0.0);
    let not_finite = each_slab(input, shape, SLAB, stored, scaling, &mut |first, slab| {
        place(slab, &mut voxels, shape, first);
    })?;
    Ok((voxels, not_finite))
}

/// Hands on the voxels as they lie in the file, `most` slices at a time with the number of the first of them, and checks
/// that the stream behind them is sound.
pub(super) fn each_slab(
    input: &mut dyn Read,
    shape: [usize; 3],
    most: usize,
    stored: Stored,
    scaling: Scaling,
    take: &mut dyn FnMut(usize, &[f32]),
) -> Result<NotFinite, String> {
    let slice = shape[0] * shape[1];
    let most = most.min(shape[2]);
    let mut bytes = vec![0; slice * most * stored.bytes()];
    let mut slab = Vec::with_capacity(slice * most);
    let mut not_finite = NotFinite::default();
    for first in (0..shape[2]).step_by(most) {
        let slices = most.min(shape[2] - first);
        let bytes = &mut bytes[..slice * slices * stored.bytes()];
        fill(input, bytes, first..first + slices)?;
        slab.clear();
        decode(bytes, stored, scaling, &mut slab);
        note_not_finite(&mut not_finite, &slab, shape, first);
        take(first, &slab);
    }
    // One byte more makes the decoder look at the checksum of the stream.
    input
        .read(&mut [0])
        .map_err(|error| format!("damaged: {error}"))?;
    Ok(not_finite)
}

/// Reads exactly the bytes of some slices.
fn fill(input: &mut dyn Read, bytes: &mut [u8], slices: Range<usize>) -> Result<(), String> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => format!("truncated: it ends within slices {slices:?}"),
        _ => format!("damaged: {error}"),
    })
}

fn decode(bytes: &mut [u8], stored: Stored, scaling: Scaling, values: &mut Vec<f32>) {
    if stored.swapped {
        bytes
            .chunks_exact_mut(stored.bytes())
            .for_each(<[u8]>::reverse);
    }
    // What `f32` holds exactly needs no way through `f64`.
    macro_rules! plain_values_of {
        ($kind:ty) => {
            values.extend(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&value| f32::from(<$kind>::from_le_bytes(value))),
            )
        };
    }
    macro_rules! values_of {
        ($kind:ty) => {
            values.extend(bytes.as_chunks().0.iter().map(|&value| {
                (<$kind>::from_le_bytes(value) as f64 * scaling.slope + scaling.intercept) as f32
            }))
        };
    }
    let plain = scaling.slope == 1.0 && scaling.intercept == 0.0;
    match stored.kind {
        NiftiType::Uint8 if plain => plain_values_of!(u8),
        NiftiType::Int16 if plain => plain_values_of!(i16),
        NiftiType::Float32 if plain => plain_values_of!(f32),
        NiftiType::Uint8 => values_of!(u8),
        NiftiType::Int8 => values_of!(i8),
        NiftiType::Uint16 => values_of!(u16),
        NiftiType::Int16 => values_of!(i16),
        NiftiType::Uint32 => values_of!(u32),
        NiftiType::Int32 => values_of!(i32),
        NiftiType::Uint64 => values_of!(u64),
        NiftiType::Int64 => values_of!(i64),
        NiftiType::Float32 => values_of!(f32),
        _ => values_of!(f64),
    }
}

fn note_not_finite(found: &mut NotFinite, slab: &[f32], shape: [usize; 3], first_slice: usize) {
    let count = slab.iter().filter(|value| !value.is_finite()).count();
    found.count += count;
    if count > 0 && found.first.is_none() {
        found.first = slab
            .iter()
            .position(|value| !value.is_finite())
            .map(|place| {
                let (slice, within) =
                    (place / (shape[0] * shape[1]), place % (shape[0] * shape[1]));
                [within % shape[0], within / shape[0], first_slice + slice]
            });
    }
}

/// Puts decoded slices to their places.
fn place(slab: &[f32], voxels: &mut [f32], shape: [usize; 3], first: usize) {
    let slice = shape[0] * shape[1];
    let slices = slab.len() / slice;
    for j in 0..shape[1] {
        for i in 0..shape[0] {
            let from = j * shape[0] + i;
            let to = (i * shape[1] + j) * shape[2] + first;
            for (k, voxel) in voxels[to..to + slices].iter_mut().enumerate() {
                *voxel = slab[from + k * slice];
            }
        }
    }
}
