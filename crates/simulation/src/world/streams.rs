//! Streams between workers and coordinators: each keeps its order while it lasts, and some do not last.
//!
//! They are streams of gRPC, so nothing on one is lost, doubled or overtaken: it is late, or the stream breaks and the
//! end of it is lost. Doubled and overtaken is what a worker tells again on its next stream, while the end of the one
//! before, or the news that it is closed, is still on its way. Either direction of either end can be cut off by itself.

use super::{Happening, World};
use crate::coordinator::{Coordinator, Link};
use crate::worker::{CoordinatorMessage, Stream};
use fratmae_control::{Departure, Event, WorkerId};

/// The longest that a message is on its way over a fast stream, and over a slow one.
const FAST: u64 = 15;
const SLOW: u64 = 200;
/// A worker leaves a coordinator that has given no sign of life for so long: shorter than in truth, as all deadlines are
/// here, and longer than an absence that a coordinator takes for a reason to be left.
pub(super) const KEEP_ALIVE: u64 = 6_000;

impl World {
    pub(super) fn start_worker(&mut self, place: usize) {
        let worker = &mut self.workers[place];
        if worker.is_up || self.is_over {
            return;
        }
        worker.is_up = true;
        let incarnation = worker.incarnation;
        let delay = self.random.between(20, 300);
        self.agenda
            .after(delay, Happening::Register(place, incarnation));
        self.agenda
            .after(delay, Happening::Beat(place, incarnation));
    }

    /// Looks for the newest coordinator, and tells it again what the group has come to.
    pub(super) fn register(&mut self, place: usize, incarnation: u64) {
        let again = Happening::Register(place, incarnation);
        if !self.is_alive(place, incarnation, &again) || self.workers[place].stream.is_some() {
            return;
        }
        let newest = self.store.leader();
        let answers = |leader: &Coordinator| leader.is_serving() && !leader.is_paused;
        let Some(coordinator) = newest.filter(|&newest| answers(&self.coordinators[newest])) else {
            self.agenda.after(300, again);
            return;
        };
        let worker = self.open_stream(place, coordinator);
        let past = self.workers[place].past();
        self.say(
            place,
            Event::Registered {
                worker,
                name: format!("place-{place}"),
                address: format!("place-{place}"),
                past,
            },
        );
        if self.workers[place].is_leaving {
            self.say(place, Event::LeaveRequested { worker });
        }
        let facts = self.workers[place].facts.clone();
        if let Some((generation, _)) = self.workers[place].place {
            for fact in facts {
                self.say(place, fact.event(worker, generation));
            }
        }
    }

    pub(super) fn open_stream(&mut self, place: usize, coordinator: usize) -> WorkerId {
        let now = self.agenda.now();
        let number = self.next_stream;
        self.next_stream += 1;
        let is_slow = self.mishap(100);
        let link = Link {
            place,
            heard: now,
            is_lost: false,
        };
        self.coordinators[coordinator].streams.insert(number, link);
        self.place_of.insert(number, place);
        self.disturb(place, now);
        let worker = &mut self.workers[place];
        worker.stream = Some((number, coordinator));
        worker.has_left_absent = false;
        worker.ends = Stream {
            longest: if is_slow { SLOW } else { FAST },
            ..Stream::default()
        };
        WorkerId::new(number)
    }

    /// What the coordinator calls the worker at this place.
    pub(super) fn identity(&self, place: usize) -> Option<WorkerId> {
        self.workers[place]
            .stream
            .map(|(stream, _)| WorkerId::new(stream))
    }

    /// Sends an event to the worker's coordinator, if it has one.
    pub(super) fn say(&mut self, place: usize, event: Event) {
        let Some((stream, coordinator)) = self.workers[place].stream else {
            return;
        };
        if self.mishap(2) {
            return self.break_stream(place);
        }
        let takes = self.takes(place);
        let worker = &mut self.workers[place];
        let arrival = (self.agenda.now() + takes)
            .max(worker.ends.outbound_from)
            .max(worker.is_mute_until)
            .max(self.coordinators[coordinator].hears_nothing_until);
        worker.ends.outbound_from = arrival;
        let arrives = Happening::ToCoordinator(coordinator, stream, event);
        self.agenda.at(arrival, arrives);
    }

    /// Sends an order to the worker at the other end of a stream.
    pub(super) fn tell(
        &mut self,
        coordinator: usize,
        worker: WorkerId,
        message: CoordinatorMessage,
    ) {
        let stream = worker.get();
        let Some(place) = self.coordinators[coordinator]
            .streams
            .get(&stream)
            .map(|link| link.place)
        else {
            return;
        };
        if self.workers[place].stream != Some((stream, coordinator)) {
            return;
        }
        let takes = self.takes(place);
        let worker = &mut self.workers[place];
        let arrival = (self.agenda.now() + takes)
            .max(worker.ends.inbound_from)
            .max(worker.hears_nothing_until)
            .max(self.coordinators[coordinator].is_mute_until);
        worker.ends.inbound_from = arrival;
        self.agenda
            .at(arrival, Happening::ToWorker(place, stream, message));
    }

    /// How long a message is on its way: now and then it is sent more than once.
    fn takes(&mut self, place: usize) -> u64 {
        let longest = self.workers[place].ends.longest;
        let takes = self.random.between(1, longest);
        match self.mishap(20) {
            true => takes + self.random.between(20, 300),
            false => takes,
        }
    }

    /// An event arrives; a dead coordinator and one that knows the stream no more do not see it.
    pub(super) fn receive(&mut self, coordinator: usize, stream: u64, event: Event) {
        let now = self.agenda.now();
        let leader = &mut self.coordinators[coordinator];
        if !leader.is_serving() {
            return;
        }
        let is_departure = matches!(event, Event::Departed { .. });
        let Some(link) = leader.streams.get_mut(&stream) else {
            return;
        };
        if is_departure {
            leader.streams.remove(&stream);
        } else if link.is_lost {
            return;
        } else {
            link.heard = now;
            let worker = WorkerId::new(stream);
            leader.inbox.push_back(Event::Heard { worker });
        }
        leader.inbox.push_back(event);
        self.pump(coordinator);
    }

    /// A stream breaks. The coordinator may learn of it late, or only from the silence that follows.
    pub(super) fn break_stream(&mut self, place: usize) {
        let Some((stream, coordinator)) = self.workers[place].stream.take() else {
            return;
        };
        let is_lost = self.mishap(500);
        if let Some(link) = self.coordinators[coordinator].streams.get_mut(&stream) {
            link.is_lost = is_lost;
        }
        if !self.mishap(200) {
            self.hang_up(coordinator, stream, self.workers[place].ends.outbound_from);
        }
        self.look_again(place);
    }

    /// The coordinator learns that a stream is closed, after what came on it.
    fn hang_up(&mut self, coordinator: usize, stream: u64, after: u64) {
        let takes = match self.mishap(200) {
            true => self.random.between(100, 2_000),
            false => self.random.between(1, 40),
        };
        let arrival = (self.agenda.now() + takes)
            .max(after)
            .max(self.coordinators[coordinator].hears_nothing_until);
        let departed = Event::Departed {
            worker: WorkerId::new(stream),
            departure: Departure::StreamClosed,
        };
        let arrives = Happening::ToCoordinator(coordinator, stream, departed);
        self.agenda.at(arrival, arrives);
    }

    /// Whether the coordinator has given no sign of life for so long that a worker leaves it.
    pub(super) fn keep_alive(&mut self, place: usize, stream: u64) {
        let worker = &mut self.workers[place];
        let coordinator = worker.stream.filter(|(its, _)| *its == stream);
        let Some((_, coordinator)) = coordinator else {
            return;
        };
        let leader = &self.coordinators[coordinator];
        if worker.gets_on()
            && leader.is_paused
            && leader.paused_since + KEEP_ALIVE <= self.agenda.now()
        {
            self.workers[place].stream = None;
            self.workers[place].has_left_absent = true;
            self.hang_up(coordinator, stream, 0);
            self.look_again(place);
        }
    }

    /// The worker looks for a coordinator after a while.
    pub(super) fn look_again(&mut self, place: usize) {
        let incarnation = self.workers[place].incarnation;
        let delay = self.random.between(100, 600);
        self.agenda
            .after(delay, Happening::Register(place, incarnation));
    }
}
