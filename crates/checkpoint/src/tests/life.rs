//! A coordinator's whole life on the store, broken off at every operation of it: take-over, parts, manifest, journal.

use crate::tests::{Fault, FaultyStore, sample, write_sample};
use crate::{
    CheckpointError, CheckpointId, CommitDigests, CoordinatorMark, Journal, Record, newest_good,
    restore,
};
use fratmae_control::{Generation, Step};
use fratmae_store::Location;

/// What a life has seen confirmed before it ended.
#[derive(Default)]
struct Confirmed {
    committed: u64,
    records: usize,
}

/// Takes the run over and commits checkpoint after checkpoint from where it finds the run; three of them.
async fn live(
    run: &Location,
    nonce: &str,
    confirmed: &mut Confirmed,
) -> Result<(), CheckpointError> {
    let mark = CoordinatorMark {
        address: "http://host:1".to_owned(),
        version: "0.1.0".to_owned(),
        nonce: nonce.to_owned(),
        host: String::new(),
        step: None,
    };
    let begins = newest_good(run)
        .await?
        .manifest
        .map_or(0, |found| found.step);
    let before = Journal::replay(run).await?.len();
    let (mut journal, _) = Journal::take_over(run, mark).await?;
    confirmed.records = confirmed.records.max(before + 1);
    let generation = journal.fence().get();
    let members = vec!["a".to_owned()];
    journal
        .append(Record::Generation {
            generation,
            members,
            seats: Vec::new(),
            kinds: Vec::new(),
        })
        .await?;
    confirmed.records += 1;
    for step in begins + 1..begins + 4 {
        write_sample(run, step, generation).await?;
        confirmed.committed = step;
        let id = CheckpointId {
            step: Step::new(step),
            generation: Generation::new(generation),
        };
        let record = Record::commit(id, CommitDigests::default());
        journal.append(record).await?;
        confirmed.records += 1;
    }
    Ok(())
}

/// The newest committed state is found and is whole, nothing that was confirmed is missing, and the run goes on.
async fn check(run: &Location, confirmed: &Confirmed, what: &str) {
    let newest = newest_good(run).await.unwrap();
    assert!(newest.damaged.is_empty(), "{what}: {newest:?}");
    let found = newest.manifest.as_ref().map_or(0, |manifest| manifest.step);
    // The answer to the last one may have been lost.
    assert!(
        (confirmed.committed..=confirmed.committed + 1).contains(&found),
        "{what}: step {found}"
    );
    if let Some(manifest) = newest.manifest {
        let (_, tensors, state) = sample(manifest.step, manifest.generation);
        assert_eq!(
            restore(run, &manifest, &tensors).await.unwrap(),
            state,
            "{what}"
        );
    }
    let records = Journal::replay(run).await.unwrap().len();
    assert!(
        (confirmed.records..=confirmed.records + 1).contains(&records),
        "{what}: {records} records"
    );
    let mut next = Confirmed::default();
    live(run, "the next", &mut next).await.unwrap();
    assert_eq!(next.committed, found + 3, "{what}");
}

#[tokio::test]
async fn broken_off_at_any_operation_the_newest_committed_state_is_found_and_the_run_goes_on() {
    let (counting, run) = FaultyStore::new();
    live(&run, "first", &mut Confirmed::default())
        .await
        .unwrap();
    let operations = counting.count();
    assert!(operations > 15, "{operations}");
    for operation in 0..operations {
        for fault in Fault::ALL {
            let what = format!("operation {operation}, {fault:?}");
            let (store, run) = FaultyStore::new();
            store.plan(operation, fault);
            let mut confirmed = Confirmed::default();
            live(&run, "first", &mut confirmed).await.unwrap_err();
            store.heal();
            check(&run, &confirmed, &what).await;
        }
    }
}
