//! `fratmae top`: a run on a whole terminal, as it goes.

mod draw;
mod feed;
mod scene;
mod screen;
mod view;

use std::{io::IsTerminal as _, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_store::Location;
use tokio::sync::watch;

use self::{
    feed::{follow, look},
    scene::Scene,
    screen::{Input, Keys, Screen},
    view::{Next, View},
};
use crate::{commands::status, output::Output, signals::Signals};

/// How often the screen is drawn at most: enough for fingers, and little to send over a slow line.
const REDRAW: Duration = Duration::from_millis(100);

/// Shows a run on a whole terminal, as it goes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae top runs/quickstart/run
  fratmae top s3://bucket/run-1

Keys: q or Ctrl-C ends it, ? shows the others. Where standard output is no terminal it prints the
status once.")]
pub(crate) struct Arguments {
    /// The run: a folder or a URL
    #[arg(value_name = "RUN")]
    run: String,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    if !output.look().draws || !std::io::stdin().is_terminal() {
        return status::print(&run, output).await;
    }
    let signals = Signals::catch_in_order()?;
    // A run that is not there is one line and no screen.
    let first = look(&run).await?;
    let mut screen = Screen::open(output.look().colour)?;
    let mut keys = Keys::read()?;
    let (scenes, seen) = watch::channel(first);
    let feed = tokio::spawn(follow(run, scenes));
    let shown = show(&mut screen, &mut keys, seen, &signals).await;
    feed.abort();
    shown
}

/// Draws until somebody has seen enough.
async fn show(
    screen: &mut Screen,
    keys: &mut Keys,
    mut seen: watch::Receiver<Scene>,
    signals: &Signals,
) -> Result<()> {
    let mut view = View::default();
    let mut scene = seen.borrow_and_update().clone();
    let mut redraws = tokio::time::interval(REDRAW);
    redraws.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        screen.draw(|frame, colour| draw::draw(frame, &scene, &mut view, colour))?;
        redraws.tick().await;
        tokio::select! {
            input = keys.next() => {
                let mut input = Some(input);
                while let Some(this) = input {
                    let next = match this {
                        Input::Key(key) => view.press(key, &scene),
                        Input::Resized => Next::Draw,
                        Input::Gone => Next::End,
                    };
                    if next == Next::End {
                        return Ok(());
                    }
                    input = keys.waiting();
                }
            }
            changed = seen.changed(), if !view.is_paused() => {
                changed.context("nobody looks at the run any more")?;
                scene = seen.borrow_and_update().clone();
                view.fit(&scene);
            }
            () = signals.asked() => return Ok(()),
        }
    }
}
