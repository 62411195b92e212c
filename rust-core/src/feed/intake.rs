//! Taking trades: what all connections and pages of a feed share.

use std::collections::VecDeque;

use super::event::{Event, Events, Refusal};
use super::symbol::{Names, Symbol};
use super::values::{Config, LaneBar};
use crate::sequence::{MAX_ID, Sequence, UnitTick, Verdict};
use crate::tick::Tick;

/// Where a sequence is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home {
    pub(super) symbol: u32,
    /// The sequence that took it in, or its own id.
    pub(super) sequence: u64,
}

/// What became of a trade that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    /// Taken into bars.
    Taken,
    /// Known, held or noted.
    NotNow,
    /// Milliseconds where microseconds are needed.
    WrongUnit,
    /// Not believed.
    Refused(Refusal),
    /// There is no room for its bars: offer it again.
    NoRoom,
}

/// Whether an id passed everything it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drained {
    Yes,
    NoRoom,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) symbols: Vec<Symbol>,
    pub(super) names: Names,
    /// By sequence id less one.
    pub(super) homes: Vec<Home>,
    /// The symbol of each lane.
    pub(super) lanes: Vec<u32>,
    pub(super) bars: Bars,
    pub(super) events: Events,
    /// Trades in all holds together.
    pub(super) held: usize,
    /// Sequences with a fetch in flight.
    pub(super) fetching: usize,
    /// Symbols with a hold that waits for room; each is here once.
    pub(super) blocked: Vec<u32>,
    /// Trades taken from connections by the current call.
    pub(super) taken: u64,
    /// Rows that were refused, and trades after their connection had brought them: no connection counts those.
    pub(super) refused: u64,
}

/// Closed bars that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Bars {
    pub(super) waiting: VecDeque<LaneBar>,
    pub(super) closed: u64,
    capacity: usize,
}

impl Bars {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            ..Self::default()
        }
    }

    /// Whether a trade that may close `most` bars can be taken.
    #[inline]
    pub(super) fn has_room(&self, most: usize) -> bool {
        self.waiting.is_empty() || self.waiting.len().saturating_add(most) <= self.capacity
    }
}

/// Whether the numbers of a trade can be those of one; others might overflow the sums of a bar.
#[inline]
pub(super) fn is_plausible(tick: &Tick) -> bool {
    tick.agg_trade_id <= MAX_ID
        && tick.last_trade_id.saturating_sub(tick.first_trade_id) < 1 << 40
        && i128::from(tick.price_e8) * i128::from(tick.quantity_e8) < 1 << 110
}

/// Takes `next` into `sequence`; its bars and news are queued.
#[inline]
fn take(
    sequence: &mut Sequence,
    next: &UnitTick,
    bars: &mut Bars,
    events: &mut Events,
) -> Result<(), Refusal> {
    sequence.settle(next, |lane, origin| {
        events.push(Event::OriginSet {
            lane: lane.id,
            origin,
            unit: lane.unit.unwrap_or(next.unit),
        });
    });
    sequence
        .take(next, |lane, bar| {
            bars.closed += 1;
            bars.waiting.push_back(LaneBar { lane, bar });
        })
        .map_err(|_| Refusal::Implausible)
}

impl Core {
    /// Offers a trade of a connection to every sequence of its symbol.
    #[inline]
    pub(super) fn offer(&mut self, symbol_id: u32, live: &UnitTick) -> Offered {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return Offered::Refused(Refusal::UnknownSymbol);
        };
        if symbol.refuses(live.unit) {
            return Offered::WrongUnit;
        }
        if !is_plausible(&live.tick) {
            return Offered::Refused(Refusal::Implausible);
        }
        match symbol.sequences.as_mut_slice() {
            // The hot path: one sequence, nothing held, the expected trade.
            [sequence] if sequence.is_plain_next(live.tick.agg_trade_id) => {
                if !self.bars.has_room(symbol.lane_count) {
                    return Offered::NoRoom;
                }
                let outcome = take(sequence, live, &mut self.bars, &mut self.events);
                symbol.remember(live);
                symbol.info.live_trades += 1;
                self.taken += 1;
                if let Err(reason) = outcome {
                    self.reject_row(symbol_id, live.tick.agg_trade_id, reason);
                }
                Offered::Taken
            }
            _ => self.offer_slowly(symbol_id, live),
        }
    }

    pub(super) fn count_live(&mut self, symbol_id: u32) {
        self.taken += 1;
        if let Some(symbol) = self.symbols.get_mut(symbol_id as usize) {
            symbol.info.live_trades += 1;
        }
    }

    /// Books a trade that was taken.
    fn after_take(&mut self, symbol_id: u32, taken: &UnitTick, outcome: Result<(), Refusal>) {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        symbol.remember(taken);
        if let Err(reason) = outcome {
            self.reject_row(symbol_id, taken.tick.agg_trade_id, reason);
        }
    }

    fn offer_slowly(&mut self, symbol_id: u32, live: &UnitTick) -> Offered {
        if self.drain(symbol_id) == Drained::NoRoom {
            return Offered::NoRoom;
        }
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return Offered::Refused(Refusal::UnknownSymbol);
        };
        let id = live.tick.agg_trade_id;
        let is_next = |s: &Sequence| s.judge(&live.tick) == Verdict::Next;
        let takes = symbol.sequences.iter().any(is_next);
        let follows = symbol.sequences.iter().any(|s| s.expected() == Some(id));
        if !follows && symbol.limit().is_some_and(|limit| id > limit) {
            return Offered::Refused(Refusal::TooFarAhead);
        }
        if takes && !self.bars.has_room(symbol.lane_count) {
            return Offered::NoRoom;
        }
        let mut is_news = takes;
        for at in 0..symbol.sequences.len() {
            is_news |= self.offer_to(symbol_id, at, live);
        }
        if !is_news {
            self.count_duplicate(symbol_id, live);
        }
        if takes {
            self.count_live(symbol_id);
            self.join(symbol_id);
            self.drain(symbol_id);
            return Offered::Taken;
        }
        Offered::NotNow
    }

    /// Offers a trade for which there is room to one sequence; false when that had it already.
    fn offer_to(&mut self, symbol_id: u32, at: usize, live: &UnitTick) -> bool {
        let Some(sequence) = self.sequence_at(symbol_id, at) else {
            return false;
        };
        match sequence.judge(&live.tick) {
            Verdict::Next => {
                self.take_at(symbol_id, at, live);
                true
            }
            Verdict::Ahead => {
                self.note(symbol_id, at, live.tick.agg_trade_id);
                self.keep(symbol_id, at, live);
                true
            }
            Verdict::Duplicate => false,
            Verdict::Restarted => {
                self.tell_restart(symbol_id, at, &live.tick);
                false
            }
        }
    }

    pub(super) fn sequence_at(&mut self, symbol_id: u32, at: usize) -> Option<&mut Sequence> {
        let symbol = self.symbols.get_mut(symbol_id as usize)?;
        symbol.sequences.get_mut(at)
    }

    pub(super) fn take_at(&mut self, symbol_id: u32, at: usize, next: &UnitTick) {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        let Some(sequence) = symbol.sequences.get_mut(at) else {
            return;
        };
        let outcome = take(sequence, next, &mut self.bars, &mut self.events);
        symbol.needs_microseconds |= sequence
            .lanes
            .iter()
            .any(|lane| lane.unit == Some(crate::decode::TimeUnit::Microsecond));
        self.after_take(symbol_id, next, outcome);
    }
}
