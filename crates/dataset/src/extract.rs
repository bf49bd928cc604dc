//! Reads the voxels of one image of a prepared case back, in the order of its grid.

use crate::DataSetError;
use crate::preview::read;
use crate::reader::{DataSet, unblocked};

/// What of a case is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseImage {
    /// SUV.
    Pet,
    /// Hounsfield units.
    Ct,
    /// The lesions.
    Label,
}

/// Returns the voxels of an image of a case on the grid of the data set, S fastest; none for a label it does not have.
///
/// # Errors
/// What [`DataSet::read_slices`] says.
pub async fn extract(
    data: &DataSet,
    case: u32,
    image: CaseImage,
) -> Result<Option<Vec<f32>>, DataSetError> {
    let (_, slices) = read(data, case).await?;
    let shape = data.manifest.grid;
    unblocked(move || {
        Ok(match image {
            CaseImage::Pet => Some(turned(&slices.pet, shape, f32::from)),
            CaseImage::Ct => Some(turned(&slices.ct, shape, f32::from)),
            CaseImage::Label => slices.label.map(|label| turned(&label, shape, f32::from)),
        })
    })
    .await
}

/// Brings (A, R, S) to (R, A, S).
fn turned<T: Copy>(values: &[T], shape: [usize; 3], convert: impl Fn(T) -> f32) -> Vec<f32> {
    let [right, anterior, superior] = shape;
    let mut result = Vec::with_capacity(values.len());
    for r in 0..right {
        for a in 0..anterior {
            let line = &values[(a * right + r) * superior..][..superior];
            result.extend(line.iter().map(|&value| convert(value)));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::{GRID, prepared, stored};

    #[tokio::test]
    async fn every_voxel_comes_back_to_its_place() {
        let data = DataSet::open(&stored(2, 1).await).await.unwrap();
        let case = prepared(0);
        let ct = extract(&data, 0, CaseImage::Ct).await.unwrap().unwrap();
        let label = extract(&data, 0, CaseImage::Label).await.unwrap().unwrap();
        assert_eq!(ct.len(), GRID.iter().product::<usize>());
        for (index, value) in case.ct.iter().enumerate() {
            let (a, r, s) = (index / (5 * 7), index / 7 % 5, index % 7);
            let place = (r * 12 + a) * 7 + s;
            assert_eq!(ct[place], value.to_f32());
            assert_eq!(label[place], f32::from((index % 3) as u8));
        }
        assert_eq!(extract(&data, 1, CaseImage::Label).await.unwrap(), None);
    }
}
