//! Owns the grid that the images of a study are brought to: it spans exactly the box of one of them.
//!
//! Each axis averages where it shrinks and interpolates linearly where it grows. Labels take the nearest voxel.

use crate::ImageError;
use crate::image::open::OpenImage;
use crate::resample::{self, AxisMap, Taps, Unmeasured, oblique};
use crate::spread::Spread;
use crate::volume::affine;
use crate::volume::{Affine, Geometry};

/// Grids whose axes drift apart by less than this part of a voxel, from end to end, count as parallel.
const PARALLEL: f64 = 0.1;

/// A grid that spans exactly the box of one image, the reference.
#[derive(Debug, Clone, Copy)]
pub struct TargetGrid {
    /// Its voxels and where they lie.
    pub geometry: Geometry,
    /// From the grid to the reference, axis by axis.
    maps: [AxisMap; 3],
}

/// An image on the grid.
#[derive(Debug)]
pub struct OnGrid {
    /// The values, row-major over the grid.
    pub voxels: Vec<f32>,
    /// How the values were spread before.
    pub spread: Spread,
    /// Voxels of the grid that the image reaches.
    pub inside: usize,
    /// The part of the grid's length along axis 2 that it reaches along, where its axes are the grid's.
    pub reach: Option<f64>,
}

/// Labels on the grid.
#[derive(Debug)]
pub struct Labels {
    /// The labels, row-major over the grid.
    pub voxels: Vec<u8>,
    pub labelled: u64,
}

impl TargetGrid {
    /// Lays a grid of this shape (each side at least 1) over exactly the box of a reference.
    pub fn spanning(reference: Geometry, shape: [usize; 3]) -> Self {
        let maps = [0, 1, 2].map(|axis| AxisMap::spanning(reference.shape[axis], shape[axis]));
        let affine = affine::compose(&reference.affine, &oblique::grid_of(maps));
        Self {
            geometry: Geometry { shape, affine },
            maps,
        }
    }

    /// Brings the reference itself to the grid.
    ///
    /// # Errors
    /// What `read_image` says of voxels.
    pub fn resample_reference(
        &self,
        reference: OpenImage,
        unmeasured: Unmeasured,
    ) -> Result<OnGrid, ImageError> {
        self.along_axes(reference, &self.maps, unmeasured)
    }

    /// Brings an image on any other grid to this one; where it does not reach, it is unmeasured.
    ///
    /// # Errors
    /// What `read_image` says of voxels.
    pub fn resample(&self, image: OpenImage, unmeasured: Unmeasured) -> Result<OnGrid, ImageError> {
        if let Some(maps) = self.axis_maps_to(image.geometry()) {
            return self.along_axes(image, &maps, unmeasured);
        }
        let mut volume = image.into_volume()?;
        let spread = Spread::of(&volume.voxels);
        unmeasured.fill(&mut volume.voxels);
        let Geometry { shape, affine } = self.geometry;
        let (voxels, inside) = oblique::sample(&volume, shape, &affine, unmeasured.value);
        Ok(OnGrid {
            voxels,
            spread,
            inside,
            reach: None,
        })
    }

    /// Samples labels.
    ///
    /// # Errors
    /// What `read_image` says of voxels; `Unusable` for labels that are no whole numbers from 0 to 255.
    pub fn labels(&self, image: OpenImage) -> Result<Labels, ImageError> {
        let inverse = affine::invert(&image.geometry().affine)
            .ok_or_else(|| image.refuse("its affine has no inverse".to_owned()))?;
        let map = affine::compose(&inverse, &self.geometry.affine);
        image.labels(self.geometry.shape, &map)
    }

    fn along_axes(
        &self,
        image: OpenImage,
        maps: &[AxisMap; 3],
        unmeasured: Unmeasured,
    ) -> Result<OnGrid, ImageError> {
        let (from, to) = (image.geometry().shape, self.geometry.shape);
        let taps: [Vec<Taps>; 3] = [0, 1, 2].map(|axis| maps[axis].taps(from[axis], to[axis]));
        let along = resample::inside(&taps[2]);
        let inside = taps.iter().map(|taps| resample::inside(taps)).product();
        let (voxels, spread) = image.resampled(&taps, unmeasured)?;
        Ok(OnGrid {
            voxels,
            spread,
            inside,
            reach: Some(along as f64 / to[2] as f64),
        })
    }

    /// Gives the axis maps onto an image whose axes are parallel to the grid's, else nothing.
    fn axis_maps_to(&self, image: Geometry) -> Option<[AxisMap; 3]> {
        let Geometry { shape, affine } = self.geometry;
        let map: Affine = affine::compose(&affine::invert(&image.affine)?, &affine);
        let drift = |row: usize, axis: usize| map[row][axis].abs() * shape[axis] as f64;
        let parallel =
            (0..3).all(|row| (0..3).all(|axis| row == axis || drift(row, axis) < PARALLEL));
        let along = (0..3).all(|axis| map[axis][axis] > 0.0);
        (parallel && along).then(|| {
            [0, 1, 2].map(|axis| AxisMap {
                step: map[axis][axis],
                offset: map[axis][3],
            })
        })
    }
}
