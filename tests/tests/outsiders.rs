//! Somebody who reaches the coordinator's port says whatever a worker could say. It changes nothing: the run ends with
//! the weights, the checkpoints and the journal of an undisturbed one.

use std::path::Path;
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;

use fratmae_protocol::pb::from_worker::Message;
use fratmae_protocol::pb::to_worker::Message as Order;
use fratmae_protocol::{connect, pb};
use fratmae_tests::{
    Job, RunEvent, Running, Undisturbed, address_of, committed_steps, coordinator, events, fratmae,
    journal, scratch, status, wait_until,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};

const STEPS: u64 = 60;
const EVERY: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(120);

fn settings() -> [String; 3] {
    [
        format!("train.steps={STEPS}"),
        format!("checkpoint.every={EVERY}"),
        "workers.threads=1".to_owned(),
    ]
}

fn job(run: impl AsRef<Path>) -> Job {
    let set = |job: Job, key: &String| job.set(key);
    let job = settings().iter().fold(Job::tiny(run), set);
    job.told_as_json()
}

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| Undisturbed::of(job));

/// A coordinator of the job for so many workers, at an address.
fn led(run: &Path, listen: &str, workers: u32) -> Running {
    let call = coordinator(run).and(format!("--workers={workers}"));
    let call = call.and(format!("--listen={listen}"));
    let set = |call: fratmae_tests::Call, key: &String| call.and("--set").and(key);
    settings().iter().fold(call, set).start()
}

fn worker(address: &str, name: &str) -> Running {
    let call = fratmae_tests::worker(address).and("--name");
    call.and(name).start()
}

/// Somebody at the other end of a stream.
struct Outsider {
    said: mpsc::Sender<pb::FromWorker>,
    orders: Pin<Box<dyn Stream<Item = pb::ToWorker> + Send>>,
}

impl Outsider {
    async fn enter(address: &str) -> Option<Self> {
        let mut client = connect(address).await.ok()?;
        let (said, stream) = mpsc::channel(1_024);
        let orders = client.attend(ReceiverStream::new(stream)).await.ok()?;
        let orders = Box::pin(orders.into_inner().filter_map(Result::ok));
        Some(Self { said, orders })
    }

    async fn say(&self, message: Message) {
        let message = Some(message);
        // A stream that was closed is an answer too.
        let _ = self.said.send(pb::FromWorker { message }).await;
    }

    async fn order(&mut self) -> Option<Order> {
        let order = tokio::time::timeout(PATIENCE, self.orders.next()).await;
        order.expect("it is answered, or its stream ends")?.message
    }

    /// Registers, and gives whether it was welcomed.
    async fn register(&mut self, register: pb::Register) -> bool {
        self.say(Message::Register(register)).await;
        matches!(self.order().await, Some(Order::Welcome(_)))
    }
}

fn honest_looking(name: &str) -> pb::Register {
    pb::Register {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernels: fratmae_model::kernel_set(),
        device: Some("cpu".to_owned()),
        group_address: "127.0.0.1:9".to_owned(),
        ..Default::default()
    }
}

fn part(index: u32) -> pb::Part {
    pb::Part {
        index,
        name: format!("part-{index:05}.safetensors"),
        bytes: 7,
        digest: "ab".repeat(32),
        weights: Vec::new(),
    }
}

/// All that a worker can say of a generation, but that it leaves.
#[expect(clippy::too_many_lines, reason = "every message once")]
fn everything(generation: u64) -> Vec<Message> {
    let reason = || "so it seems".to_owned();
    let mut all = vec![
        Message::Failed(pb::Failed { reason: reason() }),
        Message::Finished(pb::Finished {
            generation,
            weights_digest: "00".repeat(32),
        }),
        Message::Prepared(pb::Prepared {
            generation,
            held: Some(u64::MAX),
        }),
        Message::GroupBroken(pb::GroupBroken {
            generation,
            reason: reason(),
            accused: None,
        }),
        Message::Heartbeat(pb::Heartbeat {
            laps: vec![
                pb::Lap {
                    phase: "forward".to_owned(),
                    count: u32::MAX,
                    longest_ms: 1,
                };
                9
            ],
            ..Default::default()
        }),
    ];
    for step in (1..=STEPS).chain([u64::MAX]) {
        let figures = Some(pb::Figures::default());
        all.extend([
            Message::Applied(pb::Applied {
                generation,
                step,
                figures: figures.clone(),
            }),
            Message::Recalled(pb::Recalled {
                generation,
                steps: vec![pb::StepFigures { step, figures }],
            }),
            Message::PartsWritten(pb::PartsWritten {
                generation,
                step,
                parts: vec![part(0), part(90), part(4_000_000_000)],
            }),
            Message::Drained(pb::Drained { generation, step }),
            Message::Damaged(pb::Damaged {
                generation,
                checkpoint: Some(pb::Checkpoint { step, generation }),
                reason: reason(),
            }),
            Message::Skipped(pb::Skipped {
                generation,
                step,
                case_id: "x".repeat(1_000),
                ..Default::default()
            }),
            Message::BadBatch(pb::BadBatch {
                generation,
                step,
                what: "loss".to_owned(),
                slots: Vec::new(),
            }),
        ]);
    }
    all
}

/// What of a run's journal an outsider could have brought about.
fn kinds(run: &Path) -> Vec<String> {
    let records = journal(run).into_iter();
    let kind = |record: serde_json::Value| record["kind"].as_str().map(ToOwned::to_owned);
    records.filter_map(kind).collect()
}

fn count(kinds: &[String], kind: &str) -> usize {
    kinds.iter().filter(|it| *it == kind).count()
}

/// Checks that the run came to its end as if nobody had been there.
fn assert_undisturbed(run: &Path, ended: Running) {
    let ended = ended.wait().succeeded();
    assert_eq!(ended.digest(), UNDISTURBED.digest, "{}", ended.stderr);
    let kinds = kinds(run);
    for kind in ["verdict", "skipped", "bad_batch", "interrupted"] {
        assert_eq!(count(&kinds, kind), 0, "{kind}: {}", ended.stderr);
    }
    assert_eq!(count(&kinds, "generation"), 1, "{}", ended.stderr);
    assert_eq!(count(&kinds, "commit"), 6, "{}", ended.stderr);
    assert!(!committed_steps(run).is_empty());
    let run = run.display().to_string();
    fratmae(["checkpoint", "verify", "--all", &run])
        .run()
        .succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_never_registered_and_whoever_has_no_seat_say_everything_and_change_nothing() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut leads = led(&run, "127.0.0.1:0", 2);
    let address = address_of(&mut leads);
    let workers = ["a", "b"].map(|name| worker(&address, name));
    leads.runs_until_step(3);
    let unregistered = Outsider::enter(&address).await.expect("it serves");
    let mut standby = Outsider::enter(&address).await.expect("it serves");
    assert!(standby.register(honest_looking("standby")).await);
    for message in everything(1) {
        unregistered.say(message.clone()).await;
        standby.say(message).await;
    }
    let leaving = Outsider::enter(&address).await.expect("it serves");
    leaving.say(Message::Leaving(pb::Leaving {})).await;
    assert_undisturbed(&run, leads);
    for worker in workers {
        worker.wait().succeeded();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_given_back_to_whoever_had_it_and_to_nobody_who_claims_it() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut first = led(&run, "127.0.0.1:0", 2);
    let address = address_of(&mut first);
    let workers = ["a", "b"].map(|name| worker(&address, name));
    first.runs_until_step(3);
    let listen = address.trim_start_matches("http://").to_owned();
    drop(first);
    let leads = led(&run, &listen, 2);
    let mut claims = Vec::new();
    for rank in [0, 1] {
        let mut outsider = None;
        let soon = std::time::Instant::now();
        while outsider.is_none() && soon.elapsed() < PATIENCE {
            outsider = Outsider::enter(&address).await;
        }
        let mut outsider = outsider.expect("it serves");
        let place = pb::Place {
            generation: 1,
            rank,
            secret: vec![0; 32],
        };
        let register = pb::Register {
            place: Some(place),
            held: Some(STEPS),
            ..honest_looking("claims a seat")
        };
        outsider.register(register).await;
        claims.push(outsider);
    }
    assert_undisturbed(&run, leads);
    for worker in workers {
        worker.wait().succeeded();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_a_worker_that_cannot_train_are_nobody_elses() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut running = job(&run).workers(2).start();
    let address = address_of(&mut running);
    running.runs_until_step(2);
    let processes = running.children();
    for name in ["local-0", "local-1"] {
        let mut outsider = Outsider::enter(&address).await.expect("it serves");
        assert!(outsider.register(honest_looking(name)).await);
        let reason = "it cannot train".to_owned();
        let generation = None;
        outsider
            .say(Message::Unfit(pb::Unfit { reason, generation }))
            .await;
        while !matches!(outsider.order().await, Some(Order::Stop(_)) | None) {}
    }
    running.runs_until("half of the steps", PATIENCE, |running| {
        let steps = fratmae_tests::applied(&events(&running.said()));
        steps.contains(&(STEPS / 2))
    });
    assert_eq!(running.children(), processes);
    assert_undisturbed(&run, running);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_first_and_cannot_train_or_is_gone_again_decides_nothing() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut leads = led(&run, "127.0.0.1:0", 1);
    let address = address_of(&mut leads);
    let mut other = Outsider::enter(&address).await.expect("it serves");
    let asks = pb::Register {
        kernels: "none of yours".to_owned(),
        device: None,
        ..honest_looking("asks for the job")
    };
    assert!(other.register(asks).await);
    let mut unfit = Outsider::enter(&address).await.expect("it serves");
    let register = pb::Register {
        kernels: "none of yours".to_owned(),
        ..honest_looking("cannot train")
    };
    assert!(unfit.register(register).await);
    let reason = "no credentials are here".to_owned();
    let generation = None;
    unfit
        .say(Message::Unfit(pb::Unfit { reason, generation }))
        .await;
    while !matches!(unfit.order().await, Some(Order::Stop(_)) | None) {}
    drop((unfit, other));
    wait_until("it is gone", PATIENCE, || {
        let run = run.display().to_string();
        status(&run)["members"].as_array().is_none_or(Vec::is_empty)
    });
    let honest = worker(&address, "honest");
    let ended = leads.wait().succeeded();
    assert_eq!(ended.digest(), UNDISTURBED.digest, "{}", ended.stderr);
    honest.wait().succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_terminal_would_act_on_is_refused_in_one_plain_line() {
    let folder = scratch();
    let mut leads = led(&folder.path().join("run"), "127.0.0.1:0", 1);
    let address = address_of(&mut leads);
    let mut outsider = Outsider::enter(&address).await.expect("it serves");
    let name = "a\nb\u{1b}[2Jc";
    outsider.say(Message::Register(honest_looking(name))).await;
    let Some(Order::Stop(stop)) = outsider.order().await else {
        panic!("it is refused")
    };
    assert!(!stop.reason.chars().any(char::is_control), "{stop:?}");
    assert!(outsider.order().await.is_none(), "nothing more is heard");
    leads.runs_until("the refusal", PATIENCE, |running| {
        let refused = events(&running.said()).into_iter().find_map(|it| match it {
            RunEvent::Refused { name, .. } => Some(name),
            _ => None,
        });
        refused.is_some_and(|name| !name.chars().any(char::is_control))
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_checkpoint_that_a_member_calls_damaged_is_read_again_and_kept() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut first = led(&run, "127.0.0.1:0", 1);
    let trained = worker(&address_of(&mut first), "a");
    first.runs_until("a checkpoint", PATIENCE, |_| {
        !committed_steps(&run).is_empty()
    });
    drop((first, trained));
    let newest = committed_steps(&run).into_iter().max();
    let mut leads = led(&run, "127.0.0.1:0", 1);
    let address = address_of(&mut leads);
    let mut accuser = Outsider::enter(&address).await.expect("it serves");
    assert!(accuser.register(honest_looking("accuser")).await);
    let begin = loop {
        match accuser.order().await.expect("it is given a seat") {
            Order::Prepare(pb::Prepare { generation, .. }) => {
                let held = None;
                let prepared = pb::Prepared { generation, held };
                accuser.say(Message::Prepared(prepared)).await;
            }
            Order::Begin(begin) => break begin,
            _ => {}
        }
    };
    let Some(pb::begin::Source::Checkpoint(checkpoint)) = begin.source else {
        panic!("it begins from a checkpoint: {begin:?}")
    };
    assert_eq!(Some(checkpoint.step), newest);
    let reason = "so it seems".to_owned();
    let (generation, checkpoint) = (begin.generation, Some(checkpoint));
    accuser
        .say(Message::Damaged(pb::Damaged {
            generation,
            checkpoint,
            reason,
        }))
        .await;
    leads.runs_until("what it found", PATIENCE, |running| {
        let warned =
            |event| matches!(event, RunEvent::Warned { warning } if warning.contains("is whole"));
        events(&running.said()).into_iter().any(warned)
    });
    drop(accuser);
    let honest = worker(&address, "honest");
    let ended = leads.wait().succeeded();
    assert_eq!(ended.digest(), UNDISTURBED.digest, "{}", ended.stderr);
    let steps = fratmae_tests::applied(&events(&ended.stderr));
    assert_eq!(steps.first().copied(), newest.map(|step| step + 1));
    honest.wait().succeeded();
}
