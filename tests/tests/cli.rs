//! What every command does alike: help with examples, completions, JSON that parses, one line for a failure, and no
//! panic when nobody reads.

use fratmae_tests::{Job, fratmae, phantoms, scratch};
use serde_json::Value;

const COMMANDS: [&[&str]; 18] = [
    &["phantom"],
    &["prepare"],
    &["pretrain"],
    &["worker"],
    &["coordinator"],
    &["config"],
    &["status"],
    &["doctor"],
    &["dataset", "inspect"],
    &["dataset", "verify"],
    &["dataset", "order"],
    &["checkpoint", "list"],
    &["checkpoint", "rollback"],
    &["checkpoint", "save"],
    &["checkpoint", "show"],
    &["checkpoint", "verify"],
    &["completions"],
    &[],
];

#[test]
fn the_help_of_every_command_has_an_example_that_parses() {
    for command in COMMANDS {
        let help = fratmae(command.iter().copied())
            .and("--help")
            .run()
            .succeeded();
        let examples = help
            .stdout
            .split_once("Examples:")
            .map(|(_, examples)| examples);
        let examples = examples.unwrap_or_else(|| panic!("{}:\n{}", help.call, help.stdout));
        let own = format!("fratmae {}", command.join(" "));
        assert!(
            examples
                .lines()
                .any(|line| line.trim().starts_with(own.trim())),
            "{own}:\n{examples}"
        );
    }
}

#[test]
fn the_program_names_its_version() {
    let version = fratmae(["--version"]).run().succeeded().stdout;
    let start = format!("fratmae {} (", env!("CARGO_PKG_VERSION"));
    assert!(version.starts_with(&start), "{version}");
    assert!(
        version.contains("CPU only)") || version.contains("features: "),
        "{version}"
    );
    let of_a_command = fratmae(["pretrain", "--version"]).run();
    assert_eq!(
        of_a_command.code,
        Some(2),
        "a command has no version of its own"
    );
}

#[test]
fn completions_are_valid_for_the_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = fratmae(["completions", shell]).run().succeeded().stdout;
        assert!(
            script.contains("pretrain") && script.contains("strict"),
            "{shell}"
        );
        if shell == "bash" {
            let folder = scratch();
            let file = folder.path().join("fratmae.bash");
            std::fs::write(&file, script).unwrap();
            let checked = std::process::Command::new("bash")
                .arg("-n")
                .arg(file)
                .status()
                .unwrap();
            assert!(checked.success());
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let data = &phantoms().data;
    let calls = [
        fratmae(["--help"]),
        fratmae(["completions", "bash"]),
        fratmae(["dataset", "inspect"]).and(data),
        fratmae(["dataset", "inspect", "--json"]).and(data),
        fratmae(["dataset", "verify"]).and(data),
        fratmae(["dataset", "order", "--seed=1", "--epoch=0", "--data"]).and(data),
    ];
    for call in calls {
        let finished = call.without_reader().run();
        finished.no_panic();
        assert!(
            !finished.stderr.contains("error"),
            "{}: {}",
            finished.call,
            finished.stderr
        );
    }
}

/// Every command that reports, on a finished run.
#[test]
#[expect(clippy::too_many_lines, reason = "every command once")]
fn json_is_one_object_on_the_last_line_and_text_is_something_else() {
    let folder = scratch();
    let place = |name: &str| folder.path().join(name);
    let [run, source, data, weights, first, picture] =
        ["run", "source", "data", "weights", "first", "case.png"].map(place);
    Job::tiny(&run).set("train.steps=1").finish();
    let tiny = ["--shape=8x8x8", "--spacing=50x50x50"];
    let calls = [
        (
            fratmae(["phantom", "--cases=2"])
                .and(tiny[0])
                .and(tiny[1])
                .and("--out")
                .and(&source),
            "cases",
        ),
        (
            fratmae(["prepare", "--grid=8x8x8"])
                .and(&source)
                .and("--out")
                .and(&data),
            "prepared",
        ),
        (fratmae(["dataset", "inspect"]).and(&data), "cases"),
        (fratmae(["dataset", "verify"]).and(&data), "content_digest"),
        (fratmae(["status"]).and(&run), "state"),
        (fratmae(["checkpoint", "list"]).and(&run), "checkpoints"),
        (fratmae(["checkpoint", "show"]).and(&run), "parts"),
        (fratmae(["checkpoint", "verify"]).and(&run), "checkpoints"),
        (fratmae(["dataset", "order"]).and(&data), "samples"),
        (
            fratmae(["export"]).and(&run).and("--out").and(&weights),
            "parameters",
        ),
        (
            fratmae(["model", "picture"])
                .and(&run)
                .and("--out")
                .and(&picture),
            "ct_reconstruction",
        ),
        (
            fratmae(["model", "init", "--config", "invariance", "--out"]).and(&first),
            "parameters",
        ),
        (fratmae(["config", "invariance"]), "keys"),
        (fratmae(["doctor"]), "checks"),
    ];
    for (call, key) in calls {
        let json = call.clone().and("--json").run().succeeded();
        assert!(
            json.json().get(key).is_some(),
            "{}: {}",
            json.call,
            json.stdout
        );
        assert_eq!(json.stdout.lines().count(), 1, "{}", json.call);
        let text = call.run().succeeded().stdout;
        assert!(
            !text.is_empty() && serde_json::from_str::<Value>(&text).is_err(),
            "{text}"
        );
    }
}

#[test]
fn nothing_there_is_told_in_one_line() {
    let folder = scratch();
    let nothing = folder.path().join("nothing");
    let calls = [
        fratmae(["status"]).and(&nothing),
        fratmae(["checkpoint", "list"]).and(&nothing),
        fratmae(["checkpoint", "verify"]).and(&nothing),
        fratmae(["checkpoint", "show"]).and(&nothing),
        fratmae(["dataset", "inspect"]).and(&nothing),
        fratmae(["dataset", "verify"]).and(&nothing),
    ];
    for call in calls {
        let line = call.and("--quiet").run().only_line();
        assert!(line.contains("nothing"), "{line}");
    }
    assert!(!nothing.exists(), "looking makes nothing");
}

#[test]
fn a_worker_without_a_coordinator_says_so_in_one_line() {
    let worker = fratmae(["worker", "--quiet", "--coordinator", "http://127.0.0.1:9"]);
    let line = worker.run().only_line();
    assert!(line.contains("127.0.0.1:9"), "{line}");
}

#[test]
fn log_lines_become_json() {
    let folder = scratch();
    let job = Job::tiny(folder.path().join("run")).set("train.steps=1");
    let call = job
        .call()
        .and("--log")
        .and("json")
        .with("RUST_LOG", "fratmae=debug,fratmae_worker=debug,info");
    let said = call.run().succeeded().stderr;
    let logged: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let of_a_worker = |line: &&Value| line["worker"] == "local-0" && line["run"].is_string();
    let of_a_worker = logged.iter().find(of_a_worker);
    assert!(
        of_a_worker.is_some_and(|line| line["host"].is_string()),
        "{said}"
    );
    let find = |message: &str| logged.iter().find(|line| line["message"] == message);
    assert_eq!(
        find("generation began").unwrap()["members"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let step = find("step applied").unwrap();
    let metrics = fratmae_pretrain::METRICS.iter().map(|metric| metric.name);
    for field in metrics.chain(["steps", "samples_per_second"]) {
        assert!(step[field].is_number(), "{field} in {step}");
    }
    assert!(find("run finished").unwrap()["weights_digest"].is_string());
}

#[test]
fn an_error_is_json_as_well_where_lines_are() {
    let folder = scratch();
    let nothing = folder.path().join("nothing");
    for (call, code) in [
        (fratmae(["status", "--log", "json"]).and(&nothing), 1),
        (
            fratmae(["pretrain", "--log=json", "--set", "train.lr=x"]),
            2,
        ),
        (fratmae(["status", "--log=json"]), 2),
    ] {
        let finished = call.run();
        assert_eq!(finished.code, Some(code), "{}", finished.call);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        let line: Value = serde_json::from_str(&finished.stderr).unwrap();
        assert_eq!(
            (&line["level"], &line["target"]),
            (&"ERROR".into(), &"fratmae".into())
        );
        assert!(!line["message"].as_str().unwrap().is_empty());
    }
}
