//! A run that is led by a live coordinator is left alone, on this host and from another, unless it is taken over.

use std::time::Duration;

use fratmae_tests::{
    Host, Job, TwoHosts, Undisturbed, applied, events, lacks_right, scratch, status,
};

const PATIENCE: Duration = Duration::from_secs(120);

fn job(run: impl AsRef<std::path::Path>) -> Job {
    Job::tiny(run)
        .set("train.steps=60")
        .set("checkpoint.every=50")
        .set("workers.threads=1")
        .told_as_json()
}

static UNDISTURBED: std::sync::LazyLock<Undisturbed> =
    std::sync::LazyLock::new(|| Undisturbed::of(job));

#[test]
fn a_second_start_leaves_the_first_alone_and_says_so() {
    let folder = scratch();
    let job = job(folder.path().join("run"));
    let mut first = job.start();
    first.runs_until_step(3);
    for _ in 0..2 {
        let line = job.call().run().error_line();
        for part in [
            "is led by the coordinator at http://127.0.0.1:",
            "fratmae status",
            "--take-over",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
    let first = first.wait().succeeded();
    assert_eq!(
        applied(&events(&first.stderr)),
        (1..=60).collect::<Vec<_>>()
    );
    assert_eq!(status(job.run_url())["fence"], 1);
    UNDISTURBED.assert_reached(&job, &first.digest(), "started twice");
}

#[test]
fn two_that_start_at_once_do_not_end_each_other() {
    for round in 0..4 {
        let folder = scratch();
        let job = job(folder.path().join("run"));
        let both = [job.start(), job.start()].map(|running| running.wait());
        let (led, left): (Vec<_>, Vec<_>) =
            both.iter().partition(|finished| finished.code == Some(0));
        let ([led], [left]) = (&led[..], &left[..]) else {
            panic!("round {round}, one leads: {both:?}")
        };
        assert!(
            left.error_line().contains("is led by the coordinator"),
            "round {round}: {}",
            left.stderr
        );
        UNDISTURBED.assert_reached(&job, &led.digest(), "two at once");
    }
}

#[test]
fn a_run_is_taken_over_when_asked_and_both_say_from_whom() {
    let folder = scratch();
    let job = job(folder.path().join("run"));
    let mut first = job.start();
    first.runs_until_step(3);
    let address = status(job.run_url())["coordinator"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let second = job.call().and("--take-over").run().succeeded();
    let line =
        format!("taking this run over from the coordinator at {address} (fence 1), as asked");
    assert!(second.stderr.contains(&line), "{}", second.stderr);
    let line = first.wait().error_line();
    assert!(
        line.contains("another coordinator (http://127.0.0.1:")
            && line.contains("has taken over this run; exiting"),
        "{line}"
    );
    UNDISTURBED.assert_reached(&job, &second.digest(), "taken over");
}

#[test]
fn a_coordinator_at_a_loopback_address_of_another_host_is_left_alone_too() {
    let hosts = match TwoHosts::start() {
        Ok(hosts) => hosts,
        Err(reason) => {
            return lacks_right(
                "two hosts",
                &format!("network namespaces cannot be made ({reason})"),
            );
        }
    };
    let folder = scratch();
    // Long enough to be led while the second one watches it.
    let job = job(folder.path().join("run")).set("train.steps=4000");
    let mut first = job
        .call()
        .through(&hosts.on(Host::First))
        .within(PATIENCE)
        .start();
    first.runs_until_step(1);
    let second = job.call().through(&hosts.on(Host::Second)).within(PATIENCE);
    let second = second.run();
    assert!(
        second.error_line().contains("which is alive (step "),
        "{}",
        second.stderr
    );
    assert!(
        second.stderr.contains("at a loopback address"),
        "{}",
        second.stderr
    );
    assert!(first.is_running());
}
