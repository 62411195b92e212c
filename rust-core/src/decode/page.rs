//! The body of one answer to `aggTrades`: an array of trades without a symbol.

use core::ops::Range;

use super::cursor::Cursor;
use super::trade::{TradeFields, quick_trade};
use super::types::{Field, PageTrade, Reject, RowError};

/// Reads a page row by row.
///
/// A row that is JSON but no trade is an error of its own, and reading goes on behind it. Where the JSON ends to be
/// JSON, or the body is no array, the error is fatal: the last item. A body that was cut off gives its whole rows
/// first.
///
/// ```
/// use rangebar_core::decode::page_trades;
///
/// let body = br#"[{"a":7,"p":"1.5","q":"2","f":9,"l":9,"T":1498793709153,"m":true}, {"a":8}]"#;
/// let mut rows = page_trades(body);
/// assert_eq!(rows.next().unwrap().unwrap().tick.agg_trade_id, 7);
/// let error = rows.next().unwrap().unwrap_err();
/// assert_eq!((error.agg_trade_id, error.fatal), (Some(8), false));
/// assert!(rows.next().is_none());
/// ```
pub fn page_trades(body: &[u8]) -> PageReader<'_> {
    PageReader {
        cursor: Cursor::new(body),
        place: Place::Start,
        row_from: 0,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    BehindRow,
    End,
}

/// The rows of one page; see [`page_trades`].
#[derive(Debug, Clone)]
pub struct PageReader<'a> {
    cursor: Cursor<'a>,
    place: Place,
    row_from: usize,
}

impl Iterator for PageReader<'_> {
    type Item = Result<PageTrade, RowError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let from = self.cursor.at();
        let has_row = match self.place {
            Place::Start => self.open(),
            Place::BehindRow => self.cursor.goes_on(b']'),
            Place::End => return None,
        };
        match has_row {
            Ok(true) => {
                self.place = Place::BehindRow;
                self.row_from = self.cursor.at();
                let row = self.quick_row();
                Some(row.map_or_else(|| self.read_row(), Ok))
            }
            Ok(false) => {
                self.place = Place::End;
                let reason = self.cursor.finish().err()?;
                Some(Err(self.fatal(from, None, reason)))
            }
            Err(reason) => Some(Err(self.fatal(from, None, reason))),
        }
    }
}

impl<'a> PageReader<'a> {
    /// Where the row given last lies in the body.
    pub fn row(&self) -> Range<usize> {
        self.row_from..self.cursor.at()
    }

    /// Up to the first row, if there is one.
    fn open(&mut self) -> Result<bool, Reject> {
        self.cursor.skip_blank();
        if self.cursor.eat(b'[') {
            return Ok(self.cursor.has_any(b']'));
        }
        self.cursor.skip_value(0)?;
        self.cursor.finish()?;
        Err(Reject::Shape)
    }

    #[inline]
    fn quick_row(&mut self) -> Option<PageTrade> {
        let rest = self.cursor.rest();
        let (tick, unit, behind) = quick_trade(rest.strip_prefix(b"{")?)?;
        let behind = behind.strip_prefix(b"}")?;
        self.cursor.advance(rest.len() - behind.len());
        Some(PageTrade { tick, unit })
    }

    /// The row at the cursor, whatever its form.
    fn read_row(&mut self) -> Result<PageTrade, RowError> {
        let from = self.cursor.at();
        let mut fields = TradeFields::default();
        let outcome = match self.read_fields(&mut fields) {
            Err(reason) => return Err(self.fatal(from, fields.agg_trade_id(), reason)),
            Ok(false) => Err(Reject::Shape),
            Ok(true) => fields.finish(),
        };
        outcome
            .map(|(tick, unit)| PageTrade { tick, unit })
            .map_err(|reason| RowError {
                agg_trade_id: fields.agg_trade_id(),
                text: from..self.cursor.at(),
                reason,
                fatal: false,
            })
    }

    /// Whether the value at the cursor, which is passed over, was an object.
    fn read_fields(&mut self, fields: &mut TradeFields<'a>) -> Result<bool, Reject> {
        if !self.cursor.eat(b'{') {
            return self.cursor.skip_value(1).map(|()| false);
        }
        let mut goes_on = self.cursor.has_any(b'}');
        while goes_on {
            let key = self.cursor.key()?;
            match TradeFields::field(&key).filter(|field| *field != Field::Symbol) {
                Some(field) => fields.take(field, &mut self.cursor, 2)?,
                None => self.cursor.skip_value(2)?,
            }
            goes_on = self.cursor.goes_on(b'}')?;
        }
        Ok(true)
    }

    #[cold]
    fn fatal(&mut self, from: usize, agg_trade_id: Option<i64>, reason: Reject) -> RowError {
        self.place = Place::End;
        RowError {
            agg_trade_id,
            text: from..from + self.cursor.text_len().saturating_sub(from),
            reason,
            fatal: true,
        }
    }
}
