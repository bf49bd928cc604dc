//! Tensors of a ViT of another shape made to fit: patch kernels inflated, positions interpolated.
//! It owns the two rules; `first` decides which tensor goes where.

use super::resize::resize;

/// Makes a patch kernel of another size or number of axes fit, in torch's layout.
///
/// Channels are summed (a grey image is the same in all of them), a 2-D kernel is repeated along depth, other sizes are
/// resampled linearly, and the whole is scaled by old over new number of voxels: a constant image then gives the same
/// token as before. This is the inflation of I3D (arXiv 1705.07750) for all three axes.
///
/// # Shapes
///
/// `[width, channels, h, w]` or `[width, channels, d, h, w]` -> `[width, 1, patch]`, flat; none for other shapes
pub(super) fn kernel(shape: &[usize], values: &[f32], patch: [usize; 3]) -> Option<Vec<f32>> {
    let (width, channels, from) = match *shape {
        [width, channels, h, w] => (width, channels, [1, h, w]),
        [width, channels, d, h, w] => (width, channels, [d, h, w]),
        _ => return None,
    };
    let voxels: usize = from.iter().product();
    if voxels == 0 || channels == 0 || width == 0 {
        return None;
    }
    let scale = voxels as f32 / patch.iter().product::<usize>() as f32;
    let mut out = Vec::new();
    for of_token in values.chunks_exact(channels * voxels) {
        let mut summed = vec![0.0; voxels];
        for channel in of_token.chunks_exact(voxels) {
            for (sum, value) in summed.iter_mut().zip(channel) {
                *sum += value;
            }
        }
        let resized = resize(&summed, from, patch, 1);
        out.extend(resized.into_iter().map(|x| x * scale));
    }
    Some(out)
}

/// A table of positions as a grid of rows, and the class token's row if it has one.
pub(super) struct Positions<'a> {
    pub(super) class: Option<&'a [f32]>,
    grid: [usize; 3],
    rows: &'a [f32],
    width: usize,
}

impl<'a> Positions<'a> {
    /// Reads `[1, rows, width]`, with or without a class token's row.
    ///
    /// The grid is the file's own where it tells one, the model's where the number of rows is the model's, else a
    /// square of one slice, as 2-D ViTs have it. None where no grid has that many rows.
    pub(super) fn read(
        shape: &[usize],
        values: &'a [f32],
        recorded: Option<[usize; 3]>,
        model: [usize; 3],
    ) -> Option<Self> {
        let &[1, n_rows, width] = shape else {
            return None;
        };
        let holds = |grid: &[usize; 3], n: usize| grid.iter().product::<usize>() == n && n > 0;
        let grids = |n: usize| {
            let side = n.isqrt();
            let known = recorded.into_iter().chain([model, [1, side, side]]);
            known.into_iter().find(move |grid| holds(grid, n))
        };
        let with_class = n_rows.checked_sub(1).and_then(grids);
        let (grid, n_class) = match with_class {
            Some(grid) => (grid, 1),
            None => (grids(n_rows)?, 0),
        };
        let (class, rows) = values.split_at(n_class * width);
        Some(Self {
            class: (n_class == 1).then_some(class),
            grid,
            rows,
            width,
        })
    }

    /// The table on another grid, the class token's row zeros.
    pub(super) fn on(&self, grid: [usize; 3]) -> Vec<f32> {
        let mut table = vec![0.0; self.width];
        table.extend(resize(self.rows, self.grid, grid, self.width));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inflated_kernel_answers_a_constant_image_as_before() {
        let flat: Vec<f32> = (0..24_u8).map(f32::from).collect();
        let inflated = kernel(&[2, 3, 2, 2], &flat, [4, 4, 6]).unwrap();
        assert_eq!(inflated.len(), 2 * 96);
        for (before, after) in flat.chunks_exact(12).zip(inflated.chunks_exact(96)) {
            let (before, after) = (before.iter().sum::<f32>(), after.iter().sum::<f32>());
            assert!((before - after).abs() < 1e-3, "{before} became {after}");
        }
        // Along depth nothing changes.
        assert_eq!(inflated[..24], inflated[24..48]);
    }

    #[test]
    fn a_kernel_that_fits_is_itself() {
        let values: Vec<f32> = (0..24_u8).map(f32::from).collect();
        let same = kernel(&[1, 1, 2, 3, 4], &values, [2, 3, 4]).unwrap();
        assert_eq!(same, values);
        assert_eq!(kernel(&[24], &values, [2, 3, 4]), None);
    }

    #[test]
    fn a_square_table_spreads_over_depth_and_gives_its_class_row() {
        let values: Vec<f32> = (0..10_u8).map(f32::from).collect();
        let table = Positions::read(&[1, 5, 2], &values, None, [3, 2, 2]).unwrap();
        assert_eq!(table.class, Some(&values[..2]));
        let spread = table.on([3, 2, 2]);
        assert_eq!(spread[..2], [0.0, 0.0]);
        assert_eq!(spread[2..], values[2..].repeat(3));
    }

    #[test]
    fn the_models_own_grid_and_the_files_word_go_before_a_square() {
        let values = vec![1.0; 13];
        let read = |recorded| Positions::read(&[1, 13, 1], &values, recorded, [2, 2, 3]);
        assert_eq!(read(None).unwrap().grid, [2, 2, 3]);
        assert_eq!(read(Some([1, 3, 4])).unwrap().grid, [1, 3, 4]);
        let none = Positions::read(&[1, 12, 1], &values[..12], None, [2, 2, 3]).unwrap();
        assert_eq!(none.class, None);
        assert!(Positions::read(&[1, 8, 1], &values[..8], None, [2, 2, 3]).is_none());
    }
}
