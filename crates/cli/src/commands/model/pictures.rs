//! `fratmae model pictures`: what a run makes of the same few cases, drawn beside the run, so that its page shows how they
//! change. They are named by number: a page has no case ids.

use anyhow::{Result, ensure};
use clap::Args;
use fratmae_dataset::DataSet;
use fratmae_store::Location;
use fratmae_web::PictureError;
use serde::Serialize;

use super::picture::{Cut, Painter};
use crate::{commands::run_weights::RunWeights, output::Output};

/// Draws what a run makes of some cases, as RUN/pictures/STEP-case-NUMBER.png, which its page shows.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae model pictures runs/quickstart/run
  fratmae model pictures runs/quickstart/run --step 40 --cases 5
  fratmae model pictures runs/quickstart/run --data data/held-out

`fratmae pretrain --pictures 3` does this after checkpoints. The cases are spread over the data set, and are the same for every step. They are drawn as by `fratmae model picture`. The page shows the mean of their errors as a curve; of a data set that the run does not train on it is the validation curve.")]
pub(super) struct Arguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// How many cases
    #[arg(long, value_name = "K", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=64))]
    cases: u16,
    /// The checkpoint at this step [default: the newest good one]
    #[arg(long, value_name = "N")]
    step: Option<u64>,
    /// Where the data set is [default: as in the run's job]
    #[arg(long, value_name = "URL")]
    data: Option<String>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Drawn {
    #[serde(flatten)]
    error: PictureError,
    pictures: Vec<String>,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let stored = RunWeights::open(&arguments.run, arguments.step).await?;
    let run = Location::open(&arguments.run)?;
    let url = arguments.data.as_ref().unwrap_or(&stored.config.data.url);
    let data = DataSet::open(&Location::open(url)?).await?;
    let url = data.location.url();
    ensure!(
        !data.manifest.cases.is_empty(),
        "{url} has no cases to draw"
    );
    let painter = Painter::new(&stored.config, &stored.flat)?;
    let step = stored.manifest.step;
    let (mut pictures, mut errors) = (Vec::new(), Vec::new());
    for case in spread(data.manifest.cases.len(), arguments.cases.into()) {
        let case = u32::try_from(case)?;
        let cut = Cut::of_case(&stored.config, &data, case).await?;
        let title = format!("case {case}, step {step}, slice {}", cut.telling);
        let (picture, error) = painter.paint(&cut, vec![cut.telling], false, title)?;
        let object = format!("pictures/{step:012}-case-{case}.png");
        run.put(&object, picture).await?;
        pictures.push(run.url_of(&object));
        errors.push(error);
    }
    let mean = |modality: usize| {
        errors.iter().map(|error| error[modality]).sum::<f32>() / errors.len() as f32
    };
    let error = PictureError {
        step,
        cases: errors.len(),
        is_held_out: data.manifest.digest() != stored.manifest.data_digest,
        pet: mean(0),
        ct: mean(1),
    };
    error.clone().put(&run).await?;
    match arguments.json {
        true => Ok(output.json(&Drawn { error, pictures })?),
        false => Ok(pictures
            .iter()
            .try_for_each(|picture| output.line(picture))?),
    }
}

/// So many of a number of cases, or all of them, evenly.
fn spread(cases: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let wanted = wanted.min(cases);
    (0..wanted).map(move |number| number * cases / wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_spread_and_none_comes_twice() {
        assert_eq!(spread(12, 3).collect::<Vec<_>>(), [0, 4, 8]);
        assert_eq!(spread(2, 3).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(spread(0, 3).count(), 0);
    }
}
