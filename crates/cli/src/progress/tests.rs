//! Tests of the text of progress and of when a plain line is written. Time is an argument, so none passes.

use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn progress(&self) -> Progress {
        let lines = self.0.clone();
        let write = move |text: &str| lines.lock().unwrap().push(text.to_owned());
        Progress::with_view("train", View::lines(Box::new(write)))
    }

    fn text(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn step(step: u64) -> StepReport {
    StepReport {
        step,
        steps: 50,
        batch: 8,
        losses: [
            "loss 2.1023",
            "reconstruction 0.0229",
            "contrastive 2.0794 (chance 2.0794)",
        ]
        .map(str::to_owned)
        .into(),
        samples_per_second: 12.0,
    }
}

fn item(done: u64, total: u64, name: &str) -> Report {
    Report::Items {
        done,
        total,
        name: name.to_owned(),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_step_shows_its_losses_speed_and_time_left() {
    assert_eq!(
        Report::Step(step(5)).line("train", seconds(9)),
        "train  5/50  loss 2.1023  reconstruction 0.0229  contrastive 2.0794 (chance 2.0794)  ETA 0:30  12 samples/s"
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
fn items_are_expected_at_the_pace_so_far() {
    let line = |done| item(done, 24, "case-7").line("prepare", seconds(10));
    assert_eq!(line(8), "prepare  8/24  case-7  ETA 0:20");
    assert_eq!(line(0), "prepare  0/24  case-7  ETA unknown");
}

#[test]
fn nothing_to_count_is_not_counted() {
    assert_eq!(
        item(0, 0, "").line("prepare", seconds(1)).trim_end(),
        "prepare"
    );
    assert!(
        !item(0, 0, "")
            .drawn("prepare", seconds(1), 80)
            .contains('[')
    );
    let waiting = Report::Waiting("waiting for workers: 1 of 4".to_owned());
    assert_eq!(
        waiting.drawn("train", seconds(1), 80),
        "train waiting for workers: 1 of 4"
    );
    assert_eq!(
        waiting.line("train", seconds(1)),
        "train waiting for workers: 1 of 4"
    );
}

#[test]
fn every_width_has_room_for_the_time_left_and_the_speed() {
    for columns in 44..200 {
        let row = Report::Step(step(41)).drawn("train", seconds(9), columns);
        assert!(row.chars().count() < columns, "{columns}: {row}");
        assert!(row.ends_with("ETA 0:06  12 samples/s"), "{columns}: {row}");
        assert!(row.contains("41/50"), "{columns}: {row}");
    }
    let row = |columns| Report::Step(step(41)).drawn("train", seconds(9), columns);
    assert_eq!(
        row(80),
        "train [====>] 41/50  loss 2.1023  reconstruction 0.0229  ETA 0:06  12 samples/s"
    );
    assert_eq!(
        row(60),
        "train [======> ] 41/50  loss 2.1023  ETA 0:06  12 samples/s"
    );
    assert!(
        row(140).contains("[") && row(140).contains("chance 2.079"),
        "{}",
        row(140)
    );
}

#[test]
fn a_long_name_is_cut_and_not_the_count() {
    let name = "fdg_0407bb3338_06-28-2006-NA-PET-CT_phantom-52319-of-a-long-series";
    for columns in [20, 40, 60, 80] {
        let row = item(3, 24, name).drawn("prepare", seconds(9), columns);
        assert!(row.chars().count() < columns, "{columns}: {row}");
        assert!(row.contains("3/24"), "{columns}: {row}");
    }
    let wide = item(3, 24, "患者患者患者患者患者患者患者患者患者").drawn("prepare", seconds(9), 40);
    assert!(
        unicode_width::UnicodeWidthStr::width(wide.as_str()) < 40,
        "{wide}"
    );
}

#[test]
fn plain_lines_are_spaced_but_first_and_last_always_come() {
    let lines = Lines::default();
    let mut progress = lines.progress();
    let at = [(0, 1), (1, 2), (1, 3), (2, 4), (3, 5), (3, 50)];
    for (at, n) in at {
        progress.show_at(seconds(at), &Report::Step(step(n)));
    }
    let text = lines.text();
    let shown: Vec<&str> = text
        .iter()
        .map(|line| line.split("  loss").next().unwrap())
        .collect();
    assert_eq!(shown, ["train  1/50", "train  4/50", "train 50/50"]);
}

#[test]
fn long_work_writes_more_seldom() {
    let lines = Lines::default();
    let mut progress = lines.progress();
    for at in 0..7200 {
        progress.show_at(seconds(at), &Report::Step(step(1)));
    }
    assert!(
        (100..300).contains(&lines.text().len()),
        "{}",
        lines.text().len()
    );
}

#[test]
fn notes_are_written_as_they_come_and_quiet_writes_none() {
    let lines = Lines::default();
    lines.progress().note("checkpoint at step 20");
    assert_eq!(lines.text(), ["checkpoint at step 20"]);
    let mut quiet = Progress::with_view("train", View::Nothing);
    quiet.show_at(seconds(0), &Report::Step(step(50)));
    quiet.note("shown to nobody");
}

#[test]
fn clocks_show_hours_and_days_only_when_there_are_some() {
    for (seconds, text) in [
        (0.4, "0:00"),
        (59.6, "1:00"),
        (3599.0, "59:59"),
        (3600.0, "1:00:00"),
        (90_061.0, "1d 01:01:01"),
    ] {
        assert_eq!(clock(seconds), text);
    }
}
