//! Runs on the market: what is the same for a seed, and what many losses at once come to.

use super::*;

fn counts(season: &Season) -> [u64; 7] {
    let (moves, steps) = (
        [season.joined, season.left, season.lost],
        [
            season.generations,
            season.steps,
            season.again,
            season.events,
        ],
    );
    let [joined, left, lost] = moves;
    let [generations, steps, again, events] = steps;
    [joined, left, lost, generations, steps, again, events]
}

#[test]
fn a_fleet_that_the_market_takes_from_and_gives_to_goes_on() {
    let one = season(40, 300, 3);
    assert_eq!(counts(&one), counts(&season(40, 300, 3)), "the same seed");
    let [joined, left, lost, generations, steps, ..] = counts(&one);
    assert!(joined > 0 && left > 0 && lost > 0, "{one:?}");
    assert!(generations <= 1 + 2 * (joined + left + lost), "{one:?}");
    // A step takes 8 s where nobody is missing.
    assert!(steps > 300 * 60 / 8 / 2, "{one:?}");
    let parts = [
        one.goodput(),
        one.waiting(),
        one.lost_steps(),
        one.forming(),
    ];
    assert!(
        parts.iter().all(|part| (0.0..=1.0).contains(part)),
        "{parts:?}"
    );
}

#[test]
fn machines_that_vanish_together_make_few_generations() {
    let mut market = Market::open(400, 1);
    while market.season.steps < 2
        && let Some(Reverse((at, _, due))) = market.agenda.pop()
    {
        market.now = market.now.max(at);
        market.act(due);
    }
    let before = market.season.generations;
    let taken: Vec<_> = market.workers.keys().copied().take(200).collect();
    for worker in taken {
        market.lose(worker);
    }
    market.see(Event::Tick);
    assert_eq!(market.season.generations, before + 2);
    assert_eq!(market.cluster.group_names().len(), 200);
}
