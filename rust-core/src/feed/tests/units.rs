//! One time unit a lane.

use super::*;

fn in_unit(bench: &Bench, unit: TimeUnit) -> LaneSpec<'static> {
    LaneSpec {
        unit: Some(unit),
        ..bench.spec(100, Some(-1))
    }
}

#[test]
fn microseconds_are_cut_in_a_millisecond_lane() {
    let mut bench = Bench::roomy();
    let spec = in_unit(&bench, TimeUnit::Millisecond);
    let coarse = bench.feed.add_lane(&spec).unwrap().lane;
    let spec = in_unit(&bench, TimeUnit::Microsecond);
    let fine = bench.feed.add_lane(&spec).unwrap().lane;
    for id in 0..200 {
        bench.live(id);
    }
    let cut = |tick: Tick| Tick {
        timestamp_us: tick.timestamp_us / 1_000 * 1_000,
        ..tick
    };
    let all: Vec<LaneBar> = core::iter::from_fn(|| bench.feed.pop_bar()).collect();
    let of = |lane| all.iter().filter(move |b| b.lane == lane).map(|b| b.bar);
    let tape = || (0..200).map(trade);
    assert_eq!(of(fine).collect::<Vec<_>>(), offline(100, Some(-1), tape()));
    let coarse: Vec<Bar> = of(coarse).collect();
    assert_eq!(coarse, offline(100, Some(-1), tape().map(cut)));
    assert!(of(fine).ne(coarse.iter().copied()));
    // Both units were known, so nothing had to be announced.
    assert_eq!(bench.feed.pop_event(), None);
}

#[test]
fn a_connection_in_milliseconds_brings_nothing_to_a_microsecond_lane() {
    let mut bench = Bench::roomy();
    let spec = in_unit(&bench, TimeUnit::Microsecond);
    let sequence = bench.feed.add_lane(&spec).unwrap().sequence;
    for id in 0..3 {
        let summary = bench.bytes(&text(&event_ms("X", &trade(id))));
        assert_eq!(summary.trades_taken, 0);
    }
    let mismatch = Event::UnitMismatch {
        connection: bench.connection,
        symbol: bench.symbol,
    };
    assert_eq!(bench.events(), [mismatch]);
    assert_eq!(bench.expected(sequence), Some(0));
    assert_eq!(bench.symbol_info().refused, 3);
}

#[test]
fn a_page_in_milliseconds_brings_nothing_to_a_microsecond_lane() {
    let mut bench = Bench::roomy();
    let spec = in_unit(&bench, TimeUnit::Microsecond);
    let sequence = bench.feed.add_lane(&spec).unwrap().sequence;
    let rows: Vec<String> = (0..3)
        .map(|id| format!("{{{}}}", fields(&trade(id), trade(id).timestamp_us / 1_000)))
        .collect();
    let body = format!("[{}]", rows.join(","));
    let outcome = bench.feed.backfill(bench.symbol, 0, body.as_bytes());
    assert_eq!(outcome, Err(FeedError::Unit));
    assert_eq!(bench.expected(sequence), Some(0));
}

#[test]
fn the_first_trade_fixes_the_unit() {
    let mut bench = Bench::roomy();
    let lane = bench.lane(100, Some(-1)).lane;
    bench.bytes(&text(&event_ms("X", &trade(0))));
    let origin = Event::OriginSet {
        lane,
        origin: -1,
        unit: TimeUnit::Millisecond,
    };
    assert_eq!(bench.feed.pop_event(), Some(origin));
    // Microseconds are cut from now on: trade 2 would be at another microsecond.
    bench.live(1);
    bench.live(2);
    let info = bench.feed.lane_info(lane).unwrap();
    assert_eq!(info.unit, Some(TimeUnit::Millisecond));
    assert_eq!(info.last_time_us, trade(2).timestamp_us / 1_000 * 1_000);

    let mut bench = Bench::roomy();
    bench.lane(100, Some(-1));
    bench.live(0);
    assert_eq!(
        bench.bytes(&text(&event_ms("X", &trade(1)))).trades_taken,
        0
    );
    assert!(matches!(bench.events()[..], [Event::UnitMismatch { .. }]));
}

#[test]
fn copies_are_compared_in_the_coarser_unit() {
    let mut bench = Bench::roomy();
    let spec = in_unit(&bench, TimeUnit::Millisecond);
    bench.feed.add_lane(&spec).unwrap();
    for id in 0..4 {
        bench.live(id);
        bench.bytes(&text(&event_ms("X", &trade(id))));
    }
    assert_eq!(bench.events(), []);
    assert_eq!(bench.symbol_info().duplicates, 4);
}
