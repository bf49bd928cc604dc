//! `replicate`: how fast a newcomer copies the state out of its peers' memory, beside the bare loopback.
//!
//! Ranks are threads: each touches its own sockets and its own vectors alone, so processes would add nothing but the
//! time to start them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use fratmae_checkpoint::State;
use fratmae_collective::{ProcessGroup as _, TcpGroup};
use fratmae_config::Model;
use fratmae_control::Step;
use fratmae_model::{FratMae, Parameter};
use fratmae_trainer::state_digest;

use crate::copy::Streams;
use crate::reduce::groups;

const HOLDERS: [usize; 3] = [1, 2, 3];

/// Prints one line for each number of holders; copy and loopback take turns.
///
/// # Errors
/// A socket or the group fails, or the copy is not what the holders hold.
pub(crate) fn compare(preset: &str, rounds: usize) -> Result<()> {
    let unknown = || anyhow!("no preset {preset}; there are tiny, small and base");
    let config = Model::preset(preset).with_context(unknown)?;
    let elements = FratMae::layout(&config).iter().map(Parameter::len).sum();
    println!(
        "holders       MB  copy GB/s  loopback GB/s  copy/loopback  worst  digest GB/s  with digest"
    );
    for holders in HOLDERS {
        let turns = turns(holders, elements, rounds)?;
        println!("{}", line(holders, 12 * elements, &turns));
    }
    Ok(())
}

/// What one turn took.
struct Turn {
    copy: Duration,
    loopback: Duration,
    digest: Duration,
}

fn turns(holders: usize, elements: usize, rounds: usize) -> Result<Vec<Turn>> {
    let streams = Streams::connect(holders)?;
    let mut groups = groups(holders + 1)?;
    let mut held: Vec<State> = (0..holders).map(|_| wave(elements)).collect();
    let expected = state_digest(&held[0]);
    let mut turn = || {
        let begin = Instant::now();
        streams.pull(12 * elements / holders)?;
        let loopback = begin.elapsed();
        let (copy, state) = pull(&mut groups, &mut held, elements)?;
        let begin = Instant::now();
        ensure!(state_digest(&state) == expected, "the copy differs");
        let digest = begin.elapsed();
        Ok(Turn {
            copy,
            loopback,
            digest,
        })
    };
    // The first warms up.
    turn()?;
    (0..rounds).map(|_| turn()).collect()
}

/// One copy to the last rank, which begins with memory that it has never touched, as a new process does.
fn pull(groups: &mut [TcpGroup], held: &mut [State], elements: usize) -> Result<(Duration, State)> {
    let holders: Vec<usize> = (0..held.len()).collect();
    let mut state = zeros(elements);
    let all = held.iter_mut().chain([&mut state]);
    let copy = std::thread::scope(|scope| {
        let begin = Instant::now();
        let replicate = |(group, state): (_, _)| {
            let (group, state): (&mut TcpGroup, &mut State) = (group, state);
            let holders = &holders;
            scope.spawn(move || group.replicate(holders, vectors(state)))
        };
        let threads: Vec<_> = groups.iter_mut().zip(all).map(replicate).collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a rank panicked"))??;
        }
        anyhow::Ok(begin.elapsed())
    })?;
    Ok((copy, state))
}

fn line(holders: usize, bytes: usize, turns: &[Turn]) -> String {
    let ratio = |turn: &Turn| turn.loopback.as_secs_f64() / turn.copy.as_secs_f64();
    let rate = |time: fn(&Turn) -> Duration| {
        let times = turns.iter().map(|turn| time(turn).as_secs_f64());
        bytes as f64 / middle(times) / 1e9
    };
    let worst = turns.iter().map(ratio).fold(f64::INFINITY, f64::min);
    format!(
        "{holders:>7} {:>8.1} {:>10.2} {:>14.2} {:>14.2} {worst:>6.2} {:>12.2} {:>12.2}",
        bytes as f64 / 1e6,
        rate(|turn| turn.copy),
        rate(|turn| turn.loopback),
        middle(turns.iter().map(ratio)),
        rate(|turn| turn.digest),
        rate(|turn| turn.copy + turn.digest),
    )
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn vectors(state: &mut State) -> Vec<&mut [f32]> {
    vec![
        &mut state.parameters,
        &mut state.first_moment,
        &mut state.second_moment,
    ]
}

fn zeros(elements: usize) -> State {
    State {
        step: Step::new(1),
        parameters: vec![0.0; elements],
        first_moment: vec![0.0; elements],
        second_moment: vec![0.0; elements],
    }
}

fn wave(elements: usize) -> State {
    let wave = |frequency: f32| {
        (0..elements)
            .map(|i| (i as f32 * frequency).sin())
            .collect()
    };
    State {
        step: Step::new(1),
        parameters: wave(0.11),
        first_moment: wave(0.37),
        second_moment: wave(0.7),
    }
}
