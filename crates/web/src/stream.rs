//! A run's changes as server-sent events. Nothing is kept for a listener but its cursor: one that is slow misses nothing,
//! and one that stays away for too long is told to read everything again.

use crate::figures::Rows;
use crate::run::Run;
use crate::timeline::{Item, placed};
use axum::response::Sse;
use axum::response::sse::Event;
use fratmae_observe::{Finding, Snapshot, findings};
use futures::Stream;
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a listener is told something at most.
const EVERY: Duration = Duration::from_millis(500);
/// After so many silent times it is told that the stream is alive.
const SILENT: u32 = 30;
/// After how long a browser connects again.
const AGAIN: Duration = Duration::from_secs(2);

/// What changed since a listener was told something before.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Message {
    /// The run now, if that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Snapshot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Finding>>,
    /// Figures after this step are void.
    #[serde(skip_serializing_if = "Option::is_none")]
    rewound_to: Option<u64>,
    /// Figures of steps that are new.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Rows>,
    /// Records of the journal that are new.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<Item>,
}

/// What there is to tell a listener.
#[derive(Debug)]
pub(crate) enum Update {
    Nothing,
    /// Something, and where it goes on.
    Change(Box<Message>, String),
    /// Its cursor is not known any more.
    Resync,
}

/// Whoever listens.
pub(crate) struct Listener {
    run: Arc<Run>,
    cursor: String,
    /// The snapshot that it was told last.
    version: u64,
}

impl Listener {
    pub(crate) fn new(run: Arc<Run>, cursor: String) -> Self {
        Self {
            run,
            cursor,
            version: 0,
        }
    }

    /// What is new.
    pub(crate) fn news(&mut self) -> Update {
        self.run.ask();
        let view = self.run.view();
        let Some(news) = view.changes.after(&self.cursor) else {
            return Update::Resync;
        };
        let cursor = view.changes.cursor();
        if cursor == self.cursor && view.version == self.version {
            return Update::Nothing;
        }
        let is_new = view.version != self.version;
        let records = view
            .items
            .iter()
            .filter(|item| news.records.contains(&item.number));
        let records: Vec<Item> = records.cloned().collect();
        let message = Message {
            snapshot: is_new.then(|| view.snapshot.clone()),
            findings: is_new.then(|| findings(&view.snapshot)),
            rewound_to: news.rewound_to,
            steps: (!news.steps.is_empty()).then(|| view.figures.rows(&news.steps)),
            records: placed(&records, &view.figures.first_steps()),
        };
        self.version = view.version;
        self.cursor.clone_from(&cursor);
        Update::Change(Box::new(message), cursor)
    }
}

/// A listener's stream, and what it needs to go on.
struct Telling {
    listener: Listener,
    ticks: Interval,
    silent: u32,
    is_over: bool,
    _room: OwnedSemaphorePermit,
}

/// The changes after `cursor`, as they come.
pub(crate) fn changes(
    run: Arc<Run>,
    cursor: String,
    room: OwnedSemaphorePermit,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let telling = Telling {
        listener: Listener::new(run, cursor),
        ticks,
        silent: SILENT,
        is_over: false,
        _room: room,
    };
    Sse::new(futures::stream::unfold(telling, next))
}

async fn next(mut telling: Telling) -> Option<(Result<Event, Infallible>, Telling)> {
    if telling.is_over {
        return None;
    }
    loop {
        telling.ticks.tick().await;
        let event = match telling.listener.news() {
            Update::Change(message, cursor) => event(&message, &cursor),
            Update::Resync => {
                telling.is_over = true;
                Some(Event::default().event("resync").data("{}"))
            }
            Update::Nothing if telling.silent >= SILENT => Some(Event::default().comment("")),
            Update::Nothing => None,
        };
        if let Some(event) = event {
            telling.silent = 0;
            return Some((Ok(event.retry(AGAIN)), telling));
        }
        telling.silent += 1;
    }
}

fn event(message: &Message, cursor: &str) -> Option<Event> {
    let data = serde_json::to_string(message).ok()?;
    Some(Event::default().event("change").id(cursor).data(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::Change;
    use fratmae_store::Location;

    fn run() -> Arc<Run> {
        let location = Location::open("/nowhere").unwrap();
        let name = "r".to_owned();
        Arc::new(Run::new(name.clone(), name, location, true, "e".to_owned()))
    }

    fn apply(run: &Run, step: u64, loss: f64) {
        let mut view = run.view();
        view.figures.push(step, [("loss", loss)]);
        view.changes.push(Change::Step(step));
    }

    fn rewind(run: &Run, step: u64) {
        let mut view = run.view();
        view.figures.rewind(step);
        view.changes.push(Change::Rewound(step));
    }

    /// What a listener hears next: the steps, and what is void.
    fn heard(listener: &mut Listener) -> (Vec<u64>, Option<u64>) {
        match listener.news() {
            Update::Change(message, _) => (
                message.steps.map_or(Vec::new(), |rows| rows.step),
                message.rewound_to,
            ),
            update => panic!("{update:?}"),
        }
    }

    #[test]
    fn a_listener_that_was_cut_off_hears_what_it_missed_and_nothing_twice() {
        let run = run();
        let mut listener = Listener::new(Arc::clone(&run), "e-0".to_owned());
        (1..=3).for_each(|step| apply(&run, step, 1.0));
        let Update::Change(_, cursor) = listener.news() else {
            panic!("nothing was told");
        };
        assert!(matches!(listener.news(), Update::Nothing));
        drop(listener);
        (4..=6).for_each(|step| apply(&run, step, 1.0));
        let mut again = Listener::new(Arc::clone(&run), cursor);
        assert_eq!(heard(&mut again), (vec![4, 5, 6], None));
        rewind(&run, 4);
        apply(&run, 5, 2.0);
        assert_eq!(heard(&mut again), (vec![5], Some(4)));
        run.view().changes.forget();
        assert!(matches!(again.news(), Update::Resync));
    }

    #[test]
    fn another_snapshot_is_told_once() {
        let run = run();
        let mut listener = Listener::new(Arc::clone(&run), "e-0".to_owned());
        let snapshot = Snapshot {
            step: 7,
            ..Snapshot::default()
        };
        run.view().tell(snapshot.clone());
        let Update::Change(message, _) = listener.news() else {
            panic!("nothing was told");
        };
        assert_eq!(message.snapshot.as_ref().map(|it| it.step), Some(7));
        run.view().tell(snapshot);
        assert!(matches!(listener.news(), Update::Nothing));
    }

    #[test]
    fn an_event_is_of_one_line_and_has_its_cursor() {
        let message = Message {
            rewound_to: Some(4),
            ..Message::default()
        };
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"rewound_to":4}"#
        );
        assert!(event(&message, "e-9").is_some());
    }
}
