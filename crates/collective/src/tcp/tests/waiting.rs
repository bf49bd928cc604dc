//! Waiting within a call for something that is not on the wire, the peers being looked at meanwhile.

use super::*;
use crate::tcp::Interruption;
use std::sync::Barrier;
use std::time::Instant;

/// The outcome of a wait for `is_done`: one word, and the rank that is gone.
fn wait(
    group: &TcpGroup,
    is_done: impl FnMut() -> Result<bool, ()>,
) -> (&'static str, Option<usize>) {
    let settled = group.before_first_call(|group, call| {
        Ok(match call.wait_until(&group.peers, is_done) {
            Ok(()) => ("done", None),
            Err(Interruption::Failed(())) => ("failed", None),
            Err(Interruption::Closed(peer)) => ("closed", Some(peer.rank)),
            Err(Interruption::TimedOut) => ("timed out", None),
            Err(Interruption::Aborted) => ("aborted", None),
        })
    });
    settled.unwrap()
}

#[test]
fn a_wait_ends_well_or_with_what_it_waits_for() {
    let said = World::of(2).run_keeping(|group| {
        let mut looks = 0;
        let ends_well = wait(group, || {
            looks += 1;
            Ok(looks == 20)
        });
        (ends_well.0, wait(group, || Err(())).0)
    });
    assert_eq!(said, [("done", "failed"); 2]);
}

#[test]
fn a_peer_that_goes_is_named_and_one_that_got_further_is_not_taken_for_gone() {
    let (said, heard) = (Barrier::new(3), Barrier::new(3));
    let answers = World::of(3).run(|mut group| {
        if group.rank() == 2 {
            // It is in the next call already, and then it goes.
            group.settings.call_within = Duration::from_millis(200);
            let far = thread::scope(|scope| {
                let ahead = scope.spawn(|| group.all_gather(&[2]).is_err());
                said.wait();
                heard.wait();
                ahead.join().unwrap()
            });
            return if far {
                ("left", None)
            } else {
                ("stayed", None)
            };
        }
        said.wait();
        let mut looks = 0;
        let first = wait(&group, || {
            looks += 1;
            Ok(looks == 10)
        });
        heard.wait();
        assert_eq!(first.0, "done");
        wait(&group, || Ok(false))
    });
    assert_eq!(answers[2], ("left", None));
    // Whoever sees it first goes too.
    assert!(answers[..2].contains(&("closed", Some(2))), "{answers:?}");
}

#[test]
fn the_deadline_and_an_abort_end_a_wait() {
    let said = World::of(2).run_keeping(|group| {
        let begun = Instant::now();
        group.settings.join_within = Duration::from_millis(50);
        let late = wait(group, || Ok(false)).0;
        (late, begun.elapsed() >= Duration::from_millis(50))
    });
    assert_eq!(said, [("timed out", true); 2]);
    let said = World::of(2).run_keeping(|group| {
        let abort = group.abort_handle();
        let is_first = group.rank() == 0;
        let wait = wait(group, || {
            if is_first {
                abort.abort();
            }
            Ok(false)
        });
        wait.0
    });
    assert_eq!(said, ["aborted", "closed"]);
}

#[test]
fn nobody_leaves_a_meeting_before_all_have_come() {
    let come = std::sync::atomic::AtomicUsize::new(0);
    World::of(4).run_keeping(|group| {
        come.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        group
            .before_first_call(|group, call| call.barrier(&group.peers))
            .unwrap();
        assert_eq!(come.load(std::sync::atomic::Ordering::SeqCst), 4);
    });
}
