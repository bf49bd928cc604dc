//! Ranks whose clocks nobody reads are on one clock, and no call is left before all have entered.

use super::*;
use fratmae_telemetry::Accounts;
use proptest::prelude::*;

/// A row of a step that took so many nanoseconds in forward, gather, backward, reduce and optimizer.
fn row((generation, step, rank): (u64, u64, u32), spent: [u64; 5]) -> RankRow {
    let [forward, gather, backward, reduce, optimizer] = spent;
    let accounts: Accounts = [
        (Account::Forward, forward),
        (Account::Backward, backward),
        (Account::Optimizer, optimizer),
        (Account::Transfer, gather + reduce),
    ]
    .into_iter()
    .collect();
    RankRow {
        step,
        generation,
        rank,
        worker: format!("w{rank}"),
        host: "h".to_owned(),
        slots: 1,
        unix_ms: 1_000 + 10 * step,
        accounts,
        calls: vec![gather, reduce],
    }
}

fn call(rank: &PlacedRank<'_>, number: usize) -> Span {
    let is_it = |span: &&Span| matches!(span.what, Part::Call { number: n, .. } if n == number);
    *rank.spans.iter().find(is_it).unwrap()
}

#[test]
fn a_slow_rank_is_waited_for_and_nothing_is_out_of_place() {
    let rows = [
        row((1, 1, 0), [100, 60, 200, 30, 10]),
        row((1, 1, 1), [150, 10, 200, 30, 10]),
    ];
    let timeline = place(&rows);
    assert_eq!(timeline.clock_error_ns, 0);
    let [first, second] = timeline.steps[0].ranks.as_slice() else {
        panic!("{timeline:?}");
    };
    assert_eq!(first.begin, second.begin);
    let (waits, last) = (call(first, 0), call(second, 0));
    let gather = |wait| Part::Call {
        call: Call::Gather,
        number: 0,
        wait,
    };
    assert_eq!((waits.what, last.what), (gather(50), gather(0)));
    assert_eq!(waits.end, last.end);
    assert_eq!(waits.begin + 50, last.begin);
    // Of the coordinator's clock: the step ended in its 1,010th millisecond.
    assert_eq!(first.end, 1_010_000_000);
    let names: Vec<_> = first.spans.iter().map(|span| span.what).collect();
    assert_eq!(names[0], Part::Account(Account::Forward));
    assert_eq!(names[2], Part::Account(Account::Backward));
    assert_eq!(names[4], Part::Account(Account::Optimizer));
}

#[test]
fn a_step_goes_on_where_the_one_before_ended_and_a_generation_begins_by_the_clock() {
    let rows = [
        row((2, 3, 0), [100; 5]),
        row((1, 2, 0), [100; 5]),
        row((1, 1, 0), [100; 5]),
    ];
    let timeline = place(&rows);
    let begins = timeline.steps.iter().map(|step| (step.step, step.begin()));
    assert_eq!(
        begins.collect::<Vec<_>>(),
        [(1, 1_009_999_500), (2, 1_010_000_000), (3, 1_029_999_500)]
    );
}

#[test]
fn calls_stand_where_they_are_made_whichever_of_them_a_step_has() {
    let with_calls = |step, calls: &[u64]| {
        let spent = [100, 0, 200, calls.iter().sum(), 10];
        RankRow {
            calls: calls.to_vec(),
            ..row((1, step, 0), spent)
        }
    };
    // The first step of a group; one after it; one whose batch has no loss; one of a trace that begins amid a group.
    let rows = [
        with_calls(1, &[30, 40]),
        with_calls(2, &[20, 30, 40]),
        with_calls(3, &[20, 30]),
        with_calls(5, &[20, 30, 40]),
    ];
    let names = |step: &PlacedStep<'_>| {
        let names = step.ranks[0].spans.iter().map(|span| match span.what {
            Part::Account(account) => account.name(),
            Part::Call { call, .. } => call.name(),
        });
        names.collect::<Vec<_>>().join(" ")
    };
    let timeline = place(&rows);
    let names: Vec<_> = timeline.steps.iter().map(names).collect();
    let whole = "agree forward gather backward reduce optimizer";
    assert_eq!(
        names,
        [
            "forward gather backward reduce optimizer",
            whole,
            "agree forward gather backward optimizer",
            whole,
        ]
    );
}

#[test]
fn time_in_calls_that_no_call_tells_is_of_the_last_and_rows_without_calls_have_accounts() {
    let mut longer = row((1, 1, 0), [10, 20, 30, 40, 50]);
    longer.accounts[Account::Wait] = 7;
    let timeline = place(std::slice::from_ref(&longer));
    let rank = &timeline.steps[0].ranks[0];
    assert_eq!(call(rank, 1).end - call(rank, 1).begin, 47);
    assert_eq!(rank.end - rank.begin, longer.accounts.total());
    longer.calls.clear();
    let timeline = place(std::slice::from_ref(&longer));
    let rank = &timeline.steps[0].ranks[0];
    assert_eq!(rank.end - rank.begin, longer.accounts.total());
    let has = |account| {
        rank.spans
            .iter()
            .any(|span| span.what == Part::Account(account))
    };
    assert!(has(Account::Transfer) && has(Account::Wait));
}

#[test]
fn rows_of_a_damaged_file_are_placed_without_a_panic() {
    let mut row = row((u64::MAX, u64::MAX - 1, u32::MAX), [0; 5]);
    row.accounts[Account::Load] = u64::MAX;
    row.unix_ms = u64::MAX;
    row.calls = vec![u64::MAX; 3];
    let next = RankRow {
        step: u64::MAX,
        ..row.clone()
    };
    let rows = [row, next];
    assert_eq!(place(&rows).steps.len(), 2);
}

proptest! {
    #[test]
    fn spans_follow_each_other_and_no_call_is_left_before_all_have_entered(
        spent in prop::collection::vec(prop::collection::vec(prop::array::uniform5(0_u64..1_000), 3), 1..20),
    ) {
        let rows: Vec<RankRow> = spent
            .iter()
            .zip(1..)
            .flat_map(|(ranks, step)| {
                ranks.iter().zip(0..).map(move |(spent, rank)| row((1, step, rank), *spent))
            })
            .collect();
        let timeline = place(&rows);
        let mut ends = [0; 3];
        for step in &timeline.steps {
            for (rank, end) in step.ranks.iter().zip(&mut ends) {
                prop_assert!(*end <= rank.begin);
                let mut at = rank.begin;
                for span in &rank.spans {
                    prop_assert_eq!(span.begin, at);
                    prop_assert!(span.begin <= span.end);
                    at = span.end;
                }
                prop_assert_eq!(at, rank.end);
                *end = rank.end;
            }
            for number in 0..2 {
                let last_entry = step.ranks.iter().map(|rank| call(rank, number).begin).max();
                for rank in &step.ranks {
                    prop_assert!(Some(call(rank, number).end) >= last_entry);
                }
            }
        }
    }
}
