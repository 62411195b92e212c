//! One trade as the engine takes it: fixed-point, 56 bytes, the same in Rust, in C and packed in Python.

/// The latest time a trade may carry: the last microsecond of the year 9999.
pub const MAX_TIMESTAMP_US: i64 = 253_402_300_799_999_999;

/// One aggregate trade.
///
/// Packed, its 56 bytes are seven little-endian 64-bit integers in this order, the last one 0 or 1.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tick {
    /// Aggregate trade id: the order of the tape, zero or above.
    pub agg_trade_id: i64,
    /// Price in units of 10^-8, above zero.
    pub price_e8: i64,
    /// Quantity in units of 10^-8, zero or above.
    pub quantity_e8: i64,
    /// Id of the first individual trade that was aggregated.
    pub first_trade_id: i64,
    /// Id of the last individual trade that was aggregated.
    pub last_trade_id: i64,
    /// Time of the trade in microseconds since 1970-01-01 UTC.
    pub timestamp_us: i64,
    /// 1 when the buyer was the maker (the aggressor sold), else 0.
    pub is_buyer_maker: u8,
    /// Zeros.
    pub reserved: [u8; 7],
}

/// Why a trade was refused; the engine's state is as before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TradeError {
    /// The aggregate trade id is negative.
    AggTradeId,
    /// The price is zero or negative.
    Price,
    /// The quantity is negative.
    Quantity,
    /// The time is before 1970 or after the year 9999.
    Timestamp,
    /// The individual ids are negative or the last is below the first.
    TradeIds,
    /// The aggregate trade id is not above the one before it.
    Order,
    /// A sum over the bar left the range of its type.
    Overflow,
}

impl Tick {
    /// Whether the aggressor sold.
    #[inline]
    pub fn is_sell(&self) -> bool {
        self.is_buyer_maker != 0
    }

    /// Individual trades in this record; only meaningful after [`Tick::validate`].
    #[inline]
    pub fn individual_trades(&self) -> i64 {
        // Both ids are in 0..=MAX after validation, but `last - first + 1` may still be 2^63.
        (self.last_trade_id - self.first_trade_id).saturating_add(1)
    }

    /// Checks every field by itself.
    #[inline]
    pub fn validate(&self) -> Result<(), TradeError> {
        if self.agg_trade_id < 0 {
            return Err(TradeError::AggTradeId);
        }
        if self.price_e8 <= 0 {
            return Err(TradeError::Price);
        }
        if self.quantity_e8 < 0 {
            return Err(TradeError::Quantity);
        }
        if !(0..=MAX_TIMESTAMP_US).contains(&self.timestamp_us) {
            return Err(TradeError::Timestamp);
        }
        if self.first_trade_id < 0 || self.last_trade_id < self.first_trade_id {
            return Err(TradeError::TradeIds);
        }
        Ok(())
    }
}
