//! Progress of long work on standard error: a bar on a terminal, plain lines elsewhere.
//! It draws what it is told; it measures nothing but how long ago it last drew.

use std::{
    io::{IsTerminal as _, Write},
    time::{Duration, Instant},
};

use crate::lines::write_line;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

// Plain lines end up in files: often enough to see that work goes on, seldom enough to read.
const PLAIN_EVERY: Duration = Duration::from_secs(2);

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
    /// The whole loss.
    pub(crate) loss: f64,
    /// Its reconstruction part.
    pub(crate) mse: f64,
    /// Samples a second, over the last steps; not above zero when unknown.
    pub(crate) samples_per_second: f64,
}

/// Draws the progress of one piece of work until it is dropped.
pub(crate) struct Progress {
    title: &'static str,
    started: Instant,
    view: View,
}

enum View {
    Bar(ProgressBar),
    Lines {
        sink: Box<dyn Write + Send>,
        shown: Option<Duration>,
    },
    Nothing,
}

impl Progress {
    /// Starts drawing on standard error under a short title, such as `train`; `quiet` draws nothing.
    pub(crate) fn start(title: &'static str, quiet: bool) -> Self {
        let stderr = std::io::stderr();
        let view = if quiet {
            View::Nothing
        } else if stderr.is_terminal() {
            View::Bar(bar(title))
        } else {
            View::lines(Box::new(stderr))
        };
        Self::with_view(title, view)
    }

    fn with_view(title: &'static str, view: View) -> Self {
        Self {
            title,
            started: Instant::now(),
            view,
        }
    }

    /// Shows a report. Plain lines come every two seconds; the first and the last report always do.
    pub(crate) fn show(&mut self, report: &Report) {
        let elapsed = self.started.elapsed();
        self.show_at(elapsed, report);
    }

    fn show_at(&mut self, elapsed: Duration, report: &Report) {
        match &mut self.view {
            View::Bar(bar) => {
                bar.set_length(report.total());
                bar.set_message(report.figures(elapsed));
                bar.set_position(report.done());
            }
            View::Lines { sink, shown } => {
                if is_due(*shown, elapsed, report) {
                    *shown = Some(elapsed);
                    let line = report.line(self.title, elapsed);
                    write_line(sink, &line);
                }
            }
            View::Nothing => {}
        }
    }

    /// Writes one line that stays: above the bar, or among the plain lines; nothing when quiet.
    pub(crate) fn note(&mut self, text: &str) {
        match &mut self.view {
            View::Bar(bar) => bar.suspend(|| write_line(&mut std::io::stderr(), text)),
            View::Lines { sink, .. } => write_line(sink, text),
            View::Nothing => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }
}

impl View {
    fn lines(sink: Box<dyn Write + Send>) -> Self {
        Self::Lines { sink, shown: None }
    }
}

fn bar(title: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} [{bar:12}] {pos}/{len}  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    bar.set_style(style);
    bar.set_prefix(title);
    bar
}

fn is_due(shown: Option<Duration>, elapsed: Duration, report: &Report) -> bool {
    let is_last = report.done() >= report.total();
    is_last || shown.is_none_or(|shown| elapsed.saturating_sub(shown) >= PLAIN_EVERY)
}

impl Report {
    fn done(&self) -> u64 {
        match self {
            Self::Items { done, .. } => *done,
            Self::Step(step) => step.step,
        }
    }

    fn total(&self) -> u64 {
        match self {
            Self::Items { total, .. } => *total,
            Self::Step(step) => step.steps,
        }
    }

    fn line(&self, title: &str, elapsed: Duration) -> String {
        let total = self.total().to_string();
        let figures = self.figures(elapsed);
        format!(
            "{title} {:>width$}/{total}  {figures}",
            self.done(),
            width = total.len()
        )
    }

    fn figures(&self, elapsed: Duration) -> String {
        let eta = self.remaining(elapsed).map_or_else(
            || "ETA unknown".to_owned(),
            |seconds| format!("ETA {}", clock(seconds)),
        );
        match self {
            Self::Items { name, .. } => format!("{eta}  {name}"),
            Self::Step(step) => {
                let StepReport { loss, mse, .. } = step;
                let rate = rate(step.samples_per_second);
                format!("loss {loss:.4}  mse {mse:.5}  {eta}  {rate} samples/s")
            }
        }
    }

    /// Seconds that the rest will take at the pace so far, when there is a pace.
    fn remaining(&self, elapsed: Duration) -> Option<f64> {
        let left = self.total().saturating_sub(self.done()) as f64;
        let seconds = match self {
            Self::Items { done, .. } => left * elapsed.as_secs_f64() / *done as f64,
            Self::Step(step) => left * step.batch as f64 / step.samples_per_second,
        };
        (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
    }
}

fn rate(samples_per_second: f64) -> String {
    match samples_per_second {
        rate if rate >= 100.0 => format!("{rate:.0}"),
        rate if rate > 0.0 => format!("{rate:.1}"),
        _ => "?".to_owned(),
    }
}

/// Seconds as `m:ss` or `h:mm:ss`.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours == 0 {
        format!("{minutes}:{seconds:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests;
