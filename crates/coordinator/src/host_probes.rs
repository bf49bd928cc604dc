//! Whether a host is there: it takes connections for any of its processes, also for one that is stopped.

use fratmae_control::{Event, HostProbe};
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a host may take to answer: a system whose first question is lost asks again after a second.
const PATIENCE: Duration = Duration::from_millis(1_200);

/// Hosts that were asked and have not answered yet.
#[derive(Default)]
pub(crate) struct HostProbes {
    pending: JoinSet<Option<Event>>,
}

impl HostProbes {
    /// Asks a host.
    pub(crate) fn ask(&mut self, probe: HostProbe) {
        let HostProbe {
            worker,
            address,
            asked,
        } = probe;
        self.pending.spawn(async move {
            let answer = timeout(PATIENCE, TcpStream::connect(address)).await;
            let is_silent = answer.map_or(true, |answer| is_silence(&answer));
            is_silent.then_some(Event::ProbeFailed { worker, asked })
        });
    }

    /// The next host that did not answer; never returns while there is none.
    pub(crate) async fn next_unanswered(&mut self) -> Event {
        while let Some(probed) = self.pending.join_next().await {
            if let Ok(Some(unanswered)) = probed {
                return unanswered;
            }
        }
        std::future::pending().await
    }
}

/// A refusal is an answer; what fails on this side says nothing of the host.
fn is_silence(answer: &io::Result<TcpStream>) -> bool {
    let silences = [ErrorKind::TimedOut, ErrorKind::HostUnreachable];
    let failure = answer.as_ref().err();
    failure.is_some_and(|error| silences.contains(&error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_control::{Millis, WorkerId};
    use std::net::SocketAddr;
    use tokio::net::{TcpListener, TcpSocket};

    const WORKER: WorkerId = WorkerId::new(7);
    const ASKED: Millis = Millis::new(3);

    fn asked(address: SocketAddr) -> HostProbes {
        let mut host_probes = HostProbes::default();
        host_probes.ask(HostProbe {
            worker: WORKER,
            address: address.to_string(),
            asked: ASKED,
        });
        host_probes
    }

    async fn is_answered(address: SocketAddr) -> bool {
        let ended = asked(address).pending.join_next().await;
        ended.unwrap().unwrap().is_none()
    }

    #[tokio::test]
    async fn a_host_answers_for_a_process_that_takes_no_connection_and_for_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(is_answered(address).await);
        drop(listener);
        assert!(is_answered(address).await);
    }

    #[tokio::test]
    async fn where_packets_vanish_nobody_answers() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        // What comes to a listener that holds as many as it may is dropped.
        let mut held = Vec::new();
        let soon = Duration::from_millis(100);
        while let Ok(stream) = timeout(soon, TcpStream::connect(address)).await {
            held.push(stream.unwrap());
        }
        let unanswered = Event::ProbeFailed {
            worker: WORKER,
            asked: ASKED,
        };
        assert_eq!(asked(address).next_unanswered().await, unanswered);
    }

    #[test]
    fn only_what_the_network_says_is_silence() {
        let failed = |kind| is_silence(&Err(io::Error::from(kind)));
        assert!(failed(ErrorKind::TimedOut) && failed(ErrorKind::HostUnreachable));
        assert!(!failed(ErrorKind::ConnectionRefused) && !failed(ErrorKind::Other));
    }
}
