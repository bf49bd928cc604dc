//! Rows of a table by number as one step of the graph: words' embeddings, whose gradient is the table's size.

use std::sync::Arc;

use super::op::{Op, Slopes, View};
use crate::kernels::rows;

/// Input: table `[rows, width]`; output: the rows asked for, `[numbers, width]`.
#[derive(Debug, Clone)]
pub(crate) struct TableOp {
    pub(crate) numbers: Arc<Vec<u32>>,
}

impl Op<1> for TableOp {
    type Kept = ();

    fn forward(&self, [table]: [View<'_>; 1]) -> (Vec<f32>, Vec<usize>, ()) {
        let width = table.shape[1];
        let row = |place: usize| &table.values[self.numbers[place] as usize * width..][..width];
        let found = rows::copied(self.numbers.len(), width, row, |_, _| ());
        (found, vec![self.numbers.len(), width], ())
    }

    fn backward(&self, [table]: [View<'_>; 1], (): (), slope: Vec<f32>, to: &mut Slopes<1>) {
        let width = table.shape[1];
        let Some(target) = to.target(0) else {
            return;
        };
        let of_table = target.sums();
        for (number, slope) in self.numbers.iter().zip(slope.chunks_exact(width)) {
            rows::add_piece(&mut of_table[*number as usize * width..][..width], slope);
        }
    }
}
