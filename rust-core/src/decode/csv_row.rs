//! One row of an archive: `id,price,quantity,first,last,time,maker` and, on spot, `,best_match`.

use super::number::{decimal_e8, integer};
use super::types::{Field, TimeUnit};
use crate::price::{DecimalError, parse_e8};
use crate::tick::{Tick, TradeError};

/// Columns that every row has.
const REQUIRED: usize = 7;
/// The last column, on spot only.
const BEST_MATCH: u8 = 8;

/// Why a row was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsvFault {
    /// Fewer than seven columns.
    TooFewColumns,
    /// More than eight columns.
    TooManyColumns,
    /// An empty line that is not the last one.
    Blank,
    /// A header row that is not at the start, or with other names than the archives have.
    Header,
    /// A line above [`MAX_LINE`](super::MAX_LINE) bytes.
    TooLong,
    /// An integer column that is none, or out of range.
    Integer,
    /// A boolean column that is none.
    Boolean,
    /// A price or quantity that is no plain decimal number.
    Decimal(DecimalError),
    /// All columns could be read, but the trade cannot be.
    Trade(TradeError),
}

/// A fault and its column, counted from 1; 0 is the row as a whole.
pub(super) type ColumnFault = (u8, CsvFault);

/// The usual row with its line end, at the front of `text`: the trade and the row's length.
///
/// `None` leaves everything else, and every judgement about it, to [`parse_row`].
#[inline]
pub(super) fn quick_row(text: &[u8]) -> Option<(Tick, TimeUnit, usize)> {
    let (agg_trade_id, rest) = integer(text)?;
    let (price_e8, rest) = decimal_e8(rest.strip_prefix(b",")?)?;
    let (quantity_e8, rest) = decimal_e8(rest.strip_prefix(b",")?)?;
    let (first_trade_id, rest) = integer(rest.strip_prefix(b",")?)?;
    let (last_trade_id, rest) = integer(rest.strip_prefix(b",")?)?;
    let (time, rest) = integer(rest.strip_prefix(b",")?)?;
    let (is_sell, rest) = quick_boolean(rest.strip_prefix(b",")?)?;
    let rest = match rest.strip_prefix(b",") {
        None => rest,
        Some(rest) => quick_boolean(rest)?.1,
    };
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
    let rest = rest.strip_prefix(b"\n")?;
    let unit = TimeUnit::of(time);
    let tick = Tick {
        agg_trade_id,
        price_e8,
        quantity_e8,
        first_trade_id,
        last_trade_id,
        timestamp_us: unit.to_microseconds(time),
        is_buyer_maker: u8::from(is_sell),
        ..Tick::default()
    };
    tick.validate().ok()?;
    Some((tick, unit, text.len() - rest.len()))
}

#[inline]
fn quick_boolean(text: &[u8]) -> Option<(bool, &[u8])> {
    match text {
        [b't' | b'T', b'r', b'u', b'e', rest @ ..] => Some((true, rest)),
        [b'f' | b'F', b'a', b'l', b's', b'e', rest @ ..] => Some((false, rest)),
        _ => None,
    }
}

fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"True" | b"true" => Some(true),
        b"False" | b"false" => Some(false),
        _ => None,
    }
}

/// Reads any line, given without its end.
#[cold]
pub(super) fn parse_row(line: &[u8]) -> Result<(Tick, TimeUnit), ColumnFault> {
    let mut columns: [&[u8]; REQUIRED] = [b""; REQUIRED];
    let mut parts = line.split(|&byte| byte == b',');
    for column in &mut columns {
        *column = parts.next().ok_or((0, CsvFault::TooFewColumns))?;
    }
    let best_match = parts.next();
    if parts.next().is_some() {
        return Err((0, CsvFault::TooManyColumns));
    }
    let [id, price, quantity, first, last, time, maker] = columns;
    let mut tick = Tick {
        agg_trade_id: whole(1, id)?,
        price_e8: decimal(2, price)?,
        quantity_e8: decimal(3, quantity)?,
        first_trade_id: whole(4, first)?,
        last_trade_id: whole(5, last)?,
        is_buyer_maker: u8::from(boolean(maker).ok_or((7, CsvFault::Boolean))?),
        ..Tick::default()
    };
    if best_match.is_some_and(|text| boolean(text).is_none()) {
        return Err((BEST_MATCH, CsvFault::Boolean));
    }
    let time = whole(6, time)?;
    let unit = TimeUnit::of(time);
    tick.timestamp_us = unit.to_microseconds(time);
    match tick.validate() {
        Ok(()) => Ok((tick, unit)),
        Err(error) => Err((trade_column(error), CsvFault::Trade(error))),
    }
}

fn whole(column: u8, text: &[u8]) -> Result<i64, ColumnFault> {
    // The standard parser alone would take a plus sign.
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err((column, CsvFault::Integer));
    }
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or((column, CsvFault::Integer))
}

fn decimal(column: u8, text: &[u8]) -> Result<i64, ColumnFault> {
    parse_e8(text).map_err(|error| (column, CsvFault::Decimal(error)))
}

fn trade_column(error: TradeError) -> u8 {
    match error {
        TradeError::AggTradeId => 1,
        TradeError::Price => 2,
        TradeError::Quantity => 3,
        TradeError::TradeIds => 5,
        TradeError::Timestamp => 6,
        TradeError::Order | TradeError::Overflow => 0,
    }
}

/// The name of a column counted from 1; empty for the row as a whole.
pub fn column_name(column: u8) -> &'static str {
    match column {
        1 => Field::AggTradeId.name(),
        2 => Field::Price.name(),
        3 => Field::Quantity.name(),
        4 => Field::FirstTradeId.name(),
        5 => Field::LastTradeId.name(),
        6 => Field::Time.name(),
        7 => Field::BuyerMaker.name(),
        BEST_MATCH => "is_best_match",
        _ => "",
    }
}

impl CsvFault {
    /// One phrase for a message to people; the column's name stands beside it.
    pub fn text(self) -> &'static str {
        match self {
            Self::TooFewColumns => "fewer than 7 columns",
            Self::TooManyColumns => "more than 8 columns",
            Self::Blank => "an empty line between rows",
            Self::Header => "no header row known here",
            Self::TooLong => "a line above 1024 bytes",
            Self::Integer => "not an integer, or out of range",
            Self::Boolean => "neither true nor false",
            Self::Decimal(error) => super::types::decimal_text(error),
            Self::Trade(error) => super::types::trade_text(error),
        }
    }
}
