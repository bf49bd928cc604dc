//! The words with which each process of a disturbed run is started, on its own host where there are several.

use std::time::Instant;

use anyhow::Result;

use super::super::{
    fault::{Party, worker_name},
    liar::Talk,
    process::Process,
};
use super::{LEVELS, Supervisor};

/// Hosts are of this machine alone, and liars are to be heard.
const ANYBODY: &str = "--keys=none";

impl Supervisor<'_> {
    pub(super) fn start_missing(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.coordinator.is_due(now) {
            self.start_coordinator(false)?;
        }
        for place in 0..self.workers.len() {
            if self.workers[place].is_due(now) && !self.address.is_empty() {
                self.start_worker(place)?;
            }
        }
        Ok(())
    }

    /// Starts a coordinator; whoever led before is no longer the leader.
    pub(in crate::commands::chaos) fn start_coordinator(&mut self, take_over: bool) -> Result<()> {
        let party = Party::Coordinator;
        let mut words = self.means.hosts.on(party);
        words.extend(self.means.clock(self.is_clock_wrong));
        words.push(self.calls.program.clone());
        words.extend(["coordinator", "--json", "--log", "json"].map(str::to_owned));
        words.extend(self.calls.job.iter().cloned());
        words.extend(["--workers".to_owned(), self.calls.workers.to_string()]);
        words.extend([
            "--listen".to_owned(),
            format!("{}:0", self.means.hosts.address(party)),
        ]);
        words.extend(["--run".to_owned(), self.folder.run().display().to_string()]);
        words.extend(take_over.then(|| "--take-over".to_owned()));
        words.push(ANYBODY.to_owned());
        self.coordinator.process = Some(self.start(&words, "coordinator")?);
        Ok(())
    }

    fn start_worker(&mut self, place: usize) -> Result<()> {
        let (party, name) = (Party::Worker(place), worker_name(place));
        let mut words = self.means.hosts.on(party);
        words.extend(["env", LEVELS].map(str::to_owned));
        words.push(self.calls.program.clone());
        words.extend(["worker", "--log", "json", "--threads", "1"].map(str::to_owned));
        words.extend(["--coordinator".to_owned(), self.address.clone()]);
        words.extend(["--name".to_owned(), name.clone()]);
        words.extend([
            "--listen".to_owned(),
            format!("{}:0", self.means.hosts.address(party)),
        ]);
        words.push(ANYBODY.to_owned());
        self.workers[place].process = Some(self.start(&words, &name)?);
        Ok(())
    }

    /// Starts somebody on a worker's host who talks to the coordinator.
    pub(in crate::commands::chaos) fn start_liar(
        &mut self,
        place: usize,
        seed: u64,
        talk: Talk,
    ) -> Result<Process> {
        let mut words = self.means.hosts.on(Party::Worker(place));
        words.push(self.calls.program.clone());
        words.extend(["chaos", "--talk"].map(str::to_owned));
        words.extend([talk.name(), "--talk-to".to_owned(), self.address.clone()]);
        words.extend(["--seed".to_owned(), seed.to_string()]);
        words.push(self.folder.run().display().to_string());
        self.start(&words, "liar")
    }

    fn start(&mut self, words: &[String], name: &str) -> Result<Process> {
        self.started += 1;
        Process::start(words, self.started, &self.folder.log(name), &self.sender)
    }
}
