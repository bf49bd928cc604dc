//! AdamW on the flat parameter vector in host memory, in place, and the factors of its steps wherever the vector lies.
//!
//! Every element is updated by the same arithmetic whatever the number of threads, so the bits of the
//! result depend on the step and the gradient alone. The formula is in `model`.

use checkpoint::State;
use config::Train;
use model::{Parameter, Update, UpdateFactors};
use rayon::prelude::*;

/// Elements updated in one piece.
const PIECE: usize = 1 << 15;

/// The optimizer's constants and the layout it works on; the moments live in the state.
#[derive(Debug)]
pub struct AdamW {
    beta1: f64,
    beta2: f64,
    epsilon: f32,
    weight_decay: f64,
    /// Lengths of consecutive pieces of the flat vector, and how each is updated.
    pieces: Vec<(usize, Update)>,
}

/// One piece of the flat vectors.
struct Piece<'a> {
    update: Update,
    parameters: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    gradient: &'a [f32],
}

impl AdamW {
    /// Lays the work of an update out for parameters in their order.
    pub fn new(train: &Train, parameters: &[Parameter]) -> Self {
        let cut = |parameter: &Parameter| {
            let size: usize = parameter.shape.iter().product();
            let update = parameter.update;
            (0..size.div_ceil(PIECE)).map(move |i| ((size - i * PIECE).min(PIECE), update))
        };
        Self {
            beta1: train.beta1,
            beta2: train.beta2,
            epsilon: train.epsilon as f32,
            weight_decay: train.weight_decay,
            pieces: parameters.iter().flat_map(cut).collect(),
        }
    }

    /// Applies update number `state.step` to the state.
    ///
    /// `clip` scales the gradient first. Frozen parameters have no gradient, and stay as they are with their moments.
    pub fn update(&self, state: &mut State, gradient: &[f32], clip: f32, learning_rate: f64) {
        let factors = self.factors(state.step.get(), clip, learning_rate);
        self.cut(state, gradient)
            .into_par_iter()
            .for_each(|piece| piece.update(&factors));
    }

    /// The factors of update number `step`.
    pub(crate) fn factors(&self, step: u64, clip: f32, learning_rate: f64) -> UpdateFactors {
        let step = step as f64;
        let correct1 = 1.0 - self.beta1.powf(step);
        let correct2 = 1.0 - self.beta2.powf(step);
        UpdateFactors {
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            epsilon: self.epsilon,
            rate: (learning_rate / correct1) as f32,
            scale: (1.0 / correct2.sqrt()) as f32,
            keep: (1.0 - learning_rate * self.weight_decay) as f32,
            clip,
        }
    }

    fn cut<'a>(&self, state: &'a mut State, gradient: &'a [f32]) -> Vec<Piece<'a>> {
        let mut parameters = state.parameters.as_mut_slice();
        let mut first = state.first_moment.as_mut_slice();
        let mut second = state.second_moment.as_mut_slice();
        let mut gradient = gradient;
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for &(length, update) in &self.pieces {
            pieces.push(Piece {
                update,
                parameters: take(&mut parameters, length),
                first: take(&mut first, length),
                second: take(&mut second, length),
                gradient: match update {
                    Update::Frozen => &[],
                    _ => gradient.split_off(..length).unwrap_or_default(),
                },
            });
        }
        pieces
    }
}

/// Cuts the first `length` elements off.
fn take<'a>(rest: &mut &'a mut [f32], length: usize) -> &'a mut [f32] {
    rest.split_off_mut(..length).unwrap_or_default()
}

impl Piece<'_> {
    fn update(self, factors: &UpdateFactors) {
        let keep = match self.update {
            Update::Frozen => return,
            Update::Decay => factors.keep,
            Update::NoDecay => 1.0,
        };
        factors.update(
            keep,
            self.parameters,
            self.first,
            self.second,
            self.gradient,
        );
    }
}

#[cfg(test)]
mod tests;
