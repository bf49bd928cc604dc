//! Rows of a table by number as one step of the graph: the embeddings of words, whose gradient is the table's size.

use std::sync::Arc;

use super::op::{InputGrads, Op, View};
use crate::kernels::rows;

/// Input: table `[rows, width]`; output: the rows asked for, `[numbers, width]`.
#[derive(Debug, Clone)]
pub(crate) struct EmbeddingOp {
    pub(crate) numbers: Arc<Vec<u32>>,
}

impl Op<1> for EmbeddingOp {
    type Saved = ();

    fn forward(&self, [table]: [View<'_>; 1]) -> (Vec<f32>, Vec<usize>, ()) {
        let width = table.shape[1];
        let row = |place: usize| &table.values[self.numbers[place] as usize * width..][..width];
        let found = rows::copied(self.numbers.len(), width, row, |_, _| ());
        (found, vec![self.numbers.len(), width], ())
    }

    fn backward(&self, [table]: [View<'_>; 1], (): (), grad: Vec<f32>, to: &mut InputGrads<1>) {
        let width = table.shape[1];
        let Some(target) = to.target(0) else {
            return;
        };
        let table_grad = target.sums();
        for (number, grad) in self.numbers.iter().zip(grad.chunks_exact(width)) {
            rows::add_piece(&mut table_grad[*number as usize * width..][..width], grad);
        }
    }
}
