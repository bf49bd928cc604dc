//! Six images of one slice in one PNG: two rows of input, visible part and reconstruction. It decides no colour but grey.

use anyhow::Result;
use fratmae_model::{ModelConfig, PatchGrid, SlotBatch};

/// Grey of what is hidden, and of the gaps.
const HIDDEN: u8 = 96;
/// Pixels between images.
const GAP: usize = 6;
/// Height up to which small slices are drawn larger, by a whole factor.
const HEIGHT: usize = 320;

/// Draws slice `slice` of two samples, the first with PET masked and the second with CT.
///
/// # Shapes
/// prediction `[2, tokens, voxels of a patch]`
///
/// # Errors
/// What the encoder says.
pub(super) fn picture(
    config: &ModelConfig,
    batch: &SlotBatch,
    prediction: &[f32],
    slice: usize,
) -> Result<Vec<u8>> {
    let n_voxels: usize = config.stack.iter().product();
    let [_, rows, columns] = config.stack;
    // Columns are feet to head in a coronal stack: head up means the last column first.
    let zoom = (HEIGHT / columns).max(1);
    let (width, height) = (rows * zoom, columns * zoom);
    let mut canvas = Canvas::new(3 * width + 2 * GAP, 2 * height + GAP);
    for (row, stacks) in [&batch.pet, &batch.ct].into_iter().enumerate() {
        let stack = &stacks[row * n_voxels..][..n_voxels];
        let rebuilt = &prediction[row * n_voxels..][..n_voxels];
        let view = View {
            config,
            keep: &batch.masks.keep[row],
            stack,
            rebuilt,
            slice,
            is_dark_hot: row == 0,
        };
        for (column, kind) in Kind::ALL.into_iter().enumerate() {
            let corner = (column * (width + GAP), row * (height + GAP));
            canvas.fill(corner, (width, height), |x, y| {
                view.shade(kind, x / zoom, columns - 1 - y / zoom)
            });
        }
    }
    canvas.encode()
}

/// What one image of a row shows.
#[derive(Clone, Copy)]
enum Kind {
    Input,
    Visible,
    Reconstruction,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Input, Self::Visible, Self::Reconstruction];
}

/// One modality of one sample.
struct View<'a> {
    config: &'a ModelConfig,
    keep: &'a [u32],
    stack: &'a [f32],
    /// Patch after patch.
    rebuilt: &'a [f32],
    slice: usize,
    /// PET is drawn dark where it is hot, as is the habit.
    is_dark_hot: bool,
}

impl View<'_> {
    fn shade(&self, kind: Kind, row: usize, column: usize) -> u8 {
        match kind {
            Kind::Input => self.input(row, column),
            Kind::Visible => self.visible(row, column),
            Kind::Reconstruction => self.reconstruction(row, column),
        }
    }

    fn input(&self, row: usize, column: usize) -> u8 {
        let [_, rows, columns] = self.config.stack;
        self.grey(self.stack[(self.slice * rows + row) * columns + column])
    }

    fn visible(&self, row: usize, column: usize) -> u8 {
        match self.is_visible(row, column) {
            true => self.input(row, column),
            false => HIDDEN,
        }
    }

    fn reconstruction(&self, row: usize, column: usize) -> u8 {
        if self.is_visible(row, column) {
            return self.input(row, column);
        }
        let [d, h, w] = self.config.patch;
        let voxel = (self.slice % d * h + row % h) * w + column % w;
        let token = self.token(row, column);
        self.grey(self.rebuilt[token * d * h * w + voxel])
    }

    fn is_visible(&self, row: usize, column: usize) -> bool {
        let token = self.token(row, column);
        self.keep.iter().any(|&kept| kept as usize == token)
    }

    fn token(&self, row: usize, column: usize) -> usize {
        let [_, counts_h, counts_w] = PatchGrid::new(self.config).counts();
        let [d, h, w] = self.config.patch;
        (self.slice / d * counts_h + row / h) * counts_w + column / w
    }

    fn grey(&self, value: f32) -> u8 {
        // The square root shows what is faint; both modalities lie in [0, 1].
        let shade = if self.is_dark_hot {
            1.0 - value.clamp(0.0, 1.0).sqrt()
        } else {
            value.clamp(0.0, 1.0)
        };
        (shade * 255.0).round() as u8
    }
}

struct Canvas {
    width: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            pixels: vec![HIDDEN; width * height],
        }
    }

    fn fill(
        &mut self,
        (left, top): (usize, usize),
        (width, height): (usize, usize),
        shade: impl Fn(usize, usize) -> u8,
    ) {
        for y in 0..height {
            for x in 0..width {
                self.pixels[(top + y) * self.width + left + x] = shade(x, y);
            }
        }
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let height = self.pixels.len() / self.width;
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(
            &mut bytes,
            u32::try_from(self.width)?,
            u32::try_from(height)?,
        );
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_model::{Masks, Modality};

    #[test]
    fn hidden_patches_are_grey_and_visible_ones_come_back_as_they_were() {
        let config = ModelConfig {
            stack: [2, 4, 4],
            patch: [2, 2, 2],
            ..ModelConfig::default()
        };
        let batch = SlotBatch {
            pet: vec![0.0; 64],
            ct: vec![1.0; 64],
            masks: Masks {
                modality: vec![Modality::Pet, Modality::Ct],
                keep: vec![vec![0], vec![3]],
                ..Masks::default()
            },
            tokens: Vec::new(),
        };
        let bytes = picture(&config, &batch, &[0.25; 64], 1).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (3 * 320 + 12, 640 + 6));
        let at = |x: usize, y: usize| pixels[y * info.width as usize + x];
        // PET's token 0 is at the lowest row and column: bottom left, as the head is up.
        let (second, third) = (326, 652);
        assert_eq!(at(10, 310), 255);
        assert_eq!(at(second + 10, 310), 255);
        assert_eq!(at(second + 10, 10), HIDDEN);
        assert_eq!(at(third + 10, 310), 255);
        assert_eq!(
            at(third + 10, 10),
            128,
            "half of the way, as the root of a quarter"
        );
        // CT's token 3 is top right.
        assert_eq!(at(second + 310, 326 + 10), 255);
        assert_eq!(at(third + 10, 640), 64);
    }
}
