//! A processor as bytes: small, versioned, checked from end to end.
//!
//! Layout, little-endian: magic `RBSN`, version `u16`, flags `u16`, length of the whole `u32`, threshold in dbps `u32`,
//! position `i64`, last time in microseconds `i64`, time reversals `u64`, the forming bar (176 bytes in the order of
//! [`Bar`]; only when flagged), length of the label `u16`, the label, CRC-32 of all before it `u32`.

use crate::bar::{Bar, Wide};
use crate::processor::{Forming, Processor, Rule, State};
use crate::tick::MAX_TIMESTAMP_US;

/// The version written, and the only one read.
pub const SNAPSHOT_VERSION: u16 = 1;
/// The longest label, in bytes.
pub const MAX_LABEL: usize = 255;
/// The longest snapshot, in bytes.
pub const MAX_SNAPSHOT: usize = HEADER + BAR_BYTES + 2 + MAX_LABEL + 4;

const MAGIC: [u8; 4] = *b"RBSN";
const HEADER: usize = 40;
const BAR_BYTES: usize = core::mem::size_of::<Bar>();
const FLAG_SAME_TIMESTAMP_CLOSE: u16 = 1;
const FLAG_POSITION: u16 = 2;
const FLAG_FORMING: u16 = 4;

/// Why bytes are no snapshot of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotError {
    /// Shorter or longer than it says.
    Length,
    /// Does not begin like a snapshot.
    Magic,
    /// Written by another version of the format.
    Version(u16),
    /// The checksum does not fit: damaged.
    Checksum,
    /// The checksum fits and the values cannot be a processor's.
    Content,
    /// As [`Content`](Self::Content): the forming bar ends beyond its limits, so it would have closed.
    Unclosed,
    /// As [`Content`](Self::Content): the forming bar leaves out more ids than it counts as missing.
    Uncounted,
    /// The label is longer than [`MAX_LABEL`] bytes.
    Label,
}

/// Writes `processor` with a label (a symbol, say) to the end of `out`.
///
/// On an error nothing was written.
pub fn encode(processor: &Processor, label: &[u8], out: &mut Vec<u8>) -> Result<(), SnapshotError> {
    let label_len = u8::try_from(label.len()).map_err(|_| SnapshotError::Label)?;
    let State {
        position,
        last_timestamp_us,
        time_reversals,
        forming,
    } = processor.state;
    let rule = processor.rule;
    let mut flags = 0;
    flags |= FLAG_SAME_TIMESTAMP_CLOSE * u16::from(rule.same_timestamp_close());
    flags |= FLAG_POSITION * u16::from(position.is_some());
    flags |= FLAG_FORMING * u16::from(forming.is_some());
    let bar_len = if forming.is_some() { BAR_BYTES } else { 0 };
    // At most MAX_SNAPSHOT, which fits.
    let length = (HEADER + bar_len + 2 + label.len() + 4) as u32;

    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&SNAPSHOT_VERSION.to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&rule.threshold_dbps().to_le_bytes());
    out.extend_from_slice(&position.unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&last_timestamp_us.to_le_bytes());
    out.extend_from_slice(&time_reversals.to_le_bytes());
    if let Some(forming) = forming {
        write_bar(&forming.to_bar(), out);
    }
    out.extend_from_slice(&u16::from(label_len).to_le_bytes());
    out.extend_from_slice(label);
    let checksum = crc32(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Reads a processor and its label back.
///
/// Never panics, whatever the bytes; a snapshot that passes restores exactly the processor that was written.
pub fn decode(bytes: &[u8]) -> Result<(Processor, &[u8]), SnapshotError> {
    let mut reader = Reader { rest: bytes };
    if reader.array::<4>()? != MAGIC {
        return Err(SnapshotError::Magic);
    }
    let version = u16::from_le_bytes(reader.array()?);
    if version != SNAPSHOT_VERSION {
        return Err(SnapshotError::Version(version));
    }
    let flags = u16::from_le_bytes(reader.array()?);
    if usize::try_from(u32::from_le_bytes(reader.array()?)) != Ok(bytes.len()) {
        return Err(SnapshotError::Length);
    }
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(SnapshotError::Length)?;
    if crc32(body) != u32::from_le_bytes(*checksum) {
        return Err(SnapshotError::Checksum);
    }
    let known = FLAG_SAME_TIMESTAMP_CLOSE | FLAG_POSITION | FLAG_FORMING;
    if flags & !known != 0 {
        return Err(SnapshotError::Content);
    }
    let threshold_dbps = u32::from_le_bytes(reader.array()?);
    let rule = Rule::new(threshold_dbps, flags & FLAG_SAME_TIMESTAMP_CLOSE != 0)
        .ok_or(SnapshotError::Content)?;
    let position = reader.i64()?;
    let last_timestamp_us = reader.i64()?;
    let time_reversals = u64::from_le_bytes(reader.array()?);
    let forming = if flags & FLAG_FORMING != 0 {
        Some(Forming::from_bar(rule, &reader.bar()?)?)
    } else {
        None
    };
    let label_len = usize::from(u16::from_le_bytes(reader.array()?));
    let label = reader.take(label_len)?;
    if label_len > MAX_LABEL || reader.rest.len() != 4 {
        return Err(SnapshotError::Content);
    }
    let state = State {
        position: (flags & FLAG_POSITION != 0).then_some(position),
        last_timestamp_us,
        time_reversals,
        forming,
    };
    if state.is_possible() {
        Ok((Processor { rule, state }, label))
    } else {
        Err(SnapshotError::Content)
    }
}

impl State {
    fn is_possible(&self) -> bool {
        (0..=MAX_TIMESTAMP_US).contains(&self.last_timestamp_us)
            && self.position.is_none_or(|position| position >= -1)
            && self.forming.is_none_or(|forming| {
                self.position == Some(forming.last_agg_trade_id)
                    && self.last_timestamp_us == forming.close_time_us
            })
    }
}

impl Forming {
    /// A forming bar from its sums, unless no trades could have made it.
    fn from_bar(rule: Rule, bar: &Bar) -> Result<Self, SnapshotError> {
        let (volume, turnover) = (i128::from(bar.volume), i128::from(bar.turnover));
        let (buy_volume, buy_turnover) = (i128::from(bar.buy_volume), i128::from(bar.buy_turnover));
        let times = 0..=MAX_TIMESTAMP_US;
        let prices = bar.low_e8..=bar.high_e8;
        let possible = times.contains(&bar.open_time_us)
            && times.contains(&bar.close_time_us)
            && bar.low_e8 > 0
            && prices.contains(&bar.open_e8)
            && prices.contains(&bar.close_e8)
            && (0..=volume).contains(&buy_volume)
            && (0..=turnover).contains(&buy_turnover)
            && volume <= i128::from(i64::MAX) * i128::from(bar.agg_record_count)
            && is_cost_of(buy_volume, buy_turnover, bar)
            && is_cost_of(volume - buy_volume, turnover - buy_turnover, bar)
            && bar.agg_record_count > 0
            && (0..=bar.individual_trade_count).contains(&bar.buy_trade_count)
            && bar.individual_trade_count >= bar.agg_record_count
            && bar.first_trade_id >= 0
            && bar.last_trade_id >= 0
            && (0..=bar.last_agg_trade_id).contains(&bar.first_agg_trade_id)
            && bar.agg_record_count - 1 <= bar.last_agg_trade_id - bar.first_agg_trade_id
            && bar.missing_trades >= 0;
        if !possible {
            return Err(SnapshotError::Content);
        }
        let left_out = bar.last_agg_trade_id - bar.first_agg_trade_id - (bar.agg_record_count - 1);
        if bar.missing_trades < left_out {
            return Err(SnapshotError::Uncounted);
        }
        let (upper_e8, lower_e8) = rule.limits_e8(bar.open_e8);
        let forming = Self {
            open_time_us: bar.open_time_us,
            close_time_us: bar.close_time_us,
            open_e8: bar.open_e8,
            high_e8: bar.high_e8,
            low_e8: bar.low_e8,
            close_e8: bar.close_e8,
            volume,
            turnover,
            buy_volume,
            buy_turnover,
            individual_trade_count: bar.individual_trade_count,
            buy_trade_count: bar.buy_trade_count,
            agg_record_count: bar.agg_record_count,
            first_trade_id: bar.first_trade_id,
            last_trade_id: bar.last_trade_id,
            first_agg_trade_id: bar.first_agg_trade_id,
            last_agg_trade_id: bar.last_agg_trade_id,
            missing_trades: bar.missing_trades,
            upper_e8,
            lower_e8,
        };
        if forming.is_complete(rule) {
            return Err(SnapshotError::Unclosed);
        }
        Ok(forming)
    }
}

/// Whether a quantity may have cost that much at prices from the bar's low to its high.
fn is_cost_of(quantity: i128, turnover: i128, bar: &Bar) -> bool {
    let at = |price_e8: i64| quantity.checked_mul(price_e8.into());
    at(bar.low_e8).is_some_and(|least| turnover >= least)
        && at(bar.high_e8).is_none_or(|most| turnover <= most)
}

fn write_bar(bar: &Bar, out: &mut Vec<u8>) {
    let ints = |out: &mut Vec<u8>, values: &[i64]| {
        for value in values {
            out.extend_from_slice(&value.to_le_bytes());
        }
    };
    ints(
        out,
        &[
            bar.open_time_us,
            bar.close_time_us,
            bar.open_e8,
            bar.high_e8,
            bar.low_e8,
            bar.close_e8,
        ],
    );
    for wide in [bar.volume, bar.turnover, bar.buy_volume, bar.buy_turnover] {
        out.extend_from_slice(&i128::from(wide).to_le_bytes());
    }
    ints(
        out,
        &[
            bar.individual_trade_count,
            bar.buy_trade_count,
            bar.agg_record_count,
            bar.first_trade_id,
            bar.last_trade_id,
            bar.first_agg_trade_id,
            bar.last_agg_trade_id,
            bar.missing_trades,
        ],
    );
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], SnapshotError> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(SnapshotError::Length)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(SnapshotError::Length)?;
        self.rest = rest;
        Ok(*head)
    }

    fn i64(&mut self) -> Result<i64, SnapshotError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn wide(&mut self) -> Result<Wide, SnapshotError> {
        Ok(i128::from_le_bytes(self.array()?).into())
    }

    fn bar(&mut self) -> Result<Bar, SnapshotError> {
        Ok(Bar {
            open_time_us: self.i64()?,
            close_time_us: self.i64()?,
            open_e8: self.i64()?,
            high_e8: self.i64()?,
            low_e8: self.i64()?,
            close_e8: self.i64()?,
            volume: self.wide()?,
            turnover: self.wide()?,
            buy_volume: self.wide()?,
            buy_turnover: self.wide()?,
            individual_trade_count: self.i64()?,
            buy_trade_count: self.i64()?,
            agg_record_count: self.i64()?,
            first_trade_id: self.i64()?,
            last_trade_id: self.i64()?,
            first_agg_trade_id: self.i64()?,
            last_agg_trade_id: self.i64()?,
            missing_trades: self.i64()?,
        })
    }
}

/// CRC-32 (IEEE 802.3), bit by bit: snapshots are small and rare.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests;
