//! Messages between coordinator and workers, and what a coordinator makes of a row of them: what its shell keeps, and what
//! `control` decides.

use std::sync::OnceLock;

use fratmae_config::Config;
use fratmae_control::{Assignment, Event, WorkerId};
use fratmae_coordinator::{Allowed, Ear, Job};
use fratmae_dataset::{DataSet, MANIFEST_NAME};
use fratmae_protocol::{event_of, pb};
use prost::Message;
use tokio::net::TcpListener;

use crate::places::{put, runtime, store};
use crate::prepared::prepared;

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
    runtime().block_on(converse(bytes));
}

/// Hands a row of messages to a coordinator of a new run; a message as a whole comes last.
async fn converse(mut bytes: &[u8]) {
    let whole = bytes;
    let mut ear = ear().await;
    while let [kind, length, rest @ ..] = bytes {
        let length = usize::from(*length).min(rest.len());
        let (body, after) = rest.split_at(length);
        bytes = after;
        hear(&mut ear, *kind, body).await;
        if ear.has_ended() {
            return;
        }
    }
    if let Ok(message) = pb::FromWorker::decode(whole) {
        let heard = ear.hear(0, message).await;
        heard.expect("memory takes every object");
    }
}

async fn hear(ear: &mut Ear, kind: u8, body: &[u8]) {
    let worker = u64::from(kind) % WORKERS;
    let heard = match kind / 32 {
        0 => ear.handle(Event::Tick).await,
        1 => ear.close(worker).await,
        2 if body.is_empty() => ear.handle(Event::DrainRequested).await,
        3 if body.is_empty() => ear.handle(Event::SaveRequested).await,
        _ => match pb::FromWorker::decode(body) {
            Ok(message) => ear.hear(worker, message).await,
            Err(_) => Ok(()),
        },
    };
    heard.expect("memory takes every object");
}

async fn ear() -> Ear {
    let data = store();
    put(&data, MANIFEST_NAME, &prepared().manifest).await;
    let data = DataSet::open(&data).await;
    let job = Job {
        config: config().clone(),
        run: store(),
        data: data.expect("it is sound"),
        nonce: "fuzz".to_owned(),
        warnings: Vec::new(),
        fork: None,
        unread: Vec::new(),
        allowed: Allowed {
            version: true,
            kernels: true,
        },
        take_over: false,
        version: "1".to_owned(),
        notes: Vec::new(),
    };
    let ear = Ear::open(job, listener().await).await;
    ear.expect("a new run opens")
}

/// A job of two workers and a few steps.
fn config() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let sets = [
            "train.steps=20",
            "train.batch=4",
            "train.slots=4",
            "workers.count=2",
            "checkpoint.every=5",
        ];
        let config = Config::load(None, &sets.map(str::to_owned));
        config.expect("the values go together")
    })
}

/// A socket that nobody connects to: a coordinator has an address.
async fn listener() -> &'static TcpListener {
    static LISTENER: tokio::sync::OnceCell<TcpListener> = tokio::sync::OnceCell::const_new();
    let listen = || async { TcpListener::bind("127.0.0.1:0").await };
    let listener = LISTENER.get_or_try_init(listen).await;
    listener.expect("the system gives a port")
}
