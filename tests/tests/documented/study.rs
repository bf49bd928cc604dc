//! A study in DICOM as small as one can be: a PET and a CT series on one frame of reference.

use std::path::Path;

/// Rows and columns of a slice; slices of a series.
const SIDE: u16 = 24;
const SLICES: u16 = 40;
const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Writes both series into folders by their names.
pub(crate) fn write_study(pet: &Path, ct: &Path) {
    for (folder, modality) in [(pet, "PT"), (ct, "CT")] {
        std::fs::create_dir_all(folder).expect("a folder");
        for slice in 0..SLICES {
            let place = folder.join(format!("{slice:03}.dcm"));
            std::fs::write(place, file(modality, slice)).expect("a file");
        }
    }
}

/// Elements in explicit VR, little-endian, in ascending order of their tags.
#[derive(Default)]
struct Made(Vec<u8>);

impl Made {
    fn put(mut self, group: u16, element: u16, kind: &str, value: &[u8]) -> Self {
        self.0.extend(group.to_le_bytes());
        self.0.extend(element.to_le_bytes());
        self.0.extend(kind.as_bytes());
        let padded = value.len().next_multiple_of(2);
        match kind {
            "OW" | "SQ" => {
                self.0.extend([0, 0]);
                self.0.extend((padded as u32).to_le_bytes());
            }
            _ => self.0.extend((padded as u16).to_le_bytes()),
        }
        self.0.extend(value);
        let end = self.0.len() + padded - value.len();
        // Text is padded with a blank, a UID with zero.
        self.0.resize(end, if kind == "UI" { 0 } else { b' ' });
        self
    }

    fn text(self, group: u16, element: u16, kind: &str, value: &str) -> Self {
        self.put(group, element, kind, value.as_bytes())
    }

    fn short(self, group: u16, element: u16, value: u16) -> Self {
        self.put(group, element, "US", &value.to_le_bytes())
    }

    fn item(self, group: u16, element: u16, item: &Self) -> Self {
        let length = (item.0.len() as u32).to_le_bytes();
        self.put(
            group,
            element,
            "SQ",
            &[b"\xfe\xff\0\xe0", &length[..], &item.0].concat(),
        )
    }
}

#[expect(clippy::too_many_lines, reason = "a line for each element")]
fn file(modality: &str, slice: u16) -> Vec<u8> {
    let is_pet = modality == "PT";
    let (series, class) = match is_pet {
        true => ("1.2.4", "1.2.840.10008.5.1.4.1.1.128"),
        false => ("1.2.3", "1.2.840.10008.5.1.4.1.1.2"),
    };
    let number = slice.to_string();
    let instance = format!("{series}.{}", slice + 1);
    let drug = Made::default()
        .text(0x18, 0x31, "LO", "FDG")
        .text(0x18, 0x1072, "TM", "100000")
        .text(0x18, 0x1074, "DS", "370000000")
        .text(0x18, 0x1075, "DS", "6586.2")
        .text(0x18, 0x1078, "DT", "20240102100000");
    let made = Made::default()
        .text(0x08, 0x16, "UI", class)
        .text(0x08, 0x18, "UI", &instance)
        .text(0x08, 0x20, "DA", "20240102")
        .text(0x08, 0x21, "DA", "20240102")
        .text(0x08, 0x22, "DA", "20240102")
        .text(0x08, 0x31, "TM", "110000")
        .text(0x08, 0x32, "TM", "110000")
        .text(0x08, 0x60, "CS", modality)
        .text(0x08, 0x70, "LO", "SIEMENS")
        .text(0x10, 0x20, "LO", "patient")
        .text(0x10, 0x40, "CS", "F")
        .text(0x10, 0x1010, "AS", "060Y")
        .text(0x10, 0x1030, "DS", "70")
        .text(0x18, 0x50, "DS", "40")
        .text(0x18, 0x1242, "IS", "120000")
        .text(0x20, 0x0D, "UI", "1.2")
        .text(0x20, 0x0E, "UI", series)
        .text(0x20, 0x13, "IS", &number)
        .text(0x20, 0x32, "DS", &format!("-230\\-230\\{}", 40 * slice))
        .text(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0")
        .text(0x20, 0x52, "UI", "1.2.5")
        .short(0x28, 0x02, 1)
        .text(0x28, 0x04, "CS", "MONOCHROME2")
        .short(0x28, 0x10, SIDE)
        .short(0x28, 0x11, SIDE)
        .text(0x28, 0x30, "DS", "20\\20");
    let made = match is_pet {
        true => made.text(0x28, 0x51, "CS", "ATTN\\DECY"),
        false => made,
    };
    let (intercept, slope) = match is_pet {
        true => ("0", "100"),
        false => ("-1024", "1"),
    };
    let made = made
        .short(0x28, 0x100, 16)
        .short(0x28, 0x101, 16)
        .short(0x28, 0x102, 15)
        .short(0x28, 0x103, 0)
        .text(0x28, 0x1052, "DS", intercept)
        .text(0x28, 0x1053, "DS", slope);
    let made = match is_pet {
        true => made
            .item(0x54, 0x16, &drug)
            .text(0x54, 0x1001, "CS", "BQML")
            .text(0x54, 0x1102, "CS", "START"),
        false => made,
    };
    let made = made.put(0x7FE0, 0x10, "OW", &pixels(is_pet, slice));
    let meta = Made::default()
        .text(2, 0x02, "UI", class)
        .text(2, 0x03, "UI", &instance)
        .text(2, 0x10, "UI", EXPLICIT);
    [&[0; 128][..], b"DICM", &meta.0, &made.0].concat()
}

/// A round body with a warm middle; CT has water in air.
fn pixels(is_pet: bool, slice: u16) -> Vec<u8> {
    let middle = i32::from(SIDE) / 2;
    let value = |row: u16, column: u16| -> u16 {
        let (y, x) = (i32::from(row) - middle, i32::from(column) - middle);
        let inside = x * x + y * y < 70;
        let warm = x * x + y * y < 6 && (10..30).contains(&slice);
        match (is_pet, inside, warm) {
            (true, true, true) => 400,
            (true, true, false) => 60,
            (true, false, _) => 1,
            (false, true, _) => 1_060,
            (false, false, _) => 24,
        }
    };
    let rows = (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (row, column)));
    rows.flat_map(|(row, column)| value(row, column).to_le_bytes())
        .collect()
}
