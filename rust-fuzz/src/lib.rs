//! What the fuzz targets share: values made of whatever bytes the fuzzer comes up with.

use rangebar_core::tick::Tick;

/// Bytes that are taken from the front; zeros when there are none left.
pub struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn byte(&mut self) -> u8 {
        self.rest.split_off_first().copied().unwrap_or(0)
    }

    pub fn number(&mut self) -> i64 {
        i64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A trade a little after the one before; now and then one field of it is any number at all.
    pub fn tick(&mut self, last: &Tick) -> Tick {
        let step = i64::from(self.byte());
        let agg_trade_id = last.agg_trade_id.saturating_add(1 + step / 128);
        let mut tick = Tick {
            agg_trade_id,
            price_e8: last
                .price_e8
                .saturating_add(i64::from(self.byte() as i8) * 100_000),
            quantity_e8: i64::from(self.byte()) * 1_000_003,
            first_trade_id: agg_trade_id,
            last_trade_id: agg_trade_id.saturating_add(step % 4),
            timestamp_us: last.timestamp_us.saturating_add(step),
            is_buyer_maker: self.byte() % 2,
            ..Tick::default()
        };
        match self.byte() {
            250 => tick.agg_trade_id = self.number(),
            251 => tick.price_e8 = self.number(),
            252 => tick.quantity_e8 = self.number(),
            253 => tick.first_trade_id = self.number(),
            254 => tick.last_trade_id = self.number(),
            255 => tick.timestamp_us = self.number(),
            _ => {}
        }
        tick
    }

    /// Trades until the bytes end.
    pub fn ticks(&mut self) -> Vec<Tick> {
        let mut last = Tick {
            price_e8: 10_000_000_000,
            timestamp_us: 1_700_000_000_000_000,
            ..Tick::default()
        };
        let mut ticks = Vec::new();
        while !self.is_empty() {
            last = self.tick(&last);
            ticks.push(last);
        }
        ticks
    }
}

/// CRC-32 (IEEE), bit by bit: the slow twin of the one in the crate.
pub fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1));
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}
