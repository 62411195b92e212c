//! Events of spot and futures, replies, and everything that is none of them.

use std::borrow::Cow;

use crate::decode::random::Random;
use crate::decode::{
    Field, MAX_DEPTH, Reject, ReplyError, ServerMessage, TimeUnit, TradeEvent, decode_message,
};
use crate::price::DecimalError;
use crate::tick::{Tick, TradeError};

const SPOT: &str = r#"{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136,"m":true,"M":true}"#;

fn spot_event() -> TradeEvent<'static> {
    TradeEvent {
        symbol: Cow::Borrowed(b"BNBBTC"),
        tick: Tick {
            agg_trade_id: 12345,
            price_e8: 100_000,
            quantity_e8: 10_000_000_000,
            first_trade_id: 100,
            last_trade_id: 105,
            timestamp_us: 1_672_515_782_136_000,
            is_buyer_maker: 1,
            reserved: [0; 7],
        },
        unit: TimeUnit::Millisecond,
        event_time_us: 1_672_515_782_136_000,
    }
}

fn decode(text: &str) -> ServerMessage<'_> {
    decode_message(text.as_bytes())
}

fn combined(event: &str) -> String {
    format!(r#"{{"stream":"bnbbtc@aggTrade","data":{event}}}"#)
}

/// Whole, in the envelope, and with something behind it; cut anywhere it is no JSON.
fn check_trade(event: &str, expected: &TradeEvent<'_>) {
    let expected = ServerMessage::Trade(expected.clone());
    assert_eq!(decode(event), expected, "{event}");
    assert_eq!(decode(&combined(event)), expected, "{event}");
    assert_eq!(decode(&format!(" {event}\n")), expected, "{event}");
    for behind in ["x", "}", ",", "{}", "\0"] {
        let text = format!("{event}{behind}");
        let at = event.len();
        assert_eq!(
            decode(&text),
            ServerMessage::Rejected(Reject::Syntax { at })
        );
    }
    for len in 0..event.len() {
        let cut = decode_message(&event.as_bytes()[..len]);
        let ServerMessage::Rejected(Reject::Syntax { at }) = cut else {
            panic!("{event} {len} {cut:?}");
        };
        assert!(at <= len && len - at < "false".len());
    }
}

#[test]
fn the_documented_event_in_both_forms() {
    check_trade(SPOT, &spot_event());
}

#[test]
fn microseconds_are_told_by_their_magnitude() {
    let text = SPOT.replace("1672515782136,", "1672515782136123,");
    let mut event = spot_event();
    event.tick.timestamp_us = 1_672_515_782_136_123;
    event.event_time_us = 1_672_515_782_136_123;
    event.unit = TimeUnit::Microsecond;
    check_trade(&text, &event);
}

#[test]
fn futures_carry_unknown_keys_and_no_best_match() {
    let mut event = spot_event();
    check_trade(&SPOT.replace(r#","M":true"#, ""), &event);
    check_trade(
        &SPOT.replace(r#","M":true"#, r#","nq":"3","st":[1,{"x":null}]"#),
        &event,
    );
    check_trade(&SPOT.replace(r#""f":"#, r#""nq":"0.1","f":"#), &event);
    check_trade(&SPOT.replace(r#""q":"100""#, r#""q":"0.00000000""#), &{
        event.tick.quantity_e8 = 0;
        event
    });
}

#[test]
fn any_order_of_keys_with_blanks_and_unknown_keys() {
    let pairs = [
        r#""e":"aggTrade""#,
        r#""E":1672515782136"#,
        r#""s":"BNBBTC""#,
        r#""a":12345"#,
        r#""p":"0.001""#,
        r#""q":"100""#,
        r#""f":100"#,
        r#""l":105"#,
        r#""T":1672515782136"#,
        r#""m":true"#,
        r#""M":true"#,
        r#""x y":{"a":[1.5e3,"\"}",[]]}"#,
        r#""":null"#,
        r#""id":7"#,
    ];
    let mut random = Random::new(3);
    for _ in 0..300 {
        let mut order = pairs.to_vec();
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        let blank = *random.pick(&["", " ", "\n\t", " \r "]);
        let body = order.join(&format!("{blank},{blank}"));
        let text = format!(
            "{{{blank}{}{blank}}}",
            body.replace(':', &format!("{blank}:{blank}"))
        );
        let expected = ServerMessage::Trade(spot_event());
        assert_eq!(decode(&text), expected, "{text}");
        let envelope = combined(&text).replace("{\"stream", &format!("{{{blank}\"stream"));
        assert_eq!(decode(&envelope), expected, "{envelope}");
    }
    let data_first = format!(r#"{{"data":{SPOT},"stream":"x"}}"#);
    assert_eq!(decode(&data_first), ServerMessage::Trade(spot_event()));
}

#[test]
fn escapes_are_read() {
    let text = SPOT
        .replace("BNBBTC", r"BN\u0042BTC")
        .replace(r#""p""#, r#""\u0070""#)
        .replace("0.001", r"0\u002e001")
        .replace("aggTrade", r"agg\u0054rade");
    check_trade(&text, &spot_event());
    let text = SPOT.replace("BNBBTC", r#"\u5e01\ud83e\udd80\ud83e\"\\\/\n"#);
    let ServerMessage::Trade(event) = decode(&text) else {
        panic!("{text}");
    };
    assert_eq!(
        &*event.symbol,
        "\u{5e01}\u{1f980}\u{fffd}\"\\/\n".as_bytes()
    );
    for bad in [r"\x", r"\u12", r"\u12g4", "\n", "\u{1}", r"\ud83e\u12"] {
        let text = SPOT.replace("BNBBTC", bad);
        assert!(
            matches!(
                decode(&text),
                ServerMessage::Rejected(Reject::Syntax { .. })
            ),
            "{text}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_trade_is_named() {
    use Reject::{Decimal, Duplicate, Missing, Trade, Type};
    let cases = [
        (r#""a":12345,"#, "", Missing(Field::AggTradeId)),
        (r#""s":"BNBBTC","#, "", Missing(Field::Symbol)),
        (r#""m":true,"#, "", Missing(Field::BuyerMaker)),
        (r#""m":true"#, r#""m":1"#, Type(Field::BuyerMaker)),
        (r#""a":12345"#, r#""a":"12345""#, Type(Field::AggTradeId)),
        (r#""a":12345"#, r#""a":1.5"#, Type(Field::AggTradeId)),
        (
            r#""a":12345"#,
            r#""a":9223372036854775808"#,
            Type(Field::AggTradeId),
        ),
        (r#""a":12345"#, r#""a":-1"#, Trade(TradeError::AggTradeId)),
        (
            r#""a":12345"#,
            r#""a":1,"a":1"#,
            Duplicate(Field::AggTradeId),
        ),
        (r#""p":"0.001""#, r#""p":0.001"#, Type(Field::Price)),
        (r#""p":"0.001""#, r#""p":"0""#, Trade(TradeError::Price)),
        (
            r#""p":"0.001""#,
            r#""p":"-1""#,
            Decimal(Field::Price, DecimalError::Sign),
        ),
        (
            r#""p":"0.001""#,
            r#""p":"1e5""#,
            Decimal(Field::Price, DecimalError::Character),
        ),
        (
            r#""q":"100""#,
            r#""q":"0.000000001""#,
            Decimal(Field::Quantity, DecimalError::TooManyDecimals),
        ),
        (
            r#""q":"100""#,
            r#""q":"92233720369""#,
            Decimal(Field::Quantity, DecimalError::Overflow),
        ),
        (r#""f":100"#, r#""f":106"#, Trade(TradeError::TradeIds)),
        (r#""T":1672515782136"#, r#""T":null"#, Type(Field::Time)),
        (
            r#""T":1672515782136"#,
            r#""T":-1"#,
            Trade(TradeError::Timestamp),
        ),
        (
            r#""T":1672515782136"#,
            r#""T":9223372036854775807"#,
            Trade(TradeError::Timestamp),
        ),
    ];
    for (from, to, reason) in cases {
        let text = SPOT.replace(from, to);
        assert_ne!(text, SPOT);
        assert_eq!(decode(&text), ServerMessage::Rejected(reason), "{text}");
        assert_eq!(
            decode(&combined(&text)),
            ServerMessage::Rejected(reason),
            "{text}"
        );
        assert!(!reason.text().is_empty());
    }
}

#[test]
fn numbers_that_json_does_not_know_are_no_trades() {
    for number in ["012", "+1", "1.", ".5", "1e", "0x1", "--1", "NaN", "-"] {
        let text = SPOT.replace("12345", number);
        assert!(
            matches!(
                decode(&text),
                ServerMessage::Rejected(Reject::Syntax { .. })
            ),
            "{text}"
        );
    }
}

#[test]
fn replies_say_what_was_asked_and_what_went_wrong() {
    let error = |code, message: &'static str| {
        Some(ReplyError {
            code,
            message: Cow::Borrowed(message.as_bytes()),
        })
    };
    let cases = [
        (r#"{"result":null,"id":1}"#, Some(1), None),
        (
            r#"{"id":2,"result":["a@aggTrade"],"status":200}"#,
            Some(2),
            None,
        ),
        (r#"{"id":"x","result":null}"#, None, None),
        (
            r#"{"code":2,"msg":"Invalid request: x","id":3}"#,
            Some(3),
            error(2, "Invalid request: x"),
        ),
        (r#"{"code":3}"#, None, error(3, "")),
        (
            r#"{"error":{"code":-1,"msg":"no","x":[]},"id":4}"#,
            Some(4),
            error(-1, "no"),
        ),
        (r#"{"error":{},"id":4}"#, Some(4), error(0, "")),
        // Of keys that come again the last counts, whatever its value is.
        (
            r#"{"error":{"code":-1},"error":null,"result":null,"id":5}"#,
            Some(5),
            None,
        ),
        (
            r#"{"code":3,"error":{"code":-1,"msg":"no"},"error":[]}"#,
            None,
            error(3, ""),
        ),
        (
            r#"{"error":{"code":-1,"msg":"no"},"error":{"code":-2}}"#,
            None,
            error(-2, ""),
        ),
    ];
    for (text, id, error) in cases {
        assert_eq!(decode(text), ServerMessage::Reply { id, error }, "{text}");
    }
}

#[test]
fn shutdown_in_both_forms() {
    let raw = r#"{"e":"serverShutdown","E":1770123456789}"#;
    assert_eq!(decode(raw), ServerMessage::Shutdown);
    let wrapped = format!(r#"{{"stream":"!serverShutdown","data":{raw}}}"#);
    assert_eq!(decode(&wrapped), ServerMessage::Shutdown);
}

#[test]
fn what_is_not_for_us_is_passed_over() {
    for text in [
        "{}",
        "[]",
        "[1,[2],{\"a\":{}}]",
        "null",
        "true",
        "-0.5e+10",
        r#""text""#,
        r#"{"id":1}"#,
        r#"{"e":"depthUpdate","a":[["1","2"]],"s":5,"data":{"e":"aggTrade"}}"#,
        r#"{"e":7}"#,
        r#"{"data":[1]}"#,
        r#"{"data":{"e":"serverShutdown"},"data":null}"#,
        r#"{"stream":"x","data":{"u":1,"s":"A","a":"5"}}"#,
        r#"{"data":{"data":{"e":"serverShutdown"}}}"#,
    ] {
        assert_eq!(decode(text), ServerMessage::Other, "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(decode(&nested(MAX_DEPTH)), ServerMessage::Other);
    let too_deep = ServerMessage::Rejected(Reject::TooDeep);
    assert_eq!(decode(&nested(MAX_DEPTH + 1)), too_deep);
    assert_eq!(decode(&"[".repeat(1_000_000)), too_deep);
    assert_eq!(decode(&"{\"a\":".repeat(1_000_000)), too_deep);
    let inside = SPOT.replace("\"M\":true", &format!("\"M\":{}", nested(MAX_DEPTH - 1)));
    assert_eq!(decode(&inside), ServerMessage::Trade(spot_event()));
}
