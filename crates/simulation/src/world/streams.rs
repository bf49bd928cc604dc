//! Streams between workers and coordinators: ordered while they last, and some do not last.
//!
//! A message may be late, come twice or overtake others on its way to a coordinator; one that is lost takes its
//! stream with it.

use super::{Happening, World};
use crate::worker::Told;
use fratmae_control::{Departure, Event, WorkerId};

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
        let fence = self.store.fence();
        let newest = self.coordinators.iter().position(|c| c.fence == fence);
        let Some(coordinator) = newest.filter(|&newest| self.coordinators[newest].is_serving())
        else {
            self.agenda.after(300, again);
            return;
        };
        let stream = self.next_stream;
        self.next_stream += 1;
        self.coordinators[coordinator].streams.insert(stream, place);
        self.workers[place].stream = Some((stream, coordinator));
        let worker = WorkerId::new(stream);
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

    pub(super) fn beat(&mut self, place: usize, incarnation: u64) {
        let again = Happening::Beat(place, incarnation);
        if !self.is_alive(place, incarnation, &again) {
            return;
        }
        if let Some(worker) = self.identity(place) {
            self.say(place, Event::Heard { worker });
        }
        self.agenda.after(700, again);
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
        let is_first = matches!(event, Event::Registered { .. });
        let arrival = self.agenda.now() + self.random.between(1, 15);
        let mut arrival = arrival.max(self.workers[place].outbound_from);
        if !is_first && self.mishap(20) {
            // It comes late, and others overtake it.
            arrival += self.random.between(20, 300);
        } else {
            self.workers[place].outbound_from = arrival;
        }
        let copy = Happening::ToCoordinator(coordinator, stream, event);
        if !is_first && self.mishap(20) {
            let later = arrival + self.random.below(200);
            self.agenda.at(later, copy.clone());
        }
        self.agenda.at(arrival, copy);
    }

    /// Sends an order to the worker at the other end of a stream.
    pub(super) fn tell(&mut self, coordinator: usize, worker: WorkerId, told: Told) {
        let stream = worker.get();
        let Some(&place) = self.coordinators[coordinator].streams.get(&stream) else {
            return;
        };
        let arrival = self.agenda.now() + self.random.between(1, 15);
        let arrival = arrival.max(self.workers[place].inbound_from);
        self.workers[place].inbound_from = arrival;
        self.agenda
            .at(arrival, Happening::ToWorker(place, stream, told));
    }

    /// An event arrives; a dead coordinator and one that knows the stream no more do not see it.
    pub(super) fn receive(&mut self, coordinator: usize, stream: u64, event: Event) {
        let leader = &mut self.coordinators[coordinator];
        if !leader.is_serving() || !leader.streams.contains_key(&stream) {
            return;
        }
        if let Event::Departed { .. } = event {
            leader.streams.remove(&stream);
        } else {
            let worker = WorkerId::new(stream);
            leader.inbox.push_back(Event::Heard { worker });
        }
        leader.inbox.push_back(event);
        self.pump(coordinator);
    }

    /// A stream breaks. The coordinator may learn of it only from the silence that follows.
    pub(super) fn break_stream(&mut self, place: usize) {
        let Some((stream, coordinator)) = self.workers[place].stream.take() else {
            return;
        };
        let is_told = !self.mishap(200);
        if is_told {
            let arrival = self.agenda.now() + self.random.between(1, 40);
            let arrival = arrival.max(self.workers[place].outbound_from);
            let departed = Event::Departed {
                worker: WorkerId::new(stream),
                departure: Departure::StreamClosed,
            };
            let arrives = Happening::ToCoordinator(coordinator, stream, departed);
            self.agenda.at(arrival, arrives);
        }
        self.look_again(place);
    }

    /// The worker looks for a coordinator after a while.
    pub(super) fn look_again(&mut self, place: usize) {
        let incarnation = self.workers[place].incarnation;
        let delay = self.random.between(100, 600);
        self.agenda
            .after(delay, Happening::Register(place, incarnation));
    }
}
