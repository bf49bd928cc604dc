//! A heartbeat as `control` reads it.

use crate::pb;
use fratmae_control::{Call, Generation, Lap, Millis, Pace, Phase, Progress, Step};

/// Where the sender of a heartbeat is in its work; a phase of a newer version counts as idleness.
pub(crate) fn progress(heartbeat: &pb::Heartbeat) -> Progress {
    let call = |call: &pb::Call| Call {
        operation: call.operation.clone(),
        sequence: call.sequence,
    };
    let lap = |lap: &pb::Lap| Lap {
        phase: Phase::named(&lap.phase),
        count: lap.count,
        longest: Millis::new(lap.longest_ms),
    };
    let pace = |pace: &pb::Pace| Pace {
        pass: Millis::new(pace.pass_ms),
        step: Millis::new(pace.step_ms),
    };
    Progress {
        generation: Generation::new(heartbeat.generation),
        step: Step::new(heartbeat.step),
        phase: Phase::named(&heartbeat.phase),
        lasts: Millis::new(heartbeat.phase_ms),
        still: Millis::new(heartbeat.still_ms),
        pace: heartbeat.pace.as_ref().map(pace),
        call: heartbeat.call.as_ref().map(call),
        laps: heartbeat.laps.iter().map(lap).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_says_where_its_sender_is() {
        let heartbeat = pb::Heartbeat {
            phase: "reduce".to_owned(),
            generation: 3,
            step: 12,
            phase_ms: 40,
            still_ms: 9,
            pace: Some(pb::Pace {
                pass_ms: 7,
                step_ms: 70,
                is_measured: true,
            }),
            call: Some(pb::Call {
                operation: "all_reduce".to_owned(),
                sequence: 24,
            }),
            laps: vec![pb::Lap {
                phase: "forward".to_owned(),
                count: 2,
                longest_ms: 7,
            }],
            times: None,
        };
        let progress = progress(&heartbeat);
        assert_eq!(
            (progress.phase, progress.step),
            (Phase::Reduce, Step::new(12))
        );
        assert_eq!(
            (progress.lasts, progress.still),
            (Millis::new(40), Millis::new(9))
        );
        assert_eq!(progress.pace.map(|pace| pace.step), Some(Millis::new(70)));
        assert_eq!(progress.call.map(|call| call.sequence), Some(24));
        assert_eq!(progress.laps[0].phase, Phase::Forward);
    }
}
