//! Archives: whole, cut anywhere, and damaged.

use crate::decode::random::Random;
use crate::decode::{ChunkPlace, CsvFault, CsvProgress, MAX_LINE, column_name, decode_rows};
use crate::price::DecimalError;
use crate::tick::{Tick, TradeError};

const WHOLE: ChunkPlace = ChunkPlace {
    at_start: true,
    at_end: true,
};
const HEADER: &str =
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n";
const ROW: &str = "7,42000.01,0.5,9,11,1498793709153,True,True\n";

fn decode(text: &str) -> (Vec<Tick>, CsvProgress) {
    let mut out = vec![Tick::default(); 100];
    let progress = decode_rows(text.as_bytes(), WHOLE, &mut out);
    out.truncate(progress.rows);
    (out, progress)
}

fn tick() -> Tick {
    Tick {
        agg_trade_id: 7,
        price_e8: 4_200_001_000_000,
        quantity_e8: 50_000_000,
        first_trade_id: 9,
        last_trade_id: 11,
        timestamp_us: 1_498_793_709_153_000,
        is_buyer_maker: 1,
        reserved: [0; 7],
    }
}

/// As a program reads a file: chunks of `len` bytes, room for `room` rows, the rest offered again.
fn in_chunks(bytes: &[u8], len: usize, room: usize) -> (Vec<Tick>, CsvProgress, usize) {
    let (mut ticks, mut held, mut lines) = (Vec::new(), Vec::new(), 0);
    let mut chunks = bytes.chunks(len).peekable();
    let mut at_start = true;
    loop {
        let chunk = chunks.next().unwrap_or_default();
        held.extend_from_slice(chunk);
        let at_end = chunks.peek().is_none();
        loop {
            let mut out = vec![Tick::default(); room];
            let progress = decode_rows(&held, ChunkPlace { at_start, at_end }, &mut out);
            held.drain(..progress.bytes_consumed);
            at_start &= progress.bytes_consumed == 0;
            lines += progress.lines;
            ticks.extend_from_slice(&out[..progress.rows]);
            assert!(held.len() <= MAX_LINE + len);
            if progress.error.is_some() || (progress.rows < room && at_end) {
                return (ticks, progress, lines);
            }
            if progress.rows < room {
                break;
            }
        }
    }
}

#[test]
fn spot_and_futures_rows() {
    for text in [
        ROW.to_owned(),
        ROW.replace(",True\n", "\n"),
        ROW.replace('\n', "\r\n"),
        ROW.replace('\n', ""),
        ROW.replace("True", "true"),
        format!("{ROW}\n"),
        format!("{ROW}\r\n"),
        format!("{HEADER}{ROW}"),
        format!("{HEADER}{ROW}").replace('\n', "\r\n"),
        format!("{}{ROW}", HEADER.replace("transact_time", "timestamp")),
    ] {
        let (ticks, progress) = decode(&text);
        assert_eq!(ticks, [tick()], "{text:?}");
        assert_eq!(progress.bytes_consumed, text.len());
        assert_eq!(progress.lines, text.lines().count());
        assert_eq!(progress.error, None);
        assert!(progress.has_milliseconds && !progress.has_microseconds);
    }
    let (ticks, _) = decode(&ROW.replace("True,True", "false,False"));
    assert_eq!(ticks[0].is_buyer_maker, 0);
    let (ticks, progress) = decode(&ROW.replace("1498793709153", "1735689600123456"));
    assert_eq!(ticks[0].timestamp_us, 1_735_689_600_123_456);
    assert!(!progress.has_milliseconds && progress.has_microseconds);
}

#[test]
fn nothing_is_nothing() {
    for text in ["", "\n", "\r\n", HEADER] {
        let (ticks, progress) = decode(text);
        assert!(ticks.is_empty() && progress.error.is_none(), "{text:?}");
        assert_eq!(progress.bytes_consumed, text.len());
    }
}

#[test]
fn a_bad_row_names_line_column_and_text() {
    use CsvFault::{Boolean, Decimal, Integer, TooFewColumns, TooManyColumns, Trade};
    let cases = [
        ("x,1,1,1,1,1,true", 1, Integer),
        ("-7,1,1,1,1,1,true", 1, Trade(TradeError::AggTradeId)),
        ("+7,1,1,1,1,1,true", 1, Integer),
        (",1,1,1,1,1,true", 1, Integer),
        ("9223372036854775808,1,1,1,1,1,true", 1, Integer),
        ("7,0,1,1,1,1,true", 2, Trade(TradeError::Price)),
        ("7,1e5,1,1,1,1,true", 2, Decimal(DecimalError::Character)),
        ("7,1,-1,1,1,1,true", 3, Decimal(DecimalError::Sign)),
        (
            "7,1,0.123456789,1,1,1,true",
            3,
            Decimal(DecimalError::TooManyDecimals),
        ),
        ("7,1,1,1 ,1,1,true", 4, Integer),
        ("7,1,1,2,1,1,true", 5, Trade(TradeError::TradeIds)),
        ("7,1,1,1,1,-1,true", 6, Trade(TradeError::Timestamp)),
        (
            "7,1,1,1,1,999999999999999999,true",
            6,
            Trade(TradeError::Timestamp),
        ),
        ("7,1,1,1,1,1,TRUE", 7, Boolean),
        ("7,1,1,1,1,1,", 7, Boolean),
        ("7,1,1,1,1,1,true,maybe", 8, Boolean),
        ("7,1,1,1,1,1", 0, TooFewColumns),
        ("7,1,1,1,1,1,true,true,true", 0, TooManyColumns),
        ("agg_trade_id,price", 0, CsvFault::Header),
        ("", 0, CsvFault::Blank),
    ];
    for (bad, column, fault) in cases {
        let text = format!("{HEADER}{ROW}{bad}\n{ROW}");
        let (ticks, progress) = decode(&text);
        assert_eq!(ticks, [tick()], "{bad}");
        assert_eq!(progress.lines, 2, "{bad}");
        let error = progress.error.unwrap();
        assert_eq!((error.column, error.fault), (column, fault), "{bad}");
        let from = progress.bytes_consumed;
        assert_eq!(&text[from..from + error.text_len], bad);
        assert_eq!(column_name(column).is_empty(), column == 0);
        assert!(!fault.text().is_empty());
    }
}

#[test]
fn headers_stand_at_the_start_and_have_known_names() {
    for header in [
        "id,price\n",
        "\u{feff}7,1\n",
        "agg_trade_id,price\n",
        "{\"code\":1}",
    ] {
        let (_, progress) = decode(header);
        let error = progress.error.unwrap();
        assert_eq!(
            (error.column, error.fault),
            (0, CsvFault::Header),
            "{header}"
        );
        assert_eq!(progress.lines, 0);
    }
    let mut out = [Tick::default(); 2];
    let later = ChunkPlace::default();
    let progress = decode_rows(HEADER.as_bytes(), later, &mut out);
    assert_eq!(progress.error.unwrap().fault, CsvFault::Header);
}

#[test]
fn a_line_without_an_end_is_not_waited_for_for_ever() {
    let mut out = [Tick::default(); 2];
    let later = ChunkPlace::default();
    let bytes = vec![b'7'; MAX_LINE + 1];
    assert_eq!(decode_rows(&bytes, later, &mut out).error, None);
    let bytes = vec![b'7'; MAX_LINE + 2];
    let error = decode_rows(&bytes, later, &mut out).error.unwrap();
    assert_eq!((error.fault, error.text_len), (CsvFault::TooLong, MAX_LINE));
}

#[test]
fn chunks_and_room_do_not_matter() {
    let mut random = Random::new(5);
    for round in 0..120 {
        let mut text = String::new();
        if round % 2 == 0 {
            text.push_str(HEADER);
        }
        for id in 0..random.below(40) {
            let row = ROW.replacen('7', &id.to_string(), 1);
            let end = *random.pick(&["\n", "\n", "\r\n"]);
            text.push_str(&row.replace('\n', end));
        }
        match random.below(4) {
            0 => text.push('\n'),
            1 => text.truncate(text.len().saturating_sub(1)),
            2 => text.insert(
                random.below(text.len() + 1),
                *random.pick(&['x', '\n', ',']),
            ),
            _ => {}
        }
        let (ticks, whole) = decode(&text);
        let len = *random.pick(&[1, 2, 7, 100]);
        let room = *random.pick(&[1, 3, 100]);
        let (pieces, last, lines) = in_chunks(text.as_bytes(), len, room);
        assert_eq!(pieces, ticks, "{text:?} {len} {room}");
        assert_eq!(lines, whole.lines, "{text:?} {len} {room}");
        let fault = |progress: CsvProgress| progress.error.map(|error| (error.column, error.fault));
        assert_eq!(fault(last), fault(whole), "{text:?} {len} {room}");
    }
}
