//! Owns NIfTI-1 images on disk: what is accepted, and every check on numbers that a file claims.
//!
//! Nothing is allocated on the word of a header alone: the file must be long enough to hold what it promises.
//! Axes are left as they are stored (`orientation` turns them).

pub(crate) mod encode;
mod foreign;
mod packed;
mod transform;
mod voxels;
mod write;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use nifti::NiftiHeader;

use crate::ImageError;
use crate::volume::{Geometry, Volume};
use packed::Members;
use voxels::{NotFinite, Scaling, Stored};

pub use write::write_nifti;

/// Bytes of a NIfTI-1 header.
const HEADER_BYTES: usize = 348;
/// Most voxels accepted: four times a 512x512 CT of one metre in 1 mm slices.
const MOST_VOXELS: usize = 1 << 30;
/// No deflate stream grows by more than this factor.
const LARGEST_INFLATION: u64 = 1032;

/// Reads one 3-D image, `.nii` or `.nii.gz`, either byte order, any real-valued voxel type.
///
/// The affine is the sform where there is one, else the qform, else voxel sizes with x to the left and the centre of
/// the image at the origin, as nibabel takes it. Slope and intercept are applied (a slope of 0 means none).
///
/// # Errors
/// `Io` where the file cannot be opened; `Unusable` where it is no NIfTI-1 file, is truncated or damaged, has more than
/// three dimensions, colour or complex voxels, or an affine that does not span space; `NonFinite` where voxels are
/// NaN or infinite.
pub fn read_nifti(path: &Path) -> Result<Volume, ImageError> {
    NiftiFile::open(path)?.read()
}

/// A NIfTI file whose header was read, and its voxels not yet.
pub(crate) struct NiftiFile {
    path: PathBuf,
    geometry: Geometry,
    is_placed: bool,
    stored: Stored,
    scaling: Scaling,
    input: Box<dyn Read>,
}

impl NiftiFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// What [`read_nifti`] says of files and headers.
    pub(crate) fn open(path: &Path) -> Result<Self, ImageError> {
        let refuse = |reason: String| ImageError::Unusable {
            path: path.to_path_buf(),
            reason,
        };
        let (mut input, most_bytes) = open(path)?;
        let header = read_header(&mut input).map_err(refuse)?;
        let shape = read_shape(&header).map_err(refuse)?;
        let affine = transform::affine_of(&header, shape).map_err(refuse)?;
        let stored = Stored::of(&header).map_err(refuse)?;
        let scaling = Scaling::of(&header).map_err(refuse)?;
        let gap = gap_before_voxels(&header).map_err(refuse)?;

        let promised =
            gap + (HEADER_BYTES + shape.iter().product::<usize>() * stored.bytes()) as u64;
        if promised > most_bytes {
            return Err(refuse(format!(
                "truncated: the header promises {promised} bytes, the file holds at most {most_bytes}"
            )));
        }
        skip(&mut input, gap).map_err(refuse)?;
        Ok(Self {
            path: path.to_path_buf(),
            geometry: Geometry { shape, affine },
            is_placed: transform::is_placed(&header, &affine),
            stored,
            scaling,
            input,
        })
    }

    /// Gives where the image lies, its axes as they are stored.
    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Says whether the header tells where the image lies.
    pub(crate) fn is_placed(&self) -> bool {
        self.is_placed
    }

    /// Reads all voxels.
    ///
    /// # Errors
    /// What [`read_nifti`] says of voxels.
    pub(crate) fn read(mut self) -> Result<Volume, ImageError> {
        let Geometry { shape, affine } = self.geometry;
        let found = voxels::read(&mut self.input, shape, self.stored, self.scaling);
        let (voxels, not_finite) = found.map_err(|reason| self.refuse(reason))?;
        self.check(&not_finite)?;
        Ok(Volume {
            shape,
            voxels,
            affine,
        })
    }

    /// Hands on one slice after the other with its number, as it lies in the file: axis 0 fastest.
    ///
    /// # Errors
    /// What [`read_nifti`] says of voxels; slices handed on before are then of no worth.
    pub(crate) fn each_slice(
        mut self,
        take: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), ImageError> {
        let shape = self.geometry.shape;
        let found = voxels::each_slab(&mut self.input, shape, 1, self.stored, self.scaling, take);
        let not_finite = found.map_err(|reason| self.refuse(reason))?;
        self.check(&not_finite)
    }

    fn refuse(&self, reason: String) -> ImageError {
        ImageError::Unusable {
            path: self.path.clone(),
            reason,
        }
    }

    fn check(&self, not_finite: &NotFinite) -> Result<(), ImageError> {
        match not_finite.first {
            None => Ok(()),
            Some(first) => Err(ImageError::NonFinite {
                path: self.path.clone(),
                count: not_finite.count,
                first,
            }),
        }
    }
}

/// Opens a file, unpacking gzip where its first bytes say so; also gives the most bytes it can hold.
fn open(path: &Path) -> Result<(Box<dyn Read>, u64), ImageError> {
    let io = |source| ImageError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    };
    let refuse = |reason: String| ImageError::Unusable {
        path: path.to_path_buf(),
        reason,
    };
    // Asked before it is opened: to open a pipe waits for somebody who writes to it.
    let found = path.metadata().map_err(io)?;
    if !found.is_file() {
        return Err(refuse("it is not a regular file".to_owned()));
    }
    let mut input = BufReader::with_capacity(1 << 18, File::open(path).map_err(io)?);
    let first = input.fill_buf().map_err(io)?;
    if first.starts_with(&[0x1f, 0x8b]) {
        let most = found.len().saturating_mul(LARGEST_INFLATION);
        return Ok((Box::new(Members::new(input)), most));
    }
    if let Some(kind) = foreign::kind_of(&first[..first.len().min(HEADER_BYTES)]) {
        return Err(refuse(kind));
    }
    let is_named_packed = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    if is_named_packed {
        return Err(refuse("its name ends in .gz but it is not gzip".to_owned()));
    }
    Ok((Box::new(input), found.len()))
}

/// Whether bytes begin as a NIfTI header does, in either byte order.
fn is_header(first: &[u8]) -> bool {
    let size = first
        .first_chunk()
        .map(|size| (i32::from_le_bytes(*size), i32::from_be_bytes(*size)));
    size.is_some_and(|(little, big)| [little, big].contains(&(HEADER_BYTES as i32)))
}

fn read_header(input: &mut dyn Read) -> Result<NiftiHeader, String> {
    let mut bytes = Vec::new();
    let read = input.take(HEADER_BYTES as u64).read_to_end(&mut bytes);
    read.map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => "truncated: it ends within its header".to_owned(),
        _ => format!("damaged: {error}"),
    })?;
    let Ok(bytes) = <[u8; HEADER_BYTES]>::try_from(&bytes[..]) else {
        let short = || format!("shorter than the {HEADER_BYTES} bytes of a header");
        return Err(foreign::kind_of(&bytes).unwrap_or_else(short));
    };
    let size = [bytes[0], bytes[1], bytes[2], bytes[3]];
    if i32::from_le_bytes(size) == 540 || i32::from_be_bytes(size) == 540 {
        return Err("NIfTI-2: convert it to NIfTI-1".to_owned());
    }
    // What was packed may be anything as well.
    if let Some(kind) = foreign::kind_of(&bytes) {
        return Err(kind);
    }
    let header = NiftiHeader::from_reader(&bytes[..]).map_err(|_| {
        match is_header(&bytes) && bytes[344..].iter().all(|&byte| byte == 0) {
            true => {
                "it is Analyze 7.5, which does not say which side is which: convert it to .nii.gz"
            }
            false => {
                "it has no NIfTI-1 header: convert it to .nii.gz, or copy it again if it is one"
            }
        }
        .to_owned()
    })?;
    if header.sizeof_hdr != HEADER_BYTES as i32 {
        return Err(format!(
            "its header says to be {} bytes long, not {HEADER_BYTES}",
            header.sizeof_hdr
        ));
    }
    if &header.magic == nifti::header::MAGIC_CODE_NI1 {
        return Err("the header of a .hdr/.img pair: convert it to one .nii file".to_owned());
    }
    Ok(header)
}

/// Checks the dimensions: at most three that are not 1, none empty, the product within bounds.
fn read_shape(header: &NiftiHeader) -> Result<[usize; 3], String> {
    let [count, sizes @ ..] = header.dim;
    let sizes = sizes
        .get(..usize::from(count))
        .filter(|sizes| !sizes.is_empty());
    let sizes = sizes.ok_or_else(|| format!("it claims {count} dimensions"))?;
    if sizes
        .iter()
        .any(|&size| size == 0 || size > i16::MAX as u16)
    {
        return Err(format!(
            "its dimensions {sizes:?} are not all from 1 to {}",
            i16::MAX
        ));
    }
    if sizes.iter().skip(3).any(|&size| size != 1) {
        return Err(format!(
            "its dimensions are {sizes:?}: one 3-D image is needed, split it"
        ));
    }
    let shape = [0, 1, 2].map(|axis| sizes.get(axis).map_or(1, |&size| usize::from(size)));
    match shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size))
    {
        Some(product) if product <= MOST_VOXELS => Ok(shape),
        _ => Err(format!(
            "its dimensions {shape:?} make more than {MOST_VOXELS} voxels"
        )),
    }
}

/// Gives the number of bytes between the header and the voxels.
fn gap_before_voxels(header: &NiftiHeader) -> Result<u64, String> {
    let offset = header.vox_offset;
    if offset == 0.0 {
        return Ok(4);
    }
    if !(offset >= HEADER_BYTES as f32 && offset <= 1e9) || offset.fract() != 0.0 {
        return Err(format!("its voxels claim to start at byte {offset}"));
    }
    Ok(offset as u64 - HEADER_BYTES as u64)
}

fn skip(input: &mut dyn Read, bytes: u64) -> Result<(), String> {
    match std::io::copy(&mut input.take(bytes), &mut std::io::sink()) {
        Ok(skipped) if skipped == bytes => Ok(()),
        Ok(skipped) => Err(format!(
            "truncated: it ends {} bytes before its voxels",
            bytes - skipped
        )),
        Err(error) => Err(format!("damaged: {error}")),
    }
}
