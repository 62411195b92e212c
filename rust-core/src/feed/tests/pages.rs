//! REST as the second witness.

use super::*;
use crate::feed::page::MAX_ROWS;

#[test]
fn a_page_fills_the_gap_and_raises_what_rest_knows() {
    let mut bench = Bench::roomy();
    let added = bench.lane(100, Some(99));
    let page = bench.page(100, &page_of(100..200));
    let whole = Page {
        rows: 100,
        first_id: Some(100),
        last_id: Some(199),
        taken: 100,
        is_complete: true,
        ..Page::default()
    };
    assert_eq!(page, whole);
    assert_eq!(bench.expected(added.sequence), Some(200));
    assert_eq!(bench.symbol_info().known_id, Some(199));
    assert_eq!(bench.symbol_info().fetched_trades, 100);
    let again = bench.page(100, &page_of(100..210));
    assert_eq!((again.taken, again.duplicates), (10, 100));
    assert_eq!(
        bench.bars(added.lane),
        offline(100, Some(99), (100..210).map(trade))
    );
}

#[test]
fn an_empty_or_short_answer_is_lag_and_no_evidence() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    bench.live(20);
    bench.events();
    let empty = bench.page(10, "[]");
    assert_eq!(
        (empty.rows, empty.last_id, empty.is_complete),
        (0, None, true)
    );
    assert_eq!(bench.page(10, &page_of(10..12)).taken, 2);
    assert_eq!(bench.events(), []);
    assert_eq!(bench.expected(sequence), Some(12));
    assert_eq!(bench.info(sequence).highest_seen, Some(20));
}

#[test]
fn a_jump_at_the_start_or_inside_is_evidence_and_stops_the_sequence() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    let skipped = |expected, next_id| Event::IdSkipped {
        sequence,
        expected,
        next_id,
    };
    assert_eq!(bench.page(10, &page_of(15..20)).taken, 0);
    assert_eq!(bench.events(), [skipped(10, 15)]);
    let page = bench.page(10, &page_of([10, 11, 14, 15]));
    assert_eq!((page.taken, page.is_complete), (2, true));
    assert_eq!(bench.events(), [skipped(12, 14)]);
    assert_eq!(bench.expected(sequence), Some(12));
    assert_eq!(bench.info(sequence).highest_seen, Some(19));
}

#[test]
fn a_page_that_asked_for_later_ids_tells_nothing_to_one_that_is_behind() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    let page = bench.page(12, &page_of(12..20));
    assert_eq!((page.taken, page.is_complete), (0, true));
    assert_eq!(bench.events(), []);
    assert_eq!(bench.expected(sequence), Some(10));
}

#[test]
fn a_stale_answer_below_the_expected_id_is_duplicates() {
    let mut bench = Bench::roomy();
    bench.lane(250, Some(99));
    bench.live(100);
    let page = bench.page(101, &page_of(40..60));
    assert_eq!((page.taken, page.is_complete), (0, true));
    assert_eq!(bench.events(), []);
}

#[test]
fn declared_missing_counts_on_the_bar_it_falls_in() {
    let mut bench = Bench::roomy();
    let added = bench.lane(250, Some(9));
    bench.live(10);
    assert_eq!(bench.feed.declare_missing(added.sequence, 12), Ok(true));
    bench.page(13, &page_of(13..300));
    let bars = bench.bars(added.lane);
    let tape = (10..300).filter(|id| !(11..=12).contains(id)).map(trade);
    assert_eq!(bars, offline(250, Some(9), tape));
    assert_eq!(bars[0].missing_trades, 2);
    assert_eq!(bars.iter().map(|bar| bar.missing_trades).sum::<i64>(), 2);
    assert_eq!(bench.symbol_info().missing, 2);
    // What is behind already cannot be missing.
    assert_eq!(bench.feed.declare_missing(added.sequence, 50), Ok(true));
    assert_eq!(bench.symbol_info().missing, 2);
}

#[test]
fn a_declared_trade_that_comes_late_is_a_plain_duplicate() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    bench.live(10);
    bench.feed.declare_missing(sequence, 15).unwrap();
    let late = Tick {
        timestamp_us: trade(10).timestamp_us + 120_000_000,
        ..trade(14)
    };
    bench.live_tick(&late);
    assert_eq!(bench.events(), []);
    assert_eq!(bench.symbol_info().duplicates, 1);
}

#[test]
fn held_trades_inside_a_declared_range_are_taken() {
    let mut bench = Bench::roomy();
    let added = bench.lane(250, Some(9));
    bench.feed.begin_fetch(added.sequence).unwrap();
    for id in [12, 13, 16, 20] {
        bench.live(id);
    }
    assert_eq!(bench.feed.declare_missing(added.sequence, 18), Ok(true));
    assert_eq!(bench.expected(added.sequence), Some(19));
    assert_eq!(bench.symbol_info().missing, 2 + 2 + 2);
    let forming = bench.feed.lane_info(added.lane).unwrap();
    assert_eq!(forming.position, Some(16));
}

#[test]
fn a_row_that_is_no_trade_counts_as_not_served() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    let body = page_of(10..14).replace(&decimal(trade(12).price_e8), "-1");
    let page = bench.page(10, &body);
    assert_eq!((page.rows, page.refused, page.taken), (3, 1, 2));
    assert_eq!(bench.symbol_info().refused, 1);
    assert_eq!(bench.feed.totals().refused, 1);
    let events = bench.events();
    let [
        Event::TradeRejected {
            id: 12,
            count: 1,
            reason,
            text,
            ..
        },
        skipped,
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert!(matches!(reason.field(), Some(crate::decode::Field::Price)));
    assert!(text.starts_with(br#"{"a":12,"p":"-1""#));
    let evidence = Event::IdSkipped {
        sequence,
        expected: 12,
        next_id: 13,
    };
    assert_eq!(*skipped, evidence);
    // Once it is behind, nobody wants to hear of it.
    bench.feed.declare_missing(sequence, 12).unwrap();
    assert_eq!(bench.page(10, &body).taken, 1);
    assert_eq!(bench.events(), []);
}

/// Rows that were refused, as events tell it: id, count and text.
fn rejected(events: &[Event]) -> Vec<(i64, u64, String)> {
    let told = events.iter().filter_map(|event| match event {
        Event::TradeRejected {
            id, count, text, ..
        } => Some((*id, *count, String::from_utf8_lossy(text).into_owned())),
        _ => None,
    });
    told.collect()
}

#[test]
fn rows_whose_id_cannot_be_read_are_one_event() {
    let first = r#"{"a":null,"p":"1"}"#;
    let good = |id| page_of([id]).replace(['[', ']'], "");
    for (from_id, body, id, count) in [
        // At the head, behind a known row, behind a taken one, alone.
        (10, format!("[{first},{}]", good(11)), 10, 1),
        (9, format!("[{},{first},{}]", good(9), good(11)), 10, 1),
        (10, format!("[{},{first},{}]", good(10), good(12)), 11, 1),
        (10, format!("[{first}]"), 10, 1),
        (10, format!("[{first},7,{},{{}}]", good(12)), 10, 3),
    ] {
        let mut bench = Bench::roomy();
        bench.lane(250, Some(9));
        assert_eq!(bench.page(from_id, &body).refused as u64, count, "{body}");
        let told = rejected(&bench.events());
        assert_eq!(told, [(id, count, first.to_owned())], "{body}");
        assert_eq!(bench.symbol_info().refused, count, "{body}");
    }
}

#[test]
fn an_answer_that_waits_for_room_tells_once_what_is_wrong_with_it() {
    let mut bench = Bench::with(1, 100);
    let added = bench.lane(20, Some(9));
    bench.feed.begin_fetch(added.sequence).unwrap();
    bench.live(60);
    let other = |id| Tick {
        quantity_e8: 5,
        ..trade(id)
    };
    let mut ticks: Vec<Tick> = (10..=100).map(trade).collect();
    // A second copy of what was taken, and of what is held.
    ticks.insert(31, other(40));
    ticks[51] = other(60);
    let body = page(&ticks).replace(&decimal(trade(100).price_e8), "-1");
    let mut events = Vec::new();
    let mut offers = 1;
    while !bench.page(10, &body).is_complete {
        offers += 1;
        bench.feed.pop_bar();
        events.extend(bench.events());
    }
    events.extend(bench.events());
    assert!(offers > 20, "{offers}");
    let told = rejected(&events);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].0, told[0].1), (100, 1));
    assert_eq!(bench.symbol_info().refused, 1);
    let differ = events.iter().filter_map(|event| match event {
        Event::TradesDiffer { id, count, .. } => Some((*id, *count)),
        _ => None,
    });
    assert_eq!(differ.collect::<Vec<_>>(), [(40, 2)]);
    // The same answer goes on behind what is missing, and says nothing new.
    bench.feed.declare_missing(added.sequence, 100).unwrap();
    bench.page(10, &body);
    assert_eq!(rejected(&bench.events()), []);
    // Another one does.
    bench.page(101, r#"[{"a":101}]"#);
    assert_eq!(rejected(&bench.events()).len(), 1);
}

#[test]
fn an_implausible_row_is_quoted() {
    let mut bench = Bench::roomy();
    bench.lane(250, Some(9));
    let huge = Tick {
        last_trade_id: 1 << 60,
        ..trade(11)
    };
    let body = page(&[trade(10), huge, trade(12)]);
    assert_eq!(bench.page(10, &body).refused, 1);
    let told = rejected(&bench.events());
    assert_eq!((told[0].0, told[0].1), (11, 1));
    assert!(told[0].2.starts_with(r#"{"a":11,"p":""#), "{told:?}");
}

#[test]
fn an_answer_of_too_many_rows_is_no_page() {
    let mut bench = Bench::roomy();
    bench.lane(250, Some(-1));
    let rows = i64::try_from(MAX_ROWS).unwrap();
    let huge = |id| Tick {
        last_trade_id: 1 << 60,
        ..trade(id)
    };
    let refused: Vec<Tick> = (0..=rows).map(huge).collect();
    for body in [page_of(0..=rows), page(&refused)] {
        let outcome = bench.feed.backfill(bench.symbol, 0, body.as_bytes());
        assert_eq!(outcome, Err(FeedError::Page));
    }
    assert_eq!(bench.page(0, &page_of(0..rows)).taken, MAX_ROWS);
}

#[test]
fn a_thousand_refused_rows_are_a_bounded_number_of_events() {
    let mut bench = Bench::roomy();
    bench.lane(250, Some(-1));
    let body = page_of(0..1_000)
        .replace(r#""m":true"#, r#""m":7"#)
        .replace(r#""m":false"#, r#""m":7"#);
    assert_eq!(bench.page(0, &body).refused, 1_000);
    let events = bench.events();
    assert_eq!(events.len(), 64);
    let count = |event: &Event| match event {
        Event::TradeRejected { count, .. } => *count,
        _ => 0,
    };
    assert_eq!(events.iter().map(count).sum::<u64>(), 1_000);
}

#[test]
fn what_is_no_page_changes_nothing() {
    let mut bench = Bench::roomy();
    let sequence = bench.lane(250, Some(9)).sequence;
    let cut = page_of(10..20);
    for body in [
        "",
        "{}",
        r#"{"code":-1121,"msg":"Invalid symbol."}"#,
        &cut[..cut.len() - 5],
        "<html>",
    ] {
        let outcome = bench.feed.backfill(bench.symbol, 10, body.as_bytes());
        assert_eq!(outcome, Err(FeedError::Page), "{body}");
    }
    let nothing = format!("[{}{{}}]", "{},".repeat(20_000));
    let outcome = bench.feed.backfill(bench.symbol, 10, nothing.as_bytes());
    assert_eq!(outcome, Err(FeedError::Page));
    let descending = page_of([10, 12, 11]);
    let outcome = bench.feed.backfill(bench.symbol, 10, descending.as_bytes());
    assert_eq!(outcome, Err(FeedError::PageOrder));
    assert_eq!(bench.feed.backfill(9, 10, b"[]"), Err(FeedError::Unknown));
    assert_eq!(bench.expected(sequence), Some(10));
    assert_eq!(bench.symbol_info().known_id, None);
    assert_eq!(bench.events(), []);
}

#[test]
fn an_id_that_is_served_twice_is_taken_once() {
    let mut bench = Bench::roomy();
    let lane = bench.lane(100_000, Some(9)).lane;
    let other = Tick {
        quantity_e8: 5,
        ..trade(11)
    };
    let body = page(&[trade(10), trade(11), other, trade(12)]);
    assert_eq!(bench.page(10, &body).taken, 3);
    assert!(matches!(
        bench.events()[..],
        [Event::TradesDiffer { id: 11, .. }]
    ));
    let forming = bench.feed.lane_info(lane).unwrap().forming.unwrap();
    assert_eq!(forming.agg_record_count, 3);
}

#[test]
fn held_and_served_copies_that_differ_are_an_event_and_the_held_one_stays() {
    let mut bench = Bench::roomy();
    let added = bench.lane(250, Some(9));
    bench.feed.begin_fetch(added.sequence).unwrap();
    bench.live(11);
    let other = Tick {
        quantity_e8: trade(11).quantity_e8 + 1,
        ..trade(11)
    };
    bench.page(10, &page(&[trade(10), other]));
    let events = bench.events();
    assert!(
        matches!(
            events[..],
            [Event::GapFound { .. }, Event::TradesDiffer { id: 11, .. }]
        ),
        "{events:?}"
    );
    let forming = bench.feed.lane_info(added.lane).unwrap().forming.unwrap();
    let volume = trade(10).quantity_e8 + trade(11).quantity_e8;
    assert_eq!(i128::from(forming.volume), i128::from(volume));
}
