//! Real PET/CT studies beside the project, with the figures that another reader found in them.

use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");

/// One study.
#[derive(Debug, Clone)]
pub struct RealCase {
    pub case_id: String,
    pub pet: RealImage,
    pub ct: RealImage,
    /// Tumour mask on the PET's grid.
    pub mask: PathBuf,
}

/// One image, and what is known of it.
#[derive(Debug, Clone)]
pub struct RealImage {
    pub path: PathBuf,
    /// Voxels along its axes.
    pub shape: [f64; 3],
    pub spacing: [f64; 3],
    /// Directions of its axes, such as `LPS`.
    pub axes: String,
    /// Smallest, largest and mean value.
    pub range: [f64; 3],
}

/// Finds the studies, or says why there are none.
///
/// # Errors
/// Where they are looked for, when they are not there.
pub fn real_cases() -> Result<Vec<RealCase>, String> {
    let folder = Path::new(FOLDER);
    let list = folder.join("manifest.csv");
    let absent = |_| format!("there is no {}", list.display());
    let list = std::fs::read_to_string(&list).map_err(absent)?;
    let case = |case_id: &str| {
        let images = format!("petct/{case_id}/nifti");
        RealCase {
            case_id: case_id.to_owned(),
            pet: image(folder, &list, &format!("{images}/PET_image.nii.gz")),
            ct: image(folder, &list, &format!("{images}/CT_image.nii.gz")),
            mask: folder.join(format!("{images}/PET_mask.nii.gz")),
        }
    };
    Ok(["STS_008", "STS_019"].map(case).to_vec())
}

fn image(folder: &Path, list: &str, name: &str) -> RealImage {
    let line = list.lines().find(|line| line.starts_with(name));
    let fields: Vec<&str> = line.expect("the list names the image").split(',').collect();
    let numbers = |field: &str, separator: char| -> [f64; 3] {
        let numbers = field
            .split(separator)
            .map(|part| part.parse().expect("a number"));
        numbers.collect::<Vec<_>>().try_into().expect("three axes")
    };
    RealImage {
        path: folder.join(name),
        shape: numbers(fields[5], 'x'),
        spacing: numbers(fields[7], '\\'),
        axes: fields[11].split(' ').next().unwrap_or_default().to_owned(),
        range: numbers(&fields[13..16].join(","), ','),
    }
}
