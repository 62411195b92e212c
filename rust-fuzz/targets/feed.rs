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
const TRADES: i64 = 120;
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

/// Every trade as a frame, and as a row of a page.
static EVENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let text = |id| {
        format!(
            r#"{{"e":"aggTrade","E":1700000000000,"s":"{SYMBOL}",{}}}"#,
            fields(id)
        )
    };
    (0..TRADES)
        .map(|id| frame(1, text(id).as_bytes()))
        .collect()
});
static ROWS: LazyLock<Vec<String>> = LazyLock::new(|| {
    (0..TRADES)
        .map(|id| format!("{{{}}}", fields(id)))
        .collect()
});

fn events(from: usize, len: usize) -> Vec<u8> {
    EVENTS
        .iter()
        .skip(from)
        .take(len)
        .flatten()
        .copied()
        .collect()
}

fn page(from: i64, len: usize) -> String {
    let rows: Vec<_> = ROWS
        .iter()
        .skip(from as usize)
        .take(len)
        .map(String::as_str)
        .collect();
    format!("[{}]", rows.join(","))
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
        let (from, len) = (source.byte() % TRADES as u8, source.byte() % 16);
        let bytes = events(from.into(), len.into());
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

    fn backfill(&mut self, from: i64, len: usize) {
        let page = page(from, len);
        while !self
            .feed
            .backfill(self.symbol, from, page.as_bytes())
            .expect("a good page")
            .is_complete
        {
            self.pop(1);
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
                usize::from(source.byte() % 50) + 1,
            ),
            14 => {
                let expected = self.expected(source.byte());
                self.backfill(expected, usize::from(source.byte() % 50) + 1);
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

    /// What REST would bring in the end.
    fn finish(&mut self) {
        for choice in [0, 1] {
            loop {
                let expected = self.expected(choice);
                if expected >= TRADES {
                    break;
                }
                self.backfill(expected, 1000);
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
        usize::from(source.byte() % 40),
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
