//! Owns the calls to the decoders of other projects, and the checks around them: the size of an image is compared with
//! the header's before it is unpacked, and a decoder that breaks off is an error of the file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::{PixelForm, rle};
use crate::dicom::codes::Packing;

/// Where a JPEG 2000 codestream says whether its first component is signed: in its first marker segment.
const SIGN_AT: usize = 42;

/// Unpacks a frame into raw pixels.
pub(super) fn unpack(form: &PixelForm, packed: &[u8]) -> Result<Vec<u16>, String> {
    let unpack = || match form.packing {
        Packing::Rle => rle::unpack(packed, form.count(), form.bytes),
        Packing::Jpeg => jpeg(form, packed),
        Packing::JpegLs => jpeg_ls(form, packed),
        Packing::Jpeg2000 => jpeg_2000(form, packed),
        Packing::None => Err("its pixels are not compressed".to_owned()),
    };
    // Decoders index as they go; on hostile bytes that can end in a panic, which must stay this file's affair.
    catch_unwind(AssertUnwindSafe(unpack))
        .unwrap_or_else(|_| Err("damaged: its decoder gave up".to_owned()))
}

fn damaged(error: impl std::fmt::Display) -> String {
    format!("damaged: {error}")
}

fn check_size(form: &PixelForm, rows: usize, columns: usize) -> Result<(), String> {
    if (rows, columns) == (form.rows, form.columns) {
        return Ok(());
    }
    Err(format!(
        "damaged: its pixels unpack to {rows} x {columns}, its header says {} x {}",
        form.rows, form.columns
    ))
}

fn jpeg(form: &PixelForm, packed: &[u8]) -> Result<Vec<u16>, String> {
    let mut decoder = jpeg_decoder::Decoder::new(packed);
    decoder.set_max_decoding_buffer_size(4 * form.count());
    decoder.read_info().map_err(damaged)?;
    let info = decoder
        .info()
        .ok_or_else(|| "damaged: its JPEG has no header".to_owned())?;
    check_size(form, usize::from(info.height), usize::from(info.width))?;
    let bytes = decoder.decode().map_err(damaged)?;
    match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 => Ok(bytes.into_iter().map(u16::from).collect()),
        jpeg_decoder::PixelFormat::L16 => {
            let (pairs, _) = bytes.as_chunks();
            Ok(pairs.iter().map(|&pair| u16::from_ne_bytes(pair)).collect())
        }
        other => Err(format!("its JPEG is in colour ({other:?})")),
    }
}

fn jpeg_ls(form: &PixelForm, packed: &[u8]) -> Result<Vec<u16>, String> {
    let (columns, rows) = (form.columns as u32, form.rows as u32);
    let (pixels, ..) = jpegls::decode(packed, columns, rows).map_err(damaged)?;
    Ok(pixels)
}

fn jpeg_2000(form: &PixelForm, packed: &[u8]) -> Result<Vec<u16>, String> {
    let image = Image::new(packed, &DecodeSettings::default()).map_err(damaged)?;
    check_size(form, image.height() as usize, image.width() as usize)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(damaged)?;
    let [component] = decoded.components() else {
        return Err("its JPEG 2000 image is in colour".to_owned());
    };
    let start = packed
        .windows(4)
        .position(|four| four == [0xFF, 0x4F, 0xFF, 0x51])
        .unwrap_or(0);
    let signed = packed
        .get(start + SIGN_AT)
        .is_some_and(|sign| sign & 0x80 != 0);
    // The decoder lifts all values as if none were signed.
    let lifted = match component.bit_depth() {
        depth @ 1..=16 if signed => 1_i32 << (depth - 1),
        1..=16 => 0,
        depth => return Err(format!("its JPEG 2000 pixels have {depth} bits")),
    };
    let samples = component.samples().iter();
    Ok(samples
        .map(|&sample| (sample.round() as i32 - lifted) as u16)
        .collect())
}
