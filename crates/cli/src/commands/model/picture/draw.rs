//! The picture of what a run makes of slices of one case: for each slice a row of PET and one of CT, with input, visible
//! part, reconstruction and error.

use anyhow::Result;
use fratmae_dataset::{BAR_WIDTH, Canvas, Colour, Frame, GAP, INK, Letters, Shades, Side};
use fratmae_model::{ModelConfig, PatchGrid, SlotBatch};

/// Colour of what is hidden.
const HIDDEN: Colour = [70, 74, 92];
/// Height up to which one slice is drawn, and each of many.
const HEIGHT: f32 = 600.0;
const HEIGHT_OF_MANY: f32 = 220.0;
/// How much errors are enlarged: white is a quarter of the shades shown.
const ENLARGED: f32 = 4.0;

/// What is drawn.
pub(super) struct Shown<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) batch: &'a SlotBatch,
    /// `[2, tokens, voxels of a patch]`: PET of the first sample, CT of the second.
    pub(super) prediction: &'a [f32],
    /// SUV and Hounsfield units at 0 and 1 of what the network sees.
    pub(super) windows: [[f32; 2]; 2],
    /// Slices of the stack.
    pub(super) slices: Vec<usize>,
    /// Whether the guess stands where the input is visible as well.
    pub(super) everywhere: bool,
    /// Line above all.
    pub(super) title: String,
    /// Reconstruction error of PET and of CT.
    pub(super) errors: [f32; 2],
    /// Millimetres of a voxel along R and S.
    pub(super) spacing: [f32; 2],
}

/// Draws the slices of two samples, the first with PET masked and the second with CT.
///
/// # Errors
/// What the encoder says.
pub(super) fn picture(shown: &Shown<'_>) -> Result<Vec<u8>> {
    Ok(canvas(shown).png()?)
}

fn canvas(shown: &Shown<'_>) -> Canvas {
    let [_, rows, columns] = shown.config.stack;
    let [width, height] = shown.size(rows, columns);
    let (large, small) = (Letters::Large.height(), Letters::Small.height());
    let row_height = small + 4 + height + GAP;
    let top = GAP + large + GAP;
    let n_rows = 2 * shown.slices.len();
    let step = width.max(96) + GAP;
    let title_width = shown.title.chars().count() * Letters::Large.width() + 2 * GAP;
    let mut canvas = Canvas::new(
        (GAP + Kind::ALL.len() * step + BAR_WIDTH).max(title_width),
        top + small + GAP + n_rows * row_height + 3 * GAP + small,
    );
    canvas.text((GAP, GAP), Side::Left, Letters::Large, INK, &shown.title);
    for (column, kind) in Kind::ALL.into_iter().enumerate() {
        let place = (GAP + column * step, top);
        canvas.text(
            place,
            Side::Left,
            Letters::Small,
            INK,
            kind.title(shown.everywhere),
        );
    }
    let of_slice = |&slice: &usize| [0, 1].map(|modality| (slice, modality));
    for (row, (slice, modality)) in shown.slices.iter().flat_map(of_slice).enumerate() {
        let view = View::of(shown, slice, modality);
        let place = (GAP, top + small + GAP + row * row_height);
        let caption = view.caption(shown);
        canvas.text(place, Side::Left, Letters::Small, INK, &caption);
        let first = Frame {
            left: GAP,
            top: place.1 + small + 4,
            width,
            height,
        };
        draw_row(&mut canvas, &view, first, step);
        if row + 1 == n_rows {
            let centimetres = rows as f32 * shown.spacing[0] / 10.0;
            canvas.scale_bar(first, width as f32 / centimetres);
        }
    }
    canvas
}

/// Draws all kinds of images of one modality, `step` pixels from each to the next.
fn draw_row(canvas: &mut Canvas, view: &View<'_>, first: Frame, step: usize) {
    let [_, rows, columns] = view.config.stack;
    let mut frame = first;
    for kind in Kind::ALL {
        canvas.fill(frame, |x, y| {
            let row = rows - 1 - x * rows / frame.width;
            let column = columns - 1 - y * columns / frame.height;
            view.colour(kind, row, column)
        });
        canvas.sides(frame, ["R", "L", "H", "F"]);
        frame.left += step;
    }
    frame.left -= step;
    let unit = if view.modality == 0 { "SUV" } else { "HU" };
    canvas.colour_bar(frame, view.shades, unit);
}

impl Shown<'_> {
    /// Gives the width and height of one image: pixels are square in millimetres.
    fn size(&self, rows: usize, columns: usize) -> [usize; 2] {
        let height = if self.slices.len() > 1 {
            HEIGHT_OF_MANY
        } else {
            HEIGHT
        };
        let [right, superior] = [
            rows as f32 * self.spacing[0],
            columns as f32 * self.spacing[1],
        ];
        let height = height.max(columns as f32);
        [height * right / superior, height].map(|side| side.round().clamp(1.0, 4096.0) as usize)
    }
}

/// What one image of a row shows.
#[derive(Clone, Copy)]
enum Kind {
    Input,
    Visible,
    Reconstruction,
    Error,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::Input,
        Self::Visible,
        Self::Reconstruction,
        Self::Error,
    ];

    fn title(self, everywhere: bool) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Visible => "visible",
            Self::Reconstruction if everywhere => "guess everywhere",
            Self::Reconstruction => "reconstruction",
            Self::Error => "error x4",
        }
    }
}

/// One modality of one sample.
struct View<'a> {
    config: &'a ModelConfig,
    keep: &'a [u32],
    stack: &'a [f32],
    /// Patch after patch.
    rebuilt: &'a [f32],
    slice: usize,
    modality: usize,
    window: [f32; 2],
    shades: Shades,
    everywhere: bool,
}

impl<'a> View<'a> {
    fn of(shown: &'a Shown<'_>, slice: usize, modality: usize) -> Self {
        let n_voxels: usize = shown.config.stack.iter().product();
        let stacks = [&shown.batch.pet, &shown.batch.ct][modality];
        let own = modality * n_voxels..(modality + 1) * n_voxels;
        Self {
            config: shown.config,
            keep: &shown.batch.masks.keep[modality],
            stack: &stacks[own.clone()],
            rebuilt: &shown.prediction[own],
            slice,
            modality,
            window: shown.windows[modality],
            shades: [Shades::SUV, Shades::HU][modality].within(shown.windows[modality]),
            everywhere: shown.everywhere,
        }
    }

    fn caption(&self, shown: &Shown<'_>) -> String {
        let [name, other] = if self.modality == 0 {
            ["PET", "CT"]
        } else {
            ["CT", "PET"]
        };
        let hidden = 100.0 * shown.config.mask_ratio;
        format!(
            "slice {}: {name}, {hidden:.0} % hidden, {other} seen; mean squared error {:.5}",
            self.slice, shown.errors[self.modality]
        )
    }

    fn colour(&self, kind: Kind, row: usize, column: usize) -> Colour {
        match kind {
            Kind::Input => self.grey(self.input(row, column)),
            Kind::Visible if !self.is_visible(row, column) => HIDDEN,
            Kind::Visible => self.grey(self.input(row, column)),
            Kind::Reconstruction => self.grey(self.output(row, column)),
            Kind::Error => self.error(row, column),
        }
    }

    fn input(&self, row: usize, column: usize) -> f32 {
        let [_, rows, columns] = self.config.stack;
        self.stack[(self.slice * rows + row) * columns + column]
    }

    /// What the network makes of a voxel; the input where it was visible, unless the guess is wanted everywhere.
    fn output(&self, row: usize, column: usize) -> f32 {
        if !self.everywhere && self.is_visible(row, column) {
            return self.input(row, column);
        }
        let [d, h, w] = self.config.patch;
        let voxel = (self.slice % d * h + row % h) * w + column % w;
        self.rebuilt[self.token(row, column) * d * h * w + voxel]
    }

    /// Black where there is none, white from a quarter of the shades on.
    fn error(&self, row: usize, column: usize) -> Colour {
        let [low, high] = self.shades.ends();
        let [input, output] = [self.input(row, column), self.output(row, column)].map(|value| {
            let [from, to] = self.window;
            (from + value * (to - from)).clamp(low, high)
        });
        let error = ENLARGED * (input - output).abs() / (high - low);
        [(error.min(1.0) * 255.0).round() as u8; 3]
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

    /// Draws a value that the network sees in the shades of its modality, which are not the window of training.
    fn grey(&self, value: f32) -> Colour {
        let [low, high] = self.window;
        self.shades.of(low + value * (high - low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_model::{Masks, Modality};

    fn batch() -> SlotBatch {
        SlotBatch {
            pet: vec![0.0; 64],
            ct: vec![0.5; 64],
            masks: Masks {
                modality: vec![Modality::Pet, Modality::Ct],
                keep: vec![vec![0], vec![3]],
                ..Masks::default()
            },
            tokens: Vec::new(),
        }
    }

    fn drawn(slices: Vec<usize>, everywhere: bool) -> (Canvas, [usize; 2]) {
        let config = ModelConfig {
            stack: [2, 4, 4],
            patch: [2, 2, 2],
            ..ModelConfig::default()
        };
        // A quarter of 0 to 20 is SUV 5, and of -1000 to 1000 it is -500 HU.
        let shown = Shown {
            config: &config,
            batch: &batch(),
            prediction: &[0.25; 64],
            windows: [[0.0, 20.0], [-1000.0, 1000.0]],
            slices,
            everywhere,
            title: "a, step 3".to_owned(),
            errors: [0.1, 0.2],
            spacing: [4.0, 4.0],
        };
        (canvas(&shown), shown.size(4, 4))
    }

    /// The colour of a place, in parts of the image in a column and row of the picture.
    fn at(canvas: &Canvas, side: usize, column: usize, row: usize, [x, y]: [f32; 2]) -> Colour {
        let (large, small) = (Letters::Large.height(), Letters::Small.height());
        let left = GAP + column * (side + GAP);
        let top = GAP + large + GAP + small + GAP + row * (small + 4 + side + GAP) + small + 4;
        canvas.at(
            left + (x * side as f32) as usize,
            top + (y * side as f32) as usize,
        )
    }

    #[test]
    fn the_patient_s_right_is_left_hidden_patches_show_and_visible_ones_come_back() {
        let (canvas, [side, height]) = drawn(vec![1], false);
        assert_eq!((side, height), (600, 600));
        // PET's token 0 is at the left foot of the patient: bottom right. Marks stand in the middle of the sides.
        let (visible, hidden) = ([0.9, 0.8], [0.2, 0.2]);
        assert_eq!(at(&canvas, side, 0, 0, hidden), [255; 3], "SUV 0 is white");
        assert_eq!(at(&canvas, side, 1, 0, visible), [255; 3]);
        assert_eq!(at(&canvas, side, 1, 0, hidden), HIDDEN);
        assert_eq!(at(&canvas, side, 2, 0, visible), [255; 3]);
        assert_eq!(at(&canvas, side, 2, 0, hidden), [128; 3], "SUV 5 of 10");
        assert_eq!(at(&canvas, side, 3, 0, visible), [0; 3]);
        assert_eq!(
            at(&canvas, side, 3, 0, hidden),
            [255; 3],
            "half of the shades, four times"
        );
        // CT's token 3 is at the right of the head: top left.
        assert_eq!(at(&canvas, side, 1, 1, [0.2, 0.2]), [128; 3], "0 HU");
        assert_eq!(at(&canvas, side, 1, 1, [0.8, 0.8]), HIDDEN);
        assert_eq!(at(&canvas, side, 2, 1, [0.8, 0.8]), [0; 3], "-500 HU");
    }

    #[test]
    fn the_guess_may_stand_everywhere_and_many_slices_are_smaller() {
        let (canvas, [side, _]) = drawn(vec![1], true);
        assert_eq!(at(&canvas, side, 2, 0, [0.9, 0.8]), [128; 3]);
        let (many, [side, _]) = drawn(vec![0, 1], false);
        assert_eq!(side, 220);
        assert!(many.size()[1] > 4 * side);
        assert_eq!(at(&many, side, 1, 2, [0.2, 0.2]), HIDDEN);
    }
}
