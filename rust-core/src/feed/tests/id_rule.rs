//! Below, at and above the expected id.

use super::*;

#[test]
fn the_expected_trade_goes_into_every_lane() {
    let mut bench = Bench::roomy();
    let wide = bench.lane(500, Some(9)).lane;
    let narrow = bench.lane(100, Some(9)).lane;
    for id in 10..400 {
        assert_eq!(bench.live(id).trades_taken, 1);
    }
    let all: Vec<LaneBar> = core::iter::from_fn(|| bench.feed.pop_bar()).collect();
    for (lane, threshold) in [(wide, 500), (narrow, 100)] {
        let bars: Vec<Bar> = all
            .iter()
            .filter(|b| b.lane == lane)
            .map(|b| b.bar)
            .collect();
        assert_eq!(bars, offline(threshold, Some(9), (10..400).map(trade)));
        assert!(bars.len() > 10);
    }
    // Of bars that one trade closed, the smallest threshold comes first.
    let twice: Vec<_> = all
        .windows(2)
        .filter(|two| two[0].bar.last_agg_trade_id == two[1].bar.last_agg_trade_id)
        .collect();
    assert!(!twice.is_empty());
    assert!(twice.iter().all(|two| two[0].lane == narrow));
}

#[test]
fn a_first_live_trade_sets_the_origin() {
    let mut bench = Bench::roomy();
    let added = bench.lane(250, None);
    assert_eq!(bench.expected(added.sequence), None);
    bench.live(41);
    let origin = Event::OriginSet {
        lane: added.lane,
        origin: 40,
        unit: TimeUnit::Microsecond,
    };
    assert_eq!(bench.feed.pop_event(), Some(origin));
    assert_eq!(bench.feed.pop_event(), None);
    assert_eq!(bench.expected(added.sequence), Some(42));
    // The bar begins there: ids before the origin are no loss.
    let forming = bench.feed.lane_info(added.lane).unwrap().forming.unwrap();
    assert_eq!(
        (forming.first_agg_trade_id, forming.missing_trades),
        (41, 0)
    );
}

#[test]
fn the_origin_may_be_before_the_first_id_of_all() {
    let mut bench = Bench::roomy();
    let added = bench.lane(250, Some(-1));
    assert_eq!(bench.live(0).trades_taken, 1);
    let origin = Event::OriginSet {
        lane: added.lane,
        origin: -1,
        unit: TimeUnit::Microsecond,
    };
    assert_eq!(bench.feed.pop_event(), Some(origin));
    let live = bench.lane(250, None);
    assert_eq!(bench.expected(live.sequence), None);
}

#[test]
fn below_the_expected_id_is_a_duplicate() {
    let mut bench = Bench::roomy();
    bench.lane(250, Some(9));
    bench.live(10);
    bench.live(11);
    assert_eq!(bench.live(10).trades_taken, 0);
    assert_eq!(bench.live(11).trades_taken, 0);
    assert_eq!(bench.symbol_info().duplicates, 2);
    assert_eq!(bench.events(), []);
}

#[test]
fn below_and_yet_a_minute_later_means_that_ids_restarted() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    bench.live(10);
    let last_time_us = trade(10).timestamp_us;
    let later = |after: i64| Tick {
        timestamp_us: last_time_us + after,
        ..trade(3)
    };
    bench.live_tick(&later(60_000_000));
    assert_eq!(bench.events(), []);
    bench.live_tick(&later(60_000_001));
    bench.live_tick(&later(70_000_000));
    let restarted = Event::IdsRestarted {
        sequence,
        id: 3,
        expected: 11,
        time_us: last_time_us + 60_000_001,
        last_time_us,
    };
    // One waits, however many such trades come.
    assert_eq!(bench.events(), [restarted]);
    assert_eq!(bench.expected(sequence), Some(11));
    assert_eq!(bench.symbol_info().duplicates, 3);
}

#[test]
fn a_true_duplicate_is_none_though_times_stepped_back() {
    let mut bench = Bench::roomy();
    bench.lane(250, Some(9));
    bench.live(10);
    bench.live_tick(&Tick {
        timestamp_us: trade(10).timestamp_us - 3_600_000_000,
        ..trade(11)
    });
    bench.live(10);
    assert_eq!(bench.events(), []);
    assert_eq!(bench.symbol_info().duplicates, 1);
}

#[test]
fn the_time_of_a_stored_position_counts_too() {
    let mut bench = Bench::roomy();
    let spec = LaneSpec {
        last_time_us: Some(START_US),
        ..bench.spec(250, Some(1_000))
    };
    bench.feed.add_lane(&spec).unwrap();
    let other_market = Tick {
        timestamp_us: START_US + 3_600_000_000,
        ..trade(7)
    };
    bench.live_tick(&other_market);
    assert!(matches!(
        bench.events()[..],
        [Event::IdsRestarted { id: 7, .. }]
    ));
}

#[test]
fn above_the_expected_id_is_a_gap_told_once() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    bench.live(10);
    bench.live(15);
    bench.live(16);
    let gap = |from, to| Event::GapFound { sequence, from, to };
    assert_eq!(bench.events(), [gap(11, 14)]);
    bench.live(20);
    assert_eq!(bench.events(), []);
    assert_eq!(bench.info(sequence).highest_seen, Some(20));
    // Not fetched for: nothing is held, only the highest id is known.
    assert_eq!(bench.info(sequence).held, 0);
    // Closed by REST; then another gap is news again.
    assert_eq!(bench.page(11, &page_of(11..=20)).taken, 10);
    assert_eq!(bench.info(sequence).highest_seen, None);
    bench.live(30);
    assert_eq!(bench.events(), [gap(21, 29)]);
}

#[test]
fn a_gap_that_was_not_looked_at_yet_is_overwritten_by_the_next() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    for round in 0..100 {
        let from = 10 + round * 10;
        bench.live(from + 9);
        bench.page(from, &page_of(from..from + 10));
    }
    let gap = Event::GapFound {
        sequence,
        from: 1_000,
        to: 1_008,
    };
    assert_eq!(bench.events(), [gap]);
}

#[test]
fn a_late_trade_closes_the_gap_by_itself() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    bench.feed.begin_fetch(sequence).unwrap();
    bench.live(11);
    bench.live(12);
    assert_eq!(bench.live(10).trades_taken, 3);
    assert_eq!(bench.expected(sequence), Some(13));
    assert_eq!(bench.info(sequence).held, 0);
}

#[test]
fn two_copies_that_differ_are_an_event_and_the_first_stays() {
    let mut bench = Bench::roomy();
    let lane = bench.lane(250, Some(9)).lane;
    bench.live(10);
    let other = Tick {
        price_e8: trade(10).price_e8 + 1,
        ..trade(10)
    };
    bench.live_tick(&other);
    bench.live_tick(&other);
    bench.live(10);
    let differ = Event::TradesDiffer {
        symbol: bench.symbol,
        id: 10,
        count: 2,
    };
    assert_eq!(bench.events(), [differ]);
    let forming = bench.feed.lane_info(lane).unwrap().forming.unwrap();
    assert_eq!(forming.open_e8, trade(10).price_e8);
}

#[test]
fn two_connections_that_overlap_are_only_duplicates() {
    let mut bench = Bench::roomy();
    let lane = bench.lane(100, Some(-1)).lane;
    let second = bench.feed.connect();
    for id in 0..500 {
        let bytes = text(&event("X", &trade(id)));
        bench.bytes(&bytes);
        if id >= 7 {
            let late = text(&event("X", &trade(id - 7)));
            bench.feed.receive(second, &late).unwrap();
        }
    }
    assert_eq!(bench.symbol_info().duplicates, 493);
    assert_eq!(bench.events(), []);
    assert_eq!(
        bench.bars(lane),
        offline(100, Some(-1), (0..500).map(trade))
    );
}

#[test]
fn other_symbols_go_on_while_one_has_a_gap() {
    let mut bench = Bench::roomy();
    bench.lane(250, Some(-1));
    let other = bench.feed.add_symbol(b"Y").unwrap();
    let spec = LaneSpec {
        symbol: other,
        ..bench.spec(250, Some(-1))
    };
    bench.feed.add_lane(&spec).unwrap();
    bench.live(5);
    for id in 0..10 {
        let summary = bench.bytes(&text(&event("Y", &trade(id))));
        assert_eq!(summary.trades_taken, 1);
    }
    assert_eq!(bench.feed.symbol_info(other).unwrap().live_trades, 10);
}
