//! `fratmae dataset order`: the order of one epoch. With `--workers` each rank walks its own slots and the streams are
//! merged, so that equal output is evidence, not assertion. The order itself is the `dataset` crate's.

use std::{fmt::Write as _, iter::Peekable, ops::Range};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fratmae_config::Config;
use fratmae_control::deal_slots;
use fratmae_dataset::{DataSet, Sample, SampleOrder};
use fratmae_store::Location;
use serde::Serialize;

use crate::output::Output;

/// Prints `position<TAB>case_id`, one line per sample.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae dataset order runs/quickstart/data
  fratmae dataset order runs/quickstart/data --epoch 3 --workers 4 | sha256sum

The lines are the same for every number of workers.")]
pub(crate) struct Arguments {
    /// The prepared data set
    #[arg(value_name = "URL", required_unless_present = "data")]
    url: Option<String>,
    /// The prepared data set, as URL
    #[arg(long, value_name = "URL", conflicts_with = "url", hide = true)]
    data: Option<String>,
    /// Seed of the run (run.seed)
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The pass over the data, from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    epoch: u64,
    /// Deal the slots to N workers and merge what each would read
    #[arg(long, value_name = "N")]
    workers: Option<u32>,
    /// Samples of a step (train.batch), used with --workers
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch: u64,
    /// Micro-batches of a step (train.slots), used with --workers
    #[arg(long, value_name = "N", default_value_t = 8)]
    slots: u32,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    position: u64,
    case_id: &'a str,
}

#[derive(Serialize)]
struct Listing<'a> {
    seed: u64,
    epoch: u64,
    samples: Vec<Line<'a>>,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let url = arguments.url.as_ref().or(arguments.data.as_ref());
    let url = url.context("name the data set: fratmae dataset order URL")?;
    let data = DataSet::open(&Location::open(url)?).await?;
    let cases = &data.manifest.cases;
    let order = SampleOrder {
        seed: arguments.seed,
        cases: u32::try_from(cases.len()).context("the data set has too many cases")?,
    };
    let samples = match arguments.workers {
        None => whole_epoch(order, arguments.epoch)?,
        Some(workers) => dealt_epoch(order, arguments.epoch, &arguments.deal(workers)?)?,
    };
    let lines = samples.iter().map(|sample| Line {
        position: sample.position,
        case_id: &cases[sample.case as usize].case_id,
    });
    if arguments.json {
        return Ok(output.json(&Listing {
            seed: arguments.seed,
            epoch: arguments.epoch,
            samples: lines.collect(),
        })?);
    }
    let mut text = String::new();
    for Line { position, case_id } in lines {
        writeln!(text, "{position}\t{case_id}")?;
    }
    Ok(output.bytes(text.as_bytes())?)
}

impl Arguments {
    fn deal(&self, workers: u32) -> Result<Deal> {
        let (batch, slots) = (self.batch, self.slots);
        Config::load(
            None,
            &[
                format!("train.batch={batch}"),
                format!("train.slots={slots}"),
                format!("workers.count={workers}"),
            ],
        )?;
        Ok(Deal {
            workers,
            batch,
            slots,
        })
    }
}

/// How a step is shared.
struct Deal {
    workers: u32,
    batch: u64,
    slots: u32,
}

impl Deal {
    fn slot_of(&self, position: u64) -> u64 {
        position % self.batch / (self.batch / u64::from(self.slots))
    }
}

fn positions(order: SampleOrder, epoch: u64) -> Result<Range<u64>> {
    let cases = u64::from(order.cases);
    let end = epoch
        .checked_add(1)
        .and_then(|next| next.checked_mul(cases));
    let end = end.with_context(|| format!("epoch {epoch} is beyond the last position there is"))?;
    Ok(end - cases..end)
}

fn whole_epoch(order: SampleOrder, epoch: u64) -> Result<Vec<Sample>> {
    let cases = order.epoch(epoch);
    let samples = positions(order, epoch)?.zip(cases);
    Ok(samples
        .map(|(position, case)| Sample {
            position,
            epoch,
            case,
        })
        .collect())
}

fn dealt_epoch(order: SampleOrder, epoch: u64, deal: &Deal) -> Result<Vec<Sample>> {
    let positions = positions(order, epoch)?;
    let streams = deal_slots(deal.slots, deal.workers)
        .into_iter()
        .map(|slots| {
            let own = u64::from(slots.start.get())..u64::from(slots.end.get());
            let walk = order.samples(positions.start).take(order.cases as usize);
            walk.filter(move |sample| own.contains(&deal.slot_of(sample.position)))
        });
    let merged = merge(streams.map(Iterator::peekable).collect());
    let seen = merged.iter().map(|sample| sample.position);
    ensure!(
        seen.eq(positions),
        "the ranks' streams do not make up the epoch: a sample is missing or read twice"
    );
    Ok(merged)
}

/// Merges streams whose positions rise into one whose positions rise.
fn merge(mut streams: Vec<Peekable<impl Iterator<Item = Sample>>>) -> Vec<Sample> {
    let mut merged = Vec::new();
    loop {
        let next = streams
            .iter_mut()
            .filter_map(|stream| stream.peek().map(|sample| sample.position))
            .min();
        let Some(next) = next else { return merged };
        for stream in &mut streams {
            merged.extend(stream.next_if(|sample| sample.position == next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: SampleOrder = SampleOrder { seed: 3, cases: 37 };

    fn deal(workers: u32) -> Deal {
        Deal {
            workers,
            batch: 16,
            slots: 8,
        }
    }

    #[test]
    fn every_number_of_workers_reads_the_epoch_as_it_is() {
        for epoch in [0, 1, 5] {
            let whole = whole_epoch(ORDER, epoch).unwrap();
            for workers in 1..=8 {
                let dealt = dealt_epoch(ORDER, epoch, &deal(workers)).unwrap();
                assert_eq!(dealt, whole, "epoch {epoch}, {workers} workers");
            }
        }
    }

    #[test]
    fn an_epoch_holds_each_case_once() {
        let whole = whole_epoch(ORDER, 2).unwrap();
        let mut cases: Vec<u32> = whole.iter().map(|sample| sample.case).collect();
        cases.sort_unstable();
        assert_eq!(cases, (0..37).collect::<Vec<_>>());
        assert_eq!(whole[0].position, 74);
    }

    #[test]
    fn a_merge_keeps_a_sample_that_two_streams_read() {
        let stream = || {
            whole_epoch(ORDER, 0)
                .unwrap()
                .into_iter()
                .take(2)
                .peekable()
        };
        let merged: Vec<u64> = merge(vec![stream(), stream()])
            .iter()
            .map(|sample| sample.position)
            .collect();
        assert_eq!(
            merged,
            [0, 0, 1, 1],
            "so that the check of the epoch can see it"
        );
    }

    #[test]
    fn slots_are_cut_from_a_step_in_order() {
        let slots: Vec<u64> = (14..34).map(|position| deal(1).slot_of(position)).collect();
        assert_eq!(
            slots,
            [7, 7, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 0, 0]
        );
    }

    #[test]
    fn an_epoch_beyond_the_last_position_is_refused() {
        assert!(whole_epoch(ORDER, u64::MAX).is_err());
        assert!(whole_epoch(ORDER, u64::MAX / 37).is_err());
    }
}
