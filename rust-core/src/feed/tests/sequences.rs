//! Lanes of one symbol at different positions.

use super::*;

#[test]
fn lanes_at_one_position_share_a_sequence() {
    let mut bench = Bench::roomy();
    let one = bench.lane(250, Some(9));
    let two = bench.lane(500, Some(9));
    let other = bench.lane(250, Some(20));
    assert_eq!(one.sequence, two.sequence);
    assert_ne!(one.sequence, other.sequence);
    assert_eq!(bench.info(one.sequence).lanes, 2);
    let ids: Vec<u64> = bench.feed.sequences(bench.symbol).unwrap().collect();
    assert_eq!(ids, [one.sequence, other.sequence]);
}

#[test]
fn one_that_is_behind_never_delays_one_at_the_live_edge() {
    let mut bench = Bench::roomy();
    let behind = bench.lane(100, Some(-1));
    let live = bench.lane(100, Some(99));
    bench.feed.begin_fetch(behind.sequence).unwrap();
    for id in 100..200 {
        assert_eq!(bench.live(id).trades_taken, 1);
    }
    assert_eq!(bench.expected(live.sequence), Some(200));
    assert_eq!(
        bench.bars(live.lane),
        offline(100, Some(99), (100..200).map(trade))
    );
}

#[test]
fn sequences_that_meet_merge() {
    let mut bench = Bench::roomy();
    let behind = bench.lane(100, Some(-1));
    let live = bench.lane(500, Some(99));
    bench.feed.begin_fetch(behind.sequence).unwrap();
    for id in 100..150 {
        bench.live(id);
    }
    bench.events();
    // REST lags behind the sockets: the hold bridges the rest.
    bench.page(0, &page_of(0..120));
    let merged = Event::SequencesMerged {
        from: live.sequence,
        into: behind.sequence,
    };
    assert_eq!(bench.events(), [merged]);
    for name in [behind.sequence, live.sequence] {
        let info = bench.info(name);
        assert_eq!((info.sequence, info.lanes), (behind.sequence, 2));
        assert_eq!(info.expected, Some(150));
        assert!(info.is_fetching);
    }
    bench.feed.end_fetch(live.sequence).unwrap();
    assert!(!bench.info(behind.sequence).is_fetching);
    bench.live(150);
    let all: Vec<LaneBar> = core::iter::from_fn(|| bench.feed.pop_bar()).collect();
    for (lane, threshold, position) in [(behind.lane, 100, -1), (live.lane, 500, 99)] {
        let bars: Vec<Bar> = all
            .iter()
            .filter(|b| b.lane == lane)
            .map(|b| b.bar)
            .collect();
        let tape = (position + 1..151).map(trade);
        assert_eq!(bars, offline(threshold, Some(position), tape));
    }
}

#[test]
fn one_page_serves_all_sequences_whose_expected_id_it_covers() {
    let mut bench = Bench::roomy();
    let first = bench.lane(100, Some(-1));
    let second = bench.lane(100, Some(49));
    let third = bench.lane(100, Some(149));
    let page = bench.page(0, &page_of(0..100));
    assert_eq!((page.taken, page.duplicates), (100, 0));
    assert_eq!(bench.expected(first.sequence), Some(100));
    assert_eq!(bench.info(second.sequence).sequence, first.sequence);
    assert_eq!(bench.expected(third.sequence), Some(150));
}

#[test]
fn a_live_lane_meets_the_others_at_its_first_trade() {
    let mut bench = Bench::roomy();
    let known = bench.lane(250, Some(9));
    let live = bench.lane(500, None);
    assert_ne!(known.sequence, live.sequence);
    assert_eq!(bench.live(10).trades_taken, 1);
    assert_eq!(bench.info(live.sequence).sequence, known.sequence);
    assert_eq!(bench.info(known.sequence).lanes, 2);
}

#[test]
fn a_live_lane_does_not_wait_for_the_others() {
    let mut bench = Bench::roomy();
    let known = bench.lane(250, Some(9));
    let live = bench.lane(500, None);
    bench.live(40);
    assert_eq!(bench.expected(live.sequence), Some(41));
    assert_eq!(bench.expected(known.sequence), Some(10));
    // A page cannot tell where a lane without an origin begins.
    let third = bench.lane(100, None);
    bench.page(10, &page_of(10..20));
    assert_eq!(bench.expected(third.sequence), None);
}

#[test]
fn merged_by_what_was_declared_missing() {
    let mut bench = Bench::roomy();
    let behind = bench.lane(250, Some(9));
    let ahead = bench.lane(500, Some(19));
    assert_eq!(bench.feed.declare_missing(behind.sequence, 19), Ok(true));
    assert_eq!(bench.info(ahead.sequence).sequence, behind.sequence);
    bench.live(20);
    let first = bench.feed.lane_info(behind.lane).unwrap().forming.unwrap();
    let second = bench.feed.lane_info(ahead.lane).unwrap().forming.unwrap();
    assert_eq!((first.missing_trades, second.missing_trades), (10, 0));
}

#[test]
fn ids_of_sequences_are_never_used_again() {
    let mut bench = Bench::roomy();
    let mut seen = Vec::new();
    for round in 0..20_i64 {
        let behind = bench.lane(250, Some(round * 10));
        bench.page(round * 10 + 1, &page_of(round * 10 + 1..=round * 10 + 10));
        seen.push(behind.sequence);
    }
    let mut unique = seen.clone();
    unique.dedup();
    // Each round's lane begins where the last page ended, so all are one sequence.
    assert_eq!(unique, [1]);
    let late = bench.lane(250, Some(5)).sequence;
    assert_eq!(late, 2);
}

#[test]
fn numbers_that_nobody_gave_out_are_unknown() {
    let mut bench = Bench::roomy();
    for sequence in [0, 1, u64::MAX] {
        assert_eq!(bench.feed.begin_fetch(sequence), Err(FeedError::Unknown));
        assert_eq!(bench.feed.end_fetch(sequence), Err(FeedError::Unknown));
        assert_eq!(
            bench.feed.declare_missing(sequence, 5),
            Err(FeedError::Unknown)
        );
        assert!(bench.feed.sequence_info(sequence).is_err());
    }
    assert!(bench.feed.lane_info(0).is_err());
    assert!(bench.feed.symbol_info(7).is_err());
    assert_eq!(bench.feed.set_known(7, 5), Err(FeedError::Unknown));
    assert_eq!(bench.feed.receive(99, b""), Err(FeedError::Unknown));
    assert_eq!(bench.feed.disconnect(99), Err(FeedError::Unknown));
    let mut out = Vec::new();
    assert_eq!(
        bench.feed.lane_snapshot(3, &mut out),
        Err(FeedError::Unknown)
    );
}

#[test]
fn lanes_that_cannot_be_are_refused() {
    let mut bench = Bench::roomy();
    let spec = bench.spec(250, Some(-2));
    assert_eq!(bench.feed.add_lane(&spec), Err(FeedError::Argument));
    let spec = bench.spec(250, Some(i64::MAX));
    assert_eq!(bench.feed.add_lane(&spec), Err(FeedError::Argument));
    let spec = bench.spec(0, None);
    assert_eq!(bench.feed.add_lane(&spec), Err(FeedError::Threshold));
    let spec = LaneSpec {
        symbol: 5,
        ..bench.spec(250, None)
    };
    assert_eq!(bench.feed.add_lane(&spec), Err(FeedError::Unknown));
    assert_eq!(bench.feed.add_symbol(b""), Err(FeedError::Argument));
    assert_eq!(bench.feed.add_symbol(b"X"), Ok(bench.symbol));
    // A lane without an origin has no trade that could be missing.
    let live = bench.lane(250, None).sequence;
    assert_eq!(
        bench.feed.declare_missing(live, 5),
        Err(FeedError::Argument)
    );
}

#[test]
fn a_snapshot_goes_on_where_it_was_taken() {
    let mut bench = Bench::roomy();
    let lane = bench.lane(300, Some(-1)).lane;
    for id in 0..137 {
        bench.live(id);
    }
    let before = bench.bars(lane);
    let position = before.last().map_or(-1, |bar| bar.last_agg_trade_id);
    let mut bytes = Vec::new();
    bench.feed.lane_snapshot(lane, &mut bytes).unwrap();

    let mut again = Bench::roomy();
    let spec = LaneSpec {
        snapshot: Some(&bytes),
        ..again.spec(300, Some(position))
    };
    let added = again.feed.add_lane(&spec).unwrap();
    assert_eq!(again.expected(added.sequence), Some(137));
    for id in 137..300 {
        again.live(id);
    }
    let both = [before, again.bars(added.lane)].concat();
    assert_eq!(both, offline(300, Some(-1), (0..300).map(trade)));
}

#[test]
fn a_snapshot_of_something_else_is_refused() {
    let mut bench = Bench::roomy();
    let lane = bench.lane(100_000, Some(9)).lane;
    bench.live(10);
    let mut bytes = Vec::new();
    bench.feed.lane_snapshot(lane, &mut bytes).unwrap();
    let mut refused = |threshold, position, bytes: &[u8]| {
        let spec = LaneSpec {
            snapshot: Some(bytes),
            ..bench.spec(threshold, position)
        };
        bench.feed.add_lane(&spec).unwrap_err()
    };
    assert_eq!(refused(250, Some(9), &bytes), FeedError::SnapshotMismatch);
    assert_eq!(
        refused(100_000, Some(10), &bytes),
        FeedError::SnapshotMismatch
    );
    assert_eq!(refused(100_000, None, &bytes), FeedError::SnapshotMismatch);
    let cut = &bytes[..bytes.len() - 1];
    assert!(matches!(
        refused(100_000, Some(9), cut),
        FeedError::Snapshot(_)
    ));
}

/// The snapshot of a lane behind `position`, after these trades.
fn snapshot_behind(position: i64, trades: &[Tick]) -> Vec<u8> {
    let mut bench = Bench::roomy();
    let lane = bench.lane(100_000, Some(position)).lane;
    bench.page(position + 1, &page(trades));
    let mut bytes = Vec::new();
    bench.feed.lane_snapshot(lane, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_snapshot_follows_one_position_only() {
    let forming = snapshot_behind(9, &[trade(10), trade(11), trade(12)]);
    let closed = snapshot_behind(9, &[]);
    for (bytes, follows) in [(&forming, 9), (&closed, 9)] {
        for position in -1..20 {
            let mut bench = Bench::roomy();
            let spec = LaneSpec {
                snapshot: Some(bytes),
                ..bench.spec(100_000, Some(position))
            };
            let added = bench.feed.add_lane(&spec);
            assert_eq!(added.is_ok(), position == follows, "{position}");
        }
    }
}

#[test]
fn what_is_missing_before_a_snapshot_follows_its_position_too() {
    let mut bench = Bench::roomy();
    let added = bench.lane(100_000, Some(9));
    bench.feed.declare_missing(added.sequence, 11).unwrap();
    bench.live(12);
    bench.feed.declare_missing(added.sequence, 15).unwrap();
    bench.live(16);
    let mut bytes = Vec::new();
    bench.feed.lane_snapshot(added.lane, &mut bytes).unwrap();
    for position in [8, 9, 10, 11] {
        let mut again = Bench::roomy();
        let spec = LaneSpec {
            snapshot: Some(&bytes),
            ..again.spec(100_000, Some(position))
        };
        assert_eq!(again.feed.add_lane(&spec).is_ok(), position == 9);
    }
}

#[test]
fn a_snapshot_of_another_symbol_is_refused() {
    let bytes = snapshot_behind(9, &[trade(10)]);
    let mut bench = Bench::roomy();
    let symbol = bench.feed.add_symbol(b"Y").unwrap();
    let spec = LaneSpec {
        symbol,
        snapshot: Some(&bytes),
        ..bench.spec(100_000, Some(9))
    };
    let outcome = bench.feed.add_lane(&spec);
    assert_eq!(outcome, Err(FeedError::SnapshotMismatch));
}

#[test]
fn a_fetch_goes_on_for_the_one_that_stays() {
    let mut bench = Bench::roomy();
    let live = bench.lane(500, Some(99));
    let behind = bench.lane(100, Some(-1));
    bench.feed.begin_fetch(behind.sequence).unwrap();
    bench.page(0, &page_of(0..100));
    let info = bench.info(behind.sequence);
    assert_eq!(info.sequence, live.sequence);
    assert!(info.is_fetching);
    bench.live(101);
    assert_eq!(bench.info(live.sequence).held, 1);
    bench.feed.end_fetch(behind.sequence).unwrap();
    assert_eq!(bench.feed.core.fetching, 0);
}

#[test]
fn two_fetches_that_meet_are_one() {
    let mut bench = Bench::roomy();
    let first = bench.lane(500, Some(-1));
    let second = bench.lane(100, Some(49));
    for sequence in [first.sequence, second.sequence] {
        bench.feed.begin_fetch(sequence).unwrap();
        bench.feed.begin_fetch(sequence).unwrap();
    }
    assert_eq!(bench.feed.core.fetching, 2);
    bench.page(0, &page_of(0..60));
    assert_eq!(bench.feed.core.fetching, 1);
    for sequence in [first.sequence, second.sequence] {
        bench.feed.end_fetch(sequence).unwrap();
    }
    assert_eq!(bench.feed.core.fetching, 0);
}
