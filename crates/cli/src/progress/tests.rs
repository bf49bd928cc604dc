//! Tests of the text of progress and of when a plain line is written. Time is an argument, so none passes.

use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn progress(&self) -> Progress {
        Progress::with_view("train", View::lines(Box::new(self.clone())))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn step(step: u64) -> StepReport {
    StepReport {
        step,
        steps: 50,
        batch: 8,
        loss: 1.23456,
        mse: 0.012345,
        samples_per_second: 12.0,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_step_shows_loss_speed_and_time_left() {
    let line = Report::Step(step(5)).line("train", seconds(9));
    assert_eq!(
        line,
        "train  5/50  loss 1.2346  mse 0.01235  ETA 0:30  12.0 samples/s"
    );
}

#[test]
fn an_unknown_speed_is_not_guessed() {
    for speed in [0.0, f64::NAN, -1.0] {
        let report = StepReport {
            samples_per_second: speed,
            ..step(5)
        };
        let line = Report::Step(report).line("train", seconds(9));
        assert!(line.ends_with("ETA unknown  ? samples/s"), "{line}");
    }
}

#[test]
fn items_go_on_at_the_pace_so_far() {
    let report = |done| Report::Items {
        done,
        total: 24,
        name: "case-7".to_owned(),
    };
    assert_eq!(
        report(8).line("prepare", seconds(10)),
        "prepare  8/24  ETA 0:20  case-7"
    );
    assert_eq!(
        report(0).line("prepare", seconds(10)),
        "prepare  0/24  ETA unknown  case-7"
    );
}

#[test]
fn plain_lines_are_spaced_but_first_and_last_always_come() {
    let lines = Lines::default();
    let mut progress = lines.progress();
    for (at, n) in [(0, 1), (1, 2), (1, 3), (2, 4), (3, 5), (3, 50)] {
        progress.show_at(seconds(at), &Report::Step(step(n)));
    }
    let text = lines.text();
    let shown: Vec<&str> = text
        .lines()
        .map(|line| line.split("  loss").next().unwrap())
        .collect();
    assert_eq!(shown, ["train  1/50", "train  4/50", "train 50/50"]);
}

#[test]
fn notes_are_written_as_they_come() {
    let lines = Lines::default();
    lines.progress().note("checkpoint at step 20");
    assert_eq!(lines.text(), "checkpoint at step 20\n");
}

#[test]
fn quiet_and_a_full_disk_stop_nothing() {
    for view in [View::Nothing, View::lines(Box::new(Full))] {
        let mut progress = Progress::with_view("train", view);
        progress.show_at(seconds(0), &Report::Step(step(50)));
        progress.note("said to nobody");
    }
}

#[test]
fn clocks_show_hours_only_when_there_are_some() {
    for (seconds, text) in [
        (0.4, "0:00"),
        (59.6, "1:00"),
        (3599.0, "59:59"),
        (3600.0, "1:00:00"),
        (90_061.0, "25:01:01"),
    ] {
        assert_eq!(clock(seconds), text);
    }
}

#[test]
fn the_time_left_is_seen_on_a_terminal_of_80_columns() {
    let bar = "train [============] 50/50  ".len();
    let figures = Report::Step(step(50)).figures(seconds(9));
    let end_of_eta = figures.find("ETA 0:00").unwrap() + "ETA 0:00".len();
    assert!(bar + end_of_eta <= 80, "{figures}");
}
