//! `fratmae doctor`: what a host lacks for a job, and what to do about it. It reads and asks; each check judges by itself.

mod clock;
mod finding;
mod gpu;
mod host;
mod infiniband;
mod link;
mod pace;
mod proxies;
mod requirements;
mod store;

use std::io;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fratmae_config::Config;
use fratmae_coordinator::compare_clocks;
use fratmae_store::Location;
use fratmae_telemetry::one_line;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::{
    commands::{
        apart,
        chaos::time,
        job::{Job, Values},
    },
    lines::shown as printable,
    output::Output,
    progress::Progress,
    signals::Signals,
};
use gpu::Gpu;
use host::Roots;
use link::Broken;

pub(crate) use {
    finding::{Finding, State, size},
    host::Host,
    requirements::{JobRequirements, Requirements},
};

/// Checks whether this host can run a job, and what to do if not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae doctor                         this host
  fratmae doctor --config job.toml       what is missing for this job
  fratmae doctor --store s3://bucket/runs --coordinator http://10.0.0.1:5600
  fratmae doctor --listen 10.0.0.1:5601  and on another host:
  fratmae doctor --peer 10.0.0.1:5601

The exit code is 1 if something is missing that the job or an option needs. Test objects in a store are deleted again.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    job: Job,
    /// Check and measure this store too; repeatable
    #[arg(long, value_name = "URL")]
    store: Vec<String>,
    /// Measure latency and clock difference to this coordinator
    #[arg(long, value_name = "http://HOST:PORT")]
    coordinator: Option<String>,
    /// Wait here for one --peer and measure the connection to it
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "peer")]
    listen: Option<String>,
    /// How long to wait for a peer, e.g. 30s [default: until one connects]
    #[arg(long = "for", value_name = "TIME", value_parser = time, requires = "listen")]
    within: Option<Duration>,
    /// Measure the connection to a host where `fratmae doctor --listen` runs
    #[arg(long, value_name = "HOST:PORT")]
    peer: Option<String>,
    /// Show checks that are ok too
    #[arg(long)]
    all: bool,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// How the report is shown.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    Text { all: bool },
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    checks: &'a [Finding],
    missing: Vec<&'a str>,
}

/// Checks whether this host can run a job.
pub(crate) async fn check(config: Config, output: &mut Output) -> Result<()> {
    let need = Requirements::of(&config);
    let findings = check_job(&need, Some(config)).await?;
    tell(&findings, output)
}

/// Shows what was found, but for what is ok; what is missing is the failure.
pub(crate) fn tell(findings: &[Finding], output: &mut Output) -> Result<()> {
    report(findings, Form::Text { all: false }, output)
}

/// What this host and the places of a job lack; without a job, what the host lacks for any.
async fn check_job(need: &Requirements, config: Option<Config>) -> Result<Vec<Finding>> {
    let mut findings = check_host(need);
    findings.extend(check_places(need).await);
    if let Some(config) = config {
        findings.extend(check_weights(config).await?);
    }
    Ok(findings)
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let config = arguments.config()?;
    let need = config.as_ref();
    let need = need.map_or_else(Requirements::nothing, Requirements::of);
    let mut findings = check_job(&need, config).await?;
    let mut asked = Vec::new();
    for url in &arguments.store {
        asked.push(store::judge("store", url, &store::measure(url).await));
    }
    if let Some(address) = &arguments.coordinator {
        let address = super::worker::coordinator(Some(address))?.url();
        asked.extend(clock::judge(&address, &compare_clocks(&address).await));
    }
    if let Some(address) = &arguments.peer {
        asked.push(link::judge(address, &link::call(address).await, &need));
    }
    if let Some(address) = &arguments.listen {
        asked.extend(listen(address, arguments.within, quiet, &need).await?);
    }
    findings.extend(asked.into_iter().map(Finding::asked));
    let form = match arguments.json {
        true => Form::Json,
        false => Form::Text { all: arguments.all },
    };
    report(&findings, form, output)
}

impl Arguments {
    /// The job that is asked about; none where the command line names nothing of one.
    fn config(&self) -> Result<Option<Config>> {
        let Job {
            values: Values { config, set },
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
            true => Ok(None),
            false => Ok(Some(self.job.resolve()?)),
        }
    }
}

fn check_host(need: &Requirements) -> Vec<Finding> {
    let roots = Roots::default();
    let ports = infiniband::read_ports(&roots.sys);
    let gpu = Gpu::read(&roots.proc, need);
    let mut findings = Host::read(&roots, need).judge(need, gpu.count(), ports.len());
    findings.extend(gpu.judge(need));
    findings.extend(infiniband::judge(&ports));
    findings.extend(proxies::judge(&proxies::read()));
    findings.extend(pace::estimate(need, gpu.count()));
    findings
}

async fn check_places(need: &Requirements) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(job) = &need.job {
        let measured = store::measure(&job.run_url).await;
        findings.push(store::judge("run", &job.run_url, &measured));
        let data = match job.data_url.is_empty() {
            true => store::Data::Absent,
            false => store::find_data(job).await,
        };
        findings.push(store::judge_data(&job.data_url, &data));
    }
    findings
}

/// Looks whether the files of weights that the job names can be read; a run that has a checkpoint needs none.
async fn check_weights(mut config: Config) -> Result<Option<Finding>> {
    let run = Location::open(&config.run.url)?;
    if fratmae_checkpoint::list(&run)
        .await
        .is_ok_and(|found| !found.is_empty())
    {
        return Ok(None);
    }
    let unread = match apart(move || fratmae_pretrain::fill_digests(&mut config)).await? {
        Ok(mut unread) if !unread.is_empty() => unread.swap_remove(0),
        Ok(_) => return Ok(None),
        Err(error) => error,
    };
    let advice = "name a file that is there";
    Ok(Some(Finding::failed("weights", &one_line(&unread), advice)))
}

/// Waits for one peer; nothing is found where the user ends the waiting.
async fn listen(
    address: &str,
    within: Option<Duration>,
    quiet: bool,
    need: &Requirements,
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
                let silent = io::Error::other(format!("no peer connected within {within:?}"));
                link::judge(address, &Err(silent.into()), need)
            })))
        }
    }
}

/// Answers callers until one of them is a doctor too.
async fn attend(listener: &TcpListener, need: &Requirements) -> Finding {
    loop {
        let answered = match listener.accept().await {
            Ok((stream, from)) => (from.to_string(), link::answer(stream).await),
            Err(error) => ("a caller".to_owned(), Err(error.into())),
        };
        match answered {
            (from, Err(Broken::Network(error))) => {
                tracing::warn!(from, %error, "a caller is turned away");
            }
            (from, line) => return link::judge(&from, &line, need),
        }
    }
}

/// Shows what was found; what is missing is the failure.
fn report(findings: &[Finding], form: Form, output: &mut Output) -> Result<()> {
    let lacking = findings.iter().filter(|one| one.state == State::Missing);
    let missing: Vec<&str> = lacking.map(|one| one.check.as_str()).collect();
    match form {
        Form::Json => output.json(&Report {
            checks: findings,
            missing: missing.clone(),
        })?,
        Form::Text { all } => show(findings, all, output)?,
    }
    match missing.as_slice() {
        [] => Ok(()),
        [one] => bail!("1 check failed: {one}"),
        several => bail!("{} checks failed: {}", several.len(), several.join(", ")),
    }
}

/// A line for each check that is not ok, its advice below it, and one line for all the others.
fn show(findings: &[Finding], all: bool, output: &mut Output) -> Result<()> {
    let is_shown = |one: &&Finding| all || one.is_asked || one.state != State::Ok;
    let shown: Vec<&Finding> = findings.iter().filter(is_shown).collect();
    let width = |text: fn(&Finding) -> usize| shown.iter().map(|one| text(one)).max().unwrap_or(0);
    let check = width(|one| one.check.chars().count());
    let state = width(|one| one.state.name().len());
    let (look, indent) = (output.look(), " ".repeat(check + state + 4));
    for one in &shown {
        let name = format!("{:<state$}", one.state.name());
        let name = look.paint(one.state.style(), &name);
        // The colour is ours, the rest may be anybody's text.
        let (checked, found) = (printable(&one.check), printable(&one.found));
        output.bytes(format!("{checked:<check$}  {name}  {found}\n").as_bytes())?;
        if !one.advice.is_empty() {
            output.line(&format!("{indent}-> {}", one.advice))?;
        }
    }
    let hidden = findings.len() - shown.len();
    match (all, hidden) {
        (true, _) | (false, 0) => Ok(()),
        (false, 1) => Ok(output.line("1 check ok; --all shows it")?),
        (false, hidden) => Ok(output.line(&format!("{hidden} checks ok; --all shows them"))?),
    }
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

    fn text(findings: &[Finding], all: bool) -> (Result<()>, String) {
        let captured = Captured::default();
        let result = report(findings, Form::Text { all }, &mut captured.output());
        (result, captured.text())
    }

    #[test]
    fn what_is_missing_fails_and_is_named_in_one_line() {
        let (result, shown) = text(&findings(), false);
        assert_eq!(
            result.unwrap_err().to_string(),
            "2 checks failed: driver, NCCL"
        );
        assert_eq!(
            shown,
            "driver  MISSING  none\n                 -> install it\n\
             NCCL    MISSING  old\n                 -> install a newer one\n\
             1 check ok; --all shows it\n"
        );
        let (result, shown) = text(&findings()[..1], false);
        result.unwrap();
        assert_eq!(shown, "1 check ok; --all shows it\n");
    }

    #[test]
    fn all_shows_what_is_ok_too() {
        let (_, shown) = text(&findings(), true);
        assert!(shown.starts_with("cores   ok       8\n"), "{shown}");
        assert!(!shown.contains("--all"), "{shown}");
    }

    #[test]
    fn json_has_every_check_and_what_is_missing() {
        let captured = Captured::default();
        report(&findings(), Form::Json, &mut captured.output()).unwrap_err();
        let result: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
        assert_eq!(result["missing"], serde_json::json!(["driver", "NCCL"]));
        assert_eq!(result["checks"][0]["state"], "ok");
        assert_eq!(result["checks"][1]["advice"], "install it");
    }
}
