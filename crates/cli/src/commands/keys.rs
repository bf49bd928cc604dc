//! `fratmae keys`: the keys by which the processes of a run know each other.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use crate::{commands::chaos::time, output::Output};

/// Makes the keys by which the processes of a run know each other.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Make the keys of a new run
    Make(Make),
    /// Make a token with which somebody looks on in a browser
    Token(Token),
}

/// Makes the keys of a new run: an authority of its own, and a folder for each role.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae keys make keys/mine
  fratmae keys make keys/2 --name pilot --life 720h

Then --keys keys/pilot (or FRATMAE_KEYS) for every command of the run. Where a
command needs less, give it less: keys/pilot/worker is all that a worker needs,
and ca.key stays where the coordinator is.")]
struct Make {
    /// A folder for them; it is made
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The run's name in certificates [default: the folder's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long certificates are good; a coordinator that can write to DIR renews them at two thirds of that
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "24h")]
    life: Duration,
}

/// Makes a token with which somebody looks on where no certificate can be shown: a page in a browser, metrics.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae keys token keys/pilot

A browser asks for a name and a password: the token is the password, with any
name. Programs send it as `Authorization: Bearer TOKEN`. It is printed once.
Processes that have DIR as their keys take it at once; delete its line in
DIR/tokens to take it back.")]
struct Token {
    /// The folder that the serving process has as its keys
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// How long it is good
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "720h")]
    life: Duration,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    match &arguments.question {
        Question::Make(arguments) => make(arguments, output),
        Question::Token(arguments) => {
            let token = fratmae_trust::draw_token(&arguments.folder, arguments.life)?;
            Ok(output.line(&token)?)
        }
    }
}

fn make(make: &Make, output: &mut Output) -> Result<()> {
    let name = match &make.name {
        Some(name) => name.clone(),
        None => folder_name(make)?,
    };
    fratmae_trust::make(&make.folder, &name, make.life)?;
    let folder = make.folder.display();
    Ok(output.line(&format!(
        "{folder}: keys of run {name}; give --keys {folder} to its processes"
    ))?)
}

fn folder_name(make: &Make) -> Result<String> {
    let name = make.folder.file_name().and_then(|name| name.to_str());
    let name = name.context("this folder has no name for the run; give one with --name")?;
    Ok(name.to_owned())
}
