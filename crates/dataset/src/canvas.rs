//! Owns the drawing of pictures: shades, outlines, captions, marks of sides, scale and colour bars, and their PNG.
//!
//! It knows pixels and no images: what is drawn is decided by `preview` and by whoever else shows voxels.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::{FONT_8X13, FONT_10X20};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::RgbColor as _;
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use embedded_graphics::{Drawable as _, Pixel};

#[cfg(test)]
mod tests;

/// A colour: red, green, blue.
pub type Colour = [u8; 3];

/// Behind everything: pictures are hung on black.
const BACKGROUND: Colour = [16, 16, 18];
/// Of captions.
pub const INK: Colour = [225, 225, 225];
/// Of marks and numbers beside a picture.
pub const FAINT: Colour = [160, 160, 165];
/// Of what is labelled.
pub const OUTLINE: Colour = [230, 40, 40];

/// Pixels between the things of a picture.
pub const GAP: usize = 8;
/// Width of a colour bar with its numbers.
pub const BAR_WIDTH: usize = 62;

/// How large letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// For captions.
    Large,
    /// For marks and numbers.
    Small,
}

impl Letters {
    /// Gives the height of a line.
    pub fn height(self) -> usize {
        match self {
            Self::Large => 20,
            Self::Small => 13,
        }
    }

    /// Gives the width of a letter; all have the same.
    pub fn width(self) -> usize {
        match self {
            Self::Large => 10,
            Self::Small => 8,
        }
    }
}

/// Which side of its place a text is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// To the right of it.
    Left,
    /// In its middle.
    Centre,
    /// To the left of it.
    Right,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

/// How values become greys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shades {
    /// The value drawn black.
    pub black: f32,
    /// The value drawn white.
    pub white: f32,
}

impl Shades {
    /// SUV, dark where it is hot, as is the habit.
    pub const SUV: Self = Self {
        black: 10.0,
        white: 0.0,
    };
    /// Hounsfield units from air to bone, with soft tissue in the middle.
    pub const HU: Self = Self {
        black: -500.0,
        white: 500.0,
    };

    /// Gives the grey of a value.
    pub fn of(self, value: f32) -> Colour {
        let shade = (value - self.black) / (self.white - self.black);
        [(shade.clamp(0.0, 1.0) * 255.0).round() as u8; 3]
    }

    /// The same for values that were cut to a window: beyond its ends there is nothing to tell apart.
    #[must_use]
    pub fn within(self, [low, high]: [f32; 2]) -> Self {
        let cut = Self {
            black: self.black.clamp(low, high),
            white: self.white.clamp(low, high),
        };
        if cut.black == cut.white { self } else { cut }
    }

    /// Gives the lowest and the highest value that have a grey of their own.
    pub fn ends(self) -> [f32; 2] {
        [self.black.min(self.white), self.black.max(self.white)]
    }
}

/// A picture being drawn.
#[derive(Debug, Clone)]
pub struct Canvas {
    width: usize,
    pixels: Vec<Colour>,
}

impl Canvas {
    /// Starts a picture.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            pixels: vec![BACKGROUND; width * height],
        }
    }

    /// Gives the width and the height.
    pub fn size(&self) -> [usize; 2] {
        [self.width, self.pixels.len() / self.width.max(1)]
    }

    /// Gives the colour of a pixel.
    pub fn at(&self, x: usize, y: usize) -> Colour {
        self.pixels[y * self.width + x]
    }

    /// Draws every pixel of a frame; what lies outside of the picture is cut off.
    pub fn fill(&mut self, frame: Frame, colour: impl Fn(usize, usize) -> Colour) {
        for y in 0..frame.height {
            for x in 0..frame.width {
                self.put(frame.left + x, frame.top + y, colour(x, y));
            }
        }
    }

    /// Draws the rim of a mask, two pixels thick, within a frame.
    pub fn outline(&mut self, frame: Frame, is_inside: impl Fn(usize, usize) -> bool) {
        let far = 2;
        for y in 0..frame.height {
            for x in 0..frame.width {
                let is_rim = || {
                    let at_edge =
                        x < far || y < far || x + far >= frame.width || y + far >= frame.height;
                    at_edge
                        || !is_inside(x - far, y)
                        || !is_inside(x + far, y)
                        || !is_inside(x, y - far)
                        || !is_inside(x, y + far)
                };
                if is_inside(x, y) && is_rim() {
                    self.put(frame.left + x, frame.top + y, OUTLINE);
                }
            }
        }
    }

    /// Writes a line of text whose top is at `top`; letters that the font lacks become `?`, and what leaves the picture
    /// is cut off.
    pub fn text(
        &mut self,
        (x, top): (usize, usize),
        side: Side,
        letters: Letters,
        colour: Colour,
        text: &str,
    ) {
        let font = match letters {
            Letters::Large => &FONT_10X20,
            Letters::Small => &FONT_8X13,
        };
        let alignment = match side {
            Side::Left => Alignment::Left,
            Side::Centre => Alignment::Center,
            Side::Right => Alignment::Right,
        };
        let layout = TextStyleBuilder::new()
            .alignment(alignment)
            .baseline(Baseline::Top)
            .build();
        let [red, green, blue] = colour;
        let style = MonoTextStyle::new(font, Rgb888::new(red, green, blue));
        let place = Point::new(x as i32, top as i32);
        let text = crate::printable(text);
        let drawn = Text::with_text_style(&text, place, style, layout).draw(self);
        // Drawing into memory cannot fail.
        drawn.unwrap_or_else(|never| match never {});
    }

    /// Marks the sides of a coronal or axial image: what lies to its left, right, top and bottom.
    pub fn sides(&mut self, frame: Frame, [left, right, top, bottom]: [&str; 4]) {
        let small = Letters::Small;
        let (middle_x, middle_y) = (frame.left + frame.width / 2, frame.top + frame.height / 2);
        let half = small.height() / 2;
        let marks = [
            ((frame.left + 4, middle_y - half), Side::Left, left),
            (
                (frame.left + frame.width - 4, middle_y - half),
                Side::Right,
                right,
            ),
            ((middle_x, frame.top + 3), Side::Centre, top),
            (
                (middle_x, frame.top + frame.height - small.height() - 3),
                Side::Centre,
                bottom,
            ),
        ];
        for (place, side, text) in marks {
            // On dark and on bright images alike.
            for shift in [(1, 1), (0, 0)] {
                let colour = if shift == (0, 0) {
                    [250, 200, 60]
                } else {
                    [0; 3]
                };
                let place = (place.0 + shift.0, place.1 + shift.1);
                self.text(place, side, small, colour, text);
            }
        }
    }

    /// Draws a bar of whole centimetres below a frame, as long as fits into a third of it.
    pub fn scale_bar(&mut self, frame: Frame, pixels_per_cm: f32) {
        let fits = |cm: &&u16| f32::from(**cm) * pixels_per_cm <= frame.width as f32 / 3.0;
        let Some(&cm) = [50, 20, 10, 5, 2, 1].iter().find(fits) else {
            return;
        };
        let length = (f32::from(cm) * pixels_per_cm).round() as usize;
        let top = frame.top + frame.height + GAP;
        let bar = |left: usize, top: usize, width: usize, height: usize| Frame {
            left,
            top,
            width,
            height,
        };
        for piece in [
            bar(frame.left, top + 3, length, 2),
            bar(frame.left, top, 2, 8),
            bar(frame.left + length.saturating_sub(2), top, 2, 8),
        ] {
            self.fill(piece, |_, _| INK);
        }
        let place = (frame.left + length + GAP, top.saturating_sub(2));
        self.text(
            place,
            Side::Left,
            Letters::Small,
            FAINT,
            &format!("{cm} cm"),
        );
    }

    /// Draws the greys of values to the right of a frame, with the lowest and the highest; it takes [`BAR_WIDTH`].
    pub fn colour_bar(&mut self, frame: Frame, shades: Shades, unit: &str) {
        let [low, high] = shades.ends();
        let bar = Frame {
            left: frame.left + frame.width + GAP,
            top: frame.top,
            width: 12,
            height: frame.height,
        };
        let last = bar.height.saturating_sub(1).max(1) as f32;
        self.fill(bar, |_, y| shades.of(high + (low - high) * y as f32 / last));
        let small = Letters::Small;
        let x = bar.left + bar.width + 4;
        let bottom = bar.top + bar.height.saturating_sub(small.height());
        for (top, text) in [
            (bar.top, format!("{high:.0}")),
            (bar.top + small.height() + 2, unit.to_owned()),
            (bottom, format!("{low:.0}")),
        ] {
            self.text((x, top), Side::Left, small, FAINT, &text);
        }
    }

    /// Rounds greys down to multiples of `step`: noise is most of what a picture weighs.
    pub(crate) fn coarsen(&mut self, step: u8) {
        for [red, green, blue] in &mut self.pixels {
            if red == green && green == blue {
                *red -= *red % step;
                (*green, *blue) = (*red, *red);
            }
        }
    }

    /// Gives the bytes of a PNG: with a palette where there are few colours, which halves it.
    ///
    /// # Errors
    /// What the encoder says of the size.
    pub fn png(&self) -> io::Result<Vec<u8>> {
        let mut places: HashMap<Colour, u8> = HashMap::new();
        let mut palette: Vec<u8> = Vec::new();
        let mut indices = Vec::with_capacity(self.pixels.len());
        for pixel in &self.pixels {
            let place = places.get(pixel).copied().or_else(|| {
                let place = u8::try_from(palette.len() / 3).ok()?;
                palette.extend(pixel);
                places.insert(*pixel, place);
                Some(place)
            });
            match place {
                Some(place) => indices.push(place),
                None => break,
            }
        }
        let [width, height] = self
            .size()
            .map(|side| u32::try_from(side).unwrap_or(u32::MAX));
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        if indices.len() == self.pixels.len() {
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_palette(palette);
            encoder.write_header()?.write_image_data(&indices)?;
        } else {
            encoder.set_color(png::ColorType::Rgb);
            encoder
                .write_header()?
                .write_image_data(self.pixels.as_flattened())?;
        }
        Ok(bytes)
    }

    fn put(&mut self, x: usize, y: usize, colour: Colour) {
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(y * self.width + x)
        {
            *pixel = colour;
        }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        let [width, height] = Self::size(self);
        Size::new(width as u32, height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) {
                self.put(x, y, [colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}
