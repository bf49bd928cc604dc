//! Owns DICOM's run-length coding: segments of bytes, the high bytes of all pixels before the low ones.

/// Bytes of the table of segments.
const TABLE: usize = 64;

/// Unpacks `count` pixels of one or two bytes.
pub(super) fn unpack(packed: &[u8], count: usize, bytes: usize) -> Result<Vec<u16>, String> {
    let table = packed
        .first_chunk::<TABLE>()
        .ok_or("damaged: its run-length table is cut short")?;
    let (numbers, _) = table.as_chunks();
    let number = |index: usize| u32::from_le_bytes(numbers[index]) as usize;
    if number(0) != bytes {
        return Err(format!(
            "damaged: it has {} run-length segments for pixels of {bytes} bytes",
            number(0)
        ));
    }
    let mut pixels = vec![0_u16; count];
    for index in 0..bytes {
        let start = number(1 + index);
        let end = if index + 1 < bytes {
            number(2 + index)
        } else {
            packed.len()
        };
        let segment = packed
            .get(start..end)
            .ok_or("damaged: a run-length segment lies outside of its frame")?;
        unpack_segment(segment, &mut pixels)?;
    }
    Ok(pixels)
}

/// Shifts the bytes of a segment into the pixels.
fn unpack_segment(segment: &[u8], pixels: &mut [u16]) -> Result<(), String> {
    let cut = || "truncated: a run-length segment ends before its pixels".to_owned();
    let mut at = 0;
    let mut filled = 0;
    while filled < pixels.len() {
        let control = *segment.get(at).ok_or_else(cut)?;
        at += 1;
        let (length, literal) = match control {
            0..128 => (usize::from(control) + 1, true),
            128 => continue,
            129.. => (257 - usize::from(control), false),
        };
        let read = if literal { length } else { 1 };
        let run = segment.get(at..at + read).ok_or_else(cut)?;
        at += read;
        let room = pixels.len() - filled;
        for (pixel, byte) in pixels[filled..]
            .iter_mut()
            .zip(run.iter().cycle())
            .take(length)
        {
            *pixel = *pixel << 8 | u16::from(*byte);
        }
        filled += length.min(room);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with these segments.
    fn packed(segments: &[&[u8]]) -> Vec<u8> {
        let mut numbers = vec![segments.len() as u32];
        let mut start = TABLE;
        for segment in segments {
            numbers.push(start as u32);
            start += segment.len();
        }
        numbers.resize(16, 0);
        let mut bytes: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.extend(segments.concat());
        bytes
    }

    #[test]
    fn runs_and_literals_make_the_high_and_the_low_bytes() {
        let bytes = packed(&[&[254, 1], &[2, 7, 8, 9]]);
        assert_eq!(unpack(&bytes, 3, 2), Ok(vec![0x107, 0x108, 0x109]));
        let bytes = packed(&[&[128, 0, 5, 255, 6]]);
        assert_eq!(unpack(&bytes, 3, 1), Ok(vec![5, 6, 6]));
    }

    #[test]
    fn a_run_past_the_last_pixel_is_cut() {
        assert_eq!(unpack(&packed(&[&[130, 4]]), 2, 1), Ok(vec![4, 4]));
    }

    #[test]
    fn short_or_wrong_segments_are_refused() {
        assert!(unpack(&[0; 63], 1, 1).unwrap_err().contains("cut short"));
        assert!(
            unpack(&packed(&[&[0, 1]]), 1, 2)
                .unwrap_err()
                .contains("1 run-length segments")
        );
        assert!(
            unpack(&packed(&[&[0, 1]]), 2, 1)
                .unwrap_err()
                .starts_with("truncated")
        );
        assert!(
            unpack(&packed(&[&[5, 1]]), 6, 1)
                .unwrap_err()
                .starts_with("truncated")
        );
        let mut far = packed(&[&[0, 1]]);
        far[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(unpack(&far, 1, 1).unwrap_err().contains("outside"));
    }
}
