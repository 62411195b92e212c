//! Trades that came too early, and sequences that meet: what happens when an expected id moves.

use super::event::Event;
use super::intake::{Core, Drained};
use crate::sequence::{Kept, Sequence, UnitTick};

impl Core {
    /// Puts a trade into the hold of a sequence whose fetch is in flight.
    pub(super) fn keep(&mut self, symbol_id: u32, at: usize, live: &UnitTick) {
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
