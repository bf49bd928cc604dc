//! The numbers a run is told apart by, each a type of its own so that none stands in for another.
//! Owns no rule about how they move: that is the cluster's.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// Wraps a plain number read from a wire, a store or a config.
            #[must_use]
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            /// The plain number, for a wire, a store or a message.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }

            /// The number after this one; stays at the largest there is.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A position inside one generation's group, from 0 to the world size.
    Rank,
    u32
);
number!(
    /// A micro-batch of fixed size in the global batch.
    Slot,
    u32
);
number!(
    /// A membership's number: it only rises, and tags every message, collective and object.
    Generation,
    u64
);
number!(
    /// An optimizer update; step 0 is the initial state, before any update.
    Step,
    u64
);
number!(
    /// A coordinator's right to write: the newest fence on the store is the only one that may.
    Fence,
    u64
);
number!(
    /// A worker's identity within one coordinator's life.
    WorkerId,
    u64
);
number!(
    /// A point in time in milliseconds on the clock of whoever drives the cluster.
    Millis,
    u64
);

impl Millis {
    /// The time from `earlier` to this point; zero if the clock went backwards.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// The point this much later.
    #[must_use]
    pub const fn plus(self, time: Self) -> Self {
        Self(self.0.saturating_add(time.0))
    }

    /// The same in seconds, for people.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_order_and_print_like_their_inner_number() {
        assert!(Step::new(9) < Step::new(10));
        assert_eq!(Generation::new(3).next().to_string(), "4");
        assert_eq!(format!("{:>3}", Rank::new(7)), "  7");
    }

    #[test]
    fn a_clock_that_goes_backwards_measures_zero() {
        assert_eq!(Millis::new(5).since(Millis::new(9)), Millis::new(0));
    }

    #[test]
    fn the_largest_number_has_no_successor() {
        assert_eq!(Fence::new(u64::MAX).next(), Fence::new(u64::MAX));
    }
}
