//! The promise: whatever connections lose, repeat, cut or end, the bars are those of the uninterrupted tape.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rangebar_core::bar::Bar;
use rangebar_core::feed::{Config, Event, Feed, FeedError, LaneSpec};
use rangebar_core::processor::{Processor, Rule};
use rangebar_core::tick::Tick;
use rangebar_fuzz::Source;

const SYMBOL: &str = "PROMISEUSDT";
/// Few, since nearly each of them closes a bar: what an input costs is the reading of their text.
const TRADES: i64 = 48;
const SHORT_PAGE: usize = 6;
const THRESHOLDS_DBPS: [u32; 2] = [40, 170];

fn tick(id: i64) -> Tick {
    Tick {
        agg_trade_id: id,
        price_e8: 100_0000_0000 + (id * id * 7919 % 1013) * 100_0000,
        quantity_e8: 1_0000_0000 + id,
        first_trade_id: id * 2,
        last_trade_id: id * 2 + id % 2,
        timestamp_us: (1_700_000_000_000 + id) * 1000,
        is_buyer_maker: u8::from(id % 3 == 0),
        ..Tick::default()
    }
}

fn decimal(value: i64) -> String {
    format!("{}.{:08}", value / 100_000_000, value % 100_000_000)
}

fn fields(id: i64) -> String {
    let tick = tick(id);
    format!(
        r#""a":{id},"p":"{}","q":"{}","f":{},"l":{},"T":{},"m":{}"#,
        decimal(tick.price_e8),
        decimal(tick.quantity_e8),
        tick.first_trade_id,
        tick.last_trade_id,
        tick.timestamp_us / 1000,
        tick.is_sell()
    )
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(len) if len < 126 => bytes.push(len),
        _ => {
            bytes.push(126);
            bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// The trades of the tape one after the other, each in one form.
struct Tape {
    bytes: Vec<u8>,
    /// Where each trade begins, and where the last one ends.
    starts: Vec<usize>,
}

impl Tape {
    fn new(form: impl Fn(i64) -> Vec<u8>) -> Self {
        let (mut bytes, mut starts) = (Vec::new(), vec![0]);
        for id in 0..TRADES {
            bytes.extend(form(id));
            starts.push(bytes.len());
        }
        Self { bytes, starts }
    }

    /// The trades of up to `len` ids from `from` on.
    fn part(&self, from: usize, len: usize) -> &[u8] {
        let last = self.starts.len() - 1;
        let to = (from + len).min(last);
        &self.bytes[self.starts[from.min(last)]..self.starts[to]]
    }
}

/// Made once: an input is to be about the rule, and not about making text.
static FRAMES: LazyLock<Tape> = LazyLock::new(|| {
    Tape::new(|id| {
        let text = format!(
            r#"{{"e":"aggTrade","E":1700000000000,"s":"{SYMBOL}",{}}}"#,
            fields(id)
        );
        frame(1, text.as_bytes())
    })
});
static ROWS: LazyLock<Tape> =
    LazyLock::new(|| Tape::new(|id| format!("{{{}}},", fields(id)).into_bytes()));

fn page(from: i64, len: usize) -> Vec<u8> {
    let rows = ROWS.part(from as usize, len);
    let rows = rows.strip_suffix(b",").unwrap_or(rows);
    [b"[", rows, b"]"].concat()
}

/// The bars of the tape after a position, and the one that is forming at its end.
fn uninterrupted(threshold_dbps: u32, position: i64) -> (Vec<Bar>, Option<Bar>) {
    let rule = Rule::new(threshold_dbps, false).expect("a threshold");
    let mut processor = Processor::at(rule, Some(position));
    let bars = (position + 1..TRADES)
        .filter_map(|id| processor.push(&tick(id)).expect("a good trade"))
        .collect();
    (bars, processor.forming())
}

struct Run {
    feed: Feed,
    symbol: u32,
    connections: Vec<u64>,
    bars: [Vec<Bar>; 2],
}

impl Run {
    fn new(positions: [i64; 2], bar_capacity: usize, trade_capacity: usize) -> Self {
        let mut feed = Feed::new(Config {
            bar_capacity,
            trade_capacity,
            max_message: 4096,
        });
        let symbol = feed.add_symbol(SYMBOL.as_bytes()).expect("a name");
        for (threshold_dbps, position) in THRESHOLDS_DBPS.into_iter().zip(positions) {
            let spec = LaneSpec {
                symbol,
                threshold_dbps,
                same_timestamp_close: false,
                unit: None,
                position: Some(position),
                last_time_us: None,
                snapshot: None,
            };
            feed.add_lane(&spec).expect("a lane");
        }
        Self {
            feed,
            symbol,
            connections: Vec::new(),
            bars: [Vec::new(), Vec::new()],
        }
    }

    fn pop(&mut self, count: usize) {
        for _ in 0..count {
            let Some(closed) = self.feed.pop_bar() else {
                return;
            };
            self.bars[closed.lane as usize].push(closed.bar);
        }
    }

    /// One read; waits for room as a reader would, by popping.
    fn receive(&mut self, connection: u64, bytes: &[u8]) {
        while self.feed.receive(connection, bytes) == Err(FeedError::Paused) {
            self.pop(1);
            self.feed.resume();
        }
    }

    fn connection(&mut self, choice: u8) -> u64 {
        if self.connections.is_empty() || choice % 8 == 7 {
            self.connections.push(self.feed.connect());
        }
        self.connections[usize::from(choice) % self.connections.len()]
    }

    fn send(&mut self, source: &mut Source<'_>) {
        let connection = self.connection(source.byte());
        let (from, len) = (source.byte() % TRADES as u8, source.byte() % 12);
        let bytes = FRAMES.part(from.into(), len.into());
        let size = usize::from(source.byte()) * 4 + 1;
        bytes
            .chunks(size)
            .for_each(|read| self.receive(connection, read));
    }

    fn noise(&mut self, source: &mut Source<'_>) {
        let connection = self.connection(source.byte());
        let payload: Vec<u8> = (0..source.byte() % 100).map(|_| source.byte()).collect();
        let bytes = match source.byte() % 8 {
            0 => frame(8, &[]),
            1 => frame(11, &payload),
            2 | 3 => frame(9, &payload),
            4 => frame(1, br#"{"result":null,"id":7}"#),
            5 => frame(1, br#"{"e":"aggTrade","s":"#),
            _ => frame(2, &payload),
        };
        self.receive(connection, &bytes);
    }

    fn sequence(&self, choice: u8) -> u64 {
        let sequences: Vec<_> = self.feed.sequences(self.symbol).expect("known").collect();
        sequences[usize::from(choice) % sequences.len()]
    }

    /// A page that is offered again after every `appetite` bars: each time it is read as a whole.
    fn backfill(&mut self, from: i64, len: usize, appetite: usize) {
        let page = page(from, len);
        while !self
            .feed
            .backfill(self.symbol, from, &page)
            .expect("a good page")
            .is_complete
        {
            self.pop(appetite);
        }
    }

    fn step(&mut self, source: &mut Source<'_>) {
        match source.byte() % 16 {
            0..=6 => self.send(source),
            7 => self.noise(source),
            8 => {
                let connection = self.connection(source.byte());
                self.connections.retain(|other| *other != connection);
                self.feed
                    .disconnect(connection)
                    .expect("an open connection");
            }
            9 => self.pop(usize::from(source.byte())),
            10 => {
                self.feed.resume();
            }
            11 => self
                .feed
                .begin_fetch(self.sequence(source.byte()))
                .expect("a known sequence"),
            12 => self
                .feed
                .end_fetch(self.sequence(source.byte()))
                .expect("a known sequence"),
            13 => self.backfill(
                i64::from(source.byte()) % TRADES,
                usize::from(source.byte() % 24) + 1,
                usize::from(source.byte() % 8) + 1,
            ),
            14 => {
                let expected = self.expected(source.byte());
                let len = usize::from(source.byte() % 24) + 1;
                self.backfill(expected, len, usize::from(source.byte() % 8) + 1);
            }
            _ => {
                self.feed.pop_event();
            }
        }
    }

    fn expected(&self, choice: u8) -> i64 {
        let info = self
            .feed
            .sequence_info(self.sequence(choice))
            .expect("a known sequence");
        info.expected.expect("started at a position")
    }

    /// What REST would bring in the end; in short pages, for what is read again and again is the whole page.
    fn finish(&mut self) {
        for choice in [0, 1] {
            loop {
                let expected = self.expected(choice);
                if expected >= TRADES {
                    break;
                }
                self.backfill(expected, SHORT_PAGE, usize::MAX);
            }
        }
        while self.feed.is_paused() || self.feed.peek_bar().is_some() {
            self.pop(1);
            self.feed.resume();
        }
        while let Some(event) = self.feed.pop_event() {
            assert!(
                !matches!(event, Event::TradesDiffer { .. } | Event::IdSkipped { .. }),
                "{event:?}"
            );
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut source = Source::new(data);
    let positions = [0; 2].map(|_| i64::from(source.byte()) % TRADES - 1);
    let mut run = Run::new(
        positions,
        usize::from(source.byte() % 6),
        usize::from(source.byte() % 20),
    );
    for _ in 0..200 {
        if source.is_empty() {
            break;
        }
        run.step(&mut source);
    }
    run.finish();
    for (lane, position) in positions.into_iter().enumerate() {
        let (bars, forming) = uninterrupted(THRESHOLDS_DBPS[lane], position);
        assert_eq!(run.bars[lane], bars);
        assert_eq!(
            run.feed.lane_info(lane as u32).expect("a lane").forming,
            forming
        );
    }
});
