//! Taking trades: what all connections and pages of a feed share.

use std::collections::VecDeque;

use super::event::{Event, Events, Refusal, excerpt};
use super::symbol::{Names, Symbol};
use super::values::{Config, LaneBar};
use crate::sequence::{Kept, MAX_ID, Sequence, UnitTick, Verdict};
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
                self.after_take(symbol_id, live, outcome);
                self.count_live(symbol_id);
                Offered::Taken
            }
            _ => self.offer_slowly(symbol_id, live),
        }
    }

    #[inline]
    fn count_live(&mut self, symbol_id: u32) {
        self.taken += 1;
        if let Some(symbol) = self.symbols.get_mut(symbol_id as usize) {
            symbol.info.live_trades += 1;
        }
    }

    /// Books a trade that was taken.
    #[inline]
    fn after_take(&mut self, symbol_id: u32, taken: &UnitTick, outcome: Result<(), Refusal>) {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        if symbol
            .last
            .is_none_or(|last| last.tick.agg_trade_id < taken.tick.agg_trade_id)
        {
            symbol.last = Some(*taken);
        }
        if let Err(reason) = outcome {
            self.reject_row(symbol_id, taken.tick.agg_trade_id, reason, b"");
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

    /// Remembers that an id above the expected exists, and tells of the gap once.
    fn note(&mut self, symbol_id: u32, at: usize, id: i64) {
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
                last_time_us: sequence.last_time_us().unwrap_or(0),
            }));
        }
    }

    fn count_duplicate(&mut self, symbol_id: u32, live: &UnitTick) {
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

    /// Queues that a trade was refused for good or a row as a whole.
    pub(super) fn reject_row(&mut self, symbol_id: u32, id: i64, reason: Refusal, text: &[u8]) {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        symbol.info.refused += 1;
        if symbol.rejected.has_room(&self.events) {
            let ticket = self.events.push(Event::TradeRejected {
                symbol: symbol_id,
                id,
                reason,
                count: 1,
                text: excerpt(text),
            });
            symbol.rejected.use_one(ticket);
        } else if let Some(Event::TradeRejected { count, .. }) =
            self.events.find(symbol.rejected.last())
        {
            *count += 1;
        }
    }

    /// Puts a trade into the hold of a sequence whose fetch is in flight.
    fn keep(&mut self, symbol_id: u32, at: usize, live: &UnitTick) {
        let Some(sequence) = self.sequence_at(symbol_id, at) else {
            return;
        };
        if !sequence.is_fetching {
            return;
        }
        match sequence.keep(*live) {
            Kept::Held => {
                self.held += 1;
                if self.held > self.config.trade_capacity {
                    self.let_one_go(symbol_id, at);
                }
            }
            Kept::Again => self.count_duplicate(symbol_id, live),
            Kept::Differs => {
                self.count_duplicate(symbol_id, live);
                self.tell_difference(symbol_id, live.tick.agg_trade_id);
            }
        }
    }

    /// Lets the oldest trade of a hold go: of this one when it has its share, else of the largest.
    fn let_one_go(&mut self, symbol_id: u32, at: usize) {
        let share = self.config.trade_capacity / self.fetching.max(1);
        let own = self.sequence_at(symbol_id, at).map_or(0, |s| s.held());
        let (symbol_id, at) = if own > share {
            (symbol_id, at)
        } else {
            self.largest_hold().unwrap_or((symbol_id, at))
        };
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        if let Some(sequence) = symbol.sequences.get_mut(at) {
            sequence.drop_first_held();
            symbol.info.let_go += 1;
            self.held -= 1;
        }
    }

    fn largest_hold(&self) -> Option<(u32, usize)> {
        let all = self.symbols.iter().zip(0_u32..).flat_map(|(symbol, id)| {
            let sequences = symbol.sequences.iter().enumerate();
            sequences.map(move |(at, sequence)| (sequence.held(), (id, at)))
        });
        all.max_by_key(|&(held, _)| held).map(|(_, place)| place)
    }

    /// Lets everything that a sequence holds go.
    pub(super) fn let_all_go(&mut self, symbol_id: u32, at: usize) {
        let symbol = self.symbols.get_mut(symbol_id as usize);
        if let Some(symbol) = symbol {
            let gone = symbol.sequences.get_mut(at).map_or(0, |s| s.drop_hold());
            symbol.info.let_go += gone as u64;
            self.held -= gone;
        }
    }

    /// Takes held trades that are expected now, as far as there is room for their bars.
    pub(super) fn drain(&mut self, symbol_id: u32) -> Drained {
        let count = |core: &Self| {
            let symbol = core.symbols.get(symbol_id as usize);
            symbol.map_or(0, |symbol| symbol.sequences.len())
        };
        let mut outcome = Drained::Yes;
        let mut at = 0;
        while at < count(self) {
            let before = count(self);
            if self.drain_at(symbol_id, at) == Drained::NoRoom {
                outcome = Drained::NoRoom;
            }
            // After a merger another hold may go on: from the start.
            at = if count(self) < before { 0 } else { at + 1 };
        }
        self.mark_blocked(symbol_id, outcome);
        outcome
    }

    fn mark_blocked(&mut self, symbol_id: u32, outcome: Drained) {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        let is_blocked = outcome == Drained::NoRoom;
        if symbol.has_blocked_hold != is_blocked {
            symbol.has_blocked_hold = is_blocked;
            if is_blocked {
                self.blocked.push(symbol_id);
            } else {
                self.blocked.retain(|&other| other != symbol_id);
            }
        }
    }

    fn drain_at(&mut self, symbol_id: u32, at: usize) -> Drained {
        loop {
            let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
                return Drained::Yes;
            };
            let Some(sequence) = symbol.sequences.get_mut(at) else {
                return Drained::Yes;
            };
            let Some(held) = sequence.first_held() else {
                return Drained::Yes;
            };
            let expected = sequence.expected().unwrap_or(held.tick.agg_trade_id);
            if held.tick.agg_trade_id > expected {
                if !sequence.is_fetching {
                    self.let_all_go(symbol_id, at);
                }
                return Drained::Yes;
            }
            let is_expected = held.tick.agg_trade_id == expected;
            if is_expected && !self.bars.has_room(symbol.lane_count) {
                return Drained::NoRoom;
            }
            sequence.drop_first_held();
            self.held -= 1;
            if is_expected && !symbol.refuses(held.unit) {
                self.take_at(symbol_id, at, &held);
                self.count_live(symbol_id);
                self.join(symbol_id);
            }
        }
    }

    /// Merges sequences that expect the same id.
    pub(super) fn join(&mut self, symbol_id: u32) {
        loop {
            let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
                return;
            };
            if symbol.sequences.len() < 2 {
                return;
            }
            let Some((into, from)) = equal_pair(&symbol.sequences) else {
                return;
            };
            let gone = symbol.sequences.remove(from);
            let Some(stays) = symbol.sequences.get_mut(into) else {
                return;
            };
            let (gone_id, stays_id) = (gone.id, stays.id);
            self.fetching -= usize::from(gone.is_fetching && stays.is_fetching);
            self.held -= stays.absorb(gone);
            for home in &mut self.homes {
                if home.sequence == gone_id {
                    home.sequence = stays_id;
                }
            }
            self.events.push(Event::SequencesMerged {
                from: gone_id,
                into: stays_id,
            });
        }
    }
}

/// Two sequences that expect the same id: the older one first, it stays.
fn equal_pair(sequences: &[Sequence]) -> Option<(usize, usize)> {
    sequences.iter().enumerate().find_map(|(at, one)| {
        let expected = one.expected()?;
        let rest = sequences.iter().enumerate().skip(at + 1);
        let mut same = rest.filter(|(_, other)| other.expected() == Some(expected));
        same.next().map(|(other, _)| (at, other))
    })
}
