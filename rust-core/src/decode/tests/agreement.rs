//! The quick readers take nothing that the slow ones would refuse or read otherwise.

use crate::decode::csv_row::{parse_row, quick_row};
use crate::decode::random::Random;
use crate::decode::{ServerMessage, decode_message, page_trades, quick_message, read_message};

const FIELDS: &str = r#""a":12345,"p":"42000.01","q":"0.00100000","f":100,"l":105,"T":1672515782136,"m":true,"M":false"#;
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

/// A trade whose fields have any length, raw or in an envelope; leading zeros make some of them no JSON.
fn some_event(random: &mut Random) -> String {
    let long = *random.pick(&[10, 16, 20]);
    let mut id = || format!("{}{}", random.below(10), number(random, long));
    let (sent, id, first, last, time) = (id(), id(), id(), id(), id());
    let mut decimal = || format!("{}.{}", number(random, 11), number(random, 9));
    let (price, quantity) = (decimal(), decimal());
    let symbol = *random.pick(&["A", "BNBBTC", "BTCUSDT", "1000SATSUSDT", "币安人生USDT"]);
    let maker = *random.pick(&["true", "false"]);
    let event = format!(
        r#"{{"e":"aggTrade","E":{sent},"s":"{symbol}","a":{id},"p":"{price}","q":"{quantity}","f":{first},"l":{last},"T":{time},"m":{maker},"M":true}}"#
    );
    match random.below(3) {
        0 => format!(r#"{{"stream":"{symbol}@aggTrade","data":{event}}}"#),
        1 => event.replace(r#","M":true"#, ""),
        _ => event,
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
    for round in 0..80_000 {
        let bytes = damaged(&mut random, if round % 2 == 0 { &event } else { &combined });
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
        let bytes = damaged(&mut random, &format!("[{{{FIELDS}}}]"));
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
