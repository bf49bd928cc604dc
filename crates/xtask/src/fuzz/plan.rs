//! What `cargo xtask fuzz` is asked for: which target, and for how long in all.

use anyhow::{Context, Result, bail};

/// Seconds for all targets where nothing else is said: 30 minutes.
const USUAL: u64 = 1800;

/// The words of the command line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The one target; none for all.
    pub(crate) target: Option<String>,
    /// Seconds for all of them together.
    pub(crate) seconds: u64,
}

impl Plan {
    /// Reads `[--for TIME] [TARGET]`.
    ///
    /// # Errors
    /// A time that cannot be read, and words that are neither time nor target.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut plan = Self {
            target: None,
            seconds: USUAL,
        };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            match word {
                "--for" => {
                    let time = words.next().context("`--for` needs a time, such as 30m")?;
                    plan.seconds = seconds(time)?;
                }
                name if plan.target.is_none() && !name.starts_with('-') => {
                    plan.target = Some(name.to_owned());
                }
                other => bail!("`{other}` is not understood: fuzz [--for TIME] [TARGET]"),
            }
        }
        Ok(plan)
    }

    /// Gives the seconds of each of so many targets: at least one.
    pub(crate) fn seconds_each(&self, targets: usize) -> u64 {
        (self.seconds / targets.max(1) as u64).max(1)
    }
}

/// Reads `90s`, `30m` or `2h`.
fn seconds(time: &str) -> Result<u64> {
    let unit = match time.bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        _ => 0,
    };
    let count = time
        .get(..time.len().saturating_sub(1))
        .and_then(|count| count.parse::<u64>().ok());
    match count.and_then(|count| count.checked_mul(unit)) {
        Some(seconds) if seconds > 0 => Ok(seconds),
        _ => bail!("`{time}` is no time: write 90s, 30m or 2h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_target_may_be_named() {
        assert_eq!(Plan::parse(&[]).unwrap().seconds, 1800);
        let plan = Plan::parse(&["--for", "2h", "dicom"]).unwrap();
        assert_eq!(
            (plan.seconds, plan.target.as_deref()),
            (7200, Some("dicom"))
        );
        assert_eq!(Plan::parse(&["--for", "90s"]).unwrap().seconds_each(12), 7);
        assert_eq!(Plan::parse(&["--for", "1s"]).unwrap().seconds_each(12), 1);
    }

    #[test]
    fn what_is_no_time_or_one_word_too_many_is_refused() {
        for words in [
            &["--for"][..],
            &["--for", "0m"],
            &["--for", "ten"],
            &["--for", "é"],
            &["a", "b"],
            &["--fast"],
        ] {
            assert!(Plan::parse(words).is_err(), "{words:?}");
        }
    }
}
