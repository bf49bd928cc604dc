//! `fratmae model` without more: a table of the network's parts and what they cost.

use anyhow::Result;
use clap::Args;
use fratmae_model::{DeviceKind, FratMae, PartCost, costs, multiply_rate};
use serde::Serialize;

use crate::{commands::job::Values, output::Output, table::Table};

/// What is asked of the network.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    job: Values,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    parts: Vec<Row>,
    total: Row,
    /// Measured on this machine: f32 matrix products over all cores.
    flops_per_second: f64,
}

#[derive(Serialize, Default)]
struct Row {
    part: String,
    tokens: usize,
    learning: usize,
    fixed: usize,
    forward_gflop: f64,
    step_gflop: f64,
    activation_mib: f64,
    /// No step of one sample is faster on this machine.
    floor_ms: f64,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let model = arguments.job.resolve()?.model;
    let device = fratmae_model::open(DeviceKind::Cpu)?;
    let rate = multiply_rate(&device)?;
    let parts = costs(&model, &FratMae::layout(&model));
    let report = report(&parts, rate);
    if arguments.json {
        return Ok(output.json(&report)?);
    }
    output.table(&table(&report))?;
    Ok(output.line(&format!(
        "per sample: GFLOP of the forward pass and of a whole step, activation MiB without checkpointing, \
         least time at this machine's {:.1} GFLOP/s (measured, f32)",
        rate / 1e9
    ))?)
}

fn report(parts: &[PartCost], rate: f64) -> Report {
    let rows: Vec<Row> = parts.iter().map(|part| row(part, rate)).collect();
    let mut total = Row {
        part: "total".to_owned(),
        ..Row::default()
    };
    for row in &rows {
        total.learning += row.learning;
        total.fixed += row.fixed;
        total.forward_gflop += row.forward_gflop;
        total.step_gflop += row.step_gflop;
        total.activation_mib += row.activation_mib;
        total.floor_ms += row.floor_ms;
    }
    Report {
        parts: rows,
        total,
        flops_per_second: rate,
    }
}

fn row(part: &PartCost, rate: f64) -> Row {
    Row {
        part: part.name.clone(),
        tokens: part.tokens,
        learning: part.learning,
        fixed: part.fixed,
        forward_gflop: part.forward_flops / 1e9,
        step_gflop: part.step_flops / 1e9,
        activation_mib: part.activation_bytes / f64::from(1 << 20),
        floor_ms: part.step_flops / rate.max(1.0) * 1e3,
    }
}

fn table(report: &Report) -> Table {
    let mut table = Table::new(&[
        "part",
        "tokens#",
        "learn#",
        "fixed#",
        "GFLOP forward#",
        "GFLOP step#",
        "MiB#",
        "least ms#",
    ]);
    for row in report.parts.iter().chain([&report.total]) {
        table.row(vec![
            row.part.clone(),
            row.tokens.to_string(),
            row.learning.to_string(),
            row.fixed.to_string(),
            format!("{:.3}", row.forward_gflop),
            format!("{:.3}", row.step_gflop),
            format!("{:.1}", row.activation_mib),
            format!("{:.2}", row.floor_ms),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_config::Config;

    #[test]
    fn the_papers_network_has_the_sizes_that_are_known() {
        let mut model = Config::default().model;
        model.text.trainable = false;
        let parts = costs(&model, &FratMae::layout(&model));
        let report = report(&parts, 1e12);
        let learning: Vec<usize> = report.parts.iter().map(|row| row.learning).collect();
        assert_eq!(learning[..2], [88_203_264; 2]);
        assert_eq!(report.parts.last().unwrap().fixed, 63_165_952 + 262_144);
        // Between them the encoders see 121 and 241 tokens of a sample.
        assert_eq!(report.parts[0].tokens, 60 + 120);
        assert!((report.total.floor_ms - report.total.step_gflop).abs() < 1e-9);
        assert_eq!(table(&report).to_string().lines().count(), 2 + 6);
    }
}
