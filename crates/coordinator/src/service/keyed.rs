//! Who may ask a coordinator for what: every identity and every call, over real sockets.

use super::*;
use fratmae_protocol::{Bounds, Client, connect_as, serve};
use fratmae_trust::{DAY, Keyring, Role, authority_in, make};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::Code;

const BOUNDS: Bounds = Bounds {
    connections: 64,
    message: 512 << 10,
};
const SOON: Duration = Duration::from_secs(20);

fn keys(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), name, DAY).unwrap();
    folder
}

/// Keys of a worker that are good for a minute from `in_s` seconds from now on, in a folder of their own.
fn dated(keys: &Path, in_s: i64) -> Keyring {
    let (authority, _) = authority_in(keys).unwrap().unwrap();
    let (theirs, folder) = (keys.join("worker"), keys.join(format!("worker{in_s}")));
    fs::create_dir(&folder).unwrap();
    for name in ["ca.crt", "tls.key"] {
        fs::copy(theirs.join(name), folder.join(name)).unwrap();
    }
    let key = fs::read_to_string(folder.join("tls.key")).unwrap();
    let worker = authority.identity(Role::Worker);
    let certificate = authority.issue(&worker, &key, in_s, Duration::from_secs(60));
    fs::write(folder.join("tls.crt"), certificate.unwrap()).unwrap();
    Keyring::open(&folder, Role::Worker).unwrap()
}

/// A coordinator with these keys that answers everything; gives its address.
async fn coordinator(keys: Option<Keyring>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut inbox) = mpsc::channel(64);
    let (status, reader) = watch::channel(pb::StatusReply::default());
    let snapshots = watch::Sender::default();
    let names = ("run".to_owned(), "v".to_owned());
    let service = Service::new(names, sender, reader, snapshots.clone());
    tokio::spawn(async move {
        let _kept = status;
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                _ = ticks.tick() => drop(snapshots.send_replace(Arc::default())),
                Some(delivery) = inbox.recv() => if let Arrival::Save(reply) = delivery.arrival {
                    reply.send(7).unwrap();
                },
            }
        }
    });
    let pending = std::future::pending();
    tokio::spawn(serve(listener, service, (BOUNDS, keys), pending));
    address
}

/// What became of a call: `+` it was answered, `-` it may not, `x` nobody was heard.
fn outcome<T>(result: Result<T, Status>) -> char {
    match result {
        Ok(_) => '+',
        Err(status) if status.code() == Code::PermissionDenied => '-',
        Err(_) => 'x',
    }
}

/// Attend, status, clock, observe, save.
async fn row(keys: Option<&Keyring>, address: &str) -> String {
    let Ok(mut client) = connect_as(keys, address).await else {
        return "xxxxx".to_owned();
    };
    let (_say, said) = mpsc::channel(1);
    let attended = client.attend(ReceiverStream::new(said)).await;
    let status = client.status(pb::StatusRequest {}).await;
    let clock = client.clock(pb::ClockRequest {}).await;
    let observed = client.observe(pb::ObserveRequest {}).await;
    let saved = save(&mut client).await;
    [
        outcome(attended),
        outcome(status),
        outcome(clock),
        outcome(observed),
        saved,
    ]
    .iter()
    .collect()
}

async fn save(client: &mut Client) -> char {
    let run_id = "run".to_owned();
    outcome(client.save(pb::SaveRequest { run_id }).await)
}

#[tokio::test]
async fn every_identity_gets_what_its_role_may_ask_for_and_no_more() {
    let (ours, theirs) = (keys("pilot"), keys("pilot"));
    let open = |keys: &TempDir, role| Keyring::open(keys.path(), role).unwrap();
    let address = coordinator(Some(open(&ours, Role::Coordinator))).await;
    let table = [
        ("nobody", None, "xxxxx"),
        ("another run's", Some(open(&theirs, Role::Worker)), "xxxxx"),
        ("expired", Some(dated(ours.path(), -7200)), "xxxxx"),
        ("not yet valid", Some(dated(ours.path(), 7200)), "xxxxx"),
        ("worker", Some(open(&ours, Role::Worker)), "+++--"),
        ("observer", Some(open(&ours, Role::Observer)), "-+++-"),
        ("operator", Some(open(&ours, Role::Operator)), "-++++"),
        ("coordinator", Some(open(&ours, Role::Coordinator)), "-+++-"),
    ];
    for (name, keys, expected) in table {
        let found = timeout(SOON, row(keys.as_ref(), &address)).await;
        assert_eq!(found.unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn without_keys_everybody_is_heard_and_who_has_some_speaks_to_nobody_there() {
    let address = coordinator(None).await;
    assert_eq!(row(None, &address).await, "+++++");
    let ours = keys("pilot");
    let worker = Keyring::open(ours.path(), Role::Worker).unwrap();
    let found = timeout(SOON, row(Some(&worker), &address)).await;
    assert_eq!(found.unwrap(), "xxxxx");
}

#[tokio::test]
async fn who_says_nothing_keeps_nobody_else_waiting() {
    let ours = keys("pilot");
    let open = |role| Keyring::open(ours.path(), role).unwrap();
    let address = coordinator(Some(open(Role::Coordinator))).await;
    let at = address.trim_start_matches("http://").to_owned();
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(tokio::net::TcpStream::connect(&at).await.unwrap());
    }
    let found = timeout(SOON, row(Some(&open(Role::Operator)), &address)).await;
    assert_eq!(found.unwrap(), "-++++");
}
