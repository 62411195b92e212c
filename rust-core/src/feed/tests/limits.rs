//! Numbers that cannot be, and what all of it costs.

use super::*;

#[test]
fn a_live_id_far_above_what_rest_knows_is_refused() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(99)).sequence;
    bench.feed.set_known(bench.symbol, 100).unwrap();
    bench.live(100 + MAX_LEAD);
    assert!(matches!(bench.events()[..], [Event::GapFound { .. }]));
    bench.live(100 + MAX_LEAD + 1);
    let events = bench.events();
    assert!(
        matches!(
            events[..],
            [Event::FrameRejected {
                reason: Refusal::TooFarAhead,
                ..
            }]
        ),
        "{events:?}"
    );
    assert_eq!(bench.symbol_info().refused, 1);
    assert_eq!(bench.info(sequence).highest_seen, Some(100 + MAX_LEAD));
    // A page that goes further raises what is believed.
    bench.page(100, &page_of(100..103));
    bench.live(102 + MAX_LEAD);
    assert_eq!(bench.info(sequence).highest_seen, Some(102 + MAX_LEAD));
}

#[test]
fn what_was_seen_before_rest_was_asked_is_forgotten_when_it_cannot_be() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(99)).sequence;
    bench.feed.begin_fetch(sequence).unwrap();
    bench.live_tick(&Tick {
        agg_trade_id: 1 << 60,
        ..trade(100)
    });
    assert_eq!(bench.info(sequence).held, 1);
    bench.feed.set_known(bench.symbol, 200).unwrap();
    assert_eq!(bench.info(sequence).highest_seen, None);
    assert_eq!(bench.feed.totals().trades_held, 0);
    assert_eq!(bench.symbol_info().refused, 1);
    assert_eq!(bench.feed.totals().refused, 1);
    bench.events();
    bench.live(150);
    assert!(matches!(
        bench.events()[..],
        [Event::GapFound {
            from: 100,
            to: 149,
            ..
        }]
    ));
}

#[test]
fn a_gap_that_is_still_believed_is_not_forgotten_with_what_is_not() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(99)).sequence;
    bench.feed.begin_fetch(sequence).unwrap();
    bench.live(150);
    bench.live_tick(&Tick {
        agg_trade_id: 1 << 60,
        ..trade(151)
    });
    bench.events();
    bench.feed.set_known(bench.symbol, 200).unwrap();
    assert_eq!(bench.info(sequence).highest_seen, Some(150));
    assert_eq!(bench.info(sequence).held, 1);
    // It was told; a further trade above it is no news.
    bench.live(151);
    assert_eq!(bench.events(), []);
    bench.page(100, &page_of(100..150));
    assert_eq!(bench.expected(sequence), Some(152));
    assert_eq!(bench.info(sequence).highest_seen, None);
    bench.live(160);
    assert!(matches!(bench.events()[..], [Event::GapFound { .. }]));
}

#[test]
fn a_stream_that_runs_for_long_outgrows_what_rest_once_knew() {
    let mut bench = Bench::roomy();
    let position = MAX_LEAD * 3;
    let sequence = bench.lane(250, Some(position)).sequence;
    bench.feed.set_known(bench.symbol, 5).unwrap();
    assert_eq!(bench.live(position + 1).trades_taken, 1);
    bench.live(position + 5);
    assert_eq!(bench.info(sequence).highest_seen, Some(position + 5));
}

#[test]
fn impossible_numbers_are_refused_and_do_not_stop_a_lane() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    let impossible = [
        Tick {
            last_trade_id: i64::MAX,
            first_trade_id: 0,
            ..trade(10)
        },
        Tick {
            price_e8: i64::MAX,
            quantity_e8: i64::MAX,
            ..trade(10)
        },
        Tick {
            agg_trade_id: i64::MAX,
            ..trade(10)
        },
    ];
    for tick in &impossible {
        assert_eq!(bench.live_tick(tick).trades_taken, 0);
        assert!(matches!(
            bench.events()[..],
            [Event::FrameRejected {
                reason: Refusal::Implausible,
                ..
            }]
        ));
    }
    let page = bench.page(10, &page(&impossible[..2]));
    assert_eq!((page.rows, page.refused), (0, 2));
    assert_eq!(bench.events().len(), 2);
    assert_eq!(bench.live(10).trades_taken, 1);
    assert_eq!(bench.expected(sequence), Some(11));
}

#[test]
fn a_thousand_symbols_with_four_thresholds_are_cheap() {
    let mut bench = Bench::with(100, 5_000);
    for number in 0..1_000 {
        let symbol = bench
            .feed
            .add_symbol(format!("SYM{number}USDT").as_bytes())
            .unwrap();
        for threshold in [50, 100, 250, 500] {
            let spec = LaneSpec {
                symbol,
                ..bench.spec(threshold, None)
            };
            bench.feed.add_lane(&spec).unwrap();
        }
    }
    for round in 0..30 {
        for number in 0..1_000 {
            bench.bytes(&text(&event(&format!("SYM{number}USDT"), &trade(round))));
            while bench.feed.is_paused() {
                bench.feed.pop_bar();
                bench.feed.resume();
            }
        }
    }
    let totals = bench.feed.totals();
    println!("1,000 symbols x 4 thresholds: {} bytes", totals.heap_bytes);
    assert!(totals.heap_bytes < 8 << 20, "{totals:?}");
    assert_eq!(totals.live_trades, 30_000);
}

#[test]
fn nothing_grows_with_the_tape() {
    let mut bench = Bench::with(100, 1_000);
    let sequence = bench.lane(250, None).sequence;
    let mut sizes = Vec::new();
    for id in 0..60_000 {
        bench.live(id);
        while bench.feed.pop_bar().is_some() {}
        if id % 20_000 == 19_999 {
            bench.feed.begin_fetch(sequence).unwrap();
            bench.feed.end_fetch(sequence).unwrap();
            sizes.push(bench.feed.totals().heap_bytes);
        }
    }
    assert_eq!(sizes[1], sizes[2]);
}
