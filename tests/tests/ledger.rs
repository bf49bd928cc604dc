//! Where the time of every worker process went is on the store, and adds up to what the system says of its life.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use fratmae_observe::{CapacityRow, LedgerRow, Lost, RankRow, Row, TimeFile};
use fratmae_telemetry::Account;
use fratmae_tests::{Job, Signal, address_of, coordinator, scratch, send, worker};
use nix::time::{ClockId, clock_gettime};

/// What marks the processes of a test.
const MARK: &str = "FRATMAE_LEDGER_TEST";

/// How often they are looked at.
const EVERY: Duration = Duration::from_millis(2);

/// How long a process may take to end after it has said its last, and a look at it.
const END: Duration = Duration::from_millis(100);

/// The life of a worker process as the system tells it.
#[derive(Debug)]
struct Life {
    worker: String,
    began: Duration,
    lasted: Duration,
}

/// Watches the workers of a test from outside.
struct Watcher {
    stop: SyncSender<()>,
    thread: JoinHandle<Vec<Life>>,
}

impl Watcher {
    fn start(mark: &str) -> Self {
        let (stop, stopped) = sync_channel::<()>(1);
        let mark = format!("{MARK}={mark}");
        let thread = std::thread::spawn(move || {
            let mut alive = HashMap::new();
            let mut lives = Vec::new();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(EVERY) {
                for process in processes() {
                    // Others are looked at each time: one may become a worker, or its number be given to one.
                    if !alive.contains_key(&process)
                        && let Some(worker) = marked_worker(process, &mark)
                    {
                        alive.insert(process, worker);
                    }
                }
                alive.retain(|process, (worker, began)| {
                    let ended = stat(*process).is_none_or(|(state, _)| state == 'Z');
                    if ended {
                        lives.push(Life {
                            worker: worker.clone(),
                            began: *began,
                            lasted: now() - *began,
                        });
                    }
                    !ended
                });
            }
            assert!(alive.is_empty(), "{alive:?} still live");
            lives
        });
        Self { stop, thread }
    }

    fn lives(self) -> Vec<Life> {
        self.stop.send(()).expect("as it was made");
        let mut lives = self.thread.join().expect("as it was made");
        lives.sort_by_key(|life| (life.worker.clone(), life.began));
        lives
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc")
        .expect("as it was made")
        .flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Name and start of a worker with this mark.
fn marked_worker(process: u32, mark: &str) -> Option<(String, Duration)> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).ok();
    let environment = read("environ")?;
    if !environment.split('\0').any(|one| one == mark) {
        return None;
    }
    let line = read("cmdline")?;
    let words: Vec<_> = line.split('\0').collect();
    words.contains(&"worker").then_some(())?;
    let name = words.iter().position(|word| *word == "--name")?;
    let (_, began) = stat(process)?;
    Some((words[name + 1].to_owned(), began))
}

/// A process's state, and when it began after the system did.
fn stat(process: u32) -> Option<(char, Duration)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<_> = fields.split(' ').collect();
    let began: u64 = fields[19].parse().ok()?;
    Some((fields[0].chars().next()?, Duration::from_millis(began * 10)))
}

fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .expect("as it was made")
        .into()
}

/// All rows of a kind.
fn rows<R: Row>(run: &Path, is_its: impl Fn(&str) -> bool) -> Vec<R> {
    let mut files: Vec<_> = std::fs::read_dir(run.join("history"))
        .expect("as it was made")
        .flatten()
        .collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let mut rows = Vec::new();
    for file in files {
        let name = file.file_name();
        if is_its(&format!(
            "history/{}",
            name.to_str().expect("as it was made")
        )) {
            let bytes = std::fs::read(file.path()).expect("as it was made");
            rows.extend(R::decode(bytes.into()).expect("as it was made"));
        }
    }
    rows
}

fn stretches(run: &Path) -> Vec<LedgerRow> {
    rows(run, |name| TimeFile::of::<LedgerRow>(name).is_some())
}

fn capacity(run: &Path) -> Vec<CapacityRow> {
    rows(run, |name| TimeFile::of::<CapacityRow>(name).is_some())
}

fn ranks(run: &Path) -> Vec<RankRow> {
    rows(run, |name| fratmae_observe::RankFile::of(name).is_some())
}

/// Each process's rows add up to its life; gives what was lost.
fn assert_adds_up(run: &Path, lives: &[Life]) -> Lost {
    let mut lost = Lost::default();
    let mut processes = BTreeMap::<(String, u64), u64>::new();
    for row in stretches(run) {
        *processes.entry((row.worker, row.incarnation)).or_default() += row.accounts.total();
        lost += row.lost;
    }
    let counted: Vec<_> = processes.into_iter().collect();
    assert_eq!(counted.len(), lives.len(), "{counted:?} of {lives:?}");
    for (((worker, _), counted), life) in counted.iter().zip(lives) {
        let counted = Duration::from_nanos(*counted);
        let apart = counted.abs_diff(life.lasted);
        assert_eq!(*worker, life.worker);
        assert!(
            apart < life.lasted / 1000 + END,
            "{worker}: {counted:?} of {life:?}"
        );
    }
    lost
}

fn job(run: &Path, mark: &str) -> Job {
    Job::tiny(run)
        .set("train.steps=40")
        .set("checkpoint.every=10")
        .set("workers.threads=1")
        .told_as_json()
        .with(MARK, mark)
}

#[test]
fn an_undisturbed_run_accounts_for_every_process_step_and_worker() {
    let folder = scratch();
    let run = folder.path().join("run");
    let watcher = Watcher::start("undisturbed");
    job(&run, "undisturbed").workers(2).finish();
    let lost = assert_adds_up(&run, &watcher.lives());
    assert_eq!(lost, Lost::default());
    let ranks = ranks(&run);
    let steps: Vec<_> = ranks.iter().map(|row| (row.step, row.rank)).collect();
    let all: Vec<_> = (1..=40).flat_map(|step| [(step, 0), (step, 1)]).collect();
    assert_eq!(steps, all);
    for step in ranks.chunks(2) {
        let transfer = |row: &RankRow| row.accounts[Account::Transfer];
        assert_eq!(transfer(&step[0]), transfer(&step[1]), "{step:?}");
        assert!(step.iter().all(|row| row.calls.len() >= 2), "{step:?}");
        assert!(step.iter().all(|row| row.accounts[Account::Forward] > 0));
    }
    let counts: Vec<_> = capacity(&run).into_iter().map(|row| row.counts).collect();
    let applied: u64 = counts.iter().map(|counts| counts.steps_applied).sum();
    let repeated: u64 = counts.iter().map(|counts| counts.steps_repeated).sum();
    let checkpoints: u64 = counts.iter().map(|counts| counts.checkpoints).sum();
    assert_eq!((applied, repeated, checkpoints), (40, 0, 4));
}

#[test]
fn a_killed_worker_and_a_killed_coordinator_leave_no_time_without_an_account() {
    let folder = scratch();
    let run = folder.path().join("run");
    let watcher = Watcher::start("killed");
    let job = job(&run, "killed").set("train.steps=300").workers(2);
    let mut running = job.start();
    running.runs_until_step(8);
    send(running.children()[0], Signal::SIGKILL);
    // What is not on the store when a coordinator is killed is told again by the workers that live.
    running.runs_for(Duration::from_secs(6));
    send(running.id(), Signal::SIGKILL);
    job.finish();
    drop(running);
    assert_adds_up(&run, &watcher.lives());
    let rows = capacity(&run);
    let applied: u64 = rows.iter().map(|row| row.counts.steps_applied).sum();
    let repeated: u64 = rows.iter().map(|row| row.counts.steps_repeated).sum();
    let verdicts: u64 = rows.iter().map(|row| row.counts.verdicts).sum();
    assert_eq!((applied - repeated, verdicts), (300, 1));
    assert!(rows.iter().any(|row| row.fence == 2));
}

#[test]
fn work_that_is_done_again_is_counted_as_repeated_and_as_lost() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = job(&run, "again").workers(2);
    let mut running = job.start();
    running.runs_until_step(17);
    // Some rows are on the store by then.
    running.runs_for(Duration::from_secs(6));
    for child in running.children() {
        send(child, Signal::SIGKILL);
    }
    let finished = running.wait().succeeded();
    let rows = capacity(&run);
    let repeated: u64 = rows.iter().map(|row| row.counts.steps_repeated).sum();
    let applied: u64 = rows.iter().map(|row| row.counts.steps_applied).sum();
    assert_eq!(applied - repeated, 40, "{}", finished.stderr);
    let mut lost = Lost::default();
    stretches(&run).iter().for_each(|row| lost += row.lost);
    assert_eq!(repeated > 0, lost.rewind > 0, "{repeated} {lost:?}");
}

#[test]
fn workers_that_come_and_go_are_accounted_for_and_missing_ones_are_counted() {
    let folder = scratch();
    let run = folder.path().join("run");
    let watcher = Watcher::start("elastic");
    let mut leader = coordinator(&run)
        .and("--set")
        .and("train.steps=60")
        .and("--workers")
        .and("1:4")
        .start();
    let address = address_of(&mut leader);
    let start = |name: &str| {
        let call = worker(&address).and("--name").and(name);
        call.with(MARK, "elastic").start()
    };
    let mut workers = vec![start("w0")];
    leader.runs_until_step(5);
    workers.extend(["w1", "w2", "w3"].map(start));
    leader.runs_until_step(25);
    for leaver in &workers[2..] {
        send(leaver.id(), Signal::SIGTERM);
    }
    leader.wait().succeeded();
    for (place, worker) in workers.into_iter().enumerate() {
        // Those who left as asked say that the run goes on.
        let code = if place < 2 { 0 } else { 75 };
        assert_eq!(worker.wait().code, Some(code));
    }
    assert_adds_up(&run, &watcher.lives());
    let rows = capacity(&run);
    let missing: u64 = rows.iter().map(|row| row.missing_ns).sum();
    let present: u64 = rows.iter().map(|row| row.present_ns).sum();
    assert!(missing > 0 && present > 0, "{rows:?}");
    let lived: u64 = rows
        .iter()
        .map(|row| row.end_unix_ms - row.begin_unix_ms)
        .sum();
    let sum = (missing + present) / 1_000_000;
    assert!(sum.abs_diff(4 * lived) < 400, "{sum} of 4 x {lived}");
}
