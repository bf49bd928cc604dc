//! Owns stored pixel values: which forms are read, and every check before memory is taken for them.

mod codecs;
pub(super) mod padding;
mod rle;

use super::codes::{
    BITS_ALLOCATED, BITS_STORED, COLUMNS, FRAMES, HIGH_BIT, PIXEL_DATA, PIXEL_REPRESENTATION,
    Packing, ROWS, SAMPLES, Syntax,
};
use super::stream::Elements;

/// Most pixels of a frame: 2048 x 2048, four times the largest CT.
const MOST_PIXELS: usize = 1 << 22;

/// How the pixels of every frame of a file are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PixelForm {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Bytes of a pixel that is not compressed: 1 or 2.
    bytes: usize,
    /// Bits of a pixel that hold its value, from the lowest on.
    bits: u32,
    signed: bool,
    big_endian: bool,
    packing: Packing,
}

impl PixelForm {
    /// Reads the form from a header.
    pub(super) fn of(data: &Elements<'_>, syntax: Syntax) -> Result<Self, String> {
        let required = |name: &str, tag| {
            data.short(tag)
                .ok_or_else(|| format!("its header has no {name} {tag}"))
        };
        let [rows, columns] =
            [required("Rows", ROWS)?, required("Columns", COLUMNS)?].map(usize::from);
        let samples = data.short(SAMPLES).unwrap_or(1);
        if samples != 1 {
            return Err(format!(
                "it has {samples} samples a pixel: colour is not read"
            ));
        }
        if rows == 0 || columns == 0 || rows * columns > MOST_PIXELS {
            return Err(format!(
                "its frames of {rows} x {columns} are not of 1 to {MOST_PIXELS} pixels"
            ));
        }
        let allocated = required("BitsAllocated", BITS_ALLOCATED)?;
        let bits = data.short(BITS_STORED).unwrap_or(allocated);
        let high = data.short(HIGH_BIT).unwrap_or(bits.wrapping_sub(1));
        if !matches!(allocated, 8 | 16) || bits == 0 || bits > allocated || high != bits - 1 {
            return Err(format!(
                "its pixels of {allocated} bits, {bits} of them stored up to bit {high}, are not of 8 or 16 bits"
            ));
        }
        Ok(Self {
            rows,
            columns,
            bytes: usize::from(allocated / 8),
            bits: u32::from(bits),
            signed: data.short(PIXEL_REPRESENTATION) == Some(1),
            big_endian: syntax.big_endian,
            packing: syntax.packing,
        })
    }

    /// Gives the pixels of a frame.
    pub(super) fn count(&self) -> usize {
        self.rows * self.columns
    }

    /// Reads the stored values of one of `frames` frames, row by row.
    pub(super) fn read(
        &self,
        data: &Elements<'_>,
        frame: usize,
        frames: usize,
    ) -> Result<Vec<i32>, String> {
        if self.packing != Packing::None {
            let packed = fragment(data, frame, frames)?;
            let raw = codecs::unpack(self, &packed)?;
            if raw.len() != self.count() {
                let (found, due) = (raw.len(), self.count());
                return Err(format!(
                    "damaged: a frame unpacks to {found} pixels, not {due}"
                ));
            }
            return Ok(raw.into_iter().map(|raw| self.value(raw)).collect());
        }
        let bytes = self.native(data, frame, frames)?;
        if self.bytes == 1 {
            return Ok(bytes
                .iter()
                .map(|&byte| self.value(u16::from(byte)))
                .collect());
        }
        let (pairs, _) = bytes.as_chunks();
        let raw = |&pair| {
            if self.big_endian {
                u16::from_be_bytes(pair)
            } else {
                u16::from_le_bytes(pair)
            }
        };
        Ok(pairs.iter().map(|pair| self.value(raw(pair))).collect())
    }

    fn native<'a>(
        &self,
        data: &Elements<'a>,
        frame: usize,
        frames: usize,
    ) -> Result<&'a [u8], String> {
        let found = data
            .native_pixels()
            .ok_or_else(|| format!("it has no pixels {PIXEL_DATA}"))?;
        let size = self.count() * self.bytes;
        if found.len() < size * frames {
            return Err(format!(
                "truncated: {frames} frames of {} x {} need {} bytes of pixels, it has {}",
                self.rows,
                self.columns,
                size * frames,
                found.len()
            ));
        }
        Ok(&found[frame * size..(frame + 1) * size])
    }

    /// Leaves the bits that hold the value, and spreads its sign.
    fn value(&self, raw: u16) -> i32 {
        let unused = 32 - self.bits;
        let raised = u32::from(raw) << unused;
        if self.signed {
            raised as i32 >> unused
        } else {
            (raised >> unused) as i32
        }
    }
}

/// Gives the compressed bytes of a frame: one fragment, or all of them where there is one frame.
fn fragment<'a>(
    data: &Elements<'a>,
    frame: usize,
    frames: usize,
) -> Result<std::borrow::Cow<'a, [u8]>, String> {
    let fragments = data.fragments().ok_or_else(|| {
        format!("it has no compressed pixels {PIXEL_DATA}, though its transfer syntax says so")
    })?;
    match fragments {
        [one] if frames == 1 => Ok((*one).into()),
        many if frames == 1 => Ok(many.concat().into()),
        many if many.len() == frames => Ok(many[frame].into()),
        many => Err(format!(
            "its {frames} frames {FRAMES} are in {} fragments: each must be in one",
            many.len()
        )),
    }
}
