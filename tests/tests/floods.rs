//! A coordinator's port as everybody on the network reaches it: connections that say nothing, messages that nobody asked
//! for, and a reader of its output that has gone to sleep. None of it stops a run.

use std::fs::File;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use fratmae_protocol::pb::from_worker::Message;
use fratmae_protocol::{connect, pb};
use fratmae_tests::{
    Call, Job, Signal, Undisturbed, address_of, committed_steps, coordinator, logged, memory_of,
    phantoms, program, scratch, send, wait_until, worker,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const STEPS: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(60);
/// Files and connections that most systems let a process have open.
const FILES: usize = 1024;
/// MiB that a flood may cost.
const MEMORY: u64 = 64;

fn set(call: Call) -> Call {
    let settings = [format!("train.steps={STEPS}"), "checkpoint.every=20".into()];
    let settings = settings.iter().map(|it| format!("--set={it}"));
    settings.fold(call, Call::and)
}

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| {
    Undisturbed::of(|run| {
        Job::tiny(run)
            .set(&format!("train.steps={STEPS}"))
            .set("checkpoint.every=20")
            .set("workers.threads=1")
    })
});

fn heartbeat(laps: usize) -> pb::FromWorker {
    let heartbeat = pb::Heartbeat {
        laps: vec![pb::Lap::default(); laps],
        ..Default::default()
    };
    pb::FromWorker {
        message: Some(Message::Heartbeat(heartbeat)),
    }
}

fn registration() -> pb::FromWorker {
    let register = pb::Register {
        name: "nobody".to_owned(),
        version: "another".to_owned(),
        ..Default::default()
    };
    pb::FromWorker {
        message: Some(Message::Register(register)),
    }
}

/// Sends a message again and again on streams of its own, until the time is over.
async fn flood(address: &str, message: &pb::FromWorker, streams: usize, time: Duration) {
    let mut floods = tokio::task::JoinSet::new();
    for _ in 0..streams {
        let (address, message) = (address.to_owned(), message.clone());
        floods.spawn(tokio::time::timeout(time, async move {
            loop {
                let Ok(mut client) = connect(&address).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let (say, said) = mpsc::channel(4);
                let Ok(heard) = client.attend(ReceiverStream::new(said)).await else {
                    continue;
                };
                let mut heard = heard.into_inner();
                let read = async { while let Ok(Some(_)) = heard.message().await {} };
                let write = async { while say.send(message.clone()).await.is_ok() {} };
                tokio::select! {
                    () = read => {}
                    () = write => {}
                }
            }
        }));
    }
    while floods.join_next().await.is_some() {}
}

#[test]
fn connections_that_say_nothing_keep_nobody_out_and_end_nothing() {
    let folder = scratch();
    let run = folder.path().join("run");
    let limit = format!("--nofile={FILES}:{FILES}");
    let call = set(coordinator(&run).and("--workers=2"));
    let mut leading = call.through(&["prlimit", &limit]).start();
    let address = address_of(&mut leading);
    let place = address.trim_start_matches("http://");
    let connected = (0..FILES + 100).map(|_| TcpStream::connect(place));
    let held: Vec<_> = connected.flatten().collect();
    assert!(held.len() >= FILES, "{}", held.len());
    let workers = [worker(&address).start(), worker(&address).start()];
    let finished = leading.wait().succeeded();
    for worker in workers {
        worker.wait().succeeded();
    }
    let job = Job::tiny(&run);
    UNDISTURBED.assert_reached(&job, &finished.digest(), "beside silent connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_nobody_cost_little_memory_and_no_step() {
    let folder = scratch();
    let run = folder.path().join("run");
    let call = set(coordinator(&run).and("--workers=2"));
    let mut leading = call.and("--set=train.steps=100000").start();
    let address = address_of(&mut leading);
    let _workers = [worker(&address).start(), worker(&address).start()];
    leading.runs_until_step(5);
    let start = memory_of(leading.id(), "VmRSS");
    for message in [heartbeat(2_000_000), heartbeat(3_000)] {
        flood(&address, &message, 20, Duration::from_secs(5)).await;
        let most = memory_of(leading.id(), "VmHWM");
        assert!(most - start <= MEMORY, "{start} MiB became {most}");
    }
    let said = leading.said();
    let step = fratmae_tests::applied(&fratmae_tests::events(&said))
        .last()
        .copied();
    leading.runs_until_step(step.unwrap_or_default() + 5);
    assert!(logged(&said, "worker in trouble").is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_register_in_vain_hold_up_no_verdict_and_fill_no_log() {
    let folder = scratch();
    let run = folder.path().join("run");
    let call = set(coordinator(&run).and("--workers=2")).and("--set=train.steps=100000");
    let mut leading = call.start();
    let address = address_of(&mut leading);
    let workers = [worker(&address).start(), worker(&address).start()];
    // By then the run knows how often its workers are heard.
    leading.runs_until_step(5);
    let before = leading.said().len();
    let message = registration();
    let flooding = flood(&address, &message, 4, Duration::from_secs(20));
    let stopped = async {
        let id = workers[1].id();
        tokio::task::spawn_blocking(move || {
            send(id, Signal::SIGSTOP);
            let began = Instant::now();
            leading.runs_until("a verdict", Duration::from_secs(20), |leading| {
                !logged(&leading.said(), "worker in trouble").is_empty()
            });
            send(id, Signal::SIGCONT);
            (leading, began.elapsed())
        })
        .await
        .unwrap()
    };
    let ((), (leading, took)) = tokio::join!(flooding, stopped);
    assert!(took < Duration::from_secs(10), "a verdict after {took:?}");
    let said = leading.said();
    let refused = logged(&said, "worker refused").len();
    assert!((1..100).contains(&refused), "{refused} refusals are told");
    assert!(said.contains("more workers were refused"), "{said}");
    assert!(said.len() - before < 1 << 20, "{} bytes", said.len());
}

/// A coordinator with workers of its own whose standard error nobody reads, and the end that keeps it open.
fn unread(run: &Path) -> (Child, OwnedFd) {
    let (reader, writer) = std::io::pipe().expect("the system starts a program of ours");
    let child = Command::new(program())
        .args(["pretrain", "--log", "json", "--json", "--workers", "2"])
        .args([
            "--config",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml"),
        ])
        .arg("--data")
        .arg(&phantoms().data)
        .arg("--run")
        .arg(run)
        .args([
            "--set",
            "train.steps=100000",
            "--set",
            "checkpoint.every=20",
        ])
        // Much is to be told: it fills the pipe and all that may wait for it.
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(File::create("/dev/null").expect("the system starts a program of ours"))
        .stderr(writer)
        .spawn()
        .expect("the system starts a program of ours");
    (child, reader.into())
}

#[test]
fn a_run_whose_lines_nobody_reads_goes_on_and_stops_when_it_is_asked_to() {
    let folder = scratch();
    let run = folder.path().join("run");
    let (mut leading, reader) = unread(&run);
    // The pipe has been full since long before.
    wait_until("checkpoints", PATIENCE, || committed_steps(&run).len() >= 4);
    send(leading.id(), Signal::SIGTERM);
    wait_until("its end", PATIENCE, || {
        leading.try_wait().unwrap().is_some()
    });
    assert_eq!(leading.wait().unwrap().code(), Some(75));
    drop(reader);
}

/// Connections that a process has open, the one that it listens at included.
fn sockets(process: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).expect("the process is there");
    let links = open.flatten().map(|it| std::fs::read_link(it.path()));
    let is_socket = |link: &std::path::PathBuf| link.to_string_lossy().starts_with("socket:");
    links.flatten().filter(is_socket).count()
}

#[test]
fn a_worker_that_is_never_heard_again_leaves_no_connection() {
    let folder = scratch();
    let mut leading = coordinator(&folder.path().join("run"))
        .and("--workers=2")
        .start();
    let address = address_of(&mut leading);
    let before = sockets(leading.id());
    let silent = worker(&address).start();
    leading.runs_until("its registration", PATIENCE, |leading| {
        !logged(&leading.said(), "worker registered").is_empty()
    });
    assert!(sockets(leading.id()) > before);
    silent.signal(Signal::SIGSTOP);
    leading.runs_until("the end of its connection", PATIENCE, |leading| {
        sockets(leading.id()) <= before
    });
    silent.signal(Signal::SIGCONT);
}
