//! How far the run is, for whoever shows it.

use crate::cluster::Cluster;
use crate::ids::Step;

impl Cluster {
    /// The newest step known to be applied in the lineage that goes on.
    #[must_use]
    pub const fn applied_step(&self) -> Step {
        self.lineage.applied
    }

    /// Whether a group has trained under this coordinator, or members of one came to it.
    #[must_use]
    pub const fn has_trained(&self) -> bool {
        self.has_trained
    }
}
