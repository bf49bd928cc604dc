//! Several ranks: processes that are started, told what to do, listened to, and killed.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::rank::LIBRARY;

/// Far above what anything here takes: reaching it is a failure.
const LONG: Duration = Duration::from_secs(60);

/// A rank's process.
pub(crate) struct Rank {
    process: Child,
    orders: ChildStdin,
    said: Receiver<String>,
    address: String,
    /// What it said, as long as it is waited for something else.
    heard: VecDeque<String>,
}

/// What a rank came to in one generation.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The bits of each reduction.
    pub(crate) sums: Vec<Vec<u32>>,
    /// Whatever else it said.
    pub(crate) others: Vec<String>,
    /// What the error asks for, the milliseconds after which it came, and its line.
    pub(crate) error: Option<(String, u128, String)>,
}

impl Outcome {
    pub(crate) fn error(&self) -> (&str, u128, &str) {
        let (action, took, line) = self.error.as_ref().expect("an error");
        (action, *took, line)
    }
}

/// Where cargo has put the stand-in: beside the tests that depend on it.
pub(crate) fn standin() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let library = tests.with_file_name("libfratmae_nccl_standin.so");
    assert!(library.is_file(), "{} is not built", library.display());
    library
}

impl Rank {
    /// Starts a process in which the stand-in does what `faults` says.
    pub(crate) fn start(faults: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("rank::a_process_plays_a_rank_when_it_is_asked_to")
            .env(LIBRARY, standin())
            .env("FRATMAE_STANDIN", faults)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, said) = sync_channel(1024);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(line) = line.strip_prefix("SAID ") {
                    // Nobody may listen any more.
                    let _ = sender.send(line.to_owned());
                }
            }
        });
        let address = said.recv_timeout(LONG).unwrap();
        Self {
            orders: process.stdin.take().unwrap(),
            process,
            said,
            address,
            heard: VecDeque::new(),
        }
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    /// Waits for a line.
    pub(crate) fn hear(&mut self, wanted: &str) {
        let until = Instant::now() + LONG;
        while !self.heard.iter().any(|line| line == wanted) {
            let line = self
                .said
                .recv_timeout(until.saturating_duration_since(Instant::now()));
            self.heard.push_back(line.unwrap());
        }
    }

    /// All it says until the generation is over; nothing more of a process that died.
    pub(crate) fn outcome(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            let line = self
                .heard
                .pop_front()
                .or_else(|| self.said.recv_timeout(LONG).ok());
            let Some(line) = line.filter(|line| line != "end") else {
                return outcome;
            };
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "sum" => outcome.sums.push(
                    rest.split(',')
                        .filter(|bits| !bits.is_empty())
                        .map(|bits| bits.parse().unwrap())
                        .collect(),
                ),
                "error" => {
                    let words: Vec<&str> = rest.splitn(3, ' ').collect();
                    let took = words[1].parse().unwrap();
                    outcome.error = Some((words[0].to_owned(), took, words[2].to_owned()));
                }
                _ => outcome.others.push(line),
            }
        }
    }
}

impl Drop for Rank {
    fn drop(&mut self) {
        // It may have died before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One generation to be trained.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) generation: u64,
    pub(crate) link: &'a str,
    pub(crate) deadline_ms: u64,
    /// `START-END` of each rank, between commas.
    pub(crate) slots: &'a str,
    pub(crate) script: &'a str,
}

impl Order<'_> {
    /// Tells all ranks.
    pub(crate) fn tell(&self, ranks: &mut [Rank]) {
        let addresses: Vec<String> = ranks.iter().map(|rank| rank.address.clone()).collect();
        let Self {
            generation,
            link,
            deadline_ms,
            slots,
            script,
        } = self;
        for (number, rank) in ranks.iter_mut().enumerate() {
            let addresses = addresses.join(",");
            writeln!(
                rank.orders,
                "{generation} {number} {link} {deadline_ms} {addresses} {slots} {script}"
            )
            .unwrap();
        }
    }

    /// Tells all ranks and gives what each came to.
    pub(crate) fn run(&self, ranks: &mut [Rank]) -> Vec<Outcome> {
        self.tell(ranks);
        ranks.iter_mut().map(Rank::outcome).collect()
    }
}

/// As many ranks as there are faults, each with its own.
pub(crate) fn ranks(faults: &[&str]) -> Vec<Rank> {
    faults.iter().map(|faults| Rank::start(faults)).collect()
}
