//! Sizes along three axes as they are typed: `160x160x192`, `2.04x2.04x3`.

use std::str::FromStr;

/// Parses three whole numbers above zero.
///
/// # Errors
/// A text that says what is wanted.
pub(crate) fn voxels(text: &str) -> Result<[usize; 3], String> {
    three(text, |n| (1..=4096).contains(n)).ok_or_else(|| {
        "three whole numbers from 1 to 4096 are wanted, such as 160x160x192".to_owned()
    })
}

/// Parses three lengths in millimetres above zero.
///
/// # Errors
/// A text that says what is wanted.
pub(crate) fn millimetres(text: &str) -> Result<[f32; 3], String> {
    three(text, |n| *n > 0.0 && *n <= 1000.0)
        .ok_or_else(|| "three lengths in mm are wanted, such as 2.04x2.04x3".to_owned())
}

fn three<T: FromStr>(text: &str, is_fit: impl Fn(&T) -> bool) -> Option<[T; 3]> {
    let parts = text.split(['x', ',']).map(|part| part.trim().parse().ok());
    let numbers: Vec<T> = parts.collect::<Option<_>>()?;
    let numbers: [T; 3] = numbers.try_into().ok()?;
    numbers.iter().all(is_fit).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_sizes_are_read() {
        assert_eq!(voxels("160x160x192"), Ok([160, 160, 192]));
        assert_eq!(voxels("32, 40, 48"), Ok([32, 40, 48]));
        assert_eq!(millimetres("2.04x2.04x3"), Ok([2.04, 2.04, 3.0]));
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in [
            "", "160", "160x160", "1x2x3x4", "0x1x1", "axbxc", "-1x1x1", "5000x1x1",
        ] {
            assert!(voxels(text).unwrap_err().contains("160x160x192"), "{text}");
        }
        for text in ["nanx1x1", "infx1x1", "0x1x1", "1x1"] {
            assert!(millimetres(text).is_err(), "{text}");
        }
    }
}
