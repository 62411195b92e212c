//! How fast the decoders are on one core: `cargo run --release --example decode_speed`.
//!
//! Every side runs once a round, and its best round counts. The first side is the standard library's check that the
//! spot frames' text is UTF-8, which every client has to pay; the ratio of another side is its speed in bytes to that.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use rangebar_core::decode::{
    ChunkPlace, FrameDecoder, MAX_MESSAGE, Message, ServerMessage, decode_message, decode_rows,
    page_trades,
};
use rangebar_core::tick::Tick;

const EVENTS: usize = 20_000;
const ROUNDS: usize = 60;

/// A work to time: what it is, how many things and bytes it goes through, and how.
struct Side<'a> {
    name: &'static str,
    count: usize,
    bytes: usize,
    run: Box<dyn Fn() -> usize + 'a>,
    best: f64,
}

impl<'a> Side<'a> {
    fn new(name: &'static str, bytes: &[u8], run: impl Fn() -> usize + 'a) -> Self {
        Self {
            name,
            count: run(),
            bytes: bytes.len(),
            run: Box::new(run),
            best: f64::INFINITY,
        }
    }
}

fn fields(id: usize) -> String {
    let (price, quantity) = (11_207_001 + id % 997, 1 + id * 7_919 % 99_999);
    format!(
        r#""a":{},"p":"{}.{:02}000000","q":"0.{quantity:05}000","f":{},"l":{},"T":{},"m":{},"M":true"#,
        3_512_000_000 + id,
        price / 100,
        price % 100,
        5_123_456_000 + 2 * id,
        5_123_456_001 + 2 * id,
        1_735_689_600_123_456_usize + id * 211,
        id.is_multiple_of(3),
    )
}

fn spot(id: usize) -> String {
    let time = 1_735_689_600_123_999 + id * 211;
    format!(
        r#"{{"e":"aggTrade","E":{time},"s":"BTCUSDT",{}}}"#,
        fields(id)
    )
}

fn combined(id: usize) -> String {
    format!(r#"{{"stream":"btcusdt@aggTrade","data":{}}}"#, spot(id))
}

/// The symbol behind the id, and two keys that spot has not.
fn futures(id: usize) -> String {
    spot(id)
        .replace(r#""s":"BTCUSDT","#, "")
        .replace(r#","p":"#, r#","s":"BTCUSDT","p":"#)
        .replace(r#","M":true"#, r#","st":1"#)
        .replace(r#","f":"#, r#","nq":"0.001","f":"#)
}

fn row(id: usize) -> String {
    let (price, quantity) = (11_207_001 + id % 997, 1 + id * 7_919 % 99_999);
    format!(
        "{},{}.{:02}000000,0.{quantity:05}000,{},{},{},{},True\n",
        3_512_000_000 + id,
        price / 100,
        price % 100,
        5_123_456_000 + 2 * id,
        5_123_456_001 + 2 * id,
        1_735_689_600_123_456_usize + id * 211,
        if id.is_multiple_of(3) {
            "True"
        } else {
            "False"
        },
    )
}

fn frames(event: impl Fn(usize) -> String) -> Vec<u8> {
    let mut bytes = Vec::new();
    for id in 0..EVENTS {
        let text = event(id);
        bytes.extend_from_slice(&[0x81, 126]);
        bytes.extend_from_slice(&(text.len() as u16).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// As a socket brings them: reads of 64 KiB, cut anywhere.
fn read_frames(bytes: &[u8]) -> usize {
    let mut decoder = FrameDecoder::new(MAX_MESSAGE);
    let mut trades = 0;
    for mut read in bytes.chunks(65_536) {
        loop {
            let (used, found) = decoder.next(read);
            read = read.get(used..).unwrap_or_default();
            match found {
                None => break,
                Some(Ok(Message::Text(text))) => {
                    if let ServerMessage::Trade(event) = decode_message(text) {
                        black_box(&event);
                        trades += 1;
                    }
                }
                Some(other) => panic!("{other:?}"),
            }
        }
    }
    trades
}

fn read_rows(bytes: &[u8], out: &mut [Tick]) -> usize {
    let (mut at, mut rows) = (0, 0);
    let place = ChunkPlace::default();
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let progress = decode_rows(rest, place, out);
        black_box(&out);
        at += progress.bytes_consumed;
        rows += progress.rows;
        if progress.rows < out.len() {
            return rows;
        }
    }
}

fn main() {
    let (spot_frames, combined, futures) = (frames(spot), frames(combined), frames(futures));
    let page: String = (0..EVENTS).fold("[".to_owned(), |mut text, id| {
        let comma = if id == 0 { "" } else { "," };
        write!(text, "{comma}{{{}}}", fields(id)).expect("a string takes all");
        text
    }) + "]";
    let rows: String = (0..EVENTS).map(row).collect();
    let texts: String = (0..EVENTS).map(spot).collect();
    let check = || {
        let text = std::str::from_utf8(black_box(texts.as_bytes()));
        black_box(text).map_or(0, |_| EVENTS)
    };
    let csv = || read_rows(rows.as_bytes(), &mut vec![Tick::default(); 4_096]);
    let mut sides = [
        Side::new("UTF-8 check of the spot text", texts.as_bytes(), check),
        Side::new("frames + JSON, spot raw", &spot_frames, || {
            read_frames(&spot_frames)
        }),
        Side::new("frames + JSON, spot combined", &combined, || {
            read_frames(&combined)
        }),
        Side::new("frames + JSON, futures", &futures, || read_frames(&futures)),
        Side::new("REST page", page.as_bytes(), || {
            page_trades(page.as_bytes()).flatten().count()
        }),
        Side::new("archive rows", rows.as_bytes(), csv),
    ];
    for _ in 0..ROUNDS {
        for side in &mut sides {
            let begun = Instant::now();
            let count = (side.run)();
            side.best = side.best.min(begun.elapsed().as_secs_f64());
            assert_eq!(count, EVENTS, "{}", side.name);
        }
    }
    let check = sides[0].bytes as f64 / sides[0].best;
    for side in &sides {
        let speed = side.count as f64 / side.best / 1e6;
        let ratio = side.bytes as f64 / side.best / check;
        println!(
            "{:<38} {speed:7.2} M/s   {ratio:.3} of the check",
            side.name
        );
    }
}
