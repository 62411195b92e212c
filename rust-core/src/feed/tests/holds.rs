//! The hold is a cache, never a reason to stop.

use super::*;

#[test]
fn early_trades_are_held_only_while_a_fetch_is_in_flight() {
    let mut bench = Bench::roomy();
    let added = bench.lane(100, Some(-1));
    bench.live(50);
    assert_eq!(bench.info(added.sequence).held, 0);
    bench.feed.begin_fetch(added.sequence).unwrap();
    for id in 51..100 {
        bench.live(id);
    }
    assert_eq!(bench.info(added.sequence).held, 49);
    assert_eq!(bench.page(0, &page_of(0..51)).taken, 51);
    assert_eq!(bench.expected(added.sequence), Some(100));
    assert_eq!(bench.info(added.sequence).held, 0);
    bench.feed.end_fetch(added.sequence).unwrap();
    assert_eq!(bench.symbol_info().let_go, 0);
    assert_eq!(
        bench.bars(added.lane),
        offline(100, Some(-1), (0..100).map(trade))
    );
}

#[test]
fn what_does_not_fit_at_the_end_of_the_fetch_is_let_go_and_counted() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(-1)).sequence;
    bench.feed.begin_fetch(sequence).unwrap();
    for id in [5, 6, 9] {
        bench.live(id);
    }
    bench.page(0, &page_of(0..5));
    assert_eq!(bench.expected(sequence), Some(7));
    bench.feed.end_fetch(sequence).unwrap();
    assert_eq!(bench.info(sequence).held, 0);
    assert_eq!(bench.symbol_info().let_go, 1);
    // It is known to exist, so it is a gap to be fetched.
    assert_eq!(bench.info(sequence).highest_seen, Some(9));
}

#[test]
fn the_newest_are_kept() {
    let mut bench = Bench::with(1_000, 10);
    let sequence = bench.lane(250, Some(-1)).sequence;
    bench.feed.begin_fetch(sequence).unwrap();
    for id in (5..40).chain([3, 2]) {
        bench.live(id);
        assert!(bench.feed.totals().trades_held <= 10);
    }
    bench.page(0, &page_of(0..30));
    assert_eq!(bench.expected(sequence), Some(40));
    assert_eq!(bench.symbol_info().let_go, 27);
}

#[test]
fn held_trades_come_out_in_order_whatever_order_they_came_in() {
    let mut bench = Bench::roomy();
    let added = bench.lane(100, Some(-1));
    bench.feed.begin_fetch(added.sequence).unwrap();
    let mut ids: Vec<i64> = (1..300).collect();
    let mut random = Random(77);
    for at in (1..ids.len()).rev() {
        ids.swap(at, random.below(at as u64 + 1) as usize);
    }
    for id in ids {
        bench.live(id);
        bench.live(id);
    }
    assert_eq!(bench.symbol_info().duplicates, 299);
    assert_eq!(bench.live(0).trades_taken, 300);
    assert_eq!(
        bench.bars(added.lane),
        offline(100, Some(-1), (0..300).map(trade))
    );
    assert_eq!(bench.events().len(), 1);
}

#[test]
fn a_held_trade_that_comes_again_with_other_values_is_an_event() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(-1)).sequence;
    bench.feed.begin_fetch(sequence).unwrap();
    bench.live(5);
    bench.live_tick(&Tick {
        is_buyer_maker: 1 - trade(5).is_buyer_maker,
        ..trade(5)
    });
    assert!(matches!(
        bench.events()[..],
        [
            Event::GapFound { .. },
            Event::TradesDiffer {
                id: 5,
                count: 1,
                ..
            }
        ]
    ));
}

#[test]
fn all_holds_together_are_bounded_and_none_is_starved() {
    let mut bench = Bench::with(1_000, 100);
    let mut sequences = Vec::new();
    for name in ["A", "B", "C", "D"] {
        let symbol = bench.feed.add_symbol(name.as_bytes()).unwrap();
        let spec = LaneSpec {
            symbol,
            ..bench.spec(250, Some(-1))
        };
        let sequence = bench.feed.add_lane(&spec).unwrap().sequence;
        bench.feed.begin_fetch(sequence).unwrap();
        sequences.push((name, sequence));
    }
    // One after another: each later one needs room that the first ones have filled.
    for (name, _) in &sequences {
        for id in 10..210 {
            bench.bytes(&text(&event(name, &trade(id))));
            assert!(bench.feed.totals().trades_held <= 100);
        }
    }
    let held: Vec<usize> = sequences
        .iter()
        .map(|(_, sequence)| bench.info(*sequence).held)
        .collect();
    assert_eq!(held.iter().sum::<usize>(), 100);
    assert!(held.iter().all(|&held| held >= 24), "{held:?}");
    assert_eq!(bench.feed.totals().let_go, 700);
}

#[test]
fn without_any_room_for_holds_everything_still_works() {
    let mut bench = Bench::with(1_000, 0);
    let sequence = bench.lane(250, Some(-1)).sequence;
    bench.feed.begin_fetch(sequence).unwrap();
    bench.live(5);
    assert_eq!(bench.info(sequence).held, 0);
    assert_eq!(bench.symbol_info().let_go, 1);
    bench.page(0, &page_of(0..6));
    assert_eq!(bench.expected(sequence), Some(6));
}

#[test]
fn memory_of_a_hold_is_given_back() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(-1)).sequence;
    let before = bench.feed.totals().heap_bytes;
    bench.feed.begin_fetch(sequence).unwrap();
    for id in 1..10_000 {
        bench.live(id);
    }
    assert!(bench.feed.totals().heap_bytes > before + 600_000);
    bench.live(0);
    bench.feed.end_fetch(sequence).unwrap();
    while bench.feed.pop_bar().is_some() {}
    let after = bench.feed.totals();
    assert_eq!(after.trades_held, 0);
    let bars = 176 * 2 * after.bars as usize;
    assert!(after.heap_bytes < before + bars + 10_000, "{after:?}");
}
