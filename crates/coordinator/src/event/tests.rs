//! Every event goes to a log line and back, and the page for machines has its message and fields.

use super::*;
use crate::bad_batch::BadSlot;
use crate::summary::Recent;

const PAGE: &str = include_str!("../../../../docs/logs.md");

/// One of each.
fn events() -> Vec<RunEvent> {
    let text = || "a".to_owned();
    let metrics = || [("loss", 0.1 + 0.2)].into_iter().collect::<Metrics>();
    let mut events = notes();
    events.extend([
        RunEvent::Resuming {
            step: 3,
            steps: 9,
            damaged: vec![text()],
        },
        RunEvent::Began {
            generation: 2,
            step: 3,
            steps: 9,
            members: vec![text(), "b \"c\"".to_owned()],
        },
        RunEvent::Applied {
            step: 4,
            steps: 9,
            samples: 8,
            seconds: 0.5,
            samples_per_second: 16.0,
            metrics: metrics(),
        },
        RunEvent::Estimated {
            step_seconds: 0.5,
            steps: 5,
            seconds: 2.5,
        },
        RunEvent::Stopping {
            after_step: None,
            seconds: Some(1.0),
        },
        RunEvent::Committed { step: 4 },
        RunEvent::Finished {
            summary: Box::new(Summary {
                run: text(),
                step: 9,
                metrics: metrics(),
                contrastive_chance: None,
                recent: Some(Recent {
                    steps: 2,
                    metrics: metrics(),
                }),
                weights_digest: text(),
                samples_seen: 72,
                seconds: 4.5,
                training_seconds: None,
            }),
        },
    ]);
    events.extend(troubles());
    events
}

fn notes() -> Vec<RunEvent> {
    let text = || "a".to_owned();
    vec![
        RunEvent::Serving { address: text() },
        RunEvent::Noted { note: text() },
        RunEvent::Warned { warning: text() },
        RunEvent::Waiting {
            registered: 1,
            wanted: 2,
            left_s: 3,
            address: text(),
        },
        RunEvent::Registered {
            name: text(),
            address: text(),
            registered: 2,
        },
        RunEvent::StandsBy {
            name: text(),
            seats: 2,
        },
    ]
}

#[expect(clippy::too_many_lines, reason = "every trouble once")]
fn troubles() -> Vec<RunEvent> {
    let text = || "a".to_owned();
    let sample = SkippedSample {
        case: text(),
        shard: text(),
        row_group: 1,
        slice: 2,
        offset: 3,
        replacement: text(),
    };
    let slots = vec![BadSlot {
        slot: 1,
        cases: vec![text()],
    }];
    let verdict = WorkerVerdict {
        line: text(),
        worker: text(),
        host: text(),
        rank: Some(1),
        generation: 2,
        step: None,
        phase: text(),
        collective: None,
        sequence: Some(7),
        reason: text(),
        evidence: vec![text()],
        exit: Some(76),
    };
    vec![
        RunEvent::PassedOver { line: text() },
        RunEvent::Skipped {
            step: 4,
            slot: 1,
            sample,
        },
        RunEvent::BadBatch {
            step: 4,
            batch: BadBatch {
                what: text(),
                slots,
            },
        },
        RunEvent::Restarted {
            names: vec![text()],
        },
        RunEvent::Refused {
            name: text(),
            reason: text(),
        },
        RunEvent::Left { name: text() },
        RunEvent::Gone {
            name: text(),
            reason: text(),
        },
        RunEvent::Broken {
            worker: text(),
            reason: text(),
        },
        RunEvent::Verdict {
            verdict: Box::new(verdict),
        },
        RunEvent::Exited { line: text() },
    ]
}

/// The object of an event, among what a log line has besides.
fn line(event: &RunEvent) -> Value {
    let mut line = serde_json::to_value(event).unwrap();
    line["timestamp"] = "2026-11-30T02:50:18Z".into();
    line["level"] = "INFO".into();
    line["target"] = EVENTS.into();
    line
}

#[test]
fn every_event_reads_back_from_its_line() {
    for event in events() {
        assert_eq!(RunEvent::from_line(&line(&event).to_string()), Some(event));
    }
    let step = RunEvent::Committed { step: 4 };
    let mut of_a_worker = line(&step);
    of_a_worker["target"] = "fratmae_worker".into();
    for other in ["", "for people", "{}", &of_a_worker.to_string()] {
        assert_eq!(RunEvent::from_line(other), None, "{other}");
    }
}

#[test]
fn the_page_has_a_row_of_each_event_with_its_fields() {
    for event in events() {
        let object = serde_json::to_value(&event).unwrap();
        let message = object["message"].as_str().unwrap().to_owned();
        let row = PAGE
            .lines()
            .find(|row| row.starts_with(&format!("| `{message}` |")));
        let row = row.unwrap_or_else(|| panic!("no row of {message}"));
        for field in object.as_object().unwrap().keys() {
            let is_there = field == "message" || row.contains(&format!("`{field}`"));
            assert!(is_there, "{field} in {row}");
        }
    }
}

#[tokio::test]
async fn everybody_who_follows_sees_an_event_and_nobody_is_waited_for() {
    let events = broadcast::Sender::new(2);
    let (mut one, mut slow) = (events.subscribe(), events.subscribe());
    let sink = EventSink::new(events);
    for step in 1..=3 {
        sink.emit(RunEvent::Committed { step });
        assert_eq!(one.recv().await, Ok(RunEvent::Committed { step }));
    }
    assert!(slow.recv().await.is_err(), "the oldest is gone");
    assert_eq!(slow.recv().await, Ok(RunEvent::Committed { step: 2 }));
}
