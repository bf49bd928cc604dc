//! Owns the image in memory: shape, voxels, and where they lie in the patient. It reads and resamples nothing.

pub(crate) mod affine;
mod placement;
pub(crate) mod vector;

pub use affine::Affine;

/// One 3-D image.
///
/// Voxels are row-major over the axes 0, 1, 2: axis 2 is the fastest. The affine maps voxel indices (voxel centres)
/// to millimetres in the RAS+ world: +x right, +y anterior, +z superior.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Number of voxels along each axis.
    pub shape: [usize; 3],
    /// The values, `shape` product many.
    pub voxels: Vec<f32>,
    /// Voxel indices to RAS+ millimetres.
    pub affine: Affine,
}

/// Where an image lies, without its voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    /// Number of voxels along each axis.
    pub shape: [usize; 3],
    /// Voxel indices to RAS+ millimetres.
    pub affine: Affine,
}

impl Volume {
    /// Gives the size of a voxel along each axis, in millimetres.
    pub fn spacing(&self) -> [f64; 3] {
        affine::spacing(&self.affine)
    }

    /// Gives the smallest and the largest value; both are NaN for an image without voxels.
    pub fn range(&self) -> (f32, f32) {
        self.voxels
            .iter()
            .fold((f32::NAN, f32::NAN), |(low, high), &voxel| {
                (low.min(voxel), high.max(voxel))
            })
    }

    /// Gives shape and place.
    pub(crate) fn geometry(&self) -> Geometry {
        Geometry {
            shape: self.shape,
            affine: self.affine,
        }
    }
}

impl Geometry {
    /// Gives the size of a voxel along each axis, in millimetres.
    pub fn spacing(&self) -> [f64; 3] {
        affine::spacing(&self.affine)
    }

    /// Gives the volume of a voxel, in millilitres.
    pub fn millilitres(&self) -> f64 {
        self.spacing().iter().product::<f64>() / 1000.0
    }

    /// Gives the lowest and the highest world coordinates of the image, voxel edges to voxel edges.
    pub fn bounds(&self) -> [[f64; 3]; 2] {
        let mut low = [f64::INFINITY; 3];
        let mut high = [f64::NEG_INFINITY; 3];
        for corner in 0..8_usize {
            let index = [0, 1, 2].map(|axis| match corner >> axis & 1 {
                0 => -0.5,
                _ => self.shape[axis] as f64 - 0.5,
            });
            for (axis, value) in affine::apply(&self.affine, index).into_iter().enumerate() {
                low[axis] = low[axis].min(value);
                high[axis] = high[axis].max(value);
            }
        }
        [low, high]
    }

    /// Says which part of the world the image covers, voxel edges to voxel edges, for a reader.
    pub fn describe_box(&self) -> String {
        let [low, high] = self.bounds();
        format!(
            "x {:.0}..{:.0}, y {:.0}..{:.0}, z {:.0}..{:.0}",
            low[0], high[0], low[1], high[1], low[2], high[2]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_ignores_the_order_of_values() {
        let volume = Volume {
            shape: [1, 1, 3],
            voxels: vec![2.0, -1.0, 7.0],
            affine: affine::IDENTITY,
        };
        assert_eq!(volume.range(), (-1.0, 7.0));
    }

    #[test]
    fn box_reaches_from_voxel_edge_to_voxel_edge() {
        let volume = Volume {
            shape: [2, 3, 4],
            voxels: vec![0.0; 24],
            affine: [
                [-2.0, 0.0, 0.0, 10.0],
                [0.0, 2.0, 0.0, 0.0],
                [0.0, 0.0, 5.0, -100.0],
            ],
        };
        assert_eq!(
            volume.geometry().describe_box(),
            "x 7..11, y -1..5, z -102..-82"
        );
        assert_eq!(volume.spacing(), [2.0, 2.0, 5.0]);
    }
}
