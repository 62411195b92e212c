//! What taking trades has to tell: gaps, copies that differ, ids that restarted, rows that were refused.

use super::event::{Event, Refusal, excerpt};
use super::intake::Core;
use crate::sequence::UnitTick;
use crate::tick::Tick;

impl Core {
    /// Remembers that an id above the expected exists, and tells of the gap once.
    pub(super) fn note(&mut self, symbol_id: u32, at: usize, id: i64) {
        let symbol = self.symbols.get_mut(symbol_id as usize);
        let Some(sequence) = symbol.and_then(|s| s.sequences.get_mut(at)) else {
            return;
        };
        if sequence.note(id) {
            let gap = Event::GapFound {
                sequence: sequence.id,
                from: sequence.expected().unwrap_or(id),
                to: id - 1,
            };
            sequence.gap_ticket = self.events.replace(sequence.gap_ticket, gap);
        }
    }

    pub(super) fn tell_restart(&mut self, symbol_id: u32, at: usize, tick: &Tick) {
        let symbol = self.symbols.get_mut(symbol_id as usize);
        let Some(sequence) = symbol.and_then(|s| s.sequences.get_mut(at)) else {
            return;
        };
        if !self.events.is_waiting(sequence.restart_ticket) {
            sequence.restart_ticket = Some(self.events.push(Event::IdsRestarted {
                sequence: sequence.id,
                id: tick.agg_trade_id,
                expected: sequence.expected().unwrap_or(0),
                time_us: tick.timestamp_us,
                last_time_us: sequence.latest_time_us().unwrap_or(0),
            }));
        }
    }

    pub(super) fn count_duplicate(&mut self, symbol_id: u32, live: &UnitTick) {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        symbol.info.duplicates += 1;
        self.compare_with_last(symbol_id, live);
    }

    /// Compares a second copy with the last trade taken, when it is that one.
    pub(super) fn compare_with_last(&mut self, symbol_id: u32, copy: &UnitTick) {
        let symbol = self.symbols.get(symbol_id as usize);
        let Some(last) = symbol.and_then(|symbol| symbol.last) else {
            return;
        };
        if last.tick.agg_trade_id == copy.tick.agg_trade_id && last.differs(copy) {
            self.tell_difference(symbol_id, copy.tick.agg_trade_id);
        }
    }

    pub(super) fn tell_difference(&mut self, symbol_id: u32, id: i64) {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        match self.events.find(symbol.differ_ticket) {
            Some(Event::TradesDiffer { count, .. }) => *count += 1,
            _ => {
                symbol.differ_ticket = Some(self.events.push(Event::TradesDiffer {
                    symbol: symbol_id,
                    id,
                    count: 1,
                }));
            }
        }
    }

    /// Queues that a trade was refused for good.
    pub(super) fn reject_row(&mut self, symbol_id: u32, id: i64, reason: Refusal) {
        self.reject_rows(symbol_id, id, reason, b"", 1);
    }

    /// Queues that rows were refused, of which `text` is the first.
    pub(super) fn reject_rows(
        &mut self,
        symbol_id: u32,
        id: i64,
        reason: Refusal,
        text: &[u8],
        rows: u64,
    ) {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        symbol.info.refused += rows;
        self.refused += rows;
        if symbol.rejected.has_room(&self.events) {
            let ticket = self.events.push(Event::TradeRejected {
                symbol: symbol_id,
                id,
                reason,
                count: rows,
                text: excerpt(text),
            });
            symbol.rejected.use_one(ticket);
        } else if let Some(Event::TradeRejected { count, .. }) =
            self.events.find(symbol.rejected.last())
        {
            *count += rows;
        }
    }
}
