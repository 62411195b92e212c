//! The id rule for one sequence: the lanes of one symbol that expect the same trade next.
//!
//! A sequence is pure bookkeeping. It says what an id is ([`Sequence::judge`]), takes the expected trade into all of its
//! lanes, and keeps live trades that came too early in a hold while a fetch for it is in flight. Whoever owns it decides
//! when there is room for bars, what becomes of a gap, and how many trades all holds together may keep.

use std::collections::VecDeque;

use crate::bar::Bar;
use crate::decode::TimeUnit;
use crate::processor::Processor;
use crate::tick::{Tick, TradeError};

/// A trade below the expected id that is this much later than all taken was never a duplicate, microseconds.
pub const RESTART_AFTER_US: i64 = 60_000_000;
/// The largest id that is believed; it leaves room for sums of ids.
pub const MAX_ID: i64 = i64::MAX / 4;

/// One (symbol, threshold): a processor and the time unit of its tape.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Number of the lane within its feed.
    pub id: u32,
    /// The unit of the lane's tape, `None` until its first trade.
    pub unit: Option<TimeUnit>,
    /// Whether the program was told where the lane begins and in which unit.
    pub is_announced: bool,
    /// The bars.
    pub processor: Processor,
}

/// A trade with the unit that its time was sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitTick {
    /// The trade, in microseconds.
    pub tick: Tick,
    /// The unit on the wire.
    pub unit: TimeUnit,
}

impl UnitTick {
    /// Whether two copies of one id say different things, as far as the coarser of their units can tell.
    pub fn differs(&self, other: &Self) -> bool {
        let is_coarse = self.unit == TimeUnit::Millisecond || other.unit == TimeUnit::Millisecond;
        if is_coarse {
            cut(&self.tick) != cut(&other.tick)
        } else {
            self.tick != other.tick
        }
    }
}

/// The trade in a millisecond lane.
#[inline]
fn cut(tick: &Tick) -> Tick {
    Tick {
        timestamp_us: tick.timestamp_us - tick.timestamp_us % 1_000,
        ..*tick
    }
}

/// What an id means to a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The expected one, or the first of all.
    Next,
    /// Taken before.
    Duplicate,
    /// Below the expected and yet much later: ids began anew, or the position belongs to another market.
    Restarted,
    /// Others are missing before it.
    Ahead,
}

/// What became of a trade that was offered to the hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It waits.
    Held,
    /// An equal copy waits already.
    Again,
    /// A different copy of the same id waits already; that one stays.
    Differs,
}

/// Lanes that expect the same id, and what is known about the ids above it.
#[derive(Debug)]
pub struct Sequence {
    /// Never used again within a feed.
    pub id: u64,
    /// The lanes, smallest threshold first.
    pub lanes: Vec<Lane>,
    /// Whether a fetch for this sequence is in flight: only then are trades held.
    pub is_fetching: bool,
    /// Whether the program was told of the gap that begins at the expected id.
    pub gap_told: bool,
    /// Whether the page at hand is for this sequence and has not stopped it.
    pub is_on_page: bool,
    /// The last answer whose refused and unlike rows were told.
    pub told_answer: Option<u64>,
    /// Ticket of the last gap event.
    pub gap_ticket: Option<u64>,
    /// Ticket of the last evidence of an id that is not served.
    pub skip_ticket: Option<u64>,
    /// Ticket of the last restarted-ids event.
    pub restart_ticket: Option<u64>,
    expected: Option<i64>,
    /// The latest of all times taken: a time may step back, and then a true duplicate is later than the last trade.
    latest_time_us: Option<i64>,
    /// Ids were skipped since the last trade, so a late copy of one of them may be later than all taken.
    has_skipped: bool,
    highest_seen: Option<i64>,
    /// By id, each above the expected id unless the bar queue is full.
    hold: VecDeque<UnitTick>,
    has_unannounced: bool,
    has_milliseconds: bool,
}

impl Sequence {
    /// A sequence without lanes that expects `expected`, or takes any first trade.
    pub fn new(id: u64, expected: Option<i64>, latest_time_us: Option<i64>) -> Self {
        Self {
            id,
            lanes: Vec::new(),
            is_fetching: false,
            gap_told: false,
            is_on_page: false,
            told_answer: None,
            gap_ticket: None,
            skip_ticket: None,
            restart_ticket: None,
            expected,
            latest_time_us,
            has_skipped: false,
            highest_seen: None,
            hold: VecDeque::new(),
            has_unannounced: false,
            has_milliseconds: false,
        }
    }

    /// The id after the last one taken, `None` before the first.
    #[inline]
    pub fn expected(&self) -> Option<i64> {
        self.expected
    }

    /// The latest time of the trades taken, when known.
    pub fn latest_time_us(&self) -> Option<i64> {
        self.latest_time_us
    }

    /// The highest id seen at or above the expected one.
    pub fn highest_seen(&self) -> Option<i64> {
        self.highest_seen
            .filter(|&seen| self.expected.is_some_and(|expected| seen >= expected))
    }

    /// Trades that wait in the hold.
    pub fn held(&self) -> usize {
        self.hold.len()
    }

    /// Adds a lane that stands at this sequence's position.
    pub fn add(&mut self, lane: Lane, latest_time_us: Option<i64>) {
        let threshold = |lane: &Lane| lane.processor.rule().threshold_dbps();
        let at = self
            .lanes
            .partition_point(|other| threshold(other) <= threshold(&lane));
        self.lanes.insert(at, lane);
        self.latest_time_us = self.latest_time_us.max(latest_time_us);
        self.refresh();
    }

    fn refresh(&mut self) {
        self.has_unannounced = self.lanes.iter().any(|lane| !lane.is_announced);
        self.has_milliseconds = self
            .lanes
            .iter()
            .any(|lane| lane.unit == Some(TimeUnit::Millisecond));
    }

    /// What the id of `tick` means here.
    #[inline]
    pub fn judge(&self, tick: &Tick) -> Verdict {
        match self.expected {
            None => Verdict::Next,
            Some(expected) if tick.agg_trade_id == expected => Verdict::Next,
            Some(expected) if tick.agg_trade_id > expected => Verdict::Ahead,
            Some(_) => match self.latest_time_us {
                Some(latest)
                    if tick.timestamp_us - latest > RESTART_AFTER_US && !self.has_skipped =>
                {
                    Verdict::Restarted
                }
                _ => Verdict::Duplicate,
            },
        }
    }

    /// Whether `id` is the expected one and taking it needs no more than that.
    #[inline]
    pub fn is_plain_next(&self, id: i64) -> bool {
        self.expected == Some(id) && self.hold.is_empty() && !self.has_unannounced
    }

    /// Fixes the unit of lanes that have none and hands each lane that was not announced yet to `tell`, with its origin.
    ///
    /// To be called with the trade that [`Sequence::take`] is about to take.
    #[inline]
    pub fn settle(&mut self, next: &UnitTick, tell: impl FnMut(&Lane, i64)) {
        if self.has_unannounced {
            self.settle_slowly(next, tell);
        }
    }

    #[cold]
    fn settle_slowly(&mut self, next: &UnitTick, mut tell: impl FnMut(&Lane, i64)) {
        for lane in &mut self.lanes {
            if !lane.is_announced {
                lane.is_announced = true;
                lane.unit.get_or_insert(next.unit);
                let origin = lane.processor.position();
                tell(lane, origin.unwrap_or(next.tick.agg_trade_id - 1));
            }
        }
        self.refresh();
    }

    /// Takes the expected trade into every lane; the bars go to `closed`, smallest threshold first.
    ///
    /// An error means that some lane could not take it (a sum over its bar left its range): to that lane the trade is
    /// missing, and the sequence goes on.
    #[inline]
    pub fn take(
        &mut self,
        next: &UnitTick,
        mut closed: impl FnMut(u32, Bar),
    ) -> Result<(), TradeError> {
        let cut_tick;
        let coarse = if self.has_milliseconds {
            cut_tick = cut(&next.tick);
            &cut_tick
        } else {
            &next.tick
        };
        let mut outcome = Ok(());
        for lane in &mut self.lanes {
            let tick = match lane.unit {
                Some(TimeUnit::Millisecond) => coarse,
                _ => &next.tick,
            };
            match lane.processor.push(tick) {
                Ok(None) => {}
                Ok(Some(bar)) => closed(lane.id, bar),
                Err(error) => outcome = Err(error),
            }
        }
        self.expected = Some(next.tick.agg_trade_id + 1);
        self.latest_time_us = self.latest_time_us.max(Some(next.tick.timestamp_us));
        self.has_skipped = false;
        if self.gap_told && self.highest_seen < self.expected {
            self.gap_told = false;
        }
        outcome
    }

    /// Remembers that `id` exists; says whether this is news of a gap.
    #[inline]
    pub fn note(&mut self, id: i64) -> bool {
        self.highest_seen = self.highest_seen.max(Some(id));
        !core::mem::replace(&mut self.gap_told, true)
    }

    /// Remembers that REST has served `id`.
    pub fn note_served(&mut self, id: i64) {
        self.highest_seen = self.highest_seen.max(Some(id));
    }

    /// Forgets ids above `limit`, which nobody believes any longer.
    pub fn forget_above(&mut self, limit: i64) -> usize {
        let kept = self
            .hold
            .partition_point(|held| held.tick.agg_trade_id <= limit);
        let gone = self.hold.len() - kept;
        self.hold.truncate(kept);
        if self.highest_seen.is_some_and(|seen| seen > limit) {
            self.highest_seen = self.hold.back().map(|held| held.tick.agg_trade_id);
            self.gap_told &= self.highest_seen.is_some();
        }
        gone
    }

    /// Goes on after `to_id` though the trades up to it never came.
    pub fn skip_to(&mut self, to_id: i64) {
        self.expected = Some(to_id + 1);
        self.has_skipped = true;
        if self.highest_seen < self.expected {
            self.gap_told = false;
        }
    }

    /// Puts a trade that came too early aside.
    pub fn keep(&mut self, early: UnitTick) -> Kept {
        let id = early.tick.agg_trade_id;
        if self
            .hold
            .back()
            .is_none_or(|last| last.tick.agg_trade_id < id)
        {
            self.hold.push_back(early);
            return Kept::Held;
        }
        match self
            .hold
            .binary_search_by_key(&id, |held| held.tick.agg_trade_id)
        {
            Err(at) => {
                self.hold.insert(at, early);
                Kept::Held
            }
            Ok(at) => match self.hold.get(at) {
                Some(held) if held.differs(&early) => Kept::Differs,
                _ => Kept::Again,
            },
        }
    }

    /// The held copy of `id`.
    pub fn held_copy(&self, id: i64) -> Option<&UnitTick> {
        let at = self
            .hold
            .binary_search_by_key(&id, |held| held.tick.agg_trade_id);
        at.ok().and_then(|at| self.hold.get(at))
    }

    /// The held trade with the lowest id.
    #[inline]
    pub fn first_held(&self) -> Option<UnitTick> {
        self.hold.front().copied()
    }

    /// Whether the held trade with the lowest id is the expected one.
    pub fn holds_next(&self) -> bool {
        let first = self.hold.front().map(|held| held.tick.agg_trade_id);
        first.is_some() && first == self.expected
    }

    /// Forgets the held trade with the lowest id and gives memory back when little is left.
    pub fn drop_first_held(&mut self) {
        self.hold.pop_front();
        if self.hold.is_empty() {
            self.hold = VecDeque::new();
        } else if self.hold.len() < self.hold.capacity() / 4 {
            self.hold.shrink_to(self.hold.len() * 2);
        }
    }

    /// Forgets all held trades; returns how many those were.
    pub fn drop_hold(&mut self) -> usize {
        core::mem::take(&mut self.hold).len()
    }

    /// Takes in the lanes and the knowledge of `other`, which expects the same id; returns held trades that were twice.
    pub fn absorb(&mut self, other: Self) -> usize {
        self.is_fetching |= other.is_fetching;
        self.gap_told |= other.gap_told;
        self.is_on_page |= other.is_on_page;
        self.highest_seen = self.highest_seen.max(other.highest_seen);
        self.latest_time_us = self.latest_time_us.max(other.latest_time_us);
        self.has_skipped |= other.has_skipped;
        let twice = other
            .hold
            .into_iter()
            .filter(|held| self.keep(*held) != Kept::Held)
            .count();
        for lane in other.lanes {
            self.add(lane, None);
        }
        twice
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.lanes.capacity() * size_of::<Lane>() + self.hold.capacity() * size_of::<UnitTick>()
    }
}
