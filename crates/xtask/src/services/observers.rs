//! Programs that read what a run tells: Prometheus from Debian's archive, unpacked and not installed, and a receiver of
//! OTLP from PyPI. Tests start them; where one cannot be had, tests that need it say so.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::debian;
use crate::environment::Environment;
use crate::program;

/// The version of the receiver that tests were written against.
const RECEIVER: &str = "rotel==0.0.1a15";

/// Where its program is, as its package tells.
const RECEIVER_AT: &str =
    "import pathlib, rotel; print(pathlib.Path(rotel.__file__).parent / 'rotel-agent')";

/// The variables by which tests find the programs that there are.
pub(crate) fn observers() -> Vec<(&'static str, String)> {
    let programs = [
        ("FRATMAE_TEST_PROMETHEUS", "Prometheus", prometheus()),
        ("FRATMAE_TEST_OTLP", "a receiver of OTLP", receiver()),
    ];
    let found = programs
        .into_iter()
        .filter_map(|(variable, name, path)| match path {
            Ok(path) => Some((variable, path.display().to_string())),
            Err(error) => {
                println!("test: without {name}: {error:#}");
                None
            }
        });
    found.collect()
}

/// The folder with `prometheus` and `promtool`.
fn prometheus() -> Result<PathBuf> {
    let folder = debian::unpacked("prometheus", &["prometheus"], "usr/bin/promtool")?;
    Ok(folder.join("usr/bin"))
}

fn receiver() -> Result<PathBuf> {
    let environment = Environment::new("otlp-venv", &[RECEIVER]);
    if !environment.is_installed() {
        eprintln!("{}", environment.announcement());
        environment.install()?;
    }
    let mut ask = Command::new(environment.program("python"));
    let path = program::output(ask.args(["-c", RECEIVER_AT]))?;
    Ok(PathBuf::from(path.trim()))
}
