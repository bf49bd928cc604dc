//! How far work is, in words that fit the terminal: the bar shrinks first, the time left and the speed never go.

use std::time::Duration;

/// How far long work is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Report {
    /// Pieces of which each takes about as long.
    Items {
        /// Pieces done.
        done: u64,
        /// Pieces in all.
        total: u64,
        /// The piece at hand.
        name: String,
    },
    /// A training step that was applied.
    Step(StepReport),
    /// Nothing can be counted yet: what is waited for, and how long that may take.
    Waiting(String),
}

/// One training step as the user sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepReport {
    /// Steps applied.
    pub(crate) step: u64,
    /// Steps of the whole run.
    pub(crate) steps: u64,
    /// Samples of a step.
    pub(crate) batch: u64,
    /// Its losses, each by name, the most important first.
    pub(crate) losses: Vec<String>,
    /// Samples a second, over the last steps; not above zero when unknown.
    pub(crate) samples_per_second: f64,
}

impl Report {
    fn counts(&self) -> Option<(u64, u64)> {
        let (done, total) = match self {
            Self::Items { done, total, .. } => (*done, *total),
            Self::Step(step) => (step.step, step.steps),
            Self::Waiting(_) => return None,
        };
        (total > 0).then_some((done, total))
    }

    /// Whether nothing is left.
    pub(crate) fn is_last(&self) -> bool {
        self.counts().is_some_and(|(done, total)| done >= total)
    }

    /// The report as a line of a file.
    pub(crate) fn line(&self, title: &str, elapsed: Duration) -> String {
        let parts = [
            vec![self.head(title)],
            self.optional(),
            self.needed(elapsed),
        ];
        parts.concat().join("  ")
    }

    /// The report as one row of a terminal, with a bar where there is room for one.
    pub(crate) fn drawn(&self, title: &str, elapsed: Duration, columns: usize) -> String {
        // The last column stays free: writing to it makes some terminals begin a new row.
        let room = columns.saturating_sub(1);
        let (head, needed) = (self.head(title), self.needed(elapsed));
        let mut optional = self.optional();
        let length = |optional: &[String]| {
            let parts = [std::slice::from_ref(&head), optional, needed.as_slice()].concat();
            (width(&parts.join("  ")), parts)
        };
        while !optional.is_empty() && length(&optional).0 > room {
            optional.pop();
        }
        let (used, mut parts) = length(&optional);
        if let Some((done, total)) = self.counts()
            && room >= used + SMALLEST_BAR + 3
        {
            let bar = bar(done, total, (room - used - 3).min(LARGEST_BAR));
            parts[0] = head.replacen(' ', &format!(" {bar} "), 1);
        }
        if let (Self::Items { name, .. }, true) = (self, optional.is_empty()) {
            // What is left of the name tells more than nothing.
            let used = width(&parts.join("  "));
            parts.push(shortened(name, room.saturating_sub(used + 2)));
        }
        shortened(parts.join("  ").trim_end(), room)
    }

    fn head(&self, title: &str) -> String {
        match (self, self.counts()) {
            (Self::Waiting(text), _) => format!("{title} {text}"),
            (_, None) => title.to_owned(),
            (_, Some((done, total))) => {
                let total = total.to_string();
                format!("{title} {done:>width$}/{total}", width = total.len())
            }
        }
    }

    /// What goes first where there is no room, the last of them first of all.
    fn optional(&self) -> Vec<String> {
        match self {
            Self::Items { name, .. } => vec![name.clone()],
            Self::Waiting(_) => Vec::new(),
            Self::Step(step) => step.losses.clone(),
        }
    }

    fn needed(&self, elapsed: Duration) -> Vec<String> {
        if self.counts().is_none() {
            return Vec::new();
        }
        let eta = self.remaining(elapsed).map_or_else(
            || "ETA unknown".to_owned(),
            |seconds| format!("ETA {}", clock(seconds)),
        );
        match self {
            Self::Step(step) => {
                vec![eta, format!("{} samples/s", rate(step.samples_per_second))]
            }
            _ => vec![eta],
        }
    }

    /// Seconds that the rest will take at the pace so far, when there is a pace.
    fn remaining(&self, elapsed: Duration) -> Option<f64> {
        let (done, total) = self.counts()?;
        let left = total.saturating_sub(done) as f64;
        let seconds = match self {
            Self::Step(step) => left * step.batch as f64 / step.samples_per_second,
            _ => left * elapsed.as_secs_f64() / done as f64,
        };
        (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
    }
}

const SMALLEST_BAR: usize = 4;
const LARGEST_BAR: usize = 24;

fn bar(done: u64, total: u64, cells: usize) -> String {
    let share = done.min(total) as f64 / total as f64;
    let full = (share * cells as f64) as usize;
    let head = usize::from(full < cells);
    format!(
        "[{}{}{}]",
        "=".repeat(full),
        ">".repeat(head),
        " ".repeat(cells - full - head)
    )
}

fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// `text` in at most `room` columns.
pub(crate) fn shortened(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        if width(&kept) + unicode_width::UnicodeWidthChar::width(character).unwrap_or(0) >= room {
            break;
        }
        kept.push(character);
    }
    if room > 0 {
        kept.push('…');
    }
    kept
}

fn rate(samples_per_second: f64) -> String {
    match samples_per_second {
        rate if rate >= 10.0 => format!("{rate:.0}"),
        rate if rate >= 0.1 => format!("{rate:.1}"),
        rate if rate > 0.0 => format!("{rate:.3}"),
        _ => "?".to_owned(),
    }
}

/// Seconds as `m:ss`, `h:mm:ss`, or with days in front.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let (days, hours) = (whole / 86_400, whole / 3600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{seconds:02}"),
        (0, hours) => format!("{hours}:{minutes:02}:{seconds:02}"),
        (days, hours) => format!("{days}d {hours:02}:{minutes:02}:{seconds:02}"),
    }
}
