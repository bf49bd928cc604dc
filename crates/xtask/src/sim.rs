//! `cargo xtask sim`: simulated runs of `control` from many seeds, every mutation, and the cost of many workers.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::program;

/// Runs the simulation with these words, or with what stands in the documents: 100,000 seeds, all mutations, up to
/// 10,000 workers.
///
/// # Errors
/// cargo could not be started.
pub(crate) fn run(words: &[String]) -> Result<ExitCode> {
    for words in calls(words)? {
        let mut call = program::cargo(&["run", "--release", "--locked", "--quiet"]);
        call.args(["-p", "fratmae-simulation", "--"]).args(&words);
        println!("sim: {}", words.join(" "));
        if !program::watch(&mut call)?.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the simulation is called with, call by call.
fn calls(words: &[String]) -> Result<Vec<Vec<String>>> {
    let call = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<String>>();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Ok(vec![
            call("--seeds 100000"),
            call("--mutations"),
            call("--workers 10000"),
        ]),
        ["--seeds" | "--seed" | "--market", number] if number.parse::<u64>().is_ok() => {
            Ok(vec![call(&words.join(" "))])
        }
        _ => bail!(
            "`{}` is not understood: sim [--seeds N | --seed N | --market MINUTES]",
            words.join(" ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(line: &str) -> Result<Vec<Vec<String>>> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        calls(&words)
    }

    #[test]
    fn without_words_everything_is_simulated() {
        let calls = called("").unwrap();
        let first: Vec<&str> = calls.iter().map(|call| call[0].as_str()).collect();
        assert_eq!(first, ["--seeds", "--mutations", "--workers"]);
    }

    #[test]
    fn seeds_are_handed_on_and_other_words_refused() {
        assert_eq!(called("--seeds 500").unwrap(), [["--seeds", "500"]]);
        assert_eq!(called("--seed 7").unwrap(), [["--seed", "7"]]);
        assert_eq!(called("--market 30").unwrap(), [["--market", "30"]]);
        for line in ["--seeds", "--seeds many", "500"] {
            assert!(called(line).is_err(), "{line}");
        }
    }
}
