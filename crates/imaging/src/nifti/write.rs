//! Owns the writing of an image to a NIfTI file: whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::encode::{NiftiVoxels, encode_nifti};
use crate::ImageError;
use crate::volume::Volume;

/// Voxels along axis 2 that are turned together: a cache line.
const BLOCK: usize = 16;
/// Voxels along axis 0 that are turned together.
const BAND: usize = 32;

/// Writes an image as 32-bit floats with its axes and its affine; packed where the name ends in `.gz`.
///
/// The file is there whole under its name, or not at all. One that was there before is replaced.
///
/// # Errors
/// `Io` where the folder cannot be written; `Unwritable` for a name that is not NIfTI's, or an axis too long for it.
pub fn write_nifti(path: &Path, volume: &Volume) -> Result<(), ImageError> {
    let name = path.to_string_lossy().to_lowercase();
    if !name.ends_with(".nii") && !name.ends_with(".nii.gz") {
        let reason = format!("{} ends neither in .nii nor in .nii.gz", path.display());
        return Err(ImageError::Unwritable { reason });
    }
    if volume.shape.iter().any(|&size| size > i16::MAX as usize) {
        let reason = format!("NIfTI has no room for axes of {:?} voxels", volume.shape);
        return Err(ImageError::Unwritable { reason });
    }
    write_whole(path, volume, name.ends_with(".gz")).map_err(|source| ImageError::Io {
        action: "write",
        path: path.to_path_buf(),
        source,
    })
}

fn write_all(output: &mut dyn Write, volume: &Volume) -> io::Result<()> {
    output.write_all(&encode_nifti(
        volume.shape,
        &volume.affine,
        &NiftiVoxels::F32(&[]),
    ))?;
    write_voxels(output, volume)
}

/// Writes the voxels in the order of NIfTI, a block of axis 2 at a time; of that a band of axis 0, so that both what is
/// read and what is written stays near.
fn write_voxels(output: &mut dyn Write, volume: &Volume) -> io::Result<()> {
    let [right, middle, last] = volume.shape;
    let plane = middle * right;
    let mut bytes = vec![[0_u8; 4]; plane * BLOCK.min(last)];
    for first in (0..last).step_by(BLOCK) {
        let block = first..last.min(first + BLOCK);
        for band in (0..right).step_by(BAND) {
            for j in 0..middle {
                for i in band..right.min(band + BAND) {
                    let line = &volume.voxels[(i * middle + j) * last..][block.clone()];
                    for (k, voxel) in line.iter().enumerate() {
                        bytes[k * plane + j * right + i] = voxel.to_le_bytes();
                    }
                }
            }
        }
        output.write_all(bytes[..block.len() * plane].as_flattened())?;
    }
    Ok(())
}

/// Writes beside the place, then moves there.
fn write_whole(path: &Path, volume: &Volume, packed: bool) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let file = tempfile::Builder::new()
        .prefix(".fratmae-")
        .tempfile_in(folder)?;
    let mut output = BufWriter::new(file.as_file());
    if packed {
        let mut encoder = GzEncoder::new(&mut output, Compression::fast());
        write_all(&mut encoder, volume)?;
        encoder.finish()?;
    } else {
        write_all(&mut output, volume)?;
    }
    output.flush()?;
    drop(output);
    make_readable(file.as_file())?;
    file.persist(path)?;
    Ok(())
}

/// Gives a file the rights of an ordinary one; temporary files are their owner's alone.
#[cfg(unix)]
fn make_readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// Elsewhere than on Unix there are no such rights.
#[cfg(not(unix))]
fn make_readable(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::read_nifti;
    use super::*;

    fn volume() -> Volume {
        Volume {
            shape: [35, 3, 20],
            voxels: (0..2100_u16).map(f32::from).collect(),
            affine: [
                [-2.0, 0.0, 0.5, 10.0],
                [0.0, 3.0, 0.0, -4.0],
                [0.25, 0.0, 4.0, 7.0],
            ],
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.nii", "a.nii.gz", "a.NII.GZ"] {
            let path = folder.path().join(name);
            write_nifti(&path, &volume()).unwrap();
            assert_eq!(read_nifti(&path).unwrap(), volume());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn other_names_and_absent_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let other = write_nifti(&folder.path().join("a.mha"), &volume()).unwrap_err();
        assert!(other.to_string().contains("neither in .nii nor"), "{other}");
        let absent = write_nifti(&folder.path().join("no/a.nii"), &volume()).unwrap_err();
        assert!(absent.to_string().starts_with("cannot write"), "{absent}");
    }
}
