//! The quick readers take nothing that the slow ones would refuse or read otherwise.

use crate::decode::csv_row::{parse_row, quick_row};
use crate::decode::random::Random;
use crate::decode::{ServerMessage, decode_message, page_trades, quick_message, read_message};

const FIELDS: &str = r#""a":12345,"p":"42000.01","q":"0.00100000","f":100,"l":105,"T":1672515782136,"m":true,"M":false"#;
const FUTURES: &str = r#"{"e":"aggTrade","E":1672515782136,"a":12345,"s":"BNBBTC","p":"42000.01","q":"0.00100000","nq":"0.001","f":100,"l":105,"T":1672515782136,"m":true,"st":1}"#;
const ROW: &str = "12345,42000.01,0.00100000,100,105,1672515782136,True,False\n";

/// One to three characters gone, changed or new.
fn damaged(random: &mut Random, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let byte = *random.pick(b"00123456789.,:\"-eE+{}[] \\tTfF\r\n\xff");
        match random.below(3) {
            0 => bytes[at] = byte,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte),
        }
    }
    bytes
}

/// A blank behind the first brace: JSON all the same, but not for a quick reader.
fn with_blank(bytes: &[u8]) -> Vec<u8> {
    let mut slow = bytes.to_vec();
    if let Some(at) = slow.iter().position(|&byte| byte == b'{') {
        slow.insert(at + 1, b' ');
    }
    slow
}

/// A number of one to `most` digits.
fn number(random: &mut Random, most: usize) -> String {
    let len = 1 + random.below(most);
    let digits = (0..len).map(|_| char::from(*random.pick(b"0123456789")));
    digits.collect()
}

/// Members that a trade does not need, most of them, with values of any kind; some are no JSON.
fn others(random: &mut Random) -> String {
    let keys = [
        "nq", "st", "xyz", "id", "code", "msg", "data", "error", "stream", "", "x", "a", "f", "m",
        "E", r"\u006d", "é",
    ];
    let values = [
        "1",
        "\"0.001\"",
        "\"\"",
        "-1",
        "1.5",
        "01",
        "1234567890123456789",
        "true",
        "null",
        "{}",
        "[1]",
        r#""\n""#,
        "\"é\"",
        "\"a b\"",
    ];
    let members = (0..random.below(3)).map(|_| {
        let (key, value) = match random.below(2) {
            0 => (random.pick(&keys[..3]), random.pick(&values[..3])),
            _ => (random.pick(&keys), random.pick(&values)),
        };
        format!(r#","{key}":{value}"#)
    });
    members.collect()
}

/// A trade whose fields have any length, raw or in an envelope; leading zeros make some of them no JSON.
fn some_event(random: &mut Random) -> String {
    let long = *random.pick(&[10, 16, 20]);
    let mut id = || format!("{}{}", random.below(10), number(random, long));
    let (sent, id, first, last, time) = (id(), id(), id(), id(), id());
    let mut decimal = || format!("{}.{}", number(random, 11), number(random, 9));
    let (price, quantity) = (decimal(), decimal());
    let symbol = *random.pick(&["A", "BNBBTC", "BTCUSDT", "1000SATSUSDT", "币安人生USDT"]);
    let maker = *random.pick(&["true", "false"]);
    let names = [
        format!(r#""s":"{symbol}","a":{id}"#),
        format!(r#""a":{id},"s":"{symbol}""#),
    ];
    let name = random.pick(&names);
    let best = *random.pick(&["", r#","M":true"#]);
    let (middle, end) = (others(random), others(random));
    let event = format!(
        r#"{{"e":"aggTrade","E":{sent},{name},"p":"{price}","q":"{quantity}"{middle},"f":{first},"l":{last},"T":{time},"m":{maker}{best}{end}}}"#
    );
    match random.below(3) {
        0 => format!(r#"{{"stream":"{symbol}@aggTrade","data":{event}}}"#),
        _ => event,
    }
}

#[test]
fn of_the_documented_events() {
    let spot = format!(r#"{{"e":"aggTrade","E":1672515782136,"s":"BNBBTC",{FIELDS}}}"#);
    for event in [&spot, FUTURES] {
        for text in [
            event,
            &format!(r#"{{"stream":"bnbbtc@aggTrade","data":{event}}}"#),
        ] {
            let quick = quick_message(text.as_bytes()).map(ServerMessage::Trade);
            assert_eq!(quick, Some(read_message(text.as_bytes())), "{text}");
        }
    }
}

#[test]
fn of_events_of_any_length() {
    let mut random = Random::new(10);
    let mut trades = 0;
    for _ in 0..200_000 {
        let text = some_event(&mut random);
        let quick = quick_message(text.as_bytes());
        let general = read_message(text.as_bytes());
        if let Some(event) = quick {
            assert_eq!(ServerMessage::Trade(event), general, "{text}");
            trades += 1;
        }
    }
    assert!(trades > 5_000, "{trades}");
}

#[test]
fn of_events() {
    let mut random = Random::new(7);
    let event = format!(r#"{{"e":"aggTrade","E":1672515782136,"s":"BNBBTC",{FIELDS}}}"#);
    let combined = format!(r#"{{"stream":"bnbbtc@aggTrade","data":{event}}}"#);
    let mut trades = 0;
    for _ in 0..80_000 {
        let text = *random.pick(&[&event, &combined, FUTURES]);
        let bytes = damaged(&mut random, text);
        let slow_bytes = with_blank(&bytes);
        let (quick, slow) = (decode_message(&bytes), decode_message(&slow_bytes));
        if let ServerMessage::Trade(event) = &quick {
            assert_eq!(event.tick.validate(), Ok(()));
            trades += 1;
        }
        if let ServerMessage::Rejected(_) = quick {
            assert!(matches!(slow, ServerMessage::Rejected(_)));
        } else {
            assert_eq!(quick, slow, "{}", String::from_utf8_lossy(&bytes));
        }
    }
    assert!(trades > 5_000, "{trades}");
}

#[test]
fn of_pages() {
    let mut random = Random::new(8);
    let mut trades = 0;
    for _ in 0..80_000 {
        let (middle, end) = (others(&mut random), others(&mut random));
        let fields = FIELDS.replace(r#","f""#, &format!(r#"{middle},"f""#));
        let mut bytes = format!("[{{{fields}{end}}}]").into_bytes();
        if random.below(2) == 0 {
            bytes = damaged(&mut random, &String::from_utf8_lossy(&bytes));
        }
        let slow_bytes = with_blank(&bytes);
        let ticks = |body: &[u8]| -> Vec<_> { page_trades(body).map(Result::ok).collect() };
        let quick = ticks(&bytes);
        assert_eq!(
            quick,
            ticks(&slow_bytes),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
        trades += quick.iter().flatten().count();
    }
    assert!(trades > 5_000, "{trades}");
}

#[test]
fn of_archive_rows() {
    let mut random = Random::new(9);
    let mut trades = 0;
    for _ in 0..80_000 {
        let bytes = damaged(&mut random, ROW);
        let Some((tick, unit, len)) = quick_row(&bytes) else {
            continue;
        };
        let line = bytes[..len].strip_suffix(b"\n").unwrap();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert_eq!(parse_row(line), Ok((tick, unit)), "{line:?}");
        trades += 1;
    }
    assert!(trades > 5_000, "{trades}");
}
