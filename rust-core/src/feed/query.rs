//! Looking at a feed, and telling it what REST knows.

use super::Feed;
use super::connection::Connection;
use super::intake::{Core, Drained};
use super::symbol::Symbol;
use super::values::{ConnectionInfo, FeedError, LaneInfo, SequenceInfo, SymbolInfo, Totals};
use crate::sequence::{Lane, Sequence};
use crate::snapshot;

impl Core {
    /// The symbol of a sequence, or of the one that it merged into, and its place there.
    pub(super) fn locate(&self, sequence: u64) -> Result<(u32, usize), FeedError> {
        let at = sequence.checked_sub(1).ok_or(FeedError::Unknown)?;
        let at = usize::try_from(at).map_err(|_| FeedError::Unknown)?;
        let home = self.homes.get(at).ok_or(FeedError::Unknown)?;
        let symbol = self.symbols.get(home.symbol as usize);
        let place = symbol.and_then(|symbol| symbol.find(home.sequence));
        Ok((home.symbol, place.ok_or(FeedError::Unknown)?))
    }

    /// Moves a sequence past `to_id`, taking held trades on the way; false when there is no room for their bars.
    pub(super) fn declare_missing(&mut self, sequence: u64, to_id: i64) -> Result<bool, FeedError> {
        loop {
            let (symbol_id, _) = self.locate(sequence)?;
            if self.drain(symbol_id) == Drained::NoRoom {
                return Ok(false);
            }
            // Anew: it may have merged into another.
            let (symbol_id, at) = self.locate(sequence)?;
            let symbol = self.symbols.get_mut(symbol_id as usize);
            let symbol = symbol.ok_or(FeedError::Unknown)?;
            let sequence = symbol.sequences.get_mut(at).ok_or(FeedError::Unknown)?;
            let expected = sequence.expected().ok_or(FeedError::Argument)?;
            if expected > to_id {
                return Ok(true);
            }
            let held = sequence.first_held().map(|held| held.tick.agg_trade_id);
            let stop = held.map_or(to_id, |held| (held - 1).min(to_id));
            symbol.info.missing += (stop + 1 - expected).unsigned_abs();
            sequence.skip_to(stop);
            self.join(symbol_id);
            self.drain(symbol_id);
            if stop == to_id {
                return Ok(true);
            }
        }
    }

    pub(super) fn set_known(&mut self, symbol_id: u32, id: i64) -> Result<(), FeedError> {
        let symbol = self.symbols.get_mut(symbol_id as usize);
        let symbol = symbol.ok_or(FeedError::Unknown)?;
        symbol.info.known_id = symbol.info.known_id.max(Some(id));
        let limit = symbol.limit().unwrap_or(i64::MAX);
        for sequence in &mut symbol.sequences {
            let gone = sequence.forget_above(limit);
            symbol.info.refused += gone as u64;
            self.refused += gone as u64;
            self.held -= gone;
        }
        Ok(())
    }

    fn lane(&self, lane: u32) -> Option<(u32, &Symbol, &Sequence, &Lane)> {
        let symbol_id = *self.lanes.get(lane as usize)?;
        let symbol = self.symbols.get(symbol_id as usize)?;
        symbol.sequences.iter().find_map(|sequence| {
            let found = sequence.lanes.iter().find(|other| other.id == lane)?;
            Some((symbol_id, symbol, sequence, found))
        })
    }
}

impl Feed {
    /// A sequence, or the one that it merged into.
    pub fn sequence_info(&self, sequence: u64) -> Result<SequenceInfo, FeedError> {
        let (symbol, at) = self.core.locate(sequence)?;
        let found = self.core.symbols.get(symbol as usize);
        let found = found.and_then(|symbol| symbol.sequences.get(at));
        let found = found.ok_or(FeedError::Unknown)?;
        Ok(SequenceInfo {
            sequence: found.id,
            symbol,
            expected: found.expected(),
            highest_seen: found.highest_seen(),
            last_time_us: found.latest_time_us(),
            held: found.held(),
            lanes: found.lanes.len(),
            is_fetching: found.is_fetching,
        })
    }

    /// The sequences of a symbol, oldest first.
    pub fn sequences(&self, symbol: u32) -> Result<impl Iterator<Item = u64>, FeedError> {
        let symbol = self.core.symbols.get(symbol as usize);
        let symbol = symbol.ok_or(FeedError::Unknown)?;
        Ok(symbol.sequences.iter().map(|sequence| sequence.id))
    }

    /// What is known about a symbol.
    pub fn symbol_info(&self, symbol: u32) -> Result<SymbolInfo, FeedError> {
        let symbol = self.core.symbols.get(symbol as usize);
        let symbol = symbol.ok_or(FeedError::Unknown)?;
        let last = symbol.last.map(|last| last.tick);
        Ok(SymbolInfo {
            last_id: last.map(|tick| tick.agg_trade_id),
            last_price_e8: last.map_or(0, |tick| tick.price_e8),
            last_time_us: last.map_or(0, |tick| tick.timestamp_us),
            ..symbol.info
        })
    }

    /// What is known about a connection.
    pub fn connection_info(&self, connection: u64) -> Result<ConnectionInfo, FeedError> {
        let at = self.connection_at(connection)?;
        let connection = self.connections.get(at).ok_or(FeedError::Unknown)?;
        Ok(connection.info())
    }

    /// Where a lane stands, with its forming bar.
    pub fn lane_info(&self, lane: u32) -> Result<LaneInfo, FeedError> {
        let (symbol, _, sequence, lane) = self.core.lane(lane).ok_or(FeedError::Unknown)?;
        let processor = &lane.processor;
        Ok(LaneInfo {
            symbol,
            sequence: sequence.id,
            threshold_dbps: processor.rule().threshold_dbps(),
            unit: lane.unit,
            position: processor.position(),
            last_time_us: processor.last_timestamp_us(),
            time_reversals: processor.time_reversals(),
            forming: processor.forming(),
        })
    }

    /// Writes a lane's snapshot, labelled with its symbol, to the end of `out`.
    pub fn lane_snapshot(&self, lane: u32, out: &mut Vec<u8>) -> Result<(), FeedError> {
        let (_, symbol, _, lane) = self.core.lane(lane).ok_or(FeedError::Unknown)?;
        snapshot::encode(&lane.processor, &symbol.name, out).map_err(FeedError::Snapshot)
    }

    /// Everything counted.
    pub fn totals(&self) -> Totals {
        let mut totals = self.past;
        totals.refused += self.core.refused;
        for symbol in &self.core.symbols {
            totals.live_trades += symbol.info.live_trades;
            totals.fetched_trades += symbol.info.fetched_trades;
            totals.duplicates += symbol.info.duplicates;
            totals.let_go += symbol.info.let_go;
            totals.missing += symbol.info.missing;
        }
        for connection in &self.connections {
            totals.bytes += connection.state.info.bytes;
            totals.messages += connection.state.info.messages;
            totals.refused += connection.state.info.rejected;
            totals.replies_dropped += connection.state.replies_dropped;
        }
        totals.bars = self.core.bars.closed;
        totals.bars_queued = self.core.bars.waiting.len();
        totals.trades_held = self.core.held;
        totals.events_queued = self.core.events.len();
        totals.heap_bytes = self.heap_bytes();
        totals.is_paused = self.is_paused();
        totals
    }

    fn heap_bytes(&self) -> usize {
        let core = &self.core;
        let symbols: usize = core.symbols.iter().map(Symbol::heap_bytes).sum();
        let connections: usize = self.connections.iter().map(Connection::heap_bytes).sum();
        symbols
            + connections
            + core.symbols.capacity() * size_of::<Symbol>()
            + self.connections.capacity() * size_of::<Connection>()
            + core.homes.capacity() * size_of::<super::intake::Home>()
            + core.lanes.capacity() * size_of::<u32>()
            + core.bars.waiting.capacity() * size_of::<super::LaneBar>()
            + core.events.heap_bytes()
            + core.names.heap_bytes()
            + self.rows.heap_bytes()
    }
}
