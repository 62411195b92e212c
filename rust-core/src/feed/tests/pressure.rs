//! Back-pressure: paused for one reason, and nothing lost for it.

use super::*;

#[test]
fn one_trade_is_atomic() {
    // Two lanes, room for one bar: a trade that closes both is taken while the queue is empty.
    let mut bench = Bench::with(1, 100);
    for threshold in [1, 2] {
        bench.lane(threshold, Some(-1));
    }
    let mut most = 0;
    for id in 0..50 {
        let mut summary = bench.live(id);
        while summary.is_paused {
            assert!(summary.bars_queued > 0);
            bench.feed.pop_bar();
            summary = bench.feed.resume();
        }
        most = most.max(summary.bars_queued);
    }
    assert_eq!(most, 2);
}

#[test]
fn the_unread_rest_waits_and_nothing_is_lost() {
    let mut bench = Bench::with(3, 100);
    let lane = bench.lane(50, Some(-1)).lane;
    let bytes: Vec<u8> = (0..500)
        .flat_map(|id| text(&event("X", &trade(id))))
        .collect();
    let mut bars = Vec::new();
    for part in bytes.chunks(1_777) {
        let mut summary = bench.bytes(part);
        while summary.is_paused {
            let again = bench.feed.receive(bench.connection, b"x");
            assert_eq!(again, Err(FeedError::Paused));
            let info = bench.feed.connection_info(bench.connection).unwrap();
            assert!(info.is_paused && info.unread < 1_777);
            assert!(summary.bars_queued <= 3);
            bars.extend(bench.feed.pop_bar());
            summary = bench.feed.resume();
        }
    }
    bars.extend(core::iter::from_fn(|| bench.feed.pop_bar()));
    let bars: Vec<Bar> = bars.into_iter().map(|closed| closed.bar).collect();
    assert_eq!(bars, offline(50, Some(-1), (0..500).map(trade)));
    assert_eq!(lane, 0);
}

#[test]
fn resuming_without_room_changes_nothing() {
    let mut bench = Bench::with(1, 100);
    bench.lane(1, Some(-1));
    let bytes: Vec<u8> = (0..10)
        .flat_map(|id| text(&event("X", &trade(id))))
        .collect();
    let paused = bench.bytes(&bytes);
    assert!(paused.is_paused);
    let before = bench.feed.connection_info(bench.connection);
    let still = bench.feed.resume();
    assert_eq!((still.trades_taken, still.is_paused), (0, true));
    assert_eq!(bench.feed.connection_info(bench.connection), before);
}

#[test]
fn duplicates_and_gaps_need_no_room() {
    let mut bench = Bench::with(1, 100);
    bench.lane(1, Some(-1));
    let mut id = 0;
    while bench.feed.peek_bar().is_none() {
        bench.live(id);
        id += 1;
    }
    assert!(!bench.live(0).is_paused);
    assert!(!bench.live(id + 5).is_paused);
    assert!(bench.live(id).is_paused);
}

#[test]
fn a_bar_stays_at_the_head_until_it_is_popped() {
    let mut bench = Bench::roomy();
    bench.lane(1, Some(-1));
    for id in 0..20 {
        bench.live(id);
    }
    let head = *bench.feed.peek_bar().unwrap();
    assert_eq!(bench.feed.peek_bar(), Some(&head));
    assert_eq!(bench.feed.pop_bar(), Some(head));
    assert_ne!(bench.feed.peek_bar(), Some(&head));
}

#[test]
fn a_page_is_offered_again_until_it_is_complete() {
    let mut bench = Bench::with(2, 100);
    let lane = bench.lane(50, Some(-1)).lane;
    let body = page_of(0..300);
    let mut bars = Vec::new();
    let mut taken = 0;
    loop {
        let page = bench.page(0, &body);
        taken += page.taken;
        bars.extend(core::iter::from_fn(|| bench.feed.pop_bar()));
        if page.is_complete {
            break;
        }
        assert!(page.taken > 0);
    }
    assert_eq!(taken, 300);
    let bars: Vec<Bar> = bars.into_iter().map(|closed| closed.bar).collect();
    assert_eq!(bars, offline(50, Some(-1), (0..300).map(trade)));
    assert_eq!(lane, 0);
}

#[test]
fn a_hold_that_waits_for_room_goes_on_when_there_is_some() {
    let mut bench = Bench::with(2, 1_000);
    let added = bench.lane(50, Some(-1));
    bench.feed.begin_fetch(added.sequence).unwrap();
    for id in 1..300 {
        bench.live(id);
    }
    let mut summary = bench.live(0);
    bench.feed.end_fetch(added.sequence).unwrap();
    let mut bars = Vec::new();
    while summary.is_paused {
        bars.extend(bench.feed.pop_bar());
        summary = bench.feed.resume();
        assert!(summary.bars_queued <= 2);
    }
    bars.extend(core::iter::from_fn(|| bench.feed.pop_bar()));
    let bars: Vec<Bar> = bars.into_iter().map(|closed| closed.bar).collect();
    assert_eq!(bars, offline(50, Some(-1), (0..300).map(trade)));
    assert_eq!(bench.symbol_info().let_go, 0);
    assert_eq!(bench.feed.totals().trades_held, 0);
}

#[test]
fn a_paused_connection_may_be_forgotten() {
    let mut bench = Bench::with(1, 100);
    bench.lane(1, Some(-1));
    let bytes: Vec<u8> = (0..10)
        .flat_map(|id| text(&event("X", &trade(id))))
        .collect();
    assert!(bench.bytes(&bytes).is_paused);
    bench.feed.disconnect(bench.connection).unwrap();
    assert!(!bench.feed.is_paused());
    let next = bench.feed.connect();
    assert_eq!(next, bench.connection + 1);
    assert_eq!(
        bench.feed.disconnect(bench.connection),
        Err(FeedError::Unknown)
    );
}

#[test]
fn declaring_missing_waits_for_room_too() {
    let mut bench = Bench::with(1, 100);
    let added = bench.lane(1, Some(-1));
    bench.feed.begin_fetch(added.sequence).unwrap();
    for id in 5..60 {
        bench.live(id);
    }
    let mut rounds = 0;
    let mut bars = Vec::new();
    while bench.feed.declare_missing(added.sequence, 70) == Ok(false) {
        bars.extend(bench.feed.pop_bar());
        rounds += 1;
    }
    bars.extend(core::iter::from_fn(|| bench.feed.pop_bar()));
    let bars: Vec<Bar> = bars.into_iter().map(|closed| closed.bar).collect();
    assert!(rounds > 5);
    assert_eq!(bars, offline(1, Some(-1), (5..60).map(trade)));
    assert_eq!(bench.expected(added.sequence), Some(71));
    assert_eq!(bench.symbol_info().missing, 5 + 11);
}

#[test]
fn a_held_trade_that_waits_for_room_is_not_missing_from_a_page() {
    for held in 1..60 {
        let mut bench = Bench::with(1, 100);
        let added = bench.lane(1, Some(-1));
        bench.feed.begin_fetch(added.sequence).unwrap();
        bench.live(held);
        let body = page_of((0..80).filter(|&id| id != held));
        let mut bars = Vec::new();
        while !bench.page(0, &body).is_complete {
            bars.extend(bench.feed.pop_bar());
        }
        bars.extend(core::iter::from_fn(|| bench.feed.pop_bar()));
        let bars: Vec<Bar> = bars.into_iter().map(|closed| closed.bar).collect();
        assert_eq!(bars, offline(1, Some(-1), (0..80).map(trade)));
        let events = bench.events();
        assert!(matches!(events[..], [Event::GapFound { .. }]), "{events:?}");
    }
}

#[test]
fn a_held_trade_that_waits_for_room_comes_before_a_second_copy() {
    let mut bench = Bench::with(1, 100);
    let added = bench.lane(1, Some(-1));
    bench.feed.begin_fetch(added.sequence).unwrap();
    for id in 1..60 {
        bench.live(id);
    }
    let mut summary = bench.live(0);
    let mut bars = Vec::new();
    let mut rounds = 0;
    while summary.is_paused {
        bars.extend(bench.feed.pop_bar());
        let other = Tick {
            price_e8: 5_000_000_000,
            ..trade(bench.expected(added.sequence).unwrap())
        };
        bench.connection = bench.feed.connect();
        bench.live_tick(&other);
        summary = bench.feed.resume();
        rounds += 1;
    }
    bars.extend(core::iter::from_fn(|| bench.feed.pop_bar()));
    let bars: Vec<Bar> = bars.into_iter().map(|closed| closed.bar).collect();
    assert!(rounds > 5);
    assert_eq!(bars, offline(1, Some(-1), (0..60).map(trade)));
}
