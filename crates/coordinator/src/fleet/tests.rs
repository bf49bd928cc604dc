//! Processes that end at once stand in for workers.

use super::*;
use crate::restarts::RESTART_DELAY;

fn fleet(program: &str, restarts_per_hour: u32) -> Fleet {
    let launcher = Launcher {
        program: program.into(),
        workers: 2,
        threads: 1,
        arguments: Vec::new(),
        restarts_per_hour,
        listener: None,
    };
    Fleet::new(Some(launcher), "http://127.0.0.1:1")
}

async fn all_end(fleet: &mut Fleet) -> Vec<String> {
    let mut names = vec![
        fleet.next_exit().await.name(),
        fleet.next_exit().await.name(),
    ];
    names.sort();
    names
}

#[tokio::test]
async fn a_process_that_died_is_started_again_until_the_limit() {
    let mut fleet = fleet("false", 1);
    let none: [String; 0] = [];
    assert_eq!(fleet.start_missing(&none, Instant::now()).unwrap(), none);
    let both = ["local-0", "local-1"];
    let started = Instant::now();
    assert_eq!(all_end(&mut fleet).await, both);
    assert_eq!(fleet.start_missing(&none, started).unwrap(), none);
    let later = Instant::now() + RESTART_DELAY;
    assert_eq!(fleet.start_missing(&none, later).unwrap(), both);
    all_end(&mut fleet).await;
    assert!(!fleet.is_spent());
    assert_eq!(fleet.start_missing(&none, Instant::now()).unwrap(), none);
    assert!(fleet.is_spent(), "no restart is left within this hour");
}

#[tokio::test]
async fn a_process_that_ended_well_is_not_started_again() {
    let mut fleet = fleet("true", 10);
    fleet.start_missing(&[], Instant::now()).unwrap();
    all_end(&mut fleet).await;
    assert!(fleet.start_missing(&[], Instant::now()).unwrap().is_empty());
    assert!(fleet.is_spent());
}

#[tokio::test]
async fn a_worker_of_an_earlier_coordinator_keeps_its_place_while_it_is_registered() {
    let mut fleet = fleet("false", 10);
    let token = "its own".to_owned();
    let launch = |place| pb::Launch {
        place,
        token: token.clone(),
    };
    fleet.open(&[launch(1), launch(7)]);
    fleet.open(&[]);
    let now = Instant::now();
    let registered = ["local-0".to_owned(), token.clone()];
    assert!(fleet.start_missing(&registered, now).unwrap().is_empty());
    assert_eq!(fleet.running.len(), 1);
    let again = ["local-1"];
    assert_eq!(fleet.start_missing(&[], now).unwrap(), again);
    assert_eq!(fleet.running.len(), 2);
}

#[tokio::test]
async fn a_worker_that_nobody_can_tell_that_the_run_is_over_is_ended() {
    let mut launcher = fleet("sh", 10).launcher.unwrap();
    launcher.arguments = vec!["-c".to_owned(), "exec sleep 600".to_owned()];
    let mut fleet = Fleet::new(Some(launcher), "http://127.0.0.1:1");
    fleet.start_missing(&[], Instant::now()).unwrap();
    // A name alone stands for nobody.
    fleet.evict(&["local-0".to_owned()], Instant::now());
    let registered = ["local-1".to_owned(), fleet.places[0].token.clone()];
    fleet.dismiss(&registered);
    assert_eq!(fleet.next_exit().await.name(), "local-1");
    fleet.dismiss(&[]);
    assert_eq!(fleet.next_exit().await.name(), "local-0");
}

#[tokio::test]
async fn without_a_launcher_there_is_nothing_to_start() {
    let mut fleet = Fleet::new(None, "http://127.0.0.1:1");
    assert!(fleet.start_missing(&[], Instant::now()).unwrap().is_empty());
    assert!(!fleet.is_spent());
}
