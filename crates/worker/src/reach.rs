//! Waits until a coordinator can be reached, and reports that it waits.

use crate::error::ConnectionError;
use fratmae_network::Endpoint;
use std::future::Future;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, interval_at, timeout};

/// How often it is tried.
const EVERY: Duration = Duration::from_millis(500);
/// How long one try may take: where packets vanish, none ends by itself.
const TRY: Duration = Duration::from_secs(2);
/// How often a wait is reported, after the first failed try.
const REPORT: Duration = Duration::from_secs(10);
/// How long a coordinator that takes the connection may take to answer: it may be opening its run.
const ANSWER: Duration = Duration::from_secs(300);

/// A wait for a coordinator.
#[derive(Debug)]
pub(crate) struct Wait {
    /// Where the coordinator is.
    coordinator: String,
    patience: Duration,
    began: Instant,
    reported: Option<Instant>,
    is_verbose: bool,
}

impl Wait {
    /// A wait that begins now; without `is_verbose` it reports nothing.
    pub(crate) fn new(coordinator: &str, patience: Duration, is_verbose: bool) -> Self {
        Self {
            coordinator: coordinator.to_owned(),
            patience,
            began: Instant::now(),
            reported: None,
            is_verbose,
        }
    }

    /// How much of the patience is left.
    pub(crate) fn left(&self) -> Duration {
        self.patience.saturating_sub(self.began.elapsed())
    }

    /// A try failed.
    ///
    /// # Errors
    /// `Unreachable` once the patience is at its end.
    pub(crate) fn failed(&mut self, reason: &str) -> Result<(), ConnectionError> {
        if self.left().is_zero() {
            return Err(ConnectionError::Unreachable {
                address: self.coordinator.clone(),
                reason: reason.to_owned(),
                patience: Some(self.patience),
            });
        }
        self.report(reason);
        Ok(())
    }

    /// Waits for the answer of a coordinator that takes connections; none if it takes too long.
    pub(crate) async fn for_answer<T>(&mut self, answer: impl Future<Output = T>) -> Option<T> {
        let mut answer = std::pin::pin!(timeout(ANSWER, answer));
        let mut ticks = interval_at(tokio::time::Instant::now() + REPORT, REPORT);
        loop {
            tokio::select! {
                answered = &mut answer => return answered.ok(),
                _ = ticks.tick() => {
                    self.report("it takes the connection and has not answered yet; it may be opening its run");
                }
            }
        }
    }

    fn report(&mut self, reason: &str) {
        if self.is_verbose
            && self
                .reported
                .is_none_or(|reported| reported.elapsed() >= REPORT)
        {
            self.reported = Some(Instant::now());
            tracing::info!(
                "waiting for the coordinator at {} ({reason}): {} s so far, {} s left (--wait)",
                self.coordinator,
                self.began.elapsed().as_secs(),
                self.left().as_secs()
            );
        }
    }
}

/// Waits until something takes connections where the coordinator should be; gives this host's address on the way there.
///
/// # Errors
/// `Unreachable` once the patience is at its end.
pub(crate) async fn reach(
    coordinator: &Endpoint,
    wait: &mut Wait,
) -> Result<IpAddr, ConnectionError> {
    let address = coordinator.to_string();
    let mut tries = interval(EVERY);
    tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reason = "nothing answers".to_owned();
    loop {
        // The last try is not waited for beyond the patience.
        if timeout(wait.left(), tries.tick()).await.is_err() {
            wait.failed(&reason)?;
        }
        let tried = timeout(wait.left().min(TRY), TcpStream::connect(&address)).await;
        reason = match tried {
            Ok(Ok(stream)) => match stream.local_addr() {
                Ok(local) => return Ok(local.ip()),
                Err(error) => error.to_string(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_) => "nothing answers: is it up, and does a firewall drop packets?".to_owned(),
        };
        wait.failed(&reason)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::net::TcpListener;

    fn wait(endpoint: &Endpoint, patience: Duration) -> Wait {
        Wait::new(&endpoint.url(), patience, false)
    }

    #[tokio::test]
    async fn a_coordinator_that_is_there_shows_this_hosts_address_towards_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint::of(Ipv4Addr::LOCALHOST.into(), port);
        let mut wait = wait(&endpoint, Duration::from_secs(30));
        let own = reach(&endpoint, &mut wait).await.unwrap();
        assert_eq!(own, IpAddr::from(Ipv4Addr::LOCALHOST));
    }

    #[tokio::test]
    async fn one_that_comes_late_is_waited_for() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        drop(taken);
        let endpoint = Endpoint::of(address.ip(), address.port());
        let mut wait = wait(&endpoint, Duration::from_secs(60));
        let come = async {
            let mut ticks = interval(Duration::from_millis(700));
            ticks.tick().await;
            ticks.tick().await;
            let listener = TcpListener::bind(address).await.unwrap();
            std::future::pending::<()>().await;
            drop(listener);
        };
        tokio::select! {
            reached = reach(&endpoint, &mut wait) => assert!(reached.is_ok()),
            () = come => {}
        }
    }

    #[tokio::test]
    async fn one_that_never_comes_is_given_up_with_the_reason_and_the_key() {
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = unused.local_addr().unwrap();
        drop(unused);
        let endpoint = Endpoint::of(address.ip(), address.port());
        let mut wait = wait(&endpoint, Duration::from_millis(600));
        let line = reach(&endpoint, &mut wait).await.unwrap_err().to_string();
        assert!(
            line.contains("refused") && line.contains("--wait"),
            "{line}"
        );
    }
}
