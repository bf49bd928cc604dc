//! The worker processes of this machine: which are there, and which are to be started (again).

use crate::error::CoordinatorError;
use crate::launch::Launcher;
use crate::restarts::Restarts;
use crate::secret::Secret;
use fratmae_protocol::pb;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How long a worker that is told to end may take; one that is stopped or hangs ends never.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// The local workers, one a place; dropping it kills those that were started here and still run.
pub(crate) struct Fleet {
    launcher: Option<Launcher>,
    address: String,
    running: JoinSet<Exit>,
    places: Vec<Place>,
    is_open: bool,
}

/// How a worker started here ended.
pub(crate) struct Exit {
    place: usize,
    is_well: bool,
    pub(crate) status: String,
}

#[derive(Default)]
struct Place {
    /// What the process that is there shows when it registers: names are anybody's.
    token: String,
    state: PlaceState,
    restarts: Restarts,
    kill: Option<oneshot::Sender<()>>,
    /// When its process is killed, if it has not ended by then.
    kill_at: Option<Instant>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum PlaceState {
    /// Nobody is there, and somebody should be.
    #[default]
    Free,
    /// A process started here.
    Running,
    /// A process that an earlier coordinator started, as long as it is registered.
    Orphan,
    /// Its process ended well, or too often.
    Closed,
}

impl Fleet {
    /// The workers of `launcher`, none of them started; without a launcher there are none.
    pub(crate) fn new(launcher: Option<Launcher>, address: &str) -> Self {
        let places = launcher.as_ref().map_or(0, |launcher| launcher.workers);
        Self {
            launcher,
            address: address.to_owned(),
            running: JoinSet::new(),
            places: (0..places).map(|_| Place::default()).collect(),
            is_open: false,
        }
    }

    /// Whether [`open`](Self::open) was called.
    pub(crate) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Takes workers that an earlier coordinator started for those of their places; only the first call does.
    pub(crate) fn open(&mut self, orphans: &[pb::Launch]) {
        if std::mem::replace(&mut self.is_open, true) {
            return;
        }
        for pb::Launch { place, token } in orphans {
            let place = self.places.get_mut(*place as usize);
            if let Some(place) = place.filter(|place| place.state == PlaceState::Free) {
                place.state = PlaceState::Orphan;
                place.token.clone_from(token);
            }
        }
    }

    /// Lets the processes of workers that were told to end die if they do not end by themselves.
    pub(crate) fn evict(&mut self, tokens: &[String], now: Instant) {
        for place in &mut self.places {
            if tokens.contains(&place.token) {
                place.kill_at.get_or_insert(now + LAST_MOMENTS);
            }
            if place.kill_at.is_some_and(|kill_at| kill_at <= now) {
                place.kill_at = None;
                // One that has ended by now hears it no more.
                place.kill.take().map(|kill| kill.send(()));
            }
        }
    }

    /// Starts a process at every place that has none and is due; `registered` are tokens. Gives the names of those that were there before.
    pub(crate) fn start_missing(
        &mut self,
        registered: &[String],
        now: Instant,
    ) -> Result<Vec<String>, CoordinatorError> {
        let Some(launcher) = self.launcher.clone() else {
            return Ok(Vec::new());
        };
        let mut again = Vec::new();
        for (number, place) in self.places.iter_mut().enumerate() {
            let name = Launcher::name(number);
            let was_orphan = place.state == PlaceState::Orphan;
            if was_orphan && !registered.contains(&place.token) {
                place.state = PlaceState::Free;
            }
            let is_due = place.restarts.due(now, launcher.restarts_per_hour);
            if place.state != PlaceState::Free || is_due.is_some_and(|due| due > now) {
                continue;
            }
            if is_due.is_none() {
                place.state = PlaceState::Closed;
                continue;
            }
            if was_orphan || place.restarts.has_started() {
                again.push(name);
            }
            place.token = Secret::draw().to_text();
            let mut child = launcher.spawn(&self.address, number, &place.token)?;
            place.state = PlaceState::Running;
            place.restarts.note_start(now);
            place.kill_at = None;
            let (kill, killed) = oneshot::channel();
            place.kill = Some(kill);
            self.running.spawn(async move {
                let ended = tokio::select! {
                    ended = child.wait() => ended,
                    Ok(()) = killed => match child.kill().await {
                        Ok(()) => child.wait().await,
                        Err(error) => Err(error),
                    },
                };
                Exit {
                    place: number,
                    is_well: ended.as_ref().is_ok_and(|status| status.success()),
                    status: ended.map_or_else(|error| error.to_string(), |s| s.to_string()),
                }
            });
        }
        Ok(again)
    }

    /// Waits for the next process to end; never returns when there is none.
    pub(crate) async fn next_exit(&mut self) -> Exit {
        while let Some(ended) = self.running.join_next().await {
            if let Ok(exit) = ended {
                let place = &mut self.places[exit.place];
                place.restarts.note_end(Instant::now());
                place.kill_at = None;
                place.state = match exit.is_well {
                    true => PlaceState::Closed,
                    false => PlaceState::Free,
                };
                return exit;
            }
        }
        std::future::pending().await
    }

    /// Lets a place stay empty whose process has ended.
    pub(crate) fn close(&mut self, exit: &Exit) {
        self.places[exit.place].state = PlaceState::Closed;
    }

    /// Whether local workers were asked for, and none is there or will come.
    pub(crate) fn is_spent(&self) -> bool {
        let is_closed = |place: &Place| place.state == PlaceState::Closed;
        !self.places.is_empty() && self.places.iter().all(is_closed)
    }

    /// Whether no local workers were asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Ends the processes of workers that nobody can tell that the run is over: they have not registered, or not again.
    pub(crate) fn dismiss(&mut self, registered: &[String]) {
        for place in &mut self.places {
            let is_expected = place.kill_at.is_some() || registered.contains(&place.token);
            if !is_expected {
                place.kill.take().map(|kill| kill.send(()));
            }
        }
    }

    /// Ends all processes that were started here.
    pub(crate) fn kill(&mut self) {
        for place in &mut self.places {
            // One that has ended by now hears it no more.
            place.kill.take().map(|kill| kill.send(()));
        }
    }

    /// Waits until every process has ended by itself.
    pub(crate) async fn wait(&mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

impl Exit {
    /// Whether it ended as it was told to.
    pub(crate) const fn is_well(&self) -> bool {
        self.is_well
    }

    /// Which worker it was.
    pub(crate) fn name(&self) -> String {
        Launcher::name(self.place)
    }
}

#[cfg(test)]
mod tests;
