//! Bytes without meaning at every port of a run with keys, from those who have none and from a member: the run comes to
//! the same weights, nobody in it is blamed, and its processes stay as small as they were.
//!
//! `FRATMAE_TEST_PORTS_S` says for how many seconds runs follow one another; without it one is tried.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fratmae_tests::{
    Call, Job, RunEvent, Running, Seeded, address_of, coordinator, events, fratmae, memory_of,
    scratch, variable, worker,
};
use fratmae_trust::{Keyring, Role};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PATIENCE: Duration = Duration::from_secs(120);
const STEPS: u64 = 60;
/// MiB that a process may grow.
const MEMORY: u64 = 64;
/// Between two connections of one of them: the run needs the processor too.
const PAUSE: Duration = Duration::from_millis(2);

/// What bytes begin with, so that some get beyond the first look.
const BEGINNINGS: [&[u8]; 9] = [
    b"",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x17\x03\x03\x40\x00",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
    b"FMhi\x02\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0",
    b"FMre\x02\0\0\0\x01\0\0\0\0\0\0\0",
    b"\0\0\0\x05",
];

/// Bytes that begin like something and go on like nothing.
fn nonsense(random: &mut Seeded) -> Vec<u8> {
    let mut bytes = BEGINNINGS[random.below(BEGINNINGS.len() as u64) as usize].to_vec();
    for _ in 0..random.below(3) {
        if !bytes.is_empty() {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
    }
    let most = [1, 64, 4096, 200_000][random.below(4) as usize];
    let more = random.below(most);
    bytes.extend((0..more).map(|_| random.below(256) as u8));
    bytes
}

/// Frames of HTTP/2 with any type, flags, stream and body.
fn frames(random: &mut Seeded) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for _ in 0..random.below(40) {
        let most = [1, 9, 300, 16_384][random.below(4) as usize];
        let length = random.below(most);
        bytes.extend(&(length as u32).to_be_bytes()[1..]);
        bytes.extend([random.below(11) as u8, random.below(64) as u8]);
        bytes.extend((random.below(9) as u32).to_be_bytes());
        bytes.extend((0..length).map(|_| random.below(256) as u8));
    }
    bytes
}

/// Says nonsense at an address, again and again on new connections.
fn harass(address: &str, random: &mut Seeded) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    stream
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    // Whoever is spoken to may hang up at any time.
    let _ = stream.write_all(&nonsense(random));
    if random.below(2) == 0 {
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(&nonsense(random));
    }
}

/// Says nonsense inside the TLS of a member.
async fn harass_within(address: &str, keys: &Keyring, random: &mut Seeded) {
    let Ok(stream) = tokio::net::TcpStream::connect(address).await else {
        return;
    };
    let Ok(mut stream) = keys.connect(stream).await else {
        return;
    };
    let said = match random.below(3) {
        0 => nonsense(random),
        _ => frames(random),
    };
    let _ = stream.write_all(&said).await;
    let _ = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut [0; 512])).await;
}

/// Those who speak nonsense, until they are to stop.
#[derive(Default)]
struct Outsiders {
    said: Arc<AtomicU64>,
    /// Each goes on for as long as its line is open.
    threads: Vec<(SyncSender<()>, JoinHandle<()>)>,
}

impl Outsiders {
    fn begin(&mut self, mut each: impl FnMut() + Send + 'static) {
        let said = Arc::clone(&self.said);
        let (open, line) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            while line.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                each();
                said.fetch_add(1, Ordering::Relaxed);
            }
        });
        self.threads.push((open, thread));
    }

    fn at(&mut self, address: String, seed: u64) {
        let mut random = Seeded::new(seed);
        self.begin(move || harass(&address, &mut random));
    }

    fn within(&mut self, address: String, keys: Keyring, seed: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut random = Seeded::new(seed);
        self.begin(move || runtime.block_on(harass_within(&address, &keys, &mut random)));
    }

    fn end(self) -> u64 {
        let threads = self.threads.into_iter().map(|(open, thread)| {
            drop(open);
            thread
        });
        for thread in threads.collect::<Vec<_>>() {
            thread.join().unwrap();
        }
        self.said.load(Ordering::Relaxed)
    }
}

/// The addresses that a coordinator announces beside its own, and of the first two workers.
fn addresses(led: &mut Running) -> Vec<String> {
    let mut found = Vec::new();
    led.runs_until("all addresses", PATIENCE, |led| {
        let all = events(&led.said()).into_iter();
        found = all
            .filter_map(|event| match event {
                RunEvent::Registered { address, .. } => Some(address),
                RunEvent::Noted { note } => {
                    let (_, url) = note.split_once("https://")?;
                    Some(url.split('/').next()?.to_owned())
                }
                _ => None,
            })
            .collect();
        found.len() == 4
    });
    found
}

fn with(call: Call, keys: &str) -> Call {
    call.with("FRATMAE_KEYS", keys)
}

/// Trains while outsiders speak; gives the digest of the weights, and how often somebody spoke.
fn disturbed(folder: &Path, keys: &str, seed: u64) -> (String, u64) {
    let call = coordinator(&folder.join(format!("run-{seed}")))
        .and("--set")
        .and(format!("train.steps={STEPS}"))
        .and("--workers=2")
        .and("--page=0.0.0.0:0")
        .and("--metrics=0.0.0.0:0");
    let mut led = with(call, keys).start();
    let address = address_of(&mut led);
    let workers = [(); 2].map(|()| with(worker(&address), keys).start());
    let mut outsiders = Outsiders::default();
    let own = address.split("//").last().unwrap().to_owned();
    // By then its processes have all that they work with.
    led.runs_until_step(10);
    let ids = [led.id(), workers[0].id(), workers[1].id()];
    let before = ids.map(|id| memory_of(id, "VmHWM"));
    for (number, place) in addresses(&mut led).into_iter().enumerate() {
        outsiders.at(place, seed * 100 + number as u64);
    }
    outsiders.at(own.clone(), seed * 100 + 10);
    for (number, role) in [Role::Worker, Role::Observer].into_iter().enumerate() {
        let keys = Keyring::open(Path::new(keys), role).unwrap();
        outsiders.within(own.clone(), keys, seed * 100 + 20 + number as u64);
    }
    led.runs_until_step(STEPS - 5);
    for (id, before) in ids.into_iter().zip(before) {
        let most = memory_of(id, "VmHWM");
        assert!(most < before + MEMORY, "{before} MiB became {most}");
    }
    let said = outsiders.end();
    let finished = led.wait().succeeded();
    for worker in workers {
        worker.wait().succeeded();
    }
    assert!(
        !finished.stderr.contains("in trouble"),
        "{}",
        finished.stderr
    );
    (finished.digest(), said)
}

#[test]
fn nonsense_at_every_port_changes_nothing() {
    let folder = scratch();
    let steps = format!("train.steps={STEPS}");
    let expected = Job::tiny(folder.path().join("local")).set(&steps).finish();
    let keys = folder.path().join("keys").display().to_string();
    fratmae(["keys", "make", &keys]).run().succeeded();
    let seconds = variable("FRATMAE_TEST_PORTS_S");
    let time = Duration::from_secs(seconds.map_or(0, |seconds| seconds.parse().unwrap()));
    let began = Instant::now();
    for seed in 0.. {
        let (digest, said) = disturbed(folder.path(), &keys, seed);
        assert_eq!(digest, expected.digest(), "seed {seed}");
        assert!(said > 100, "{said}");
        if began.elapsed() >= time {
            break;
        }
    }
}
