//! `fratmae doctor`: what a host lacks for a job, and what to do about it. It reads and asks; each check judges by itself.

mod clock;
mod finding;
mod gpu;
mod host;
mod infiniband;
mod link;
mod need;
mod place;

use std::io;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fratmae_coordinator::compare_clocks;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::{
    commands::{chaos::time, job::Job},
    output::Output,
    progress::Progress,
    signals::Signals,
    table::Table,
};
use finding::{Finding, State};
use gpu::Gpu;
use host::{Host, Roots};
use need::Need;

/// Says what this host lacks for a job, and what to do about it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae doctor                                                    this host
  fratmae doctor --config job.toml --set workers.device=cuda        and what a job needs of it
  fratmae doctor --store s3://bucket/runs --coordinator http://10.0.0.1:5600
  fratmae doctor --listen 10.0.0.1:5601                             then, on another host:
  fratmae doctor --peer 10.0.0.1:5601

It exits with 1 if something is missing that the job or one of these options needs; without a job nothing is needed.
What it writes to a store is deleted again.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    job: Job,
    /// Check and measure this store too; may be given many times
    #[arg(long, value_name = "URL")]
    store: Vec<String>,
    /// Compare clocks with this coordinator
    #[arg(long, value_name = "http://HOST:PORT")]
    coordinator: Option<String>,
    /// Wait here for one --peer and measure the line to it
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "peer")]
    listen: Option<String>,
    /// Wait so long for a peer; without it until one comes or Ctrl-C
    #[arg(long = "for", value_name = "TIME", value_parser = time, requires = "listen")]
    within: Option<Duration>,
    /// Measure the line to a host where `fratmae doctor --listen` runs
    #[arg(long, value_name = "HOST:PORT")]
    peer: Option<String>,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    checks: &'a [Finding],
    missing: Vec<&'a str>,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let need = arguments.need()?;
    let mut findings = check_host(&need);
    findings.extend(check_places(arguments, &need).await);
    if let Some(address) = &arguments.coordinator {
        findings.extend(clock::judge(address, &compare_clocks(address).await));
    }
    if let Some(address) = &arguments.peer {
        findings.push(link::judge(address, &link::call(address).await, &need));
    }
    if let Some(address) = &arguments.listen {
        findings.extend(listen(address, arguments.within, quiet, &need).await?);
    }
    report(&findings, arguments.json, output)
}

impl Arguments {
    fn need(&self) -> Result<Need> {
        let Job {
            config,
            set,
            workers,
            run,
            data,
        } = &self.job;
        let named = [
            config.is_some(),
            workers.is_some(),
            run.is_some(),
            data.is_some(),
        ];
        match set.is_empty() && !named.contains(&true) {
            true => Ok(Need::nothing()),
            false => Ok(Need::of(&self.job.resolve()?)),
        }
    }
}

fn check_host(need: &Need) -> Vec<Finding> {
    let roots = Roots::default();
    let ports = infiniband::read_ports(&roots.sys);
    let gpu = Gpu::read(&roots.proc, need);
    let mut findings = Host::read(&roots, need).judge(need, gpu.count(), ports.len());
    findings.extend(gpu.judge(need));
    findings.extend(infiniband::judge(&ports));
    findings
}

async fn check_places(arguments: &Arguments, need: &Need) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(job) = &need.job {
        let measured = place::measure(&job.run_url).await;
        findings.push(place::judge("run", &job.run_url, &measured));
        let data = match job.data_url.is_empty() {
            true => place::Data::Absent,
            false => place::find_data(job).await,
        };
        findings.push(place::judge_data(&job.data_url, &data));
    }
    for url in &arguments.store {
        findings.push(place::judge("store", url, &place::measure(url).await));
    }
    findings
}

/// Waits for one peer; nothing is found where the user ends the waiting.
async fn listen(
    address: &str,
    within: Option<Duration>,
    quiet: bool,
    need: &Need,
) -> Result<Option<Finding>> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen at {address}"))?;
    let stop = Signals::catch_in_order()?.asked();
    Progress::start("doctor", quiet).note(&format!(
        "listening at {0}; on the other host: fratmae doctor --peer {0}",
        listener.local_addr().context("the socket has no address")?
    ));
    // Longer than anybody waits.
    let within = within.unwrap_or(Duration::from_secs(u64::from(u32::MAX)));
    tokio::select! {
        () = stop => Ok(None),
        found = tokio::time::timeout(within, attend(&listener, need)) => {
            Ok(Some(found.unwrap_or_else(|_| {
                let silent = io::Error::other(format!("nobody called within {within:?}"));
                link::judge(address, &Err(silent), need)
            })))
        }
    }
}

/// Answers callers until one of them is a doctor too.
async fn attend(listener: &TcpListener, need: &Need) -> Finding {
    loop {
        let answered = match listener.accept().await {
            Ok((stream, from)) => (from.to_string(), link::answer(stream).await),
            Err(error) => ("a caller".to_owned(), Err(error)),
        };
        match answered {
            (from, Ok(line)) => return link::judge(&from, &Ok(line), need),
            (from, Err(error)) => tracing::warn!(from, %error, "a caller is turned away"),
        }
    }
}

/// Shows what was found; what is missing is the failure.
fn report(findings: &[Finding], json: bool, output: &mut Output) -> Result<()> {
    let lacking = findings.iter().filter(|one| one.state == State::Missing);
    let missing: Vec<&str> = lacking.map(|one| one.check.as_str()).collect();
    if json {
        output.json(&Report {
            checks: findings,
            missing: missing.clone(),
        })?;
    } else {
        let mut table = Table::new(&["check", "state", "found", "what to do"]);
        for one in findings {
            let state = one.state.name().to_owned();
            table.row(vec![
                one.check.clone(),
                state,
                one.found.clone(),
                one.advice.clone(),
            ]);
        }
        output.table(&table)?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "this host lacks what is needed: {}; the report says what to do about each",
        missing.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("cores", "8"),
            Finding::new("driver", State::Missing, "none", "install it"),
            Finding::new("NCCL", State::Missing, "old", "install a newer one"),
        ]
    }

    #[test]
    fn what_is_missing_fails_and_is_named_in_one_line() {
        let captured = Captured::default();
        let error = report(&findings(), false, &mut captured.output()).unwrap_err();
        assert!(
            error.to_string().contains("needed: driver, NCCL;"),
            "{error}"
        );
        let text = captured.text();
        assert!(
            text.lines()
                .any(|line| line == "driver  MISSING  none   install it"),
            "{text}"
        );
        report(&findings()[..1], false, &mut captured.output()).unwrap();
    }

    #[test]
    fn json_has_every_check_and_what_is_missing() {
        let captured = Captured::default();
        report(&findings(), true, &mut captured.output()).unwrap_err();
        let told: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
        assert_eq!(told["missing"], serde_json::json!(["driver", "NCCL"]));
        assert_eq!(told["checks"][0]["state"], "ok");
        assert_eq!(told["checks"][1]["advice"], "install it");
    }
}
