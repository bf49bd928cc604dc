//! Progress of long work on standard error: a bar on a terminal, plain lines elsewhere.
//! It shows what it is given; it measures nothing but how long ago it last wrote a line.

mod busy;
mod report;

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

pub(crate) use self::{
    busy::Busy,
    report::{Report, StepReport, clock, shortened},
};
use crate::terminal;

// Plain lines end up in files: often enough to see that work continues, seldom enough to read hours of it.
const PLAIN_EVERY: Duration = Duration::from_secs(2);
const PLAIN_SELDOM: Duration = Duration::from_secs(60);

/// Shows the progress of one piece of work until it is dropped.
pub(crate) struct Progress {
    title: &'static str,
    started: Instant,
    view: View,
}

enum View {
    /// Nothing is drawn before the first report.
    Bar(Option<ProgressBar>),
    Lines {
        write: Box<dyn FnMut(&str) + Send>,
        shown: Option<Duration>,
    },
    Nothing,
}

impl Progress {
    /// Starts to show on standard error, under a short title such as `train`; `quiet` shows nothing.
    pub(crate) fn start(title: &'static str, quiet: bool) -> Self {
        let view = if quiet {
            View::Nothing
        } else if terminal::draws() {
            View::Bar(None)
        } else {
            View::lines(Box::new(terminal::line))
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

    /// Shows a report. Plain lines come every two seconds, more seldom in long work; the first and the last always do.
    pub(crate) fn show(&mut self, report: &Report) {
        let elapsed = self.started.elapsed();
        self.show_at(elapsed, report);
    }

    fn show_at(&mut self, elapsed: Duration, report: &Report) {
        match &mut self.view {
            View::Bar(bar) => {
                let bar = bar.get_or_insert_with(terminal::bar);
                bar.set_message(report.drawn(self.title, elapsed, terminal::columns()));
            }
            View::Lines { write, shown } => {
                if is_due(*shown, elapsed, report) {
                    *shown = Some(elapsed);
                    write(&report.line(self.title, elapsed));
                }
            }
            View::Nothing => {}
        }
    }

    /// Writes one line that stays: above the bar, or among the plain lines; nothing when quiet.
    pub(crate) fn note(&mut self, text: &str) {
        match &mut self.view {
            View::Bar(_) => terminal::note(text),
            View::Lines { write, .. } => write(text),
            View::Nothing => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let View::Bar(Some(bar)) = &self.view {
            bar.finish_and_clear();
        }
    }
}

impl View {
    fn lines(write: Box<dyn FnMut(&str) + Send>) -> Self {
        Self::Lines { write, shown: None }
    }
}

fn is_due(shown: Option<Duration>, elapsed: Duration, report: &Report) -> bool {
    let every = (elapsed / 30).clamp(PLAIN_EVERY, PLAIN_SELDOM);
    report.is_last() || shown.is_none_or(|shown| elapsed.saturating_sub(shown) >= every)
}

#[cfg(test)]
mod tests;
