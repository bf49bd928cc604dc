//! Connections over real sockets: who is taken, who is not, and what renewal changes.

use super::*;
use crate::folder::make;
use std::fs;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LIFE: Duration = Duration::from_secs(3600);

fn keys(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), name, LIFE).unwrap();
    folder
}

fn keyring(keys: &TempDir, role: Role) -> Keyring {
    Keyring::open(keys.path(), role).unwrap()
}

/// The keyring of a role whose certificate is good for a minute from `in_s` seconds from now on.
fn dated(keys: &TempDir, role: Role, in_s: i64) -> Keyring {
    let (authority, _) = authority_in(keys.path()).unwrap().unwrap();
    let folder = keys.path().join(role.name());
    let key = fs::read_to_string(folder.join("tls.key")).unwrap();
    let certificate = authority.issue(
        &authority.identity(role),
        &key,
        in_s,
        Duration::from_secs(60),
    );
    fs::write(folder.join(CERTIFICATE), certificate.unwrap()).unwrap();
    keyring(keys, role)
}

/// What both sides of a connection come to: who the server sees, and whether each heard the other.
async fn meet(server: &Keyring, client: &Keyring) -> Result<Identity, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = server.accept(stream).await?;
        let seen = peer(stream.get_ref().1);
        stream.write_all(b"hello").await?;
        stream.flush().await?;
        io::Result::Ok(seen)
    };
    let calling = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = client.connect(stream).await?;
        let mut word = [0; 5];
        stream.read_exact(&mut word).await?;
        io::Result::Ok(word)
    };
    let (seen, heard) = tokio::join!(serving, calling);
    let (seen, heard) = (
        seen.map_err(|it| it.to_string()),
        heard.map_err(|it| it.to_string()),
    );
    match (seen, heard) {
        (Ok(Some(seen)), Ok(word)) if &word == b"hello" => Ok(seen),
        (seen, heard) => Err(format!("server: {seen:?}; client: {heard:?}")),
    }
}

#[tokio::test]
async fn every_role_of_the_run_is_taken_for_what_it_is() {
    let keys = keys("pilot");
    let coordinator = keyring(&keys, Role::Coordinator);
    for role in [Role::Worker, Role::Observer, Role::Operator] {
        let seen = meet(&coordinator, &keyring(&keys, role)).await.unwrap();
        assert_eq!(seen, Identity::new("pilot", role));
    }
    let seen = meet(&coordinator, &keyring(&keys, Role::Coordinator)).await;
    assert_eq!(seen.unwrap().role(), Role::Coordinator);
}

#[tokio::test]
async fn another_authority_is_nobody_even_under_the_same_name() {
    let (ours, theirs) = (keys("pilot"), keys("pilot"));
    let coordinator = keyring(&ours, Role::Coordinator);
    let refused = meet(&coordinator, &keyring(&theirs, Role::Worker)).await;
    assert!(refused.unwrap_err().contains("invalid peer certificate"));
}

#[tokio::test]
async fn another_run_of_one_authority_is_refused_by_both_sides() {
    let keys = keys("pilot");
    let coordinator = keyring(&keys, Role::Coordinator);
    // As a cluster's authority signs for many runs.
    let (authority, _) = authority_in(keys.path()).unwrap().unwrap();
    let place = keys.path().join("worker");
    let key = fs::read_to_string(place.join("tls.key")).unwrap();
    let other = Identity::new("other", Role::Worker);
    let certificate = authority.issue(&other, &key, 0, LIFE).unwrap();
    fs::write(place.join(CERTIFICATE), certificate).unwrap();
    let refused = meet(&coordinator, &keyring(&keys, Role::Worker)).await;
    let refused = refused.unwrap_err();
    let said = "it is of spiffe://fratmae/pilot, and this process of spiffe://fratmae/other";
    assert!(refused.contains(said), "{refused}");
}

#[tokio::test]
async fn a_certificate_is_good_in_its_time_alone() {
    let keys = keys("pilot");
    let coordinator = keyring(&keys, Role::Coordinator);
    for (in_s, said) in [(-7200, "expired"), (7200, "not valid yet")] {
        let refused = meet(&coordinator, &dated(&keys, Role::Worker, in_s)).await;
        let refused = refused.unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    meet(&coordinator, &dated(&keys, Role::Worker, 0))
        .await
        .unwrap();
}

#[tokio::test]
async fn nobody_but_a_coordinator_is_taken_for_one() {
    let keys = keys("pilot");
    let worker = keyring(&keys, Role::Worker);
    let refused = meet(&worker, &keyring(&keys, Role::Observer)).await;
    assert!(
        refused
            .unwrap_err()
            .contains("where a coordinator's was expected")
    );
}

#[tokio::test]
async fn a_newer_certificate_is_taken_for_new_connections_and_old_ones_stay() {
    let keys = keys("pilot");
    let (coordinator, worker) = (
        keyring(&keys, Role::Coordinator),
        keyring(&keys, Role::Worker),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (mut near, mut far) = tokio::try_join!(
        async { coordinator.accept(listener.accept().await?.0).await },
        async { worker.connect(TcpStream::connect(address).await?).await },
    )
    .unwrap();
    assert!(!worker.renew().unwrap());
    // The coordinator makes its own anew, and the worker's with it.
    assert!(coordinator.renew().unwrap() && worker.renew().unwrap());
    near.write_all(b"still").await.unwrap();
    near.flush().await.unwrap();
    let mut word = [0; 5];
    far.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"still");
    meet(&coordinator, &worker).await.unwrap();
}

#[test]
fn half_written_files_leave_the_certificate_as_it_was() {
    let keys = keys("pilot");
    let worker = keyring(&keys, Role::Worker);
    let place = keys.path().join("worker");
    let whole = fs::read(place.join(CERTIFICATE)).unwrap();
    for half in [&whole[..40], &b""[..], b"garbage"] {
        fs::write(place.join(CERTIFICATE), half).unwrap();
        assert!(worker.renew().is_err());
    }
    fs::write(place.join("tls.key"), draw_key().unwrap()).unwrap();
    fs::write(place.join(CERTIFICATE), &whole).unwrap();
    let line = worker.renew().unwrap_err().to_string();
    assert!(line.contains("do not fit together"), "{line}");
}

#[test]
fn the_wrong_roles_files_are_named() {
    let keys = keys("pilot");
    let error = Keyring::open(&keys.path().join("observer"), Role::Worker).unwrap_err();
    let line = error.to_string();
    assert!(line.contains("observer, where one of its worker"), "{line}");
    let error = Keyring::open(&keys.path().join("nowhere"), Role::Worker).unwrap_err();
    assert!(error.to_string().contains("fratmae keys make"), "{error}");
}

#[test]
fn a_certificate_is_renewed_at_two_thirds_of_its_life() {
    assert_eq!(renew_after(crate::DAY), Duration::from_secs(16 * 3600));
    assert_eq!(
        renew_after(Duration::from_secs(30)),
        Duration::from_secs(20)
    );
    assert_eq!(renew_after(Duration::ZERO), Duration::from_secs(1));
}
