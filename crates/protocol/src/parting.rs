//! What a worker's end means, between `control`'s terms and the wire's.

use crate::pb;
use fratmae_control::Parting;

impl From<Parting> for pb::Parting {
    fn from(parting: Parting) -> Self {
        match parting {
            Parting::Finished => Self::Finished,
            Parting::Left => Self::Left,
            Parting::Stopped => Self::Stopped,
            Parting::Replaced => Self::Replaced,
            Parting::Unfit => Self::Unfit,
            Parting::Failed => Self::Failed,
            Parting::Refused => Self::Refused,
        }
    }
}

/// What a coordinator of a later version says, and this one does not know, is a failure.
impl From<pb::Parting> for Parting {
    fn from(parting: pb::Parting) -> Self {
        match parting {
            pb::Parting::Finished => Self::Finished,
            pb::Parting::Left => Self::Left,
            pb::Parting::Stopped => Self::Stopped,
            pb::Parting::Replaced => Self::Replaced,
            pb::Parting::Unfit => Self::Unfit,
            pb::Parting::Failed | pb::Parting::Unspecified => Self::Failed,
            pb::Parting::Refused => Self::Refused,
        }
    }
}

impl pb::Stop {
    /// The order to end.
    #[must_use]
    pub fn with(parting: Parting, reason: String) -> Self {
        Self {
            reason,
            parting: pb::Parting::from(parting).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_arrives_and_what_is_not_known_is_a_failure() {
        for parting in [
            Parting::Finished,
            Parting::Left,
            Parting::Stopped,
            Parting::Replaced,
            Parting::Unfit,
            Parting::Failed,
            Parting::Refused,
        ] {
            let stop = pb::Stop::with(parting, String::new());
            assert_eq!(Parting::from(stop.parting()), parting);
        }
        let later = pb::Stop {
            parting: 99,
            ..pb::Stop::default()
        };
        assert_eq!(Parting::from(later.parting()), Parting::Failed);
    }
}
