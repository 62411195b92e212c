//! REST answers: read whole, then offered row by row to the sequences that they are evidence for.

use super::event::{Event, Refusal};
use super::intake::{Core, Drained, is_plausible};
use super::values::{FeedError, Page};
use crate::decode::page_trades;
use crate::sequence::{Sequence, UnitTick, Verdict};

/// The largest answer that is read, in bytes; a thousand rows have less than 256 KiB.
pub const MAX_PAGE_BYTES: usize = 16 << 20;
/// Rows without a trade in them after which an answer is no page of trades.
const MAX_REFUSED: usize = 10_000;
/// Room for rows that is kept between pages.
const KEPT_ROWS: usize = 2_000;

/// One answer, read.
#[derive(Debug, Default)]
pub(super) struct Rows {
    trades: Vec<UnitTick>,
    /// Id, reason and place of rows that are no trades.
    refused: Vec<(i64, Refusal, core::ops::Range<usize>)>,
}

impl Rows {
    /// Reads all rows or says why the answer is none.
    pub(super) fn read(&mut self, body: &[u8]) -> Result<(), FeedError> {
        self.trades.clear();
        self.refused.clear();
        if body.len() > MAX_PAGE_BYTES {
            return Err(FeedError::Page);
        }
        let mut last_id = 0;
        for row in page_trades(body) {
            match row {
                Err(row) if row.fatal || self.refused.len() >= MAX_REFUSED => {
                    return Err(FeedError::Page);
                }
                Err(row) => self.refused.push((
                    row.agg_trade_id.unwrap_or(last_id),
                    Refusal::Text(row.reason),
                    row.text,
                )),
                Ok(row) => {
                    let id = row.tick.agg_trade_id;
                    // A descending row would make those between look missing.
                    if id < last_id {
                        return Err(FeedError::PageOrder);
                    }
                    last_id = id;
                    if is_plausible(&row.tick) {
                        self.trades.push(UnitTick {
                            tick: row.tick,
                            unit: row.unit,
                        });
                    } else {
                        self.refused.push((id, Refusal::Implausible, 0..0));
                    }
                }
            }
        }
        Ok(())
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
            self.report_refused(symbol_id, from_id, rows, body);
            page.is_complete = true;
            return Ok(page);
        };
        symbol.info.known_id = symbol.info.known_id.max(Some(last_id));
        if self.drain(symbol_id) == Drained::NoRoom {
            return Ok(page);
        }
        self.choose_sequences(symbol_id, from_id, last_id);
        self.report_refused(symbol_id, from_id, rows, body);
        self.compare_with_held(symbol_id, rows);
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

    /// Tells of refused rows that a sequence still waits for.
    fn report_refused(&mut self, symbol_id: u32, from_id: i64, rows: &Rows, body: &[u8]) {
        let symbol = self.symbols.get(symbol_id as usize);
        let lowest = symbol.and_then(|symbol| {
            let expected = symbol.sequences.iter().filter_map(Sequence::expected);
            expected.filter(|&id| id >= from_id).min()
        });
        let Some(lowest) = lowest else {
            return;
        };
        for (id, reason, text) in &rows.refused {
            if *id >= lowest {
                let text = body.get(text.clone()).unwrap_or_default();
                self.reject_row(symbol_id, *id, *reason, text);
            }
        }
    }

    /// Where a held trade and a row are two copies of one id, compares them; the held one came first and stays.
    fn compare_with_held(&mut self, symbol_id: u32, rows: &Rows) {
        let Some(symbol) = self.symbols.get(symbol_id as usize) else {
            return;
        };
        let on_page = |s: &&Sequence| s.is_on_page && s.held() > 0;
        let mut unlike = Vec::new();
        for sequence in symbol.sequences.iter().filter(on_page) {
            for row in &rows.trades {
                let held = sequence.held_copy(row.tick.agg_trade_id);
                if held.is_some_and(|held| held.differs(row)) {
                    unlike.push(row.tick.agg_trade_id);
                }
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
            Verdict::Duplicate => {
                self.compare_with_last(symbol_id, row);
                Row::Known
            }
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
