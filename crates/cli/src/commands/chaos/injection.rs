//! Doing a fault to the processes, hosts and files of the supervisor, and lifting it.

use std::process::Command;

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use super::{
    fault::{Kind, Party, Strike},
    hosts::Cut,
    liar::Talk,
    process::Process,
    stuck_bit::StuckBit,
    supervisor::Supervisor,
    timeline::What,
};

/// Files that a starved process may have open: fewer than it has.
const STARVED: &str = "4";
/// Files that one may have open otherwise.
const FED: &str = "1024";

impl Supervisor<'_> {
    /// Does the fault of a number in the plan.
    pub(super) fn strike(&mut self, number: usize, strike: &Strike) {
        let done = self.attempt(number, strike);
        match &done {
            Ok(()) => self.tell(&strike.to_string()),
            Err(reason) => self.tell(&format!("{strike}: not done, {reason:#}")),
        }
        self.note(match done {
            Ok(()) => What::Struck(number),
            Err(reason) => What::Missed(number, format!("{reason:#}")),
        });
    }

    /// Ends a fault that lasts.
    pub(super) fn lift(&mut self, number: usize, strike: &Strike) {
        if strike.kind.is_instant() {
            return;
        }
        // Whatever is gone meanwhile needs nothing any more.
        let _ = match strike.kind {
            Kind::PauseWorker => self.signal(Party::Worker(strike.place), Signal::SIGCONT),
            Kind::PauseCoordinator => self.signal(Party::Coordinator, Signal::SIGCONT),
            Kind::RivalCoordinator => {
                self.olds.iter().for_each(|old| old.signal(Signal::SIGCONT));
                Ok(())
            }
            Kind::StarveWorker => self.limit(Party::Worker(strike.place), FED),
            Kind::StarveCoordinator => self.limit(Party::Coordinator, FED),
            Kind::HangStore => self.means.thaw(),
            Kind::Lie | Kind::Flood => {
                self.liars.remove(&number);
                Ok(())
            }
            Kind::WrongClock => {
                self.is_clock_wrong = false;
                Ok(())
            }
            _ => {
                let hosts = &self.means.hosts;
                cut(strike).into_iter().for_each(|cut| hosts.mend(cut));
                Ok(())
            }
        };
        self.tell(&format!("end of {}", strike.what()));
        self.note(What::Lifted(number));
    }

    fn attempt(&mut self, number: usize, strike: &Strike) -> Result<()> {
        let worker = Party::Worker(strike.place);
        match strike.kind {
            Kind::KillWorker => self.signal(worker, Signal::SIGKILL),
            Kind::KillCoordinator => self.signal(Party::Coordinator, Signal::SIGKILL),
            Kind::PauseWorker => self.signal(worker, Signal::SIGSTOP),
            Kind::PauseCoordinator => self.signal(Party::Coordinator, Signal::SIGSTOP),
            Kind::RivalCoordinator => self.start_rival(),
            Kind::StarveWorker => self.limit(worker, STARVED),
            Kind::StarveCoordinator => self.limit(Party::Coordinator, STARVED),
            // Whoever touches the store while it hangs would hang as well.
            Kind::DamagePart | Kind::DeletePart if self.means.is_frozen() => {
                bail!("the store hung at that moment")
            }
            Kind::DamagePart => there_was(self.folder.damage_part(number as u64)?),
            Kind::DeletePart => there_was(self.folder.delete_part(number as u64)?),
            Kind::StickBit => self.stick_bit(worker),
            Kind::HangStore => self.means.freeze(),
            Kind::Lie => self.let_talk(number, strike.place, Talk::Lies),
            Kind::Flood => self.let_talk(number, strike.place, Talk::Flood),
            Kind::WrongClock => {
                self.is_clock_wrong = true;
                self.signal(Party::Coordinator, Signal::SIGKILL)
            }
            Kind::CutHost
            | Kind::CutCoordinator
            | Kind::CutOneWay
            | Kind::CutPeers
            | Kind::SlowLink => cut(strike)
                .into_iter()
                .try_for_each(|cut| self.means.hosts.cut(cut)),
        }
    }

    /// Stops the coordinator in its tracks and starts another one.
    fn start_rival(&mut self) -> Result<()> {
        self.signal(Party::Coordinator, Signal::SIGSTOP)?;
        let old = self.coordinator.process.take();
        self.start_coordinator(true)?;
        self.olds.extend(old);
        Ok(())
    }

    fn stick_bit(&mut self, party: Party) -> Result<()> {
        let process = self.process(party)?.id();
        let Some(&parameters) = self.places.get(&process) else {
            bail!("it had no parameters at that moment");
        };
        let bit = StuckBit::hold(process, parameters)?;
        self.stuck_bits.push(bit);
        Ok(())
    }

    /// Lets an outsider on a worker's host talk to the coordinator.
    fn let_talk(&mut self, number: usize, place: usize, talk: Talk) -> Result<()> {
        if self.address.is_empty() {
            bail!("no coordinator served at that moment");
        }
        let liar = self.start_liar(place, number as u64, talk)?;
        self.liars.insert(number, liar);
        Ok(())
    }

    fn signal(&self, party: Party, signal: Signal) -> Result<()> {
        self.process(party)?.signal(signal);
        Ok(())
    }

    fn limit(&self, party: Party, files: &str) -> Result<()> {
        let id = self.process(party)?.id().to_string();
        let limit = format!("--nofile={files}:");
        let output = Command::new("prlimit")
            .args(["--pid", &id, &limit])
            .output()?;
        if !output.status.success() {
            bail!(
                "prlimit: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    fn process(&self, party: Party) -> Result<&Process> {
        let seat = match party {
            Party::Coordinator => &self.coordinator,
            Party::Worker(place) => &self.workers[place],
        };
        match &seat.process {
            Some(process) => Ok(process),
            None => bail!("it did not run at that moment"),
        }
    }
}

fn there_was(found: bool) -> Result<()> {
    if !found {
        bail!("there was no checkpoint");
    }
    Ok(())
}

/// How the network fails, where the fault is of the network.
fn cut(strike: &Strike) -> Option<Cut> {
    let worker = Party::Worker(strike.place);
    match strike.kind {
        Kind::CutHost => Some(Cut::Whole(worker)),
        Kind::CutCoordinator => Some(Cut::Whole(Party::Coordinator)),
        Kind::CutOneWay => Some(Cut::Outbound(worker)),
        Kind::CutPeers => Some(Cut::Towards(worker, Party::Worker(strike.other))),
        Kind::SlowLink => Some(Cut::Slow(worker)),
        _ => None,
    }
}
