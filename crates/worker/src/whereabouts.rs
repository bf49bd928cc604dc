//! Where a worker that starts looks for its coordinator: at an address, or wherever the run's store says.

use crate::error::ConnectionError;
use crate::outbox::Outbox;
use crate::reach::{Wait, reach};
use crate::rediscovery::{Newest, newest};
use crate::run::Ended;
use crate::stream::{Stream, unreachable};
use fratmae_checkpoint::{Journal, Progress, run_id};
use fratmae_network::{Endpoint, Reach};
use fratmae_protocol::{cause, connect, pb};
use fratmae_store::Location;
use fratmae_trust::keys;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often the store is looked at: many workers may wait for one coordinator.
const EVERY: Duration = Duration::from_secs(1);
/// How often a coordinator that takes connections is asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long one look, or one question to a coordinator, may take.
const LOOK: Duration = Duration::from_secs(10);

/// Where the coordinator is looked for.
#[derive(Clone, Debug)]
pub enum Whereabouts {
    /// At an address.
    Address(Endpoint),
    /// At the address that the newest coordinator of a run wrote to the run's store. It may move.
    Run(Location),
}

/// What a search comes to.
pub(crate) enum Search {
    /// A coordinator takes connections here; with this host's address on the way there.
    Found(Endpoint, IpAddr),
    /// The run is over: it needs nobody.
    Over(Ended),
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(endpoint) => f.write_str(&endpoint.url()),
            Self::Run(run) => write!(f, "the address that {} names", run.url()),
        }
    }
}

impl Whereabouts {
    /// Waits until something takes connections where the coordinator should be.
    ///
    /// # Errors
    /// `Unreachable` once the patience is at its end; `Keyless`.
    pub(crate) async fn find(&self, wait: &mut Wait) -> Result<Search, ConnectionError> {
        match self {
            Self::Address(endpoint) => {
                check_keys(endpoint)?;
                let own = reach(endpoint, wait).await?;
                Ok(Search::Found(endpoint.clone(), own))
            }
            Self::Run(run) => look_out(run, wait).await,
        }
    }

    /// Registers with the coordinator that was found at `endpoint`, or with the one that takes its place meanwhile.
    ///
    /// # Errors
    /// `Unreachable` once the patience is at its end; `Stopped` if the coordinator refuses this worker; `Keyless`.
    pub(crate) async fn enter(
        &self,
        mut endpoint: Endpoint,
        (register, outbox): (&pb::Register, &Outbox),
        wait: &mut Wait,
    ) -> Result<Result<Stream, Ended>, ConnectionError> {
        let mut tries = interval(AGAIN);
        tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tries.tick().await;
            check_keys(&endpoint)?;
            let address = endpoint.url();
            let entered = Stream::try_open(&address, register, outbox);
            match wait.for_answer(entered).await {
                Some(Err(ConnectionError::Unreachable { reason, .. })) => wait.failed(&reason)?,
                Some(outcome) => return outcome.map(Ok),
                None => wait.failed("it takes the connection and does not answer")?,
            }
            if let Self::Run(_) = self {
                match self.find(wait).await? {
                    Search::Found(next, _) => endpoint = next,
                    Search::Over(ended) => return Ok(Err(ended)),
                }
            }
        }
    }
}

/// Nothing is said beyond this host to whoever answers there, unless this process was told to do without keys.
pub(crate) fn check_keys(coordinator: &Endpoint) -> Result<(), ConnectionError> {
    match coordinator.reach() != Reach::Loopback && keys().is_none() {
        true => Err(ConnectionError::Keyless {
            address: coordinator.url(),
        }),
        false => Ok(()),
    }
}

/// Looks at the store until it names a coordinator that answers, or says that the run is finished.
///
/// A run that was interrupted, or failed, may be begun again at any moment: whoever starts workers for it means that.
async fn look_out(run: &Location, wait: &mut Wait) -> Result<Search, ConnectionError> {
    let mut looks = interval(EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reason = "no coordinator has opened the run yet".to_owned();
    loop {
        if timeout(wait.left(), looks.tick()).await.is_err() {
            wait.failed(&reason)?;
        }
        match timeout(LOOK, look(run)).await {
            Ok(Ok(search)) => return Ok(search),
            Ok(Err(found)) => reason = found,
            Err(_) => reason = "the run's store does not answer".to_owned(),
        }
        wait.failed(&reason)?;
    }
}

/// Looks once.
///
/// # Errors
/// Why there is nobody yet, in one line.
async fn look(run: &Location) -> Result<Search, String> {
    let Some(run_id) = run_id(run).await.map_err(|error| error.to_string())? else {
        return Err("no coordinator has opened the run yet".to_owned());
    };
    let records = Journal::newest_coordinator(run).await;
    let records = records.map_err(|error| error.to_string())?;
    let named = match newest(records) {
        Ok(Newest::Ended(Ended::Finished)) => return Ok(Search::Over(Ended::Finished)),
        Ok(Newest::Coordinator(address)) => address,
        Ok(Newest::Ended(_)) => {
            return Err("the run was stopped and is not led again yet".to_owned());
        }
        Ok(Newest::Unknown) => return Err("no coordinator has opened the run yet".to_owned()),
        Err(ended) => return Err(format!("{ended}, and the run is not led again yet")),
    };
    // It may be a newer one's, which the journal's listing does not show yet.
    let hint = Progress::read(run).await.map(|progress| progress.address);
    let hint = hint.filter(|hint| !hint.is_empty() && *hint != named);
    let mut reason = String::new();
    for address in [Some(named), hint].into_iter().flatten() {
        match timeout(LOOK, ask(&address, &run_id)).await {
            Ok(Ok((endpoint, own))) => return Ok(Search::Found(endpoint, own)),
            Ok(Err(error)) => reason = error.to_string(),
            Err(_) => reason = format!("{address} does not answer"),
        }
    }
    Err(reason)
}

/// Makes sure that a coordinator of this run is at an address: by now another run may be led from there.
async fn ask(address: &str, run_id: &str) -> Result<(Endpoint, IpAddr), ConnectionError> {
    let endpoint = Endpoint::parse(address)?;
    let failed = |reason: String| unreachable(address, &reason);
    let stream = TcpStream::connect(endpoint.to_string()).await;
    let own = stream.and_then(|stream| stream.local_addr());
    let own = own.map_err(|error| failed(error.to_string()))?.ip();
    let client = connect(address).await;
    let mut client = client.map_err(|error| failed(error.to_string()))?;
    let status = client.status(pb::StatusRequest {}).await;
    let status = status.map_err(|status| failed(cause(&status)))?;
    match status.into_inner().run_id == run_id {
        true => Ok((endpoint, own)),
        false => Err(failed("another run is led from there".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_checkpoint::{CoordinatorMark, Record};

    fn run() -> (tempfile::TempDir, Location) {
        let folder = tempfile::tempdir().unwrap();
        let run = Location::open(folder.path().to_str().unwrap()).unwrap();
        (folder, run)
    }

    async fn led(run: &Location) -> Journal {
        run.put("config.json", r#"{"run_id": "r"}"#).await.unwrap();
        let mark = CoordinatorMark {
            address: "http://127.0.0.1:1".to_owned(),
            version: "v".to_owned(),
            nonce: "n".to_owned(),
            host: String::new(),
            step: None,
        };
        Journal::take_over(run, mark).await.unwrap().0
    }

    async fn found(run: &Location) -> Result<Search, String> {
        look(run).await
    }

    #[tokio::test]
    async fn a_run_that_nobody_has_opened_is_waited_for_until_the_patience_ends() {
        let (_folder, run) = run();
        let whereabouts = Whereabouts::Run(run);
        let mut wait = Wait::new(&whereabouts.to_string(), Duration::from_millis(300), false);
        let line = whereabouts.find(&mut wait).await.err().unwrap().to_string();
        assert!(
            line.contains("no coordinator has opened the run yet"),
            "{line}"
        );
        assert!(line.contains("--wait"), "{line}");
    }

    #[tokio::test]
    async fn a_coordinator_that_is_gone_is_waited_for_and_a_finished_run_needs_nobody() {
        let (_folder, run) = run();
        let mut journal = led(&run).await;
        let reason = found(&run).await.err().unwrap();
        assert!(reason.contains("127.0.0.1:1"), "{reason}");
        let summary = serde_json::Value::Null;
        journal.append(Record::Finished { summary }).await.unwrap();
        assert!(matches!(
            found(&run).await,
            Ok(Search::Over(Ended::Finished))
        ));
    }

    #[tokio::test]
    async fn a_run_that_was_stopped_or_failed_may_be_begun_again() {
        for reason in ["asked to stop", "the weights differ"] {
            let (_folder, run) = run();
            let mut journal = led(&run).await;
            let reason = reason.to_owned();
            let record = Record::Interrupted { step: 3, reason };
            journal.append(record).await.unwrap();
            let reason = found(&run).await.err().unwrap();
            assert!(reason.contains("not led again yet"), "{reason}");
        }
    }
}
