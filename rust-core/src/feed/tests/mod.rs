//! The feed against its contract: one file for each part of it, and one in which everything happens at once.

mod bytes;
mod holds;
mod id_rule;
mod limits;
mod model;
mod pages;
mod pressure;
mod sequences;
mod units;

use super::*;
use crate::bar::Bar;
use crate::tick::Tick;

/// 2023-11-14, in microseconds.
const START_US: i64 = 1_700_000_000_000_000;

/// Small reproducible numbers.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }

    pub(super) fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

/// The trade with this id; its price swings enough to close bars at small thresholds.
pub(super) fn trade(id: i64) -> Tick {
    let mut random = Random((id as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    random.next();
    Tick {
        agg_trade_id: id,
        price_e8: 100_000_000 + random.below(2_000_000) as i64,
        quantity_e8: random.below(1_000_000_000) as i64,
        first_trade_id: id * 3,
        last_trade_id: id * 3 + random.below(3) as i64,
        // Some trades share their time with the one before.
        timestamp_us: START_US + id / 2 * 1_001,
        is_buyer_maker: (random.below(2)) as u8,
        ..Tick::default()
    }
}

fn decimal(value_e8: i64) -> String {
    format!("{}.{:08}", value_e8 / 100_000_000, value_e8 % 100_000_000)
}

fn fields(tick: &Tick, time: i64) -> String {
    format!(
        r#""a":{},"p":"{}","q":"{}","f":{},"l":{},"T":{},"m":{}"#,
        tick.agg_trade_id,
        decimal(tick.price_e8),
        decimal(tick.quantity_e8),
        tick.first_trade_id,
        tick.last_trade_id,
        time,
        tick.is_buyer_maker != 0,
    )
}

/// The event of a trade, in microseconds.
pub(super) fn event(symbol: &str, tick: &Tick) -> String {
    let time = tick.timestamp_us;
    let fields = fields(tick, time);
    format!(r#"{{"e":"aggTrade","E":{time},"s":"{symbol}",{fields},"M":true}}"#)
}

/// The event of a trade, in milliseconds.
pub(super) fn event_ms(symbol: &str, tick: &Tick) -> String {
    let time = tick.timestamp_us / 1_000;
    let fields = fields(tick, time);
    format!(r#"{{"e":"aggTrade","E":{time},"s":"{symbol}",{fields},"M":true}}"#)
}

/// A frame of the server with this opcode.
pub(super) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    if payload.len() < 126 {
        bytes.push(payload.len() as u8);
    } else {
        bytes.push(126);
        bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    bytes.extend_from_slice(payload);
    bytes
}

pub(super) fn text(payload: &str) -> Vec<u8> {
    frame(1, payload.as_bytes())
}

/// A REST answer in microseconds.
pub(super) fn page(ticks: &[Tick]) -> String {
    let rows: Vec<String> = ticks
        .iter()
        .map(|tick| format!(r#"{{{},"M":true}}"#, fields(tick, tick.timestamp_us)))
        .collect();
    format!("[{}]", rows.join(","))
}

pub(super) fn page_of(ids: impl IntoIterator<Item = i64>) -> String {
    page(&ids.into_iter().map(trade).collect::<Vec<_>>())
}

/// A feed with one symbol, `X`.
pub(super) struct Bench {
    pub(super) feed: Feed,
    pub(super) symbol: u32,
    pub(super) connection: u64,
}

impl Bench {
    pub(super) fn with(bar_capacity: usize, trade_capacity: usize) -> Self {
        let mut feed = Feed::new(Config {
            bar_capacity,
            trade_capacity,
            max_message: 1 << 20,
        });
        let symbol = feed.add_symbol(b"X").expect("a legal name");
        let connection = feed.connect();
        Self {
            feed,
            symbol,
            connection,
        }
    }

    pub(super) fn roomy() -> Self {
        Self::with(1_000_000, 1_000_000)
    }

    pub(super) fn spec(&self, threshold_dbps: u32, position: Option<i64>) -> LaneSpec<'static> {
        LaneSpec {
            symbol: self.symbol,
            threshold_dbps,
            same_timestamp_close: false,
            unit: None,
            position,
            last_time_us: None,
            snapshot: None,
        }
    }

    /// Adds a lane and forgets that it was announced.
    pub(super) fn lane(&mut self, threshold_dbps: u32, position: Option<i64>) -> LaneAdded {
        let spec = self.spec(threshold_dbps, position);
        self.feed.add_lane(&spec).expect("a legal lane")
    }

    pub(super) fn live(&mut self, id: i64) -> Summary {
        self.live_tick(&trade(id))
    }

    pub(super) fn live_tick(&mut self, tick: &Tick) -> Summary {
        self.bytes(&text(&event("X", tick)))
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Summary {
        self.feed
            .receive(self.connection, bytes)
            .expect("a connection that is not paused")
    }

    pub(super) fn page(&mut self, from_id: i64, body: &str) -> Page {
        self.feed
            .backfill(self.symbol, from_id, body.as_bytes())
            .expect("a page")
    }

    pub(super) fn expected(&self, sequence: u64) -> Option<i64> {
        self.info(sequence).expected
    }

    pub(super) fn info(&self, sequence: u64) -> SequenceInfo {
        self.feed.sequence_info(sequence).expect("a sequence")
    }

    pub(super) fn symbol_info(&self) -> SymbolInfo {
        self.feed.symbol_info(self.symbol).expect("a symbol")
    }

    /// All events but those that announce lanes.
    pub(super) fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.feed.pop_event())
            .filter(|event| !matches!(event, Event::OriginSet { .. }))
            .collect()
    }

    pub(super) fn bars(&mut self, lane: u32) -> Vec<Bar> {
        let all: Vec<LaneBar> = core::iter::from_fn(|| self.feed.pop_bar()).collect();
        all.iter()
            .filter(|closed| closed.lane == lane)
            .map(|closed| closed.bar)
            .collect()
    }
}

/// The bars of a tape at one threshold, offline.
pub(super) fn offline(
    threshold_dbps: u32,
    position: Option<i64>,
    tape: impl IntoIterator<Item = Tick>,
) -> Vec<Bar> {
    let rule = Rule::new(threshold_dbps, false).expect("a legal threshold");
    let mut processor = Processor::at(rule, position);
    tape.into_iter()
        .filter_map(|tick| processor.push(&tick).expect("a legal trade"))
        .collect()
}
