//! Time moves only when a test says so.

use std::sync::atomic::{AtomicU64, Ordering};

use fratmae_control::Phase::*;
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use super::*;

/// A ledger and the hand that moves its clock.
fn ledger() -> (PhaseLedger, impl Fn(u64) + Clone + Send) {
    let now = Arc::new(AtomicU64::new(1000));
    let reading = Arc::clone(&now);
    let ledger =
        PhaseLedger::with_clock(move || Duration::from_secs(reading.load(Ordering::SeqCst)));
    (ledger, move |seconds| {
        now.fetch_add(seconds, Ordering::SeqCst);
    })
}

fn watched<T>(ledger: &PhaseLedger, body: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(registry().with(ledger.clone()), body)
}

#[test]
fn each_phase_gets_its_own_time_and_the_rest_goes_to_none() {
    let (ledger, pass) = ledger();
    watched(&ledger, || {
        for (seconds, span) in (1..).zip([span(Load), span(Forward), span(Load)]) {
            pass(100);
            span.in_scope(|| pass(seconds));
        }
        pass(100);
    });
    assert_eq!(ledger.take(), [(Load, 4.0), (Forward, 2.0)].into());
}

#[test]
fn nested_time_counts_to_the_innermost_phase_only() {
    let (ledger, pass) = ledger();
    watched(&ledger, || {
        let backward = span(Backward).entered();
        pass(1);
        info_span!("layer").in_scope(|| {
            pass(2);
            span(Reduce).in_scope(|| pass(4));
            pass(8);
        });
        span(Backward).in_scope(|| pass(16));
        drop(backward);
    });
    let phases = ledger.take();
    assert_eq!(phases, [(Backward, 27.0), (Reduce, 4.0)].into());
}

#[test]
fn taking_starts_anew_and_cuts_the_phase_that_is_running() {
    let (ledger, pass) = ledger();
    watched(&ledger, || {
        let gather = span(Gather).entered();
        pass(3);
        assert_eq!(ledger.take(), [(Gather, 3.0)].into());
        pass(5);
        drop(gather);
        pass(7);
    });
    assert_eq!(ledger.take(), [(Gather, 5.0)].into());
    assert_eq!(ledger.take(), BTreeMap::new());
}

#[test]
fn threads_do_not_mix() {
    let (ledger, pass) = ledger();
    watched(&ledger, || {
        let load = span(Load).entered();
        pass(1);
        let (other, forward) = (ledger.clone(), pass.clone());
        let theirs = thread::spawn(move || {
            watched(&other, || span(Forward).in_scope(|| forward(2)));
            other.take()
        });
        assert_eq!(theirs.join().unwrap(), [(Forward, 2.0)].into());
        drop(load);
    });
    assert_eq!(ledger.take(), [(Load, 3.0)].into());
    assert!(ledger.lock().is_empty());
}

#[test]
fn an_open_span_counts_only_while_it_is_entered() {
    let (ledger, pass) = ledger();
    watched(&ledger, || {
        let checkpoint = span(Checkpoint);
        pass(1);
        checkpoint.in_scope(|| pass(2));
        pass(4);
        checkpoint.in_scope(|| pass(8));
    });
    assert_eq!(ledger.take(), [(Checkpoint, 10.0)].into());
}

#[test]
fn spans_left_in_another_order_are_told_apart() {
    let (ledger, pass) = ledger();
    watched(&ledger, || {
        let forward = span(Forward).entered();
        pass(1);
        let gather = span(Gather).entered();
        pass(2);
        drop(forward);
        pass(4);
        drop(gather);
        pass(8);
    });
    assert_eq!(ledger.take(), [(Forward, 1.0), (Gather, 6.0)].into());
}
