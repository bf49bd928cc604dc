//! `fratmae dataset`: looks at a prepared data set and changes nothing.

pub(crate) mod extract;
pub(crate) mod inspect;
pub(crate) mod order;
pub(crate) mod verify;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::output::Output;

/// Inspects a prepared data set.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Show shapes, spacings, orientations, value ranges and sentences; draw one case or all of them
    Inspect(inspect::Arguments),
    /// Write one image of a case as NIfTI
    Extract(extract::Arguments),
    /// Read everything and check it against its digests
    Verify(verify::Arguments),
    /// Print the order in which an epoch's samples are read
    Order(order::Arguments),
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    match &arguments.question {
        Question::Inspect(arguments) => inspect::run(arguments, quiet, output).await,
        Question::Extract(arguments) => extract::run(arguments, output).await,
        Question::Verify(arguments) => verify::run(arguments, quiet, output).await,
        Question::Order(arguments) => order::run(arguments, output).await,
    }
}
