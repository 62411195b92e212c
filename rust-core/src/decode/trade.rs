//! The fields of one aggregate trade, from an event or a row of a page.
//!
//! Two readers: [`quick_fields`] knows the documented orders and nothing else; [`TradeFields`] takes the fields in any
//! order and says what is wrong with them.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::number::{decimal_e8, integer};
use super::types::{Field, Reject, TimeUnit};
use crate::price::parse_e8;
use crate::tick::Tick;

/// What a trade needs besides its symbol, in the documented order.
const REQUIRED: [Field; 7] = [
    Field::AggTradeId,
    Field::Price,
    Field::Quantity,
    Field::FirstTradeId,
    Field::LastTradeId,
    Field::Time,
    Field::BuyerMaker,
];

/// Sets the time, whose unit is told by its magnitude, and checks the trade.
#[inline(always)]
pub(super) fn finish_tick(mut tick: Tick, time: i64) -> Result<(Tick, TimeUnit), Reject> {
    let unit = TimeUnit::of(time);
    tick.timestamp_us = unit.to_microseconds(time);
    tick.validate().map_err(Reject::Trade)?;
    Ok((tick, unit))
}

/// `"a":..` and what [`quick_fields`] reads: the trade, and what follows.
#[inline(always)]
pub(super) fn quick_trade(text: &[u8]) -> Option<(Tick, TimeUnit, &[u8])> {
    let (agg_trade_id, rest) = integer(text.strip_prefix(b"\"a\":")?)?;
    quick_fields(agg_trade_id, rest)
}

/// `,"p":"..","q":"..","f":..,"l":..,"T":..,"m":..` and perhaps `,"M":..`: the trade, and what follows. Futures put other
/// members before `f` and at the end.
#[inline(always)]
pub(super) fn quick_fields(agg_trade_id: i64, text: &[u8]) -> Option<(Tick, TimeUnit, &[u8])> {
    let (price_e8, rest) = decimal_e8(text.strip_prefix(b",\"p\":\"")?)?;
    let (quantity_e8, rest) = decimal_e8(rest.strip_prefix(b"\",\"q\":\"")?)?;
    let rest = match rest.strip_prefix(b"\",\"f\":") {
        Some(rest) => rest,
        None => pass_others(rest.strip_prefix(b"\"")?).strip_prefix(b",\"f\":")?,
    };
    let (first_trade_id, rest) = integer(rest)?;
    let (last_trade_id, rest) = integer(rest.strip_prefix(b",\"l\":")?)?;
    let (time, rest) = integer(rest.strip_prefix(b",\"T\":")?)?;
    let (is_buyer_maker, rest) = quick_boolean(rest.strip_prefix(b",\"m\":")?)?;
    let rest = match rest.strip_prefix(b",\"M\":") {
        None => rest,
        Some(rest) => quick_boolean(rest)?.1,
    };
    let rest = match rest.first() {
        Some(b'}') => rest,
        _ => pass_others(rest),
    };
    let tick = Tick {
        agg_trade_id,
        price_e8,
        quantity_e8,
        first_trade_id,
        last_trade_id,
        is_buyer_maker: u8::from(is_buyer_maker),
        ..Tick::default()
    };
    let (tick, unit) = finish_tick(tick, time).ok()?;
    Some((tick, unit, rest))
}

/// Passes over members that no trade needs: a key of two letters or more, a plain string or integer behind it.
///
/// Out of the way of spot events, which have none.
#[cold]
fn pass_others(mut text: &[u8]) -> &[u8] {
    while let Some(rest) = pass_other(text) {
        text = rest;
    }
    text
}

fn pass_other(text: &[u8]) -> Option<&[u8]> {
    let key = text.strip_prefix(b",\"")?;
    let (name, rest) = split_plain(key)?;
    // Keys of one letter may be those of a trade.
    if name.len() < 2 {
        return None;
    }
    let value = rest.strip_prefix(b"\":")?;
    match value.strip_prefix(b"\"") {
        Some(string) => split_plain(string)?.1.strip_prefix(b"\""),
        None => Some(integer(value)?.1),
    }
}

/// Letters, digits and points at the front of `text`, which mean themselves in any string, and what follows them.
fn split_plain(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
    let len = text.iter().position(|byte| !is_plain(byte))?;
    text.split_at_checked(len)
}

/// Without a branch on the value, which nobody can predict.
#[inline(always)]
fn quick_boolean(text: &[u8]) -> Option<(bool, &[u8])> {
    let word = text.first_chunk::<5>()?;
    let is_true = word.starts_with(b"true");
    if !(is_true | (word == b"false")) {
        return None;
    }
    Some((is_true, text.get(5 - usize::from(is_true)..)?))
}

/// Collects the fields of one object; the first thing wrong with them is kept for the end, since only then it is
/// known whether the object was to be a trade at all.
#[derive(Debug, Default)]
pub(super) struct TradeFields<'a> {
    tick: Tick,
    time: i64,
    symbol: Option<Cow<'a, [u8]>>,
    /// One bit a field.
    seen: u8,
    fault: Option<Reject>,
}

impl<'a> TradeFields<'a> {
    /// Which field a key means.
    #[inline]
    pub(super) fn field(key: &[u8]) -> Option<Field> {
        let &[letter] = key else {
            return None;
        };
        Some(match letter {
            b's' => Field::Symbol,
            b'a' => Field::AggTradeId,
            b'p' => Field::Price,
            b'q' => Field::Quantity,
            b'f' => Field::FirstTradeId,
            b'l' => Field::LastTradeId,
            b'T' => Field::Time,
            b'm' => Field::BuyerMaker,
            _ => return None,
        })
    }

    /// Takes the value of `field`; only bad JSON is an error now.
    pub(super) fn take(
        &mut self,
        field: Field,
        cursor: &mut Cursor<'a>,
        depth: usize,
    ) -> Result<(), Reject> {
        let bit = 1_u8 << field as u8;
        if self.seen & bit != 0 {
            self.note(Reject::Duplicate(field));
        }
        self.seen |= bit;
        match field {
            Field::Symbol => {
                self.symbol = cursor.text_value(depth)?;
                if self.symbol.is_none() {
                    self.note(Reject::Type(field));
                }
            }
            Field::Price => self.tick.price_e8 = self.decimal(field, cursor, depth)?,
            Field::Quantity => self.tick.quantity_e8 = self.decimal(field, cursor, depth)?,
            Field::AggTradeId => self.tick.agg_trade_id = self.integer(field, cursor, depth)?,
            Field::FirstTradeId => self.tick.first_trade_id = self.integer(field, cursor, depth)?,
            Field::LastTradeId => self.tick.last_trade_id = self.integer(field, cursor, depth)?,
            Field::Time => self.time = self.integer(field, cursor, depth)?,
            Field::BuyerMaker => match cursor.boolean(depth)? {
                Some(value) => self.tick.is_buyer_maker = u8::from(value),
                None => self.note(Reject::Type(field)),
            },
        }
        Ok(())
    }

    fn note(&mut self, fault: Reject) {
        self.fault.get_or_insert(fault);
    }

    fn integer(
        &mut self,
        field: Field,
        cursor: &mut Cursor<'a>,
        depth: usize,
    ) -> Result<i64, Reject> {
        let value = cursor.integer(depth)?;
        if value.is_none() {
            self.note(Reject::Type(field));
        }
        Ok(value.unwrap_or(-1))
    }

    fn decimal(
        &mut self,
        field: Field,
        cursor: &mut Cursor<'a>,
        depth: usize,
    ) -> Result<i64, Reject> {
        let Some(text) = cursor.text_value(depth)? else {
            self.note(Reject::Type(field));
            return Ok(-1);
        };
        if let Some((value, [])) = decimal_e8(&text) {
            return Ok(value);
        }
        match parse_e8(&text) {
            Ok(value) => Ok(value),
            Err(error) => {
                self.note(Reject::Decimal(field, error));
                Ok(-1)
            }
        }
    }

    /// The aggregate trade id, if one could be read.
    pub(super) fn agg_trade_id(&self) -> Option<i64> {
        let was_seen = self.seen & (1 << Field::AggTradeId as u8) != 0;
        let was_twice = self.fault == Some(Reject::Duplicate(Field::AggTradeId));
        (was_seen && !was_twice && self.tick.agg_trade_id >= 0).then_some(self.tick.agg_trade_id)
    }

    /// The symbol of an event.
    pub(super) fn take_symbol(&mut self) -> Result<Cow<'a, [u8]>, Reject> {
        match (&self.fault, self.symbol.take()) {
            (Some(fault), _) => Err(*fault),
            (None, Some(symbol)) => Ok(symbol),
            (None, None) => Err(Reject::Missing(Field::Symbol)),
        }
    }

    /// The trade, checked, with the unit of its time.
    pub(super) fn finish(&self) -> Result<(Tick, TimeUnit), Reject> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        for field in REQUIRED {
            if self.seen & (1 << field as u8) == 0 {
                return Err(Reject::Missing(field));
            }
        }
        finish_tick(self.tick, self.time)
    }
}
