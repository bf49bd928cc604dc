//! `fratmae serve`: a page of runs, read from their stores. Nothing of a run is changed.

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_web::{Bound, Runs};

use crate::{output::Output, signals::Signals};

/// Serves a page that shows runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae serve runs                             every run below a folder
  fratmae serve runs/quickstart/run              one run
  fratmae serve s3://bucket/runs --listen 8080   runs in a bucket
  fratmae serve runs --listen 0.0.0.0:8080 --keys keys/pilot   for other hosts

Other hosts see it only with HOST:PORT, over https, and with a token of --keys
(`fratmae keys token`) as the password; --keys none lets everybody look.
docs/api.md describes the JSON that the page is made of.")]
pub(crate) struct Arguments {
    /// Runs, or folders of runs: paths or URLs
    #[arg(value_name = "RUN", required = true)]
    places: Vec<String>,
    /// Where to serve: a port of this host alone, or an address
    #[arg(long, value_name = "[HOST:]PORT", default_value = "8420")]
    listen: String,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let stop = Signals::catch_in_order()?.asked();
    let runs = Runs::of(&arguments.places).await?;
    let listen = &arguments.listen;
    let bound = Bound::to(listen).await;
    let bound = bound.with_context(|| format!("cannot serve at --listen {listen}"))?;
    output.line(&bound.url()?)?;
    fratmae_web::show(bound, runs, fratmae_web::Router::new(), stop).await;
    Ok(())
}
