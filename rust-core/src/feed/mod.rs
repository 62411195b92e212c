//! Bytes in, bars and events out: everything between the sockets and the reader, without I/O, threads or a clock.
//!
//! # One rule
//! Reconnect, restart, warm start, rotation and a lossy socket are one case: the next trade of a symbol does not have
//! the id that is expected. Lanes of a symbol that expect the same id form a [sequence](crate::sequence); a symbol has one
//! or several of them. Below the expected id a trade is a duplicate, at it it goes into the bars, above it there is a gap
//! that has to be fetched by id. Connections and REST answers are offered to every sequence by this one rule, so it does
//! not matter where a trade comes from, how often, or in which order.
//!
//! # What bounds it
//! Bars wait in one queue of `bar_capacity`. A trade is taken when the queue is empty or has room for one bar of every
//! lane of its symbol; otherwise the feed is *paused*: the trade waits where it is (in the unread rest of its connection's
//! read, at the head of a hold, in a REST answer that is to be offered again) until bars were popped. Nothing is dropped
//! for it. Holds are a cache: what does not fit in `trade_capacity` is let go and fetched again. Events are coalesced, so
//! that their number follows from what the program has opened and not from what peers send.

mod connection;
mod event;
mod hold;
mod intake;
mod page;
mod query;
mod symbol;
mod tell;
mod values;

#[cfg(test)]
mod tests;

use self::connection::Connection;
pub use self::event::{Event, MAX_TEXT, Refusal};
use self::intake::{Bars, Core, Home};
pub use self::page::MAX_PAGE_BYTES;
use self::page::Rows;
pub use self::symbol::MAX_LEAD;
use self::symbol::{Names, Symbol};
pub use self::values::*;
use crate::decode::TimeUnit;
use crate::processor::{Processor, Rule};
use crate::sequence::{Lane, MAX_ID, Sequence};
use crate::snapshot;

/// Everything between the sockets and the reader of one stream.
///
/// ```
/// use rangebar_core::feed::{Config, Feed, LaneSpec};
///
/// let config = Config { bar_capacity: 100, trade_capacity: 5_000, max_message: 1 << 20 };
/// let mut feed = Feed::new(config);
/// let symbol = feed.add_symbol(b"BTCUSDT").unwrap();
/// let spec = LaneSpec {
///     symbol,
///     threshold_dbps: 250,
///     same_timestamp_close: false,
///     unit: None,
///     position: None,
///     last_time_us: None,
///     snapshot: None,
/// };
/// feed.add_lane(&spec).unwrap();
/// let connection = feed.connect();
/// let event = br#"{"e":"aggTrade","E":1700000000000,"s":"BTCUSDT","a":1,"p":"1.0","q":"2.0","f":1,"l":1,"T":1700000000000,"m":true}"#;
/// let mut bytes = vec![0x81, event.len() as u8];
/// if event.len() > 125 {
///     bytes = vec![0x81, 126, 0, event.len() as u8];
/// }
/// bytes.extend_from_slice(event);
/// assert_eq!(feed.receive(connection, &bytes).unwrap().trades_taken, 1);
/// ```
#[derive(Debug)]
pub struct Feed {
    core: Core,
    connections: Vec<Connection>,
    next_connection: u64,
    rows: Rows,
    /// Counters of connections that are gone.
    past: Totals,
}

impl Feed {
    /// A feed without symbols.
    pub fn new(config: Config) -> Self {
        Self {
            core: Core {
                config,
                symbols: Vec::new(),
                names: Names::default(),
                homes: Vec::new(),
                lanes: Vec::new(),
                bars: Bars::new(config.bar_capacity),
                events: event::Events::default(),
                held: 0,
                fetching: 0,
                blocked: Vec::new(),
                taken: 0,
                refused: 0,
            },
            connections: Vec::new(),
            next_connection: 1,
            rows: Rows::default(),
            past: Totals::default(),
        }
    }

    /// Adds a symbol by the name that events carry, or finds it again.
    pub fn add_symbol(&mut self, name: &[u8]) -> Result<u32, FeedError> {
        if let Some(symbol) = self.core.names.get(name) {
            return Ok(symbol);
        }
        if name.is_empty() || name.len() > snapshot::MAX_LABEL {
            return Err(FeedError::Argument);
        }
        let id = u32::try_from(self.core.symbols.len()).map_err(|_| FeedError::Argument)?;
        self.core.names.insert(name, id);
        self.core.symbols.push(Symbol::new(name));
        Ok(id)
    }

    /// Adds a lane to its symbol; it joins the sequence that expects the same id.
    pub fn add_lane(&mut self, spec: &LaneSpec<'_>) -> Result<LaneAdded, FeedError> {
        let symbol = self.core.symbols.get(spec.symbol as usize);
        let symbol = symbol.ok_or(FeedError::Unknown)?;
        let processor = processor_for(spec, &symbol.name)?;
        let position = processor.position();
        let last_time_us = match processor.last_timestamp_us() {
            0 => spec.last_time_us,
            time => Some(time),
        };
        let lane_id = u32::try_from(self.core.lanes.len()).map_err(|_| FeedError::Argument)?;
        let lane = Lane {
            id: lane_id,
            unit: spec.unit,
            is_announced: spec.unit.is_some() && position.is_some(),
            processor,
        };
        let expected = position.map(|id| id + 1);
        let symbol = self.core.symbols.get_mut(spec.symbol as usize);
        let symbol = symbol.ok_or(FeedError::Unknown)?;
        let next_id = self.core.homes.len() as u64 + 1;
        let same = |s: &&mut Sequence| s.expected() == expected;
        let sequence = match symbol.sequences.iter_mut().find(same) {
            Some(sequence) => {
                sequence.add(lane, last_time_us);
                sequence.id
            }
            None => {
                let mut sequence = Sequence::new(next_id, expected, None);
                sequence.add(lane, last_time_us);
                symbol.sequences.push(sequence);
                self.core.homes.push(Home {
                    symbol: spec.symbol,
                    sequence: next_id,
                });
                next_id
            }
        };
        symbol.lane_count += 1;
        symbol.needs_microseconds |= spec.unit == Some(TimeUnit::Microsecond);
        self.core.lanes.push(spec.symbol);
        Ok(LaneAdded {
            lane: lane_id,
            sequence,
        })
    }

    /// Opens a connection: bytes of a websocket after its handshake. Numbers are never used again.
    pub fn connect(&mut self) -> u64 {
        let id = self.next_connection;
        self.next_connection += 1;
        let max_message = self.core.config.max_message;
        self.connections.push(Connection::new(id, max_message));
        id
    }

    /// Forgets a connection with whatever it had not finished.
    pub fn disconnect(&mut self, connection: u64) -> Result<(), FeedError> {
        let at = self.connection_at(connection)?;
        let gone = self.connections.remove(at);
        self.past.bytes += gone.state.info.bytes;
        self.past.messages += gone.state.info.messages;
        self.past.refused += gone.state.info.rejected;
        self.past.replies_dropped += gone.state.replies_dropped;
        Ok(())
    }

    /// Takes one read of a connection. While its last read waits for room, another one is refused.
    ///
    /// Bytes after a close frame or a broken frame are ignored.
    #[inline]
    pub fn receive(&mut self, connection: u64, bytes: &[u8]) -> Result<Summary, FeedError> {
        let at = self.connection_at(connection)?;
        let connection = self.connections.get_mut(at).ok_or(FeedError::Unknown)?;
        if connection.is_paused() {
            return Err(FeedError::Paused);
        }
        self.core.taken = 0;
        connection.receive(&mut self.core, bytes);
        Ok(self.summary())
    }

    /// Goes on with whatever waited for room.
    pub fn resume(&mut self) -> Summary {
        self.core.taken = 0;
        for symbol in self.core.blocked.clone() {
            self.core.drain(symbol);
        }
        for connection in &mut self.connections {
            connection.resume(&mut self.core);
        }
        self.summary()
    }

    /// Takes the body of the REST answer to `fromId = from_id`.
    ///
    /// When the page is not complete, the same answer is to be offered again after bars were popped. An error means that
    /// nothing of the answer was taken.
    pub fn backfill(&mut self, symbol: u32, from_id: i64, body: &[u8]) -> Result<Page, FeedError> {
        self.rows.read(from_id, body)?;
        let page = self.core.take_page(symbol, from_id, &self.rows, body);
        self.rows.shrink();
        page
    }

    /// From now on early trades of this sequence are held: its fetch is in flight.
    pub fn begin_fetch(&mut self, sequence: u64) -> Result<(), FeedError> {
        let (symbol, at) = self.core.locate(sequence)?;
        let sequence = self.core.sequence_at(symbol, at);
        let sequence = sequence.ok_or(FeedError::Unknown)?;
        if !core::mem::replace(&mut sequence.is_fetching, true) {
            self.core.fetching += 1;
        }
        Ok(())
    }

    /// The fetch has ended: takes what fits of the hold and lets the rest go.
    pub fn end_fetch(&mut self, sequence: u64) -> Result<(), FeedError> {
        let (symbol, at) = self.core.locate(sequence)?;
        let sequence = self.core.sequence_at(symbol, at);
        let sequence = sequence.ok_or(FeedError::Unknown)?;
        if core::mem::replace(&mut sequence.is_fetching, false) {
            self.core.fetching -= 1;
        }
        self.core.drain(symbol);
        Ok(())
    }

    /// The exchange provably has no trades from the expected id to `to_id`: goes on after them.
    ///
    /// Held trades within the range are taken. They count as missing on the bar they fall in. Returns false when the bar
    /// queue is full: say it again after bars were popped.
    pub fn declare_missing(&mut self, sequence: u64, to_id: i64) -> Result<bool, FeedError> {
        if to_id > MAX_ID {
            return Err(FeedError::Argument);
        }
        self.core.declare_missing(sequence, to_id)
    }

    /// REST knows ids up to `id`: live ids far above are not believed.
    pub fn set_known(&mut self, symbol: u32, id: i64) -> Result<(), FeedError> {
        if !(-1..=MAX_ID).contains(&id) {
            return Err(FeedError::Argument);
        }
        self.core.set_known(symbol, id)
    }

    /// The bar at the head of the queue; it stays there.
    pub fn peek_bar(&self) -> Option<&LaneBar> {
        self.core.bars.waiting.front()
    }

    /// Takes the bar at the head of the queue off.
    pub fn pop_bar(&mut self) -> Option<LaneBar> {
        self.core.bars.waiting.pop_front()
    }

    /// Takes the oldest event.
    pub fn pop_event(&mut self) -> Option<Event> {
        self.core.events.pop()
    }

    /// How the feed stands.
    #[inline]
    pub fn summary(&self) -> Summary {
        Summary {
            bars_queued: self.core.bars.waiting.len(),
            events_queued: self.core.events.len(),
            trades_taken: self.core.taken,
            is_paused: self.is_paused(),
        }
    }

    /// Whether anything waits for room among the bars.
    #[inline]
    pub fn is_paused(&self) -> bool {
        !self.core.blocked.is_empty() || self.connections.iter().any(Connection::is_paused)
    }

    fn connection_at(&self, id: u64) -> Result<usize, FeedError> {
        let at = self.connections.iter().position(|c| c.state.id == id);
        at.ok_or(FeedError::Unknown)
    }
}

/// The processor of a new lane: from its snapshot, or at its position.
fn processor_for(spec: &LaneSpec<'_>, name: &[u8]) -> Result<Processor, FeedError> {
    let rule =
        Rule::new(spec.threshold_dbps, spec.same_timestamp_close).ok_or(FeedError::Threshold)?;
    let is_legal = |position: i64| (-1..MAX_ID).contains(&position);
    if !spec.position.is_none_or(is_legal) {
        return Err(FeedError::Argument);
    }
    let Some(bytes) = spec.snapshot else {
        return Ok(Processor::at(rule, spec.position));
    };
    let (processor, label) = snapshot::decode(bytes).map_err(FeedError::Snapshot)?;
    let is_of_lane = processor.rule() == rule && label == name;
    let is_there = processor.position().is_some_and(is_legal);
    if is_of_lane && is_there && spec.position.is_some_and(|id| follows(&processor, id)) {
        Ok(processor)
    } else {
        Err(FeedError::SnapshotMismatch)
    }
}

/// Whether the processor has been given every id behind `position`: each is in its forming bar or missing from it.
fn follows(processor: &Processor, position: i64) -> bool {
    let Some(bar) = processor.forming() else {
        return processor.position() == Some(position);
    };
    let ids = bar.last_agg_trade_id.checked_sub(position);
    ids.and_then(|ids| ids.checked_sub(bar.agg_record_count)) == Some(bar.missing_trades)
}
