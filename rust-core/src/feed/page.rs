//! REST answers: read whole, then offered row by row to the sequences that they are evidence for.

use core::hash::Hasher as _;
use core::ops::Range;

use super::event::{Event, Refusal};
use super::intake::{Core, Drained, is_plausible};
use super::symbol::NameHasher;
use super::values::{FeedError, Page};
use crate::decode::{PageTrade, page_trades};
use crate::sequence::{UnitTick, Verdict};

/// The largest answer that is read, in bytes; a thousand rows have less than 256 KiB.
pub const MAX_PAGE_BYTES: usize = 16 << 20;
/// Rows of an answer, ten times what an exchange serves: more are no page of trades.
pub(super) const MAX_ROWS: usize = 10_000;
/// Room for rows that is kept between pages.
const KEPT_ROWS: usize = 2_000;

/// One answer, read.
#[derive(Debug, Default)]
pub(super) struct Rows {
    trades: Vec<UnitTick>,
    /// Rows that are no trades.
    refused: Vec<RefusedRow>,
}

#[derive(Debug)]
struct RefusedRow {
    /// Its own, or else the first that it may have: nobody is to wait for a row without being told of it.
    id: i64,
    has_id: bool,
    reason: Refusal,
    /// Its place in the answer.
    text: Range<usize>,
}

impl Rows {
    /// Reads all rows of the answer to `fromId = from_id` or says why it is none.
    pub(super) fn read(&mut self, from_id: i64, body: &[u8]) -> Result<(), FeedError> {
        self.trades.clear();
        self.refused.clear();
        if body.len() > MAX_PAGE_BYTES {
            return Err(FeedError::Page);
        }
        let mut last_id = None;
        let mut rows = page_trades(body);
        while let Some(row) = rows.next() {
            if self.trades.len() + self.refused.len() >= MAX_ROWS {
                return Err(FeedError::Page);
            }
            match row {
                Err(row) if row.fatal => return Err(FeedError::Page),
                Err(row) => self.refused.push(RefusedRow {
                    id: row
                        .agg_trade_id
                        .unwrap_or_else(|| last_id.map_or(from_id, |id: i64| id.saturating_add(1))),
                    has_id: row.agg_trade_id.is_some(),
                    reason: Refusal::Text(row.reason),
                    text: row.text,
                }),
                Ok(row) => {
                    let id = row.tick.agg_trade_id;
                    // A descending row would make those between look missing.
                    if last_id.is_some_and(|last| id < last) {
                        return Err(FeedError::PageOrder);
                    }
                    last_id = Some(id);
                    self.sort(row, rows.row());
                }
            }
        }
        Ok(())
    }

    /// Puts a row that is a trade where it belongs by its numbers.
    fn sort(&mut self, row: PageTrade, text: Range<usize>) {
        let PageTrade { tick, unit } = row;
        if is_plausible(&tick) {
            self.trades.push(UnitTick { tick, unit });
        } else {
            self.refused.push(RefusedRow {
                id: tick.agg_trade_id,
                has_id: true,
                reason: Refusal::Implausible,
                text,
            });
        }
    }

    /// Tells answers apart, as far as there is anything to tell of them.
    fn digest(&self, from_id: i64, body: &[u8]) -> u64 {
        let last_id = self.trades.last().map_or(-1, |row| row.tick.agg_trade_id);
        let mut hasher = NameHasher::default();
        hasher.write_i64(from_id);
        hasher.write_i64(last_id);
        hasher.write_usize(body.len());
        for row in &self.refused {
            hasher.write(body.get(row.text.clone()).unwrap_or_default());
        }
        hasher.finish()
    }

    fn page(&self) -> Page {
        let id = |row: Option<&UnitTick>| row.map(|row| row.tick.agg_trade_id);
        Page {
            rows: self.trades.len(),
            refused: self.refused.len(),
            first_id: id(self.trades.first()),
            last_id: id(self.trades.last()),
            ..Page::default()
        }
    }

    /// Gives memory of an unusually large answer back.
    pub(super) fn shrink(&mut self) {
        self.trades.clear();
        self.trades.shrink_to(KEPT_ROWS);
        self.refused = Vec::new();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.trades.capacity() * size_of::<UnitTick>()
    }
}

impl Core {
    /// Offers an answer to `fromId = from_id` to the sequences whose expected id lies within it.
    pub(super) fn take_page(
        &mut self,
        symbol_id: u32,
        from_id: i64,
        rows: &Rows,
        body: &[u8],
    ) -> Result<Page, FeedError> {
        let mut page = rows.page();
        let symbol = self.symbols.get_mut(symbol_id as usize);
        let symbol = symbol.ok_or(FeedError::Unknown)?;
        if rows.trades.iter().any(|row| symbol.refuses(row.unit)) {
            return Err(FeedError::Unit);
        }
        let Some(last_id) = page.last_id else {
            self.report(symbol_id, from_id, rows, body);
            page.is_complete = true;
            return Ok(page);
        };
        symbol.info.known_id = symbol.info.known_id.max(Some(last_id));
        if self.drain(symbol_id) == Drained::NoRoom {
            return Ok(page);
        }
        self.choose_sequences(symbol_id, from_id, last_id);
        self.report(symbol_id, from_id, rows, body);
        for row in &rows.trades {
            match self.offer_row(symbol_id, row) {
                Row::Taken => page.taken += 1,
                Row::Known => page.duplicates += 1,
                Row::Skipped => {}
                Row::NoRoom => return Ok(page),
            }
        }
        // A hold that the last rows have reached is taken with them, or blocks the page until there is room.
        page.is_complete = self.drain(symbol_id) == Drained::Yes;
        Ok(page)
    }

    /// Marks the sequences that the page can tell something; they know now that its ids exist.
    ///
    /// One that expects an id below `from_id` was not asked about, so the page is no evidence for it.
    fn choose_sequences(&mut self, symbol_id: u32, from_id: i64, last_id: i64) {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        for sequence in &mut symbol.sequences {
            let expected = sequence.expected();
            sequence.is_on_page = expected.is_some_and(|id| (from_id..=last_id).contains(&id));
            if sequence.is_on_page {
                sequence.note_served(last_id);
            }
        }
    }

    /// Tells once of each answer what is wrong with its rows.
    fn report(&mut self, symbol_id: u32, from_id: i64, rows: &Rows, body: &[u8]) {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return;
        };
        let sequences = symbol.sequences.iter_mut();
        let asked = sequences.filter(|s| s.expected() >= Some(from_id));
        let Some(lowest) = asked.min_by_key(|sequence| sequence.expected()) else {
            return;
        };
        let answer = Some(rows.digest(from_id, body));
        if lowest.told_answer == answer {
            return;
        }
        lowest.told_answer = answer;
        let expected = lowest.expected().unwrap_or(from_id);
        self.report_refused(symbol_id, expected, rows, body);
        self.compare(symbol_id, rows);
    }

    /// Tells of refused rows from `expected` on; those whose id cannot be read are one event.
    fn report_refused(&mut self, symbol_id: u32, expected: i64, rows: &Rows, body: &[u8]) {
        let is_awaited = |row: &&RefusedRow| row.id >= expected;
        let awaited = rows.refused.iter().filter(is_awaited);
        let (named, nameless): (Vec<_>, Vec<_>) = awaited.partition(|row| row.has_id);
        let one_each = named.into_iter().map(|row| (row, 1));
        let together = nameless.first().map(|&row| (row, nameless.len() as u64));
        for (row, count) in one_each.chain(together) {
            let text = body.get(row.text.clone()).unwrap_or_default();
            self.reject_rows(symbol_id, row.id, row.reason, text, count);
        }
    }

    /// Compares rows with other copies of their ids: the held ones, the last trade taken, the row before.
    fn compare(&mut self, symbol_id: u32, rows: &Rows) {
        let Some(symbol) = self.symbols.get(symbol_id as usize) else {
            return;
        };
        let sequences = symbol.sequences.iter();
        let holding: Vec<_> = sequences
            .filter(|sequence| sequence.is_on_page && sequence.held() > 0)
            .collect();
        let mut before = None;
        let mut unlike = Vec::new();
        for row in &rows.trades {
            let id = row.tick.agg_trade_id;
            let served = before.replace(row);
            let taken = symbol.last.as_ref();
            let same = |copy: &&UnitTick| copy.tick.agg_trade_id == id;
            let held = holding.iter().filter_map(|sequence| sequence.held_copy(id));
            let mut copies = held.chain(served.into_iter().chain(taken).filter(same));
            if copies.any(|copy| copy.differs(row)) {
                unlike.push(id);
            }
        }
        for id in unlike {
            self.tell_difference(symbol_id, id);
        }
    }

    fn offer_row(&mut self, symbol_id: u32, row: &UnitTick) -> Row {
        let mut outcome = Row::Skipped;
        let mut at = 0;
        while let Some(sequence) = self.sequence_at(symbol_id, at) {
            if sequence.is_on_page {
                match self.offer_row_to(symbol_id, at, row) {
                    Row::NoRoom => return Row::NoRoom,
                    Row::Taken => outcome = Row::Taken,
                    Row::Known if outcome == Row::Skipped => outcome = Row::Known,
                    _ => {}
                }
            }
            at += 1;
        }
        if outcome == Row::Taken {
            if let Some(symbol) = self.symbols.get_mut(symbol_id as usize) {
                symbol.info.fetched_trades += 1;
            }
            self.join(symbol_id);
            self.drain(symbol_id);
        }
        outcome
    }

    fn offer_row_to(&mut self, symbol_id: u32, at: usize, row: &UnitTick) -> Row {
        let Some(symbol) = self.symbols.get_mut(symbol_id as usize) else {
            return Row::Skipped;
        };
        let has_room = self.bars.has_room(symbol.lane_count);
        let Some(sequence) = symbol.sequences.get_mut(at) else {
            return Row::Skipped;
        };
        match sequence.judge(&row.tick) {
            Verdict::Next if !has_room => Row::NoRoom,
            Verdict::Next => {
                self.take_at(symbol_id, at, row);
                Row::Taken
            }
            Verdict::Duplicate => Row::Known,
            Verdict::Restarted => {
                self.tell_restart(symbol_id, at, &row.tick);
                Row::Known
            }
            // A hold whose head is expected now has no room: then the jump is none.
            Verdict::Ahead if sequence.holds_next() => Row::NoRoom,
            Verdict::Ahead => {
                self.tell_skip(symbol_id, at, row.tick.agg_trade_id);
                Row::Skipped
            }
        }
    }

    /// The page went on with a higher id: evidence, and the end of the page for this sequence.
    fn tell_skip(&mut self, symbol_id: u32, at: usize, next_id: i64) {
        let symbol = self.symbols.get_mut(symbol_id as usize);
        let Some(sequence) = symbol.and_then(|s| s.sequences.get_mut(at)) else {
            return;
        };
        sequence.is_on_page = false;
        let skipped = Event::IdSkipped {
            sequence: sequence.id,
            expected: sequence.expected().unwrap_or(next_id),
            next_id,
        };
        sequence.skip_ticket = self.events.replace(sequence.skip_ticket, skipped);
    }
}

/// What a row was to the sequences on its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Taken,
    Known,
    Skipped,
    NoRoom,
}
