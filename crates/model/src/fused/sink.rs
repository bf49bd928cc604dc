//! The flat vector into which operations write parameters' gradients during a backward pass, and the place of each node in it.
//!
//! burn keeps gradients by node until the backward pass has ended; that would be a second copy of all of them. A thread
//! that runs a backward pass inside [`catch`] has a sink, and operations write into it first.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use burn::backend::autodiff::NodeId;

use crate::kernels::linear::Target;
use crate::kernels::product::Beta;
use crate::kernels::rows;

thread_local! {
    /// The sink of the backward pass on this thread; an operation takes it out while it writes.
    static SINK: Cell<Option<Sink>> = const { Cell::new(None) };
}

/// A flat gradient that is being written.
#[derive(Default)]
pub(crate) struct Sink {
    flat: Vec<f32>,
    places: Vec<Place>,
    /// Which place a node's gradient has; a parameter on another device has a place and no node here.
    of_node: BTreeMap<NodeId, usize>,
}

struct Place {
    range: Range<usize>,
    beta: Beta,
}

/// Runs a backward pass with a sink, and returns the sink.
pub(crate) fn catch<R>(sink: Sink, run_back: impl FnOnce() -> R) -> (R, Sink) {
    sink.put_back();
    let result = run_back();
    (result, Sink::take().unwrap_or_default())
}

impl Sink {
    /// A sink over a vector whose numbers mean nothing yet.
    pub(crate) fn new(flat: Vec<f32>) -> Self {
        Self {
            flat,
            ..Self::default()
        }
    }

    /// Says where the next parameter's gradient belongs.
    pub(crate) fn expect(&mut self, node: Option<NodeId>, range: Range<usize>) {
        if let Some(node) = node {
            self.of_node.insert(node, self.places.len());
        }
        let beta = Beta::Overwrite;
        self.places.push(Place { range, beta });
    }

    /// Takes this thread's sink.
    pub(super) fn take() -> Option<Self> {
        SINK.take()
    }

    pub(super) fn put_back(self) {
        SINK.set(Some(self));
    }

    /// The place of a node's gradient, if it has one here; the caller must write all of it.
    pub(super) fn target(&mut self, node: NodeId) -> Option<Target<'_>> {
        let place = *self.of_node.get(&node)?;
        Some(self.place(place))
    }

    fn place(&mut self, number: usize) -> Target<'_> {
        let place = &mut self.places[number];
        let beta = std::mem::replace(&mut place.beta, Beta::Accumulate);
        let values = &mut self.flat[place.range.clone()];
        Target { values, beta }
    }

    /// Adds a gradient that burn kept itself to that of parameter `number`, counted as they were expected.
    pub(crate) fn add(&mut self, number: usize, grad: &[f32]) {
        let target = self.place(number);
        match target.beta {
            Beta::Overwrite => target.values.copy_from_slice(grad),
            Beta::Accumulate => rows::add(target.values, grad),
        }
    }

    /// The gradient; what nothing was written to has zeros.
    pub(crate) fn finish(mut self) -> Vec<f32> {
        for place in self.places {
            if place.beta == Beta::Overwrite {
                rows::clear(&mut self.flat[place.range]);
            }
        }
        self.flat
    }
}
