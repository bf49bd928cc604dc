//! `fratmae chaos`: a real run of processes on this machine, disturbed by a seed, beside the same run undisturbed.
//!
//! Here is the order of things. What goes wrong is planned in `plan.rs`, done in `injection.rs` and judged in
//! `scorecard.rs` and by the `proof` crate.

mod disk;
mod fault;
mod hosts;
mod injection;
mod liar;
mod log_event;
mod means;
mod plan;
mod process;
mod records;
mod report;
mod run_dir;
mod scorecard;
mod stillness;
mod stuck_bit;
mod supervisor;
mod timeline;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum as _};
use serde_json::Value;

use self::{
    fault::Kind,
    liar::Talk,
    means::Means,
    plan::{Wanted, crew, plan},
    report::ChaosReport,
    run_dir::RunDir,
    scorecard::Scorecard,
    supervisor::{Calls, Supervisor},
    timeline::TimelineEvent,
};
use crate::{
    commands::{
        job::{Job, Values},
        target::here,
    },
    exit::Stopped,
    output::Output,
    progress::Progress,
    signals::{self, Signals},
};

/// The job where none is named: seconds of work for any processor.
const JOB: &str = include_str!("../../../../configs/invariance.toml");
/// Steps of that job that a machine of two cores makes in a second, with room for faults.
const PACE: u64 = 12;
/// What chaos sets before the job's own values are read: deadlines short enough that each is met within a call.
const SETS: [&str; 8] = [
    "coordinator.worker_timeout_s=3",
    "coordinator.join_timeout_s=600",
    "collective.deadline_s=5",
    "store.stall_ms=1000",
    "store.patience_s=3",
    "workers.coordinator_patience_s=60",
    "workers.threads=1",
    "checkpoint.every=20",
];
/// How long a run may take to its next step once nothing is done to it any more.
const HEALING: Duration = Duration::from_secs(120);

/// Injects faults into a test run and checks that the weights do not change.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae chaos runs/chaos --for 30s --seed 1
  fratmae chaos runs/chaos --for 10m --only kill-worker,cut-peers --every 3s
  fratmae chaos runs/chaos --for 5m --seed 2 --config job.toml --data data/mine

RUN receives the run, the same run undisturbed, logs and scorecard.json. The command fails if the weights differ or a sample is lost or doubled. Network faults need root, for a network namespace per process.")]
pub(crate) struct Arguments {
    /// An empty or new folder, or one of an earlier chaos run
    #[arg(value_name = "RUN", value_parser = here())]
    run: PathBuf,
    /// How long to inject faults, e.g. 30s, 10m or 2h; then the run may finish undisturbed
    #[arg(long = "for", value_name = "TIME", value_parser = time, default_value = "30s")]
    length: Duration,
    /// Seed of the fault plan
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Workers in the group [default: two to six, by the seed]
    #[arg(long, value_name = "W")]
    workers: Option<usize>,
    /// Only these kinds of faults, comma-separated
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    only: Vec<Kind>,
    /// Inject one fault every TIME (e.g. 3s) instead of at random moments
    #[arg(long, value_name = "TIME", value_parser = time)]
    every: Option<Duration>,
    /// Job file (TOML) [default: a tiny job that lasts as long as the faults]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change one value of the job, such as train.lr=2e-4; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the prepared data set is [default: phantoms, made in RUN]
    #[arg(long, value_name = "URL")]
    data: Option<String>,
    /// Expected weights digest; the undisturbed run is then skipped
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// The scorecard as one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// What to say to a coordinator, as a process of another call does that injects `lie` or `flood`
    #[arg(long, value_enum, hide = true, requires = "talk_to")]
    talk: Option<Talk>,
    /// Where that coordinator is
    #[arg(long, hide = true)]
    talk_to: Option<String>,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    if let Some((talk, address)) = arguments.talk.zip(arguments.talk_to.as_deref()) {
        return Ok(liar::talk_to(address, arguments.seed, talk).await?);
    }
    let _signals = Signals::catch_in_order()?;
    match disturb(arguments, quiet, output).await {
        // Whatever failed did so because it was stopped.
        Err(_) if signals::is_asked() => bail!(Stopped::resumable(
            "stopped; run the same command to start over"
        )),
        ended => ended,
    }
}

async fn disturb(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let folder = RunDir::take(&arguments.run)?;
    let job = arguments.job(&folder)?;
    let config = job.resolve()?;
    let (workers, standbys) = crew(arguments.seed, arguments.workers, config.train.slots);
    let calls = Calls {
        program: program()?,
        job: words(&job),
        workers,
        places: workers + standbys,
        steps: config.train.steps,
    };
    let wanted = arguments.kinds();
    let means = Means::find(wanted, calls.places, &folder);
    let (kinds, left_out) = (means.possible(wanted), means.reasons());
    ensure!(
        !kinds.is_empty(),
        "no kind of fault is left to do: {}",
        left_out.join("; ")
    );
    let plan = plan(&arguments.wanted(calls.places, &kinds));
    let again = arguments.again();
    let mut progress = Progress::start("chaos", quiet);
    announce(&mut progress, &calls, plan.len(), arguments, &left_out);
    let ended = Supervisor::new(&calls, &folder, &means, &mut progress).run(&plan, HEALING);
    drop(progress);
    let (summary, timeline) = ended.with_context(|| format!("again: {again}"))?;
    drop(means);
    let (digest, undisturbed) =
        records::undisturbed(arguments.digest.as_deref(), &folder, &calls, quiet).await?;
    let audit = records::audit(&folder, &config, undisturbed.as_deref()).await?;
    let scorecard = Scorecard::of(&plan, &timeline);
    let mut report = ChaosReport {
        seed: arguments.seed,
        workers,
        standbys,
        steps: config.train.steps,
        seconds: timeline
            .last()
            .map_or(0.0, |last: &TimelineEvent| last.at.as_secs_f64()),
        left_out,
        never_done: scorecard.never_done(),
        scorecard,
        audit,
        weights_digest: text(&summary, "weights_digest"),
        undisturbed_digest: digest,
        is_sound: false,
        again,
    };
    report.is_sound = report.complaint().is_none();
    finish(&report, &folder, arguments.json, output)
}

fn announce(
    progress: &mut Progress,
    calls: &Calls,
    faults: usize,
    arguments: &Arguments,
    left_out: &[String],
) {
    progress.note(&format!(
        "{} steps with {} workers and {} standing by; {faults} faults in {:.0} s, seed {}; logs in {}",
        calls.steps,
        calls.workers,
        calls.places - calls.workers,
        arguments.length.as_secs_f64(),
        arguments.seed,
        arguments.run.join("logs").display()
    ));
    for line in left_out {
        progress.note(&format!("left out: {line}"));
    }
}

fn finish(report: &ChaosReport, folder: &RunDir, json: bool, output: &mut Output) -> Result<()> {
    let place = folder.place("scorecard.json");
    std::fs::write(&place, format!("{:#}\n", serde_json::to_value(report)?))
        .with_context(|| format!("cannot write {}", place.display()))?;
    match json {
        true => output.json(report)?,
        false => report.show(output)?,
    }
    match report.complaint() {
        Some(complaint) => bail!("{complaint}; again: {}", report.again),
        None => Ok(()),
    }
}

impl Arguments {
    fn wanted<'a>(&self, places: usize, kinds: &'a [Kind]) -> Wanted<'a> {
        Wanted {
            seed: self.seed,
            length: self.length,
            places,
            kinds,
            every: self.every,
        }
    }

    /// The job: what chaos sets, then the file or the tiny job, then what was typed.
    fn job(&self, folder: &RunDir) -> Result<Job> {
        let mut set: Vec<String> = SETS.map(str::to_owned).to_vec();
        let config = match &self.config {
            Some(config) => config.clone(),
            None => {
                let place = folder.place("job.toml");
                std::fs::write(&place, JOB)?;
                let steps = self.length.as_secs().max(1) * PACE;
                set.push(format!("train.steps={steps}"));
                for (key, name) in [("data.url", "data"), ("data.source", "phantoms")] {
                    set.push(format!("{key}={}", folder.place(name).display()));
                }
                place
            }
        };
        set.extend(self.set.iter().cloned());
        Ok(Job {
            values: Values {
                config: Some(config),
                set,
            },
            data: self.data.clone(),
            ..Job::default()
        })
    }

    /// The kinds of faults that are asked for.
    fn kinds(&self) -> &[Kind] {
        match self.only.as_slice() {
            [] => Kind::value_variants(),
            only => only,
        }
    }

    /// The line that does the same again.
    fn again(&self) -> String {
        let mut words = vec![format!("fratmae chaos {}", self.run.display())];
        words.push(format!(
            "--for {}s --seed {}",
            self.length.as_secs_f64(),
            self.seed
        ));
        words.extend(self.workers.map(|workers| format!("--workers {workers}")));
        let kinds: Vec<String> = self.only.iter().map(|kind| kind.name()).collect();
        words.extend((!kinds.is_empty()).then(|| format!("--only {}", kinds.join(","))));
        words.extend(
            self.every
                .map(|every| format!("--every {}s", every.as_secs_f64())),
        );
        words.extend(
            self.config
                .iter()
                .map(|config| format!("--config {}", config.display())),
        );
        words.extend(self.set.iter().map(|set| format!("--set '{set}'")));
        words.extend(self.data.iter().map(|data| format!("--data {data}")));
        words.join(" ")
    }
}

fn program() -> Result<String> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(program.display().to_string())
}

/// A job as it is typed after `pretrain` or `coordinator`.
fn words(job: &Job) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(config) = &job.values.config {
        words.extend(["--config".to_owned(), config.display().to_string()]);
    }
    words.extend(
        job.values
            .set
            .iter()
            .flat_map(|set| ["--set".to_owned(), set.clone()]),
    );
    words.extend(
        job.data
            .iter()
            .flat_map(|data| ["--data".to_owned(), data.clone()]),
    );
    words
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// Reads `0.5s`, `30s`, `10m` or `2h`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let complaint = || format!("`{text}` is no time such as 30s, 10m or 2h");
    let unit = match text.bytes().last() {
        Some(b's') => 1.0,
        Some(b'm') => 60.0,
        Some(b'h') => 3600.0,
        _ => return Err(complaint()),
    };
    let count: f64 = text[..text.len() - 1].parse().map_err(|_| complaint())?;
    Duration::try_from_secs_f64(count * unit).map_err(|_| complaint())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments;

    fn parsed(line: &str) -> Arguments {
        use clap::Parser as _;
        let words = format!("fratmae chaos {line}");
        let parsed = arguments::Arguments::try_parse_from(words.split_whitespace()).unwrap();
        match parsed.command {
            arguments::Command::Chaos(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn times_have_a_unit() {
        let seconds = |text| time(text).map(|time| time.as_secs_f64()).ok();
        assert_eq!(seconds("0.5s"), Some(0.5));
        assert_eq!(seconds("10m"), Some(600.0));
        assert_eq!(seconds("2h"), Some(7200.0));
        for wrong in ["", "s", "10", "-1s", "1d", "ns"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_call_can_be_read_back_from_the_line_that_does_it_again() {
        let line = "r --for 90s --seed 7 --workers 4 --only kill-worker,cut-peers --every 3s --set a.b=1 --data d";
        let again = parsed(line).again();
        let back = parsed(&again.trim_start_matches("fratmae chaos ").replace('\'', ""));
        assert_eq!(back.again(), again);
        assert_eq!(
            (back.seed, back.length, back.workers),
            (7, Duration::from_secs(90), Some(4))
        );
        assert_eq!(back.only, [Kind::KillWorker, Kind::CutPeers]);
    }

    #[test]
    fn without_a_job_there_is_a_tiny_one_that_lasts_as_long_as_the_faults() {
        let folder = tempfile::tempdir().unwrap();
        let ours = RunDir::take(folder.path()).unwrap();
        let config = parsed("r --for 30s").job(&ours).unwrap().resolve().unwrap();
        assert_eq!(config.train.steps, 30 * PACE);
        assert_eq!(
            (config.collective.deadline_s, config.workers.threads),
            (5, 1)
        );
        let changed = parsed("r --set train.steps=9 --data d")
            .job(&ours)
            .unwrap()
            .resolve()
            .unwrap();
        assert_eq!((changed.train.steps, changed.data.url.as_str()), (9, "d"));
    }
}
