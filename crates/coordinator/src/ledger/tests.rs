//! What workers tell adds up to their lives, over coordinators, and on the store.

use super::*;
use fratmae_observe::{HISTORY, RankFile, Row, TimeFile};
use fratmae_telemetry::Account;

const MS: u64 = 1_000_000;

fn register(label: &str, began: u64) -> pb::Register {
    pb::Register {
        name: "n".to_owned(),
        process: Some(pb::Process {
            label: label.to_owned(),
            host: "h".to_owned(),
            began_unix_us: began,
        }),
        ..Default::default()
    }
}

/// A heartbeat in a generation, with milliseconds of forward and of start, and the open account.
fn beat(generation: u64, start: u64, forward: u64, open: Option<Account>) -> pb::Heartbeat {
    let accounts: Accounts = [
        (Account::Start, start * MS),
        (Account::Forward, forward * MS),
    ]
    .into_iter()
    .collect();
    pb::Heartbeat {
        generation,
        step: 4 * generation,
        times: Some(pb::Times {
            accounts: accounts.values().to_vec(),
            unfinished: MS,
            open: open.map(|account| account as u32),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn times(generation: u64, step: u64, forward: [u64; 2], calls: [u64; 2]) -> pb::StepTimes {
    let rank = |rank: usize| {
        let accounts: Accounts = [(Account::Forward, forward[rank])].into_iter().collect();
        pb::RankTime {
            accounts: accounts.values().to_vec(),
            calls: vec![calls[rank]],
        }
    };
    pb::StepTimes {
        generation,
        step,
        ranks: vec![rank(0), rank(1)],
    }
}

struct Store {
    _folder: tempfile::TempDir,
    run: Location,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = Location::open(folder.path().to_str().unwrap()).unwrap();
        Self {
            _folder: folder,
            run,
        }
    }

    /// A coordinator's ledger that knows what was before.
    async fn ledger(&self, fence: u64) -> Ledger {
        let mut ledger = Ledger::new(self.run.clone(), fence, 0, 2);
        let recorded = ledger.keeper.await_recorded().await.unwrap();
        ledger.load(recorded);
        ledger
    }

    async fn rows<R: Row>(&self, is_its: impl Fn(&str) -> bool) -> Vec<R> {
        let mut rows = Vec::new();
        for entry in self.run.list(HISTORY).await.unwrap() {
            if is_its(&entry.relative) {
                let bytes = self.run.get(&entry.relative).await.unwrap();
                rows.extend(R::decode(bytes).unwrap());
            }
        }
        rows
    }

    async fn stretches(&self) -> Vec<LedgerRow> {
        self.rows(|name| TimeFile::of::<LedgerRow>(name).is_some())
            .await
    }
}

const A: WorkerId = WorkerId::new(1);
const B: WorkerId = WorkerId::new(2);

#[tokio::test]
async fn stretches_of_a_process_add_up_to_its_life_over_generations_and_coordinators() {
    let store = Store::new();
    let mut first = store.ledger(1).await;
    first.registered(A, &register("a", 7));
    first.beat(A, &beat(1, 2_000, 0, Some(Account::Forward)));
    first.beat(A, &beat(1, 2_000, 50, Some(Account::Forward)));
    first.beat(A, &beat(2, 2_000, 60, Some(Account::Forward)));
    // A second is the least that a stretch lasts.
    first.beat(A, &beat(3, 2_000, 65, Some(Account::Forward)));
    first.finish().await;
    assert_eq!(store.stretches().await.len(), 2);
    let mut second = store.ledger(2).await;
    assert_eq!(second.totals().0.total(), 2_065 * MS);
    second.registered(A, &register("a", 7));
    second.beat(A, &beat(3, 2_000, 90, Some(Account::Drain)));
    assert_eq!(second.totals().0.total(), 2_090 * MS);
    second.finish().await;
    let rows = store.stretches().await;
    let sum: u64 = rows.iter().map(|row| row.accounts.total()).sum();
    assert_eq!((sum, rows.len()), (2_090 * MS, 3));
    assert!(
        rows.iter()
            .all(|row| row.worker == "a" && row.incarnation == 7)
    );
    let steps: Vec<_> = rows
        .iter()
        .map(|row| (row.from_step, row.to_step))
        .collect();
    assert_eq!(steps, [(0, 4), (4, 12), (12, 12)]);
}

#[tokio::test]
async fn a_process_that_was_heard_for_the_first_time_is_put_down_soon() {
    let store = Store::new();
    let mut ledger = store.ledger(1).await;
    ledger.registered(A, &register("a", 7));
    assert!(!ledger.is_keeping_urgent(), "there is nothing to tell");
    ledger.beat(A, &beat(1, 10, 50, Some(Account::Forward)));
    assert!(ledger.is_keeping_urgent());
    ledger.keep();
    ledger.beat(A, &beat(1, 10, 60, Some(Account::Forward)));
    assert!(!ledger.is_keeping_urgent(), "it is no newcomer");
    // Both are killed.
    while store.stretches().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.stretches().await[0].accounts.total(), 60 * MS);
}

#[tokio::test]
async fn the_silence_before_a_kill_is_counted_and_one_that_comes_back_had_none() {
    let store = Store::new();
    let mut ledger = store.ledger(1).await;
    ledger.registered(A, &register("a", 7));
    ledger.beat(A, &beat(1, 10, 50, Some(Account::Forward)));
    let totals = ledger.totals();
    assert_eq!((totals.0.total(), totals.1), (60 * MS, Lost::default()));
    ledger.closed(A);
    let (accounts, lost) = ledger.totals();
    assert_eq!(accounts.total(), 60 * MS + lost.silent);
    assert_eq!((lost.partial, accounts[Account::Start]), (MS, 10 * MS));
    assert!(lost.silent > 0);
    // Its stream broke, and it lives.
    ledger.registered(B, &register("a", 7));
    ledger.closed(A);
    assert_eq!(ledger.totals(), totals);
    ledger.beat(B, &beat(1, 10, 80, Some(Account::Drain)));
    ledger.closed(B);
    let (accounts, lost) = ledger.totals();
    assert_eq!(lost.silent, 0);
    assert!(accounts.total() >= 90 * MS && accounts[Account::Forward] == 80 * MS);
    assert_eq!(ledger.n_attached(), 0);
}

#[tokio::test]
async fn ranks_of_a_step_are_on_the_store_and_what_is_done_again_was_lost() {
    let store = Store::new();
    let mut ledger = store.ledger(1).await;
    ledger.registered(A, &register("a", 7));
    ledger.registered(B, &register("b", 8));
    let slots = [0..3, 3..5];
    for step in 1..=4 {
        ledger.step_times(&times(1, step, [40, 30], [5, 15]), &[A, B], &slots);
    }
    ledger.committed(2);
    assert_eq!(ledger.totals().1, Lost::default());
    ledger.step_times(&times(2, 4, [40, 30], [5, 15]), &[A, B], &slots);
    assert_eq!(ledger.totals().1.rewind, 45 + 35);
    ledger.finish().await;
    let rows: Vec<RankRow> = store.rows(|name| RankFile::of(name).is_some()).await;
    assert_eq!(rows.len(), 10);
    let row = &rows[1];
    assert_eq!((row.worker.as_str(), row.rank, row.slots), ("b", 1, 2));
    assert_eq!(row.accounts[Account::Transfer], 5);
    assert_eq!(row.accounts[Account::Wait], 10);
    assert_eq!((row.accounts.total(), &row.calls[..]), (45, &[15][..]));
    let rewound: u64 = store
        .stretches()
        .await
        .iter()
        .map(|row| row.lost.rewind)
        .sum();
    assert_eq!(rewound, 80);
    // The next coordinator begins from a checkpoint that is older still.
    let mut next = store.ledger(2).await;
    next.registered(A, &register("a", 7));
    next.registered(B, &register("b", 8));
    for step in 3..=4 {
        next.step_times(&times(3, step, [40, 30], [5, 15]), &[A, B], &slots);
    }
    assert_eq!(next.totals().1.rewind, 80 + 80 * 2);
}

#[tokio::test]
async fn two_processes_that_are_there_at_once_never_have_one_name() {
    let store = Store::new();
    let mut ledger = store.ledger(1).await;
    ledger.registered(A, &register("a", 7));
    ledger.registered(B, &register("a", 8));
    let name = |ledger: &Ledger, worker| ledger.process(worker).unwrap().0.worker.clone();
    assert_eq!(name(&ledger, A), "a");
    assert_eq!(name(&ledger, B), "a#2");
    ledger.closed(A);
    let next = WorkerId::new(3);
    ledger.registered(next, &register("a", 9));
    assert_eq!(name(&ledger, next), "a");
}

#[tokio::test]
async fn what_a_worker_makes_up_breaks_no_sum() {
    let store = Store::new();
    let mut ledger = store.ledger(1).await;
    ledger.registered(A, &register("a", 0));
    let mut lie = beat(1, 0, 0, None);
    lie.times = Some(pb::Times {
        accounts: vec![u64::MAX; 64],
        undivided: u64::MAX,
        unfinished: u64::MAX,
        partial: u64::MAX,
        open: Some(u32::MAX),
    });
    for generation in [1, 0, u64::MAX] {
        lie.generation = generation;
        ledger.beat(A, &lie);
        ledger.beat(A, &beat(3, 0, 0, None));
    }
    ledger.step_times(&times(1, 1, [u64::MAX; 2], [u64::MAX; 2]), &[A, B], &[]);
    ledger.closed(A);
    let _ = ledger.totals();
    ledger.finish().await;
}
