//! Prometheus reads a run, in both formats, and its alerts fire; the rules that are shipped do what their tests say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fratmae_telemetry::Account;
use fratmae_tests::{
    Job, Running, Signal, address_of, coordinator, events, http_get, metrics_of, program_call,
    prometheus, scratch, send, wait_for, worker,
};
use serde_json::Value;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/prometheus");
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that lasts for a while, and serves metrics.
fn job(run: impl AsRef<Path>) -> Job {
    Job::long(run)
        .set("train.steps=400")
        .set("workers.threads=1")
        .told_as_json()
        .metrics("127.0.0.1:0")
}

/// The value of the series whose line begins so.
fn value(text: &str, series: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(series))?;
    rest.trim().parse().ok()
}

#[test]
fn a_run_tells_its_metrics_in_both_formats() {
    let folder = scratch();
    let job = job(folder.path().join("run"));
    let mut running = job.start();
    let address = metrics_of(&mut running);
    running.runs_until_step(6);
    let run = job.run_url();
    let committed = format!("fratmae_run_committed_step{{run=\"{run}\"}}");
    // How a run stands is told twice a second.
    let (head, text) = wait_for("a checkpoint", PATIENCE, || {
        let page = http_get(&address, "/metrics", "*/*").ok()?;
        value(&page.1, &committed).map(|_| page)
    });
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains("version=0.0.4"),
        "{head}"
    );
    let of_run = |name: &str| value(&text, &format!("{name}{{run=\"{run}\"}}"));
    assert!(of_run("fratmae_run_step").unwrap() >= 4.0, "{text}");
    assert_eq!(of_run("fratmae_run_last_step"), Some(400.0));
    assert!(of_run("fratmae_run_samples_total").unwrap() >= 64.0);
    assert!(of_run("fratmae_run_committed_step").unwrap() >= 4.0);
    let loss = format!("fratmae_run_metric{{run=\"{run}\",name=\"loss\"}}");
    assert!(value(&text, &loss).unwrap() > 0.0, "{text}");
    let members = format!("fratmae_run_workers{{run=\"{run}\",state=\"member\"}}");
    assert_eq!(value(&text, &members), Some(2.0));
    let puts = "fratmae_store_requests_total{operation=\"create\",result=\"ok\"}";
    assert!(value(&text, puts).unwrap() > 0.0, "{text}");
    let (head, open) = http_get(&address, "/metrics", OPEN_METRICS).unwrap();
    assert!(
        head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(open.ends_with("# EOF\n"), "{open}");
    for probe in ["/healthz", "/readyz"] {
        let (head, _) = http_get(&address, probe, "*/*").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{probe}: {head}");
    }
    let (head, _) = http_get(&address, "/other", "*/*").unwrap();
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    if let Some(programs) = prometheus("promtool check metrics") {
        check_metrics(&programs, &text);
    }
    running.kill_all();
}

/// Has promtool look at a page.
fn check_metrics(programs: &Path, text: &str) {
    let mut promtool = Command::new(programs.join("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut page = promtool.stdin.take().unwrap();
    page.write_all(text.as_bytes()).unwrap();
    drop(page);
    let checked = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(
        checked.status.success() && said.is_empty(),
        "{said}\n{text}"
    );
}

fn metrics_of_worker(own: &mut Running) -> String {
    wait_for("an address of metrics", PATIENCE, || {
        let said = own.said();
        let (_, rest) = said.split_once("metrics are at http://")?;
        rest.split_once("/metrics")
            .map(|(address, _)| address.to_owned())
    })
}

#[test]
fn a_worker_that_waits_for_its_coordinator_lives_and_is_not_ready() {
    let own = worker("127.0.0.1:1").and("--wait=1h");
    let own = own.and("--metrics=127.0.0.1:0").and("--log=json");
    let mut own = own.start();
    let metrics = metrics_of_worker(&mut own);
    for (probe, code) in [("/healthz", "200"), ("/readyz", "503")] {
        let (head, _) = http_get(&metrics, probe, "*/*").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {code}")),
            "{probe}: {head}"
        );
    }
    own.kill_all();
    own.wait();
}

#[test]
fn a_worker_tells_its_own() {
    let folder = scratch();
    let mut leader = coordinator(&folder.path().join("run"))
        .and("--workers=1")
        .and("--set=train.steps=400")
        .start();
    let address = address_of(&mut leader);
    let own = worker(&address)
        .and("--metrics=127.0.0.1:0")
        .and("--log=json");
    let mut own = own.start();
    leader.runs_until_step(5);
    let metrics = metrics_of_worker(&mut own);
    let (head, _) = http_get(&metrics, "/readyz", "*/*").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (_, text) = http_get(&metrics, "/metrics", "*/*").unwrap();
    for phase in ["load", "forward", "backward", "optimizer"] {
        let series = format!("fratmae_phase_duration_seconds_count{{phase=\"{phase}\"}}");
        assert!(value(&text, &series).unwrap() >= 5.0, "{phase}: {text}");
    }
    assert!(
        value(&text, "fratmae_step_duration_seconds_count").unwrap() >= 5.0,
        "{text}"
    );
    assert!(
        value(&text, "fratmae_process_memory_bytes").unwrap() > 1e6,
        "{text}"
    );
    let accounts = text.lines().filter_map(|line| {
        let rest = line.strip_prefix("fratmae_process_time_seconds_total{account=\"")?;
        let (account, seconds) = rest.split_once("\"} ")?;
        Some((account, seconds.parse::<f64>().unwrap()))
    });
    let accounts: std::collections::BTreeMap<_, _> = accounts.collect();
    assert_eq!(accounts.len(), Account::ALL.len(), "{text}");
    assert!(accounts["forward"] > 0.0 && accounts["start"] > 0.0);
    let sent = "fratmae_collective_io_bytes_total{direction=\"sent\"}";
    assert_eq!(value(&text, sent), Some(0.0), "it is alone: {text}");
    assert!(own.is_running());
    own.kill_all();
    leader.kill_all();
}

#[test]
fn an_address_that_cannot_be_had_is_said_in_one_line() {
    let folder = scratch();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let job = Job::tiny(folder.path().join("run")).metrics(&address);
    let line = job.call().and("--quiet").run().only_line();
    assert!(line.contains(&format!("--metrics {address}")), "{line}");
}

#[test]
fn the_rules_do_what_their_tests_say() {
    let Some(programs) = prometheus("promtool test rules") else {
        return;
    };
    for words in [
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules_test.yml"],
    ] {
        let promtool = Command::new(programs.join("promtool"))
            .args(words)
            .current_dir(DEPLOY)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&promtool.stdout);
        let failed = String::from_utf8_lossy(&promtool.stderr);
        assert!(promtool.status.success(), "{words:?}: {said}{failed}");
    }
}

/// A Prometheus of a test's own, with the rules that are shipped; what an alert waits for is shortened to a second.
struct Prometheus {
    address: String,
    _process: Running,
}

impl Prometheus {
    fn start(programs: &Path, folder: &Path, target: &str) -> Self {
        let rules = std::fs::read_to_string(format!("{DEPLOY}/rules.yml")).unwrap();
        let hasty = rules
            .lines()
            .map(|line| match line.trim_start().starts_with("for: ") {
                true => "        for: 1s",
                false => line,
            });
        let hasty = hasty.collect::<Vec<_>>().join("\n");
        std::fs::write(folder.join("rules.yml"), hasty).unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
             scrape_configs:\n- job_name: fratmae\n  static_configs: [{{targets: [\"{target}\"]}}]\n"
        );
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let path = |name: &str| folder.join(name).display().to_string();
        let process = program_call(
            programs.join("prometheus"),
            [
                format!("--config.file={}", path("prometheus.yml")),
                format!("--storage.tsdb.path={}", path("tsdb")),
                format!("--web.listen-address={address}"),
            ],
        );
        let process = process.start();
        Self {
            address,
            _process: process,
        }
    }

    fn ask(&self, path: &str) -> Option<Value> {
        let (_, body) = http_get(&self.address, path, "*/*").ok()?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    /// Waits until an alert fires.
    fn fires(&self, name: &str) {
        wait_for(name, PATIENCE, || {
            let alerts = self.ask("/api/v1/alerts")?;
            let is_it =
                |alert: &&Value| alert["labels"]["alertname"] == name && alert["state"] == "firing";
            alerts["alerts"].as_array()?.iter().find(is_it).map(drop)
        });
    }

    /// Waits until a query finds something.
    fn finds(&self, query: &str) {
        let path: String = query
            .bytes()
            .map(|byte| match byte.is_ascii_alphanumeric() {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02x}"),
            })
            .collect();
        wait_for(query, PATIENCE, || {
            let found = self.ask(&format!("/api/v1/query?query={path}"))?;
            (!found["result"].as_array()?.is_empty()).then_some(())
        });
    }

    /// The one target, once it was scraped.
    fn target(&self) -> Option<Value> {
        let targets = self.ask("/api/v1/targets")?;
        let target = targets["activeTargets"][0].clone();
        matches!(target["health"].as_str(), Some("up" | "down")).then_some(target)
    }
}

/// What the panels, variables and marks of the dashboard ask Prometheus, of all runs.
fn queries_of_the_dashboard() -> Vec<String> {
    let file = format!("{DEPLOY}/../grafana/dashboards/fratmae.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let targets = |panel: &Value| panel["targets"].as_array().unwrap().clone();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let marks = dashboard["annotations"]["list"].as_array().unwrap().clone();
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    // label_values(SERIES, LABEL)
    let series = variables.filter_map(|variable| {
        let query = variable["query"]["query"].as_str()?;
        let (series, _) = query.strip_prefix("label_values(")?.split_once(',')?;
        Some(series.to_owned())
    });
    let asked = panels.flat_map(targets).chain(marks);
    let asked = asked.map(|it| it["expr"].as_str().unwrap().to_owned());
    let of_all = |query: String| {
        query
            .replace("$run", ".*")
            .replace("$job", ".*")
            .replace("$__interval", "1m")
    };
    asked.chain(series).map(of_all).collect()
}

fn started(folder: &Path, target: &str) -> Option<(PathBuf, Prometheus)> {
    let programs = prometheus("alerts that fire")?;
    let own = folder.join("prometheus");
    std::fs::create_dir(&own).unwrap();
    let started = Prometheus::start(&programs, &own, target);
    Some((programs, started))
}

#[test]
fn prometheus_reads_a_run_without_an_error_and_alerts_of_what_happens_fire() {
    let folder = scratch();
    let mut running = job(folder.path().join("run")).workers(3).start();
    let address = metrics_of(&mut running);
    let Some((_, prometheus)) = started(folder.path(), &address) else {
        running.kill_all();
        return;
    };
    running.runs_until_step(5);
    let target = wait_for("a scrape", PATIENCE, || prometheus.target());
    assert_eq!(
        (&target["health"], &target["lastError"]),
        (&"up".into(), &"".into())
    );
    // What was read once before can have increased.
    wait_for("a verdict that is not there", PATIENCE, || {
        let found = prometheus.ask("/api/v1/query?query=fratmae_run_verdicts_total")?;
        found["result"]
            .as_array()
            .filter(|found| !found.is_empty())
            .map(drop)
    });
    send(running.children()[1], Signal::SIGKILL);
    prometheus.fires("FratmaeVerdict");
    for query in queries_of_the_dashboard() {
        prometheus.finds(&query);
    }
    let target = prometheus.target().unwrap();
    assert_eq!(target["lastError"], "");
    let steps = events(&running.said()).len();
    assert!(steps > 5);
    running.kill_all();
    prometheus.fires("FratmaeScrapeGone");
}

#[test]
fn a_run_with_fewer_workers_than_it_begins_with_is_alerted_of() {
    let folder = scratch();
    let mut leader = coordinator(&folder.path().join("run"))
        .and("--workers=2")
        .and("--metrics=127.0.0.1:0")
        .start();
    let metrics = metrics_of(&mut leader);
    let Some((_, prometheus)) = started(folder.path(), &metrics) else {
        leader.kill_all();
        return;
    };
    let address = address_of(&mut leader);
    let lonely = worker(&address).start();
    prometheus.fires("FratmaeBelowMinimum");
    leader.kill_all();
    lonely.kill_all();
}
