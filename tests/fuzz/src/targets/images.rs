//! Images: NIfTI as it is and in gzip, and DICOM files of one series.

use std::path::Path;

use fratmae_imaging::{ImageSource, canonical, read_image, write_nifti};
use fratmae_prepare::{CaseSource, find_cases, prepare_case};

use crate::places::{in_folder, write};
use crate::prepared::{GRID, ct, volume};

/// The mark of a DICOM file, and how many bytes lie before it.
const MARK: &[u8] = b"DICM";
const BEFORE_MARK: usize = 128;
/// Most files that an input is cut into.
const MOST_FILES: usize = 16;

/// Reads an input as `.nii`.
pub(crate) fn nifti(bytes: &[u8]) {
    in_folder(|folder| read(folder, &write(folder, "image.nii", bytes)));
}

/// Reads an input as `.nii.gz`.
pub(crate) fn gzip(bytes: &[u8]) {
    in_folder(|folder| read(folder, &write(folder, "image.nii.gz", bytes)));
}

/// Reads an input as the files of a series: one starts 128 bytes before each mark.
pub(crate) fn dicom(bytes: &[u8]) {
    in_folder(|folder| {
        for (number, file) in files(bytes).into_iter().enumerate() {
            write(folder, &format!("series/{number}.dcm"), file);
        }
        read(folder, &folder.join("series"));
        for case in find_cases(&folder.join("series")).into_iter().flatten() {
            prepare(&case);
        }
    });
}

fn files(bytes: &[u8]) -> Vec<&[u8]> {
    let marks = bytes.windows(MARK.len()).enumerate();
    let mut starts: Vec<usize> = marks
        .filter(|(_, four)| *four == MARK)
        .filter_map(|(at, _)| at.checked_sub(BEFORE_MARK))
        .take(MOST_FILES)
        .collect();
    if starts.is_empty() {
        starts.push(0);
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(&start, end)| bytes.get(start..end))
        .collect()
}

/// Reads an image; one that is taken is also turned, prepared in every role, and written and read again.
fn read(folder: &Path, path: &Path) {
    let Ok(image) = read_image(path) else {
        return;
    };
    let volume = canonical(image.volume);
    let is_finite = volume.voxels.iter().all(|voxel| voxel.is_finite());
    assert!(is_finite, "a value is no number");
    let voxels: usize = volume.shape.iter().product();
    assert_eq!(volume.voxels.len(), voxels, "the shape is another");
    let copy = folder.join("copy.nii.gz");
    if write_nifti(&copy, &volume).is_ok() {
        let again = read_image(&copy).expect("what was written is read");
        assert_eq!(again.volume.shape, volume.shape);
    }
    drop(volume);
    let sound = folder.join("sound.nii.gz");
    write_nifti(&sound, &self::volume(0, 1.0)).expect("the folder is ours");
    let sound_ct = folder.join("ct.nii.gz");
    write_nifti(&sound_ct, &ct(0)).expect("the folder is ours");
    let source = |path: &Path| ImageSource::Path(path.to_owned());
    let case = |pet, ct| CaseSource::new("case", source(pet), source(ct));
    for one_grid in [false, true] {
        prepare(&CaseSource {
            label: Some(source(path)),
            one_grid,
            ..case(path, &sound_ct)
        });
        prepare(&CaseSource {
            label: Some(source(path)),
            one_grid,
            ..case(&sound, path)
        });
    }
    prepare(&case(path, path));
}

fn prepare(case: &CaseSource) {
    if let Ok(prepared) = prepare_case(case, GRID) {
        assert_eq!(prepared.pet.len(), GRID.iter().product::<usize>());
    }
}
