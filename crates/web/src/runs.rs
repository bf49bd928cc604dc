//! The runs that are shown: found in folders and buckets, or the one that this process leads.

use crate::live::{Live, follow};
use crate::run::Run;
use fratmae_coordinator::CoordinatorError;
use fratmae_observe::{RunState, Totals};
use fratmae_store::{Location, StoreError};
use fratmae_telemetry::LOSS;
use futures::StreamExt;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How deep below a folder runs are looked for, and in how many folders at most.
const DEPTH: usize = 4;
const FOLDERS: usize = 2_000;
/// The folder that makes a folder a run.
const JOURNAL: &str = "journal";
/// How often folders are looked through again while somebody looks at the list, and for how long after.
const SCAN: Duration = Duration::from_secs(15);
const LISTED: Duration = Duration::from_secs(30);
/// How often what is due is read.
const TICK: Duration = Duration::from_secs(1);
/// Runs that are read at once, and how long each may hold up the others.
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the list waits for runs that have not been read yet.
const FIRST: Duration = Duration::from_secs(2);
/// Runs that are read before anybody looks, so that they are there at once.
const READ_AHEAD: usize = 8;
/// Streams of changes at once.
const LISTENERS: usize = 64;

/// All runs of a server.
#[derive(Debug)]
pub struct Runs {
    places: Vec<Location>,
    /// Whether one run was asked for and not a folder of them.
    pub(crate) is_single: bool,
    pub(crate) listeners: Arc<Semaphore>,
    epoch: String,
    // Std locks, never held across an await.
    known: Mutex<BTreeMap<String, Arc<Run>>>,
    scanned: Mutex<Option<Instant>>,
    listed: Mutex<Option<Instant>>,
    /// What the coordinator of this process tells, until it is followed.
    live: Mutex<Option<(Arc<Run>, Live)>>,
}

/// A run in the list.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    id: String,
    name: String,
    state: RunState,
    step: u64,
    last_step: u64,
    loss: Option<f64>,
    samples_per_second: Option<f64>,
    eta_seconds: Option<f64>,
    goodput: Option<f64>,
    workers: usize,
    /// What its snapshot is of, in milliseconds since 1970; none if it has not been read.
    updated_unix_ms: Option<u64>,
    /// Why it cannot be read.
    error: Option<String>,
}

impl Runs {
    /// Finds the runs of some places, each a run or a folder of runs.
    ///
    /// # Errors
    /// A place is no address, or has no run, or its store fails.
    pub async fn of(places: &[String]) -> Result<Arc<Self>, CoordinatorError> {
        let places = places.iter().map(|place| Location::open(place));
        let places: Result<Vec<_>, StoreError> = places.collect();
        let mut runs = Self::new(places?);
        for place in &runs.places {
            let found = runs.scan(place).await?;
            if found.is_empty() {
                return Err(CoordinatorError::NoRun {
                    run: place.url().to_owned(),
                });
            }
            runs.is_single = runs.places.len() == 1 && found[0].is_empty();
        }
        Ok(Arc::new(runs))
    }

    /// The run that the coordinator of this process leads.
    ///
    /// # Errors
    /// Its place is no address.
    pub fn led(place: &str, live: Live) -> Result<Arc<Self>, CoordinatorError> {
        let place = Location::open(place)?;
        let mut runs = Self::new(vec![place.clone()]);
        runs.is_single = true;
        let run = runs.add(place.clone(), name_of(&place), true);
        runs.live = Mutex::new(Some((run, live)));
        Ok(Arc::new(runs))
    }

    fn new(places: Vec<Location>) -> Self {
        Self {
            places,
            is_single: false,
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            // The standard library seeds its hashers from the system's randomness, and no two processes alike.
            epoch: format!("{:x}", RandomState::new().build_hasher().finish()),
            known: Mutex::default(),
            scanned: Mutex::default(),
            listed: Mutex::default(),
            live: Mutex::default(),
        }
    }

    /// A run by its name in addresses; from now on it is kept up to date for a while.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Run>> {
        let run = locked(&self.known).get(id).map(Arc::clone)?;
        run.ask();
        Some(run)
    }

    /// All runs with what is known of each; those that nobody has read yet are waited for, but not for long.
    pub(crate) async fn list(&self) -> Vec<Listed> {
        *locked(&self.listed) = Some(Instant::now());
        let runs = self.all();
        let heads = futures::stream::iter(&runs).for_each_concurrent(AT_ONCE, |run| run.head());
        // Who comes late is in the next list.
        let _ = timeout(FIRST, heads).await;
        runs.iter().map(|run| Listed::of(run)).collect()
    }

    /// Reads what is new of runs that somebody looks at, for as long as it is polled.
    pub(crate) async fn keep_fresh(&self) {
        let live = locked(&self.live).take();
        let follow = async {
            if let Some((run, live)) = live {
                follow(&run, live).await;
            }
        };
        futures::join!(follow, self.read_ahead(), self.read_what_is_due());
    }

    async fn read_ahead(&self) {
        for run in self.all().into_iter().take(READ_AHEAD) {
            // Whoever looks at it is told what is wrong.
            let _ = timeout(PATIENCE, run.load_all()).await;
        }
    }

    async fn read_what_is_due(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let is_listed = is_within(&self.listed, LISTED);
            let runs = self.all();
            let read = |run: Arc<Run>| async move {
                // A store that hangs holds up nobody but who looks at it.
                let _ = timeout(PATIENCE, run.refresh(is_listed)).await;
            };
            futures::stream::iter(runs)
                .for_each_concurrent(AT_ONCE, read)
                .await;
            if is_listed && !self.is_single && !is_within(&self.scanned, SCAN) {
                self.scan_all().await;
            }
        }
    }

    async fn scan_all(&self) {
        for place in &self.places {
            if let Ok(Err(error)) = timeout(PATIENCE, self.scan(place)).await {
                tracing::debug!(%error, "not looked through");
            }
        }
    }

    /// Looks a place through and adds the runs that are new; gives where runs are, relative to the place.
    async fn scan(&self, place: &Location) -> Result<Vec<String>, StoreError> {
        let found = find(place).await?;
        for path in &found {
            let location = match path.as_str() {
                "" => place.clone(),
                path => place.join(path),
            };
            let is_known = |run: &Arc<Run>| run.url() == location.url();
            if self.all().iter().any(is_known) {
                continue;
            }
            let name = match (path.as_str(), self.places.len()) {
                ("", _) => name_of(place),
                (path, 1) => path.to_owned(),
                (path, _) => format!("{}/{path}", name_of(place)),
            };
            self.add(location, name, false);
        }
        *locked(&self.scanned) = Some(Instant::now());
        Ok(found)
    }

    fn add(&self, location: Location, name: String, is_led_here: bool) -> Arc<Run> {
        let mut known = locked(&self.known);
        let base = slug(&name);
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let mut ids = std::iter::once(base.clone()).chain(numbered);
        let id = ids.find(|id| !known.contains_key(id)).unwrap_or(base);
        let run = Run::new(id.clone(), name, location, is_led_here, self.epoch.clone());
        let run = Arc::new(run);
        known.insert(id, Arc::clone(&run));
        run
    }

    fn all(&self) -> Vec<Arc<Run>> {
        locked(&self.known).values().map(Arc::clone).collect()
    }
}

impl Listed {
    fn of(run: &Run) -> Self {
        let view = run.view();
        let now = &view.snapshot;
        let goodput = Totals::of(now).ratios().goodput;
        Self {
            id: run.id.clone(),
            name: run.name.clone(),
            state: now.state,
            step: now.step,
            last_step: now.last_step,
            loss: Some(now.metrics.get(LOSS)).filter(|loss| loss.is_finite()),
            samples_per_second: now.samples_per_second,
            eta_seconds: now.eta_seconds,
            goodput,
            workers: now.workers.len(),
            updated_unix_ms: (view.version > 0).then_some(now.unix_ms),
            error: view.notes.get(crate::run::STORE).cloned(),
        }
    }
}

fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_within(since: &Mutex<Option<Instant>>, time: Duration) -> bool {
    locked(since).is_some_and(|at| at.elapsed() < time)
}

/// Where runs are below a place: relative paths, or an empty one for the place itself.
async fn find(place: &Location) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let mut folders = VecDeque::from([(String::new(), 0)]);
    let mut looked = 0;
    while let Some((path, depth)) = folders.pop_front() {
        looked += 1;
        if looked > FOLDERS {
            break;
        }
        let names = place.list_folders(&path).await?;
        if names.iter().any(|name| name == JOURNAL) {
            found.push(path);
            continue;
        }
        let below = names.into_iter().filter(|name| !name.starts_with('.'));
        if depth < DEPTH {
            folders.extend(below.map(|name| {
                let path = match path.as_str() {
                    "" => name,
                    path => format!("{path}/{name}"),
                };
                (path, depth + 1)
            }));
        }
    }
    found.sort();
    Ok(found)
}

/// What a place is called: the last part of its address, and the one before where that says nothing.
fn name_of(place: &Location) -> String {
    let mut parts = place.url().trim_end_matches('/').rsplit('/');
    match (parts.next().unwrap_or_default(), parts.next()) {
        ("run", Some(folder)) if !folder.is_empty() => format!("{folder}/run"),
        (name, _) => name.to_owned(),
    }
}

/// A name as it can stand in an address.
fn slug(name: &str) -> String {
    let kept = |c: char| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') => c,
        _ => '-',
    };
    let slug: String = name.chars().map(kept).collect();
    match slug.trim_matches(['-', '.']) {
        "" => "run".to_owned(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn runs_are_found_below_a_folder_and_a_run_is_itself() {
        let folder = tempfile::tempdir().unwrap();
        for run in ["a/run", "b", "c/d/e", "b/journal/deep"] {
            std::fs::create_dir_all(folder.path().join(run).join(JOURNAL)).unwrap();
        }
        for other in ["data/shards", ".hidden/run/journal"] {
            std::fs::create_dir_all(folder.path().join(other)).unwrap();
        }
        let url = folder.path().to_str().unwrap().to_owned();
        let place = Location::open(&url).unwrap();
        assert_eq!(find(&place).await.unwrap(), ["a/run", "b", "c/d/e"]);
        assert_eq!(find(&place.join("b")).await.unwrap(), [""]);
        let runs = Runs::of(std::slice::from_ref(&url)).await.unwrap();
        let ids: Vec<_> = runs.all().iter().map(|run| run.id.clone()).collect();
        assert_eq!(ids, ["a-run", "b", "c-d-e"]);
        assert!(!runs.is_single);
        runs.scan(&place).await.unwrap();
        assert_eq!(runs.all().len(), 3, "what is known is not added again");
        let one = Runs::of(&[format!("{url}/a/run")]).await.unwrap();
        assert!(one.is_single && one.get("a-run").is_some() && one.get("b").is_none());
        let none = Runs::of(&[format!("{url}/data")]).await;
        assert!(matches!(none, Err(CoordinatorError::NoRun { .. })));
    }

    #[test]
    fn two_runs_of_one_name_have_addresses_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let place = Location::open(folder.path().to_str().unwrap()).unwrap();
        let runs = Runs::new(Vec::new());
        let add = |name: &str| runs.add(place.clone(), name.to_owned(), false).id.clone();
        assert_eq!(add("a/run"), "a-run");
        assert_eq!(add("a run"), "a-run-2");
        assert_eq!(add("../ä"), "run");
    }
}
