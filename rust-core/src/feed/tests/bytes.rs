//! What a connection brings besides trades.

use super::*;
use crate::decode::FrameError;

#[test]
fn bytes_may_be_cut_anywhere() {
    let bytes: Vec<u8> = (0..40)
        .flat_map(|id| {
            let mut bytes = frame(9, b"ping");
            bytes.extend(text(&event("X", &trade(id))));
            bytes
        })
        .collect();
    for step in [1, 2, 3, 7, 64, bytes.len()] {
        let mut bench = Bench::roomy();
        let lane = bench.lane(50, None).lane;
        let taken: u64 = bytes
            .chunks(step)
            .map(|part| bench.bytes(part).trades_taken)
            .sum();
        assert_eq!(taken, 40);
        assert_eq!(bench.bars(lane), offline(50, None, (0..40).map(trade)));
        let info = bench.feed.connection_info(bench.connection).unwrap();
        assert_eq!((info.messages, info.trades, info.pings), (80, 40, 40));
        assert_eq!(info.bytes, bytes.len() as u64);
        assert_eq!(info.last_event_time_us, trade(39).timestamp_us);
    }
}

#[test]
fn combined_events_are_trades_too() {
    let mut bench = Bench::roomy();
    bench.lane(250, None);
    let raw = event("X", &trade(5));
    let combined = format!(r#"{{"stream":"x@aggTrade","data":{raw}}}"#);
    assert_eq!(bench.bytes(&text(&combined)).trades_taken, 1);
}

#[test]
fn only_the_newest_ping_waits() {
    let mut bench = Bench::roomy();
    let flood: Vec<u8> = (0..30_000_u32)
        .flat_map(|n| frame(9, &n.to_be_bytes()))
        .collect();
    assert_eq!(bench.bytes(&flood).events_queued, 1);
    let ping = Event::Ping {
        connection: bench.connection,
        payload: 29_999_u32.to_be_bytes().to_vec(),
    };
    assert_eq!(bench.events(), [ping]);
    bench.bytes(&frame(9, b""));
    assert!(matches!(&bench.events()[..], [Event::Ping { payload, .. }] if payload.is_empty()));
}

#[test]
fn a_close_ends_the_connection_and_the_rest_is_ignored() {
    let mut bench = Bench::roomy();
    bench.lane(250, None);
    let mut bytes = text(&event("X", &trade(0)));
    bytes.extend(frame(8, b"\x03\xe8bye"));
    bytes.extend(text(&event("X", &trade(1))));
    assert_eq!(bench.bytes(&bytes).trades_taken, 1);
    let close = Event::Close {
        connection: bench.connection,
        code: 1000,
        reason: b"bye".to_vec(),
    };
    assert_eq!(bench.events(), [close]);
    assert_eq!(bench.live(1).trades_taken, 0);
    assert_eq!(bench.events(), []);
    assert!(
        bench
            .feed
            .connection_info(bench.connection)
            .unwrap()
            .is_closed
    );
}

#[test]
fn a_broken_frame_ends_the_connection_once() {
    let mut bench = Bench::roomy();
    let masked = [0x81, 0x80, 1, 2, 3, 4];
    bench.bytes(&masked);
    bench.bytes(&masked);
    let failed = Event::ConnectionFailed {
        connection: bench.connection,
        error: FrameError::Masked,
    };
    assert_eq!(bench.events(), [failed]);
    let other = bench.feed.connect();
    bench.feed.receive(other, &[0xc1, 0x00]).unwrap();
    assert!(matches!(
        bench.events()[..],
        [Event::ConnectionFailed {
            error: FrameError::ReservedBits,
            ..
        }]
    ));
}

#[test]
fn a_message_above_the_limit_ends_the_connection() {
    let mut bench = Bench::roomy();
    let mut bytes = vec![0x81, 127];
    bytes.extend((1_u64 << 21).to_be_bytes());
    bench.bytes(&bytes);
    assert!(matches!(
        bench.events()[..],
        [Event::ConnectionFailed {
            error: FrameError::MessageTooBig,
            ..
        }]
    ));
}

#[test]
fn replies_and_shutdowns_are_told() {
    let mut bench = Bench::roomy();
    let connection = bench.connection;
    for message in [
        r#"{"result":null,"id":1}"#,
        r#"{"code":2,"msg":"Invalid request","id":7}"#,
        r#"{"e":"serverShutdown","E":1770123456789}"#,
        r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}"#,
    ] {
        bench.bytes(&text(message));
    }
    let reply = |id, error| Event::Reply {
        connection,
        id: Some(id),
        error,
    };
    let expected = [
        reply(1, None),
        reply(7, Some((2, b"Invalid request".to_vec()))),
        Event::ServerShutdown { connection },
    ];
    assert_eq!(bench.events(), expected);
}

#[test]
fn a_flood_of_replies_is_bounded() {
    let mut bench = Bench::roomy();
    let flood: Vec<u8> = (0..10_000)
        .flat_map(|id| text(&format!(r#"{{"result":null,"id":{id}}}"#)))
        .collect();
    assert_eq!(bench.bytes(&flood).events_queued, 64);
    assert_eq!(bench.feed.totals().replies_dropped, 10_000 - 64);
    assert_eq!(bench.events().len(), 64);
    // Once they were taken there is room again.
    assert_eq!(
        bench
            .bytes(&text(r#"{"result":null,"id":5}"#))
            .events_queued,
        1
    );
}

#[test]
fn refused_messages_add_up_in_one_event() {
    let mut bench = Bench::roomy();
    bench.lane(250, None);
    let price = decimal(trade(0).price_e8);
    let bad = event("X", &trade(0)).replace(&price, "-5");
    for _ in 0..3 {
        bench.bytes(&text(&bad));
    }
    bench.bytes(&frame(2, b"\x00\x01"));
    bench.bytes(&text("nonsense"));
    bench.bytes(&text(&event("NOBODY", &trade(0))));
    let events = bench.events();
    let [
        Event::FrameRejected {
            count: 6,
            reason,
            text: quoted,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(reason.code(), 7);
    assert!(bad.as_bytes().starts_with(quoted));
    assert_eq!(quoted.len(), MAX_TEXT);
    let info = bench.feed.connection_info(bench.connection).unwrap();
    assert_eq!((info.rejected, info.trades), (6, 0));
    bench.bytes(&text(&event("NOBODY", &trade(0))));
    assert!(matches!(
        bench.events()[..],
        [Event::FrameRejected { count: 1, .. }]
    ));
}

#[test]
fn what_is_well_formed_and_not_for_us_is_ignored() {
    let mut bench = Bench::roomy();
    bench.bytes(&text(r#"{"e":"kline","s":"X"}"#));
    bench.bytes(&frame(10, b"pong"));
    assert_eq!(bench.events(), []);
    assert_eq!(bench.feed.totals().messages, 2);
}

#[test]
fn no_bytes_do_worse_than_an_event() {
    let mut random = Random(99);
    let good: Vec<u8> = (0..30)
        .flat_map(|id| text(&event("X", &trade(id))))
        .collect();
    for _ in 0..2_000 {
        let mut bench = Bench::with(2, 5);
        let sequence = bench.lane(20, None).sequence;
        bench.feed.begin_fetch(sequence).unwrap();
        let mut bytes = good.clone();
        for _ in 0..random.below(6) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next() as u8;
        }
        for part in bytes.chunks(1 + random.below(900) as usize) {
            let mut summary = bench.bytes(part);
            while summary.is_paused {
                bench.feed.pop_bar();
                summary = bench.feed.resume();
            }
        }
        let totals = bench.feed.totals();
        assert!(totals.events_queued <= 70 && totals.trades_held <= 5);
    }
}
