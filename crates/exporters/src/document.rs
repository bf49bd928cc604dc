//! `docs/metrics.md`, generated from the table: a test compares the two.

#![cfg(test)]

use std::fmt::Write as _;

use crate::metric::{Kind, Metric};
use crate::table::TABLE;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");

/// What stands before the table; the rest of the page is between here and its end.
const HEAD: &str =
    "| Prometheus | OpenTelemetry | unit | kind | labels | meaning |\n|---|---|---|---|---|---|\n";

fn row(metric: &Metric) -> String {
    let samples = match metric.kind {
        Kind::Histogram => format!("`{0}_bucket`, `{0}_sum`, `{0}_count`", metric.sample()),
        Kind::Counter | Kind::Gauge => format!("`{}`", metric.sample()),
    };
    let labels = match metric.labels {
        [] => String::new(),
        labels => format!("`{}`", labels.join("`, `")),
    };
    format!(
        "| {samples} | `{}` | {} | {} | {labels} | {} |",
        metric.name,
        metric.unit.ucum(),
        metric.kind.word(),
        metric.help
    )
}

fn table() -> String {
    let mut text = HEAD.to_owned();
    for metric in TABLE {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", row(metric));
    }
    text
}

#[test]
fn the_page_of_metrics_is_the_table() {
    let page = std::fs::read_to_string(PATH).unwrap_or_default();
    let (before, after) = match page.split_once(HEAD) {
        Some((before, rest)) => {
            let rows = rest.lines().take_while(|line| line.starts_with('|'));
            let rows: usize = rows.map(|line| line.len() + 1).sum();
            (before, &rest[rows..])
        }
        None => (page.as_str(), ""),
    };
    let wanted = format!("{before}{}{after}", table());
    if page != wanted {
        let folder = std::env::temp_dir().join("metrics.md");
        std::fs::write(&folder, wanted).expect("the page is written");
        panic!(
            "docs/metrics.md is not the table: copy {} there",
            folder.display()
        );
    }
}

#[test]
fn rules_and_dashboards_ask_for_metrics_that_there_are() {
    let mut known: Vec<String> = Vec::new();
    for metric in TABLE {
        let sample = metric.sample();
        if metric.kind == Kind::Histogram {
            known.extend(["bucket", "sum", "count"].map(|end| format!("{sample}_{end}")));
        }
        known.push(sample);
    }
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    for file in [
        "prometheus/rules.yml",
        "prometheus/rules_test.yml",
        "grafana/dashboards/fratmae.json",
    ] {
        let path = format!("{}/../../deploy/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("a file of ours");
        let words = text.split(|character| !is_part(character));
        let asked: Vec<_> = words.filter(|word| word.starts_with("fratmae_")).collect();
        assert!(asked.len() > 20, "{file}");
        for word in asked {
            assert!(
                known.iter().any(|name| name == word),
                "{file} asks for {word}"
            );
        }
    }
}
