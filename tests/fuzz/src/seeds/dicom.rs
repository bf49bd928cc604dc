//! Seeds of DICOM: small series made here, of both modalities and of the transfer syntaxes that need no encoder.

use super::Seed;
use test_files::Made;

#[path = "../../../../crates/imaging/src/dicom/test_files.rs"]
mod test_files;

/// Rows and columns of a slice.
const SIDE: u16 = 8;
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const RLE: &str = "1.2.840.10008.1.2.5";

pub(super) fn seeds() -> Vec<Seed> {
    let series = |modality: &str| -> Vec<u8> {
        let slice = |z| header(modality, z, SIDE).put(0x7FE0, 0x10, "OW", &pixels());
        let slices = [0, 4, 8].into_iter();
        slices.flat_map(|z| slice(z).file(EXPLICIT)).collect()
    };
    let rle = packed(&header("CT", 0, SIDE), RLE, &[&run_lengths()]);
    let study = [series("CT"), series("PT")].concat();
    vec![
        Seed::new("dicom", "ct", series("CT")),
        Seed::new("dicom", "pet", series("PT")),
        Seed::new("dicom", "study", study.clone()),
        Seed::new("dicom", "rle", rle),
        Seed::new("dicom", "frames", frames()),
        Seed::new("dicom", "segmentation", segmentation()),
        Seed::new("dicom", "segmented", [study, segmentation()].concat()),
    ]
}

/// Gives a file of compressed pixels in these fragments.
pub(super) fn packed(header: &Made, syntax: &str, fragments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = header.clone().file(syntax);
    bytes.extend(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0");
    for fragment in fragments {
        bytes.extend(b"\xfe\xff\0\xe0");
        bytes.extend((fragment.len() as u32).to_le_bytes());
        bytes.extend(*fragment);
    }
    bytes.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
    bytes
}

/// Gives all that is asked of a slice but its pixels.
pub(super) fn header(modality: &str, z: u16, side: u16) -> Made {
    let series = if modality == "PT" { "1.2.4" } else { "1.2.3" };
    let drug = Made::default()
        .text(0x18, 0x31, "FDG")
        .text(0x18, 0x1072, "100000")
        .text(0x18, 0x1074, "370000000")
        .text(0x18, 0x1075, "6588");
    let made = start(modality)
        .text(0x18, 0x50, "4")
        .text(0x18, 0x1242, "120000")
        .text(0x20, 0x0D, "1.2")
        .text(0x20, 0x0E, series)
        .text(0x20, 0x32, &format!("-16\\-16\\{z}"))
        .text(0x20, 0x37, "1\\0\\0\\0\\1\\0")
        .text(0x20, 0x52, "1.2.5");
    form(made, side)
        .text(0x28, 0x51, "ATTN\\DECY\\RAN")
        .text(0x28, 0x1052, "0")
        .text(0x28, 0x1053, "0.5")
        .items(0x54, 0x16, &[drug])
        .text(0x54, 0x1001, "BQML")
        .text(0x54, 0x1102, "START")
}

fn start(modality: &str) -> Made {
    Made::default()
        .text(0x08, 0x21, "20240102")
        .text(0x08, 0x22, "20240102")
        .text(0x08, 0x31, "110000")
        .text(0x08, 0x32, "110000")
        .text(0x08, 0x60, modality)
        .text(0x10, 0x40, "F")
        .text(0x10, 0x1010, "060Y")
        .text(0x10, 0x1030, "70")
}

fn form(made: Made, side: u16) -> Made {
    made.short(0x28, 0x02, 1)
        .short(0x28, 0x10, side)
        .short(0x28, 0x11, side)
        .text(0x28, 0x30, "4\\4")
        .short(0x28, 0x100, 16)
        .short(0x28, 0x101, 16)
        .short(0x28, 0x102, 15)
        .short(0x28, 0x103, 1)
}

fn pixels() -> Vec<u8> {
    let count = SIDE * SIDE;
    (0..count).flat_map(|i| (i % 40).to_le_bytes()).collect()
}

/// The high bytes of the pixels as one run, the low ones as they are.
fn run_lengths() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    for (place, number) in bytes.chunks_exact_mut(4).zip([2_u32, 64, 66]) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    bytes.extend([193, 0, 63]);
    bytes.extend(pixels().into_iter().step_by(2));
    bytes
}

/// One file of two frames.
fn frames() -> Vec<u8> {
    let made = start("CT").text(0x20, 0x0E, "1.2.3").text(0x28, 0x08, "2");
    let scale = Made::default()
        .text(0x28, 0x1052, "0")
        .text(0x28, 0x1053, "1");
    placed(form(made, SIDE), &[(0x9145, scale)])
        .put(0x7FE0, 0x10, "OW", &[pixels(), pixels()].concat())
        .file(EXPLICIT)
}

/// A mask of two frames on the grid of the study.
fn segmentation() -> Vec<u8> {
    let made = start("SEG")
        .text(0x20, 0x0D, "1.2")
        .text(0x20, 0x0E, "1.2.6")
        .text(0x20, 0x52, "1.2.5")
        .text(0x28, 0x08, "2")
        .short(0x28, 0x10, SIDE)
        .short(0x28, 0x11, SIDE)
        .short(0x28, 0x100, 1)
        .short(0x28, 0x101, 1)
        .short(0x28, 0x102, 0)
        .text(0x62, 0x01, "BINARY");
    placed(made, &[])
        .put(0x7FE0, 0x10, "OB", &[0x3C; 16])
        .file(EXPLICIT)
}

/// Adds functional groups: two frames, one upon the other.
fn placed(made: Made, others: &[(u16, Made)]) -> Made {
    let text = |group, element, value: &str| Made::default().text(group, element, value);
    let measures = text(0x18, 0x50, "4").text(0x18, 0x88, "4");
    let mut shared = Made::default()
        .items(0x20, 0x9116, &[text(0x20, 0x37, "1\\0\\0\\0\\1\\0")])
        .items(0x28, 0x9110, &[measures.text(0x28, 0x30, "4\\4")]);
    for (element, item) in others {
        shared = shared.items(0x28, *element, std::slice::from_ref(item));
    }
    let place = |z: &str| {
        let position = text(0x20, 0x32, &format!("-16\\-16\\{z}"));
        Made::default().items(0x20, 0x9113, &[position])
    };
    made.items(0x5200, 0x9229, &[shared])
        .items(0x5200, 0x9230, &[place("4"), place("0")])
}
