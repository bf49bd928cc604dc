//! The picture on a terminal of 80 x 24 and on one of 200 x 50.

use fratmae_observe::{CapacityRow, Lost, Snapshot};
use fratmae_telemetry::{Account, Accounts};
use ratatui::{Terminal, backend::TestBackend, termion::event::Key};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn accounts() -> Accounts {
    let seconds = [
        (Account::Start, 10),
        (Account::Load, 20),
        (Account::Forward, 300),
        (Account::Backward, 500),
        (Account::Optimizer, 30),
        (Account::Transfer, 60),
        (Account::Wait, 80),
    ];
    seconds
        .into_iter()
        .map(|(account, seconds)| (account, seconds * SECOND))
        .collect()
}

fn worker(rank: u32) -> WorkerView {
    WorkerView {
        name: format!("node-{rank}"),
        host: format!("10.0.0.{rank}"),
        seat: Seat::Member,
        rank: Some(rank),
        step: 121,
        phase: "backward".to_owned(),
        still_ms: 120,
        silent_ms: 900,
        accounts: accounts(),
        relative_score: Some(if rank == 2 { 0.41 } else { 0.98 }),
        ..WorkerView::default()
    }
}

fn scene(n_workers: u32) -> Scene {
    let standby = WorkerView {
        name: "spare\u{202e}".to_owned(),
        ..WorkerView::default()
    };
    let metrics = [("loss", 0.5), ("reconstruction", 0.4), ("contrastive", 2.0)];
    let snapshot = Snapshot {
        unix_ms: 1_700_000_100_000,
        run: "s3://bucket/a/long/way/to/the/folder/of/all/runs/of/this/project/run-of-monday"
            .to_owned(),
        state: RunState::Training,
        generation: 3,
        step: 120,
        last_step: 1_000,
        committed_step: Some(100),
        committed_unix_ms: Some(1_700_000_000_000),
        step_seconds: Some(0.52),
        samples_per_second: Some(15.4),
        eta_seconds: Some(457.0),
        metrics: metrics.into_iter().collect(),
        wanted: [2, 8],
        workers: (0..n_workers).map(worker).chain([standby]).collect(),
        accounts: accounts(),
        lost: Lost {
            rewind: 50 * SECOND,
            ..Lost::default()
        },
        capacity: CapacityRow {
            present_ns: 900,
            missing_ns: 100,
            ..CapacityRow::default()
        },
        ..Snapshot::default()
    };
    Scene {
        snapshot,
        losses: (1..=120).map(|step| (step, 1.0 / step as f64)).collect(),
        news: vec![
            "node-2 (rank 2) is gone: its stream closed".to_owned(),
            "node-1 was silent".to_owned(),
        ],
        ..Scene::default()
    }
}

fn drawn(scene: &Scene, view: &mut View, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(frame, scene, view, false))
        .unwrap();
    terminal.backend().to_string()
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_small_terminal_shows_everything_that_matters() {
    let text = drawn(&scene(4), &mut View::default(), (80, 24));
    assert_has(
        &text,
        &[
            "project/run-of-monday",
            "training",
            "step 120 of 1000 (12 %)",
            "ETA 7:37",
            "0.520 s/step",
            "15.4 samples/s",
            "4 of 2 to 8 workers",
            "loss 0.5000",
            "contrastive 2.0000",
            "time of workers: 17 min, goodput 84.0 %, lost 5.0 %, availability 90.0 %",
            "ffff",
            "backward 50.0 %",
            "node-3",
            "0.41",
            "standby",
            "node-2 (rank 2) is gone",
            "node-1 was silent",
            "q end",
        ],
    );
    assert!(!text.contains('\u{202e}'), "{text}");
}

#[test]
fn a_large_terminal_shows_hosts_and_each_workers_time() {
    let text = drawn(&scene(30), &mut View::default(), (200, 50));
    assert_has(
        &text,
        &["10.0.0.7", "its time", "checkpoint 100", "generation 3"],
    );
    // Each worker has a bar.
    assert!(text.matches("fffffbbbbb").count() > 5, "{text}");
}

#[test]
fn any_size_can_be_drawn() {
    for size in [
        (1, 1),
        (3, 2),
        (10, 5),
        (20, 80),
        (80, 10),
        (300, 3),
        (79, 23),
    ] {
        for n_workers in [0, 1, 600] {
            drawn(&scene(n_workers), &mut View::default(), size);
            drawn(&Scene::default(), &mut View::default(), size);
        }
    }
}

#[test]
fn keys_a_filter_and_trouble_are_seen() {
    let mut scene = scene(30);
    scene.trouble = Some("cannot read the run: no answer".to_owned());
    scene.findings = vec!["all wait for rank 2".to_owned()];
    let mut view = View::default();
    for letter in "/node-29".chars() {
        view.press(Key::Char(letter), &scene);
    }
    let text = drawn(&scene, &mut view, (80, 24));
    assert_has(
        &text,
        &[
            "filter: node-29",
            "cannot read the run",
            "wait for rank 2",
            " node-29 ",
        ],
    );
    assert!(!text.contains("node-28"), "{text}");
    view.press(Key::Esc, &scene);
    view.press(Key::Char('G'), &scene);
    assert_has(&drawn(&scene, &mut view, (80, 24)), &["standby"]);
    view.press(Key::Char('?'), &scene);
    assert_has(
        &drawn(&scene, &mut view, (80, 24)),
        &["hold the picture still"],
    );
}
