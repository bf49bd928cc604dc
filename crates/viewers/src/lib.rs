//! Files that programs of others show: TensorBoard's event files and Perfetto's traces.
//!
//! Each is a pure function of what there is to see of a run, or a writer to whom values are given. No file is opened here,
//! and no clock is read.

mod perfetto;
mod tensorboard;
mod timeline;

pub use perfetto::{Drawn, Moment, Recording, write_trace};
pub use tensorboard::EventWriter;
