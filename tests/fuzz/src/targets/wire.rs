//! Messages between coordinator and workers, and what a run makes of a row of them.

use fratmae_control::{
    Assignment, Cluster, Command, Departure, Event, Millis, Recorded, Settings, Source, Step,
    WorkerId,
};
use fratmae_protocol::{event_of, pb};
use prost::Message;

/// Workers that speak.
const WORKERS: u64 = 4;

/// Reads an input as one message of either side, and as a row of them: kind, length, bytes.
pub(crate) fn wire(bytes: &[u8]) {
    if let Ok(message) = pb::FromWorker::decode(bytes) {
        let _refused = event_of(WorkerId::new(0), &message);
    }
    if let Ok(message) = pb::ToWorker::decode(bytes)
        && let Some(pb::to_worker::Message::Begin(begin)) = message.message
    {
        let _refused = Assignment::try_from(begin);
    }
    converse(bytes);
}

fn converse(mut bytes: &[u8]) {
    let mut cluster = cluster();
    let mut now = 0;
    while let [kind, length, rest @ ..] = bytes {
        let length = usize::from(*length).min(rest.len());
        let (body, after) = rest.split_at(length);
        bytes = after;
        now += u64::from(*kind) * 10;
        if let Some(event) = event(*kind, body) {
            tell(&mut cluster, Millis::new(now), event);
        }
    }
}

/// Hands an event on, and at once what ends each command that it leads to.
fn tell(cluster: &mut Cluster, now: Millis, event: Event) {
    let mut events = vec![event];
    while let Some(event) = events.pop() {
        for command in cluster.handle(now, event) {
            events.extend(match command {
                Command::RecordGeneration { generation, .. } => {
                    Some(Event::GenerationRecorded { generation })
                }
                Command::CommitCheckpoint { generation, step } => {
                    Some(Event::CheckpointCommitted { generation, step })
                }
                _ => None,
            });
        }
    }
}

fn event(kind: u8, body: &[u8]) -> Option<Event> {
    let worker = WorkerId::new(u64::from(kind) % WORKERS);
    match kind / 32 {
        0 => Some(Event::Tick),
        1 => Some(Event::Departed {
            worker,
            departure: Departure::StreamClosed,
        }),
        2 if body.is_empty() => Some(Event::DrainRequested),
        3 if body.is_empty() => Some(Event::SaveRequested),
        _ => event_of(worker, &pb::FromWorker::decode(body).ok()?).ok(),
    }
}

fn cluster() -> Cluster {
    let settings = Settings {
        slots: 4,
        workers: 2,
        least_workers: 2,
        settle: Millis::new(3_000),
        last_step: Step::new(20),
        least_timeout: Millis::new(5_000),
        store_patience: Millis::new(0),
        worker_timeout: Millis::new(10_000),
        join_timeout: Millis::new(60_000),
        return_timeout: Millis::new(2_000),
        leave_timeout: Millis::new(20_000),
        max_without_step: 3,
        save_every: Some(Millis::new(3_000)),
    };
    Cluster::new(
        settings,
        Millis::new(0),
        Recorded::default(),
        Source::Initial,
    )
}
