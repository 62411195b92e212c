//! A symbol: its sequences, and what is known about its tape as a whole.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::event::Allowance;
use super::values::SymbolInfo;
use crate::decode::TimeUnit;
use crate::sequence::{Sequence, UnitTick};

/// A live id more than this above what REST knows is refused.
pub const MAX_LEAD: i64 = 10_000_000;

#[derive(Debug)]
pub(super) struct Symbol {
    pub(super) name: Box<[u8]>,
    /// Usually one; no two expect the same id.
    pub(super) sequences: Vec<Sequence>,
    /// Lanes of all sequences: the most bars that one trade can close.
    pub(super) lane_count: usize,
    /// Some lane is in microseconds, so milliseconds cannot be taken.
    pub(super) needs_microseconds: bool,
    /// A hold begins with the expected trade and waits for room.
    pub(super) has_blocked_hold: bool,
    /// The last trade taken, to compare a second copy with.
    pub(super) last: Option<UnitTick>,
    pub(super) differ_ticket: Option<u64>,
    pub(super) rejected: Allowance,
    /// Counters; the rest is filled in when asked for.
    pub(super) info: SymbolInfo,
}

impl Symbol {
    pub(super) fn new(name: &[u8]) -> Self {
        Self {
            name: name.into(),
            sequences: Vec::new(),
            lane_count: 0,
            needs_microseconds: false,
            has_blocked_hold: false,
            last: None,
            differ_ticket: None,
            rejected: Allowance::default(),
            info: SymbolInfo::default(),
        }
    }

    /// Whether times in `unit` would spoil one of the lanes.
    #[inline]
    pub(super) fn refuses(&self, unit: TimeUnit) -> bool {
        self.needs_microseconds && unit == TimeUnit::Millisecond
    }

    /// Keeps a trade that was taken, unless a later one was.
    #[inline]
    pub(super) fn remember(&mut self, taken: &UnitTick) {
        let id = taken.tick.agg_trade_id;
        if self.last.is_none_or(|last| last.tick.agg_trade_id < id) {
            self.last = Some(*taken);
        }
    }

    /// The highest live id that is believed.
    pub(super) fn limit(&self) -> Option<i64> {
        let known = self.info.known_id?;
        let taken = self.sequences.iter().filter_map(|s| s.expected()).max();
        Some(known.max(taken.unwrap_or(known)).saturating_add(MAX_LEAD))
    }

    pub(super) fn find(&self, sequence: u64) -> Option<usize> {
        self.sequences.iter().position(|s| s.id == sequence)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let sequences: usize = self.sequences.iter().map(Sequence::heap_bytes).sum();
        self.name.len() + self.sequences.capacity() * size_of::<Sequence>() + sequences
    }
}

/// Finds symbols by name. Only the program adds names, so a cheap hash cannot be attacked.
#[derive(Debug, Default)]
pub(super) struct Names {
    map: HashMap<Box<[u8]>, u32, BuildHasherDefault<NameHasher>>,
}

impl Names {
    #[inline]
    pub(super) fn get(&self, name: &[u8]) -> Option<u32> {
        self.map.get(name).copied()
    }

    pub(super) fn insert(&mut self, name: &[u8], symbol: u32) {
        self.map.insert(name.into(), symbol);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.map.capacity() * (size_of::<(Box<[u8]>, u32)>() + 16)
    }
}

#[derive(Debug, Default)]
pub(super) struct NameHasher {
    state: u64,
}

impl NameHasher {
    #[inline]
    fn mix(&mut self, word: u64) {
        self.state = (self.state.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for NameHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let tail = rest
            .iter()
            .fold(0, |word, &byte| (word << 8) | u64::from(byte));
        self.mix(tail);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state ^ (self.state >> 32)
    }
}
