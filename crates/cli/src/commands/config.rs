//! `fratmae config`: the resolved job, every key with its value, default, unit and reason. What that is, is the `config`
//! crate's.

use anyhow::Result;
use clap::Args;
use fratmae_config::Key;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::job::{Job, Named},
    output::Output,
    table::Table,
};

/// Prints a job file with every key, its value and what it is for.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae config > mine.toml              a job file with all defaults, to edit
  fratmae config quickstart > first.toml  the built-in first run
  fratmae config job.toml --workers 4     the job that `pretrain` would run
  fratmae config --list                   keys, values, units and ranges

Later values win: defaults, the file's model.preset, the file's own keys, each --set in its order (model.preset there sets all its sizes), and at last --workers, --run, --data.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    job: Job,
    /// A table of all keys instead of a job file
    #[arg(long, conflicts_with = "json")]
    list: bool,
    /// One JSON object instead of a job file
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    keys: Vec<Key>,
    presets: Vec<&'static str>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let config = arguments.job.resolve_with(&arguments.named, None, None)?;
    if arguments.json {
        let presets = fratmae_config::PRESETS.to_vec();
        let keys = config.keys();
        return Ok(output.json(&Report { keys, presets })?);
    }
    if arguments.list {
        return Ok(output.table(&table(&config.keys()))?);
    }
    Ok(output.bytes(config.to_toml().as_bytes())?)
}

fn table(keys: &[Key]) -> Table {
    let mut table = Table::new(&["key", "value", "default", "unit", "allowed"]);
    for key in keys {
        let default = match key.value == key.default {
            true => String::new(),
            false => shown(&key.default),
        };
        table.row(vec![
            key.key.to_owned(),
            shown(&key.value),
            default,
            key.unit.unwrap_or_default().to_owned(),
            key.allowed.clone(),
        ]);
    }
    table
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;

    fn printed(list: bool, json: bool) -> String {
        let captured = Captured::default();
        let arguments = Arguments {
            named: Named::default(),
            job: Job {
                workers: Some("4".parse().unwrap()),
                ..Job::default()
            },
            list,
            json,
        };
        run(&arguments, &mut captured.output()).unwrap();
        captured.text()
    }

    #[test]
    fn the_job_file_the_table_and_json_show_the_same_value() {
        assert!(printed(false, false).contains("\ncount = 4  # default: 2\n"));
        let list = printed(true, false);
        let line = list.lines().find(|line| line.starts_with("workers.count"));
        assert!(
            line.is_some_and(|line| line.contains(" 4 ") && line.contains(" 2 ")),
            "{list}"
        );
        let value: Value = serde_json::from_str(&printed(false, true)).unwrap();
        let keys = value["keys"].as_array().unwrap();
        let count = keys
            .iter()
            .find(|key| key["key"] == "workers.count")
            .unwrap();
        assert_eq!((&count["value"], &count["default"]), (&4.into(), &2.into()));
    }
}
