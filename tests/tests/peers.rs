//! A member that sends its peers what cannot be read is at fault itself: it is given up, and the run goes on without it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::TcpListener;
use std::time::Duration;

use fratmae_collective::{Link, Membership, MeshPort, TcpSettings, form};
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_protocol::pb::to_worker::Message as To;
use fratmae_protocol::{connect, pb};
use fratmae_tests::{
    Job, RunEvent, Running, Undisturbed, address_of, coordinator, events, scratch, worker,
};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

const PATIENCE: Duration = Duration::from_secs(120);

/// How often the worker below shows that it lives.
const BEAT: Duration = Duration::from_millis(200);

/// A worker that says to its coordinator what is right, and to its peers what nobody can read.
struct Garbler {
    port: MeshPort,
    coordinator: Sender<pb::FromWorker>,
    run_id: String,
}

impl Garbler {
    /// Takes part in a run until it is told to stop; gives the reason.
    async fn attend(address: &str) -> String {
        let port = MeshPort::open(TcpListener::bind(("127.0.0.1", 0)).unwrap()).unwrap();
        let group_address = port.local_addr().unwrap().to_string();
        let (coordinator, messages) = channel(64);
        let mut garbler = Self {
            port,
            coordinator,
            run_id: String::new(),
        };
        garbler.say(From::Register(pb::Register {
            name: "garbler".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            group_address,
            kernels: fratmae_model::kernel_set(),
            device: Some("cpu".to_owned()),
            host: fratmae_network::host_id(),
            ..Default::default()
        }));
        let mut client = connect(address).await.unwrap();
        let orders = client.attend(ReceiverStream::new(messages)).await.unwrap();
        let mut orders = orders.into_inner();
        let mut beats = tokio::time::interval(BEAT);
        loop {
            let order = tokio::select! {
                _ = beats.tick() => {
                    garbler.say(From::Heartbeat(pb::Heartbeat::default()));
                    continue;
                }
                order = orders.next() => order.unwrap().unwrap(),
            };
            match order.message {
                Some(To::Welcome(welcome)) => garbler.run_id = welcome.run_id,
                Some(To::Prepare(prepare)) => garbler.say(From::Prepared(pb::Prepared {
                    generation: prepare.generation,
                    held: None,
                })),
                Some(To::Begin(begin)) => garbler.garble(&begin),
                Some(To::Stop(stop)) => return stop.reason,
                _ => {}
            }
        }
    }

    fn say(&self, message: From) {
        let message = pb::FromWorker {
            message: Some(message),
        };
        self.coordinator.try_send(message).unwrap();
    }

    /// Joins a group and sends it a message of one byte, which is none.
    fn garble(&self, begin: &pb::Begin) {
        let seats = || begin.seats.iter();
        let membership = Membership {
            run: format!("{} {}", self.run_id, begin.mesh_key),
            generation: begin.generation,
            rank: begin.rank as usize,
            addresses: seats().map(|seat| seat.address.parse().unwrap()).collect(),
            slots: seats()
                .map(|seat| seat.first_slot as usize..seat.end_slot as usize)
                .collect(),
        };
        let settings = TcpSettings::new(Duration::from_secs(3));
        let mut group = form(&self.port, &membership, settings, &Link::Tcp).unwrap();
        // The others break the group as soon as they read it.
        let _ = group.all_gather(&[0xff]);
    }
}

fn until_registered(led: &mut Running, count: usize) {
    led.runs_until("its workers", PATIENCE, |led| {
        let events = events(&led.said());
        let registered = events
            .iter()
            .filter(|event| matches!(event, RunEvent::Registered { .. }));
        registered.count() == count
    });
}

#[test]
fn a_member_whose_messages_cannot_be_read_is_given_up_and_leaves_no_trace() {
    let undisturbed = Undisturbed::of(Job::tiny);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for honest in [1, 2] {
        let folder = scratch();
        let call = coordinator(&folder.path().join("run"));
        let mut led = call.and(format!("--workers={}", honest + 1)).start();
        let address = address_of(&mut led);
        let workers: Vec<_> = (0..honest).map(|_| worker(&address).start()).collect();
        until_registered(&mut led, honest);
        let reason = runtime.block_on(Garbler::attend(&address));
        assert!(reason.contains("do not reach each other"), "{reason}");
        let finished = led.wait().succeeded();
        let said = &finished.stderr;
        let accused = format!("rank {honest} sent a message that cannot be read");
        assert!(said.contains(&accused), "{said}");
        assert_eq!(finished.digest(), undisturbed.digest, "{said}");
        for worker in workers {
            worker.wait().succeeded();
        }
    }
}
