//! Whether a coordinator leads the run already: the one that the journal names is asked.
//!
//! A live one must be left alone; one that is gone must be replaced at once. Where it cannot be asked, its sign of life
//! on the store tells them apart.

use crate::error::CoordinatorError;
use crate::event::{EventSink, RunEvent};
use crate::leader::ask;
use fratmae_checkpoint::{CoordinatorMark, Entry, Journal, Progress, Record};
use fratmae_network::{Endpoint, Reach, host_id};
use fratmae_store::Location;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a coordinator may take to answer: one on a busy machine, or that is just opening its run, answers within
/// this.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the store is looked at for a sign of life, and how many times: more than twice the time between two.
const LOOKS: (Duration, u32) = (Duration::from_secs(1), 13);

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// It leads this run, and has got this far.
    Leads { step: u64 },
    /// Whoever is there does not lead this run, or nobody is.
    Gone(String),
    /// There is no way to know.
    Unknown(String),
}

/// The coordinator that the journal names.
struct Incumbent<'a> {
    mark: &'a CoordinatorMark,
    fence: u64,
    run: &'a Location,
    run_id: &'a str,
    looks: (Duration, u32),
}

/// Makes sure that nobody leads a run, and tells whom it is taken over from.
///
/// # Errors
/// `Led` by a live coordinator, unless `take_over`.
pub(crate) async fn ensure_not_led(
    run: &Location,
    run_id: &str,
    entries: &[Entry],
    take_over: bool,
    events: &EventSink,
) -> Result<(), CoordinatorError> {
    let records = entries.iter().map(|entry| &entry.record);
    let Some(incumbent) = Incumbent::of(run, run_id, records) else {
        return Ok(());
    };
    let Incumbent { mark, fence, .. } = incumbent;
    let who = format!("the coordinator at {} (fence {fence})", mark.address);
    if take_over {
        let note = format!("taking this run over from {who}, as asked");
        events.emit(RunEvent::Noted { note });
        return Ok(());
    }
    let answer = match incumbent.ask().await {
        Answer::Unknown(reason) => {
            let seconds = LOOKS.0.as_secs() * u64::from(LOOKS.1);
            let note = format!(
                "{who} cannot be asked ({reason}); watching the run for its sign of life, {seconds} s at most"
            );
            events.emit(RunEvent::Noted { note });
            incumbent.watch(reason).await
        }
        answer => answer,
    };
    match answer {
        Answer::Leads { step } => Err(CoordinatorError::Led {
            run: run.url().to_owned(),
            address: mark.address.clone(),
            step,
        }),
        Answer::Gone(reason) | Answer::Unknown(reason) => {
            let note = format!("{who} does not lead this run any more ({reason}); taking over");
            events.emit(RunEvent::Noted { note });
            Ok(())
        }
    }
}

/// The address of the coordinator that leads a run; none if the run has ended, or its coordinator is gone.
///
/// # Errors
/// The journal's.
pub(crate) async fn live_leader(
    run: &Location,
    run_id: &str,
) -> Result<Option<String>, CoordinatorError> {
    let records = Journal::newest_coordinator(run).await?;
    let Some(incumbent) = Incumbent::of(run, run_id, records.iter()) else {
        return Ok(None);
    };
    let answer = match incumbent.ask().await {
        Answer::Unknown(reason) => incumbent.watch(reason).await,
        answer => answer,
    };
    Ok(matches!(answer, Answer::Leads { .. }).then(|| incumbent.mark.address.clone()))
}

/// Who led the run last, if that did not end it.
fn leader<'a>(
    records: impl DoubleEndedIterator<Item = &'a Record>,
) -> Option<(u64, &'a CoordinatorMark)> {
    let newest = records.rev().find_map(|record| match record {
        Record::Finished { .. } | Record::Interrupted { .. } | Record::RolledBack { .. } => {
            Some(None)
        }
        Record::Fence { fence, mark } => Some(Some((*fence, mark))),
        _ => None,
    });
    newest.flatten()
}

impl<'a> Incumbent<'a> {
    /// Who led a run last, if that did not end it.
    fn of(
        run: &'a Location,
        run_id: &'a str,
        records: impl DoubleEndedIterator<Item = &'a Record>,
    ) -> Option<Self> {
        let (fence, mark) = leader(records)?;
        Some(Self {
            mark,
            fence,
            run,
            run_id,
            looks: LOOKS,
        })
    }

    /// Asks it over the network.
    async fn ask(&self) -> Answer {
        let address = &self.mark.address;
        let Ok(endpoint) = Endpoint::parse(address) else {
            return Answer::Unknown("its address cannot be used".to_owned());
        };
        let is_here = self.mark.host.is_empty() || self.mark.host == host_id();
        if endpoint.reach() == Reach::Loopback && !is_here {
            return Answer::Unknown("it is on another host, at a loopback address".to_owned());
        }
        match timeout(PATIENCE, TcpStream::connect(endpoint.to_string())).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                return Answer::Gone("the connection is refused".to_owned());
            }
            Ok(Err(error)) => return Answer::Unknown(error.to_string()),
            Err(_) => return Answer::Unknown("it takes no connection".to_owned()),
        }
        match timeout(PATIENCE, ask(address)).await {
            Ok(Ok(reply)) if (reply.run_id.as_str(), reply.fence) == (self.run_id, self.fence) => {
                Answer::Leads { step: reply.step }
            }
            Ok(Ok(_)) => Answer::Gone("another coordinator is at its address".to_owned()),
            // It may only not know us: one with keys answers nobody else.
            Ok(Err(error)) => {
                Answer::Unknown(format!("what is at its address does not answer: {error}"))
            }
            Err(_) => self.frozen(is_here),
        }
    }

    /// It takes connections, as its host does for a process that is stopped too.
    fn frozen(&self, is_here: bool) -> Answer {
        let reason = format!("it did not answer within {} s", PATIENCE.as_secs());
        match is_here && !self.mark.host.is_empty() {
            true => Answer::Gone(reason),
            false => Answer::Unknown(reason),
        }
    }

    /// Looks whether what it writes of its progress changes.
    async fn watch(&self, reason: String) -> Answer {
        let (every, times) = self.looks;
        let mut looks = tokio::time::interval(every);
        let mut first = None;
        for _ in 0..times {
            looks.tick().await;
            let Some(beat) = Progress::read(self.run).await else {
                continue;
            };
            if beat.fence == self.fence && first.is_some_and(|number| number != beat.number) {
                return Answer::Leads { step: beat.step };
            }
            first.get_or_insert(beat.number);
        }
        Answer::Gone(format!("{reason}, and it wrote nothing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beat::Beats;
    use fratmae_control::Fence;

    fn mark(address: &str, host: &str) -> CoordinatorMark {
        CoordinatorMark {
            address: address.to_owned(),
            version: "v".to_owned(),
            nonce: "n".to_owned(),
            host: host.to_owned(),
            step: None,
        }
    }

    fn entries(records: Vec<Record>) -> Vec<Entry> {
        let entry = |(number, record)| Entry {
            number,
            fence: 1,
            nonce: "n".to_owned(),
            record,
        };
        (0..).zip(records).map(entry).collect()
    }

    fn led_from(address: &str, host: &str) -> Vec<Entry> {
        let mark = mark(address, host);
        entries(vec![Record::Fence { fence: 1, mark }])
    }

    async fn ensured(entries: &[Entry], run: &Location) -> Result<(), CoordinatorError> {
        ensure_not_led(run, "r", entries, false, &EventSink::nobody()).await
    }

    fn store() -> (tempfile::TempDir, Location) {
        let folder = tempfile::tempdir().unwrap();
        let run = Location::open(folder.path().to_str().unwrap()).unwrap();
        (folder, run)
    }

    #[test]
    fn a_run_that_ended_or_never_began_has_no_leader() {
        let fence = |fence| Record::Fence {
            fence,
            mark: mark("http://h:1", ""),
        };
        let interrupted = || Record::Interrupted {
            step: 1,
            reason: "asked".to_owned(),
        };
        let back = || Record::RolledBack {
            step: 1,
            generation: 1,
        };
        let found = |records: Vec<Record>| leader(records.iter()).map(|(fence, _)| fence);
        assert_eq!(found(vec![fence(1), fence(2), back()]), None);
        assert_eq!(found(vec![]), None);
        assert_eq!(found(vec![fence(1), interrupted()]), None);
        assert_eq!(found(vec![fence(1), interrupted(), fence(2)]), Some(2));
    }

    #[tokio::test]
    async fn one_whose_port_refuses_is_replaced_at_once() {
        let (_folder, run) = store();
        for host in ["", &host_id()] {
            ensured(&led_from("http://127.0.0.1:1", host), &run)
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn one_of_another_host_is_known_by_its_sign_of_life() {
        let (_folder, run) = store();
        let mark = mark("http://127.0.0.1:1", "another host");
        let incumbent = Incumbent {
            mark: &mark,
            fence: 1,
            run: &run,
            run_id: "r",
            looks: (Duration::from_millis(10), 200),
        };
        assert!(matches!(incumbent.ask().await, Answer::Unknown(_)));
        let mut beats = Beats::new(run.clone(), Fence::new(1), String::new());
        let writing = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                beats.write(44, None);
            }
        };
        let answer = tokio::select! {
            answer = incumbent.watch("why".to_owned()) => answer,
            () = writing => panic!("it writes on"),
        };
        assert_eq!(answer, Answer::Leads { step: 44 });
        let looks = (Duration::from_millis(1), 3);
        let dead = Incumbent { looks, ..incumbent };
        assert!(matches!(
            dead.watch("why".to_owned()).await,
            Answer::Gone(_)
        ));
    }
}
