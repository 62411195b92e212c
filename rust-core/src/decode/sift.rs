//! The id rule over a tape that is complete as it is, such as an archive: nothing can be fetched, so a gap is only told.

use crate::tick::Tick;

/// The last id of a [`Sift`] that has seen none.
pub const NO_POSITION: i64 = -2;

/// An id that comes again this much later is no repetition: the ids have begun anew.
const RESTART_AFTER_US: i64 = 60_000_000;

/// Ids that never came: both ends are among them.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    /// The first missing id.
    pub from_id: i64,
    /// The last missing id.
    pub to_id: i64,
}

/// What one pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sifted {
    /// Trades looked at; the rest is as it was.
    pub consumed: usize,
    /// Trades kept: they stand at the front now.
    pub kept: usize,
    /// Gaps written.
    pub gaps: usize,
    /// Trades dropped because their id had come before.
    pub repeated: usize,
    /// Trades among those that were unlike the kept trade of the same id, as far as that was the one just before.
    pub differing: usize,
    /// The trade after the consumed ones has an old id and a time more than 60 s later: ids have begun anew, or the
    /// tape is another one.
    pub restarted: bool,
}

/// Drops repeated ids in place and lists gaps, across any number of passes over one tape.
///
/// ```
/// use rangebar_core::decode::{Gap, Sift};
/// use rangebar_core::tick::Tick;
///
/// let mut ticks = [1, 2, 2, 5].map(|id| Tick { agg_trade_id: id, ..Tick::default() });
/// let mut gaps = [Gap::default(); 8];
/// let sifted = Sift::new().pass(&mut ticks, &mut gaps);
/// assert_eq!((sifted.kept, sifted.repeated), (3, 1));
/// assert_eq!(gaps[0], Gap { from_id: 3, to_id: 4 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sift {
    /// The last trade kept; only its id counts while its price is 0.
    pub last: Tick,
}

impl Default for Sift {
    fn default() -> Self {
        Self::new()
    }
}

impl Sift {
    /// Takes any first id.
    pub fn new() -> Self {
        Self::after(NO_POSITION)
    }

    /// Goes on after `position`; -1 expects id 0, [`NO_POSITION`] anything.
    pub fn after(position: i64) -> Self {
        Self {
            last: Tick {
                agg_trade_id: position,
                ..Tick::default()
            },
        }
    }

    /// Goes over `ticks` until they end, `gaps` is full and another gap comes, or the ids begin anew.
    ///
    /// The trades kept stand at the front in their order; those from `consumed` on are for the next pass.
    pub fn pass(&mut self, ticks: &mut [Tick], gaps: &mut [Gap]) -> Sifted {
        let mut sifted = Sifted::default();
        let mut gaps = gaps.iter_mut();
        while let Some(&tick) = ticks.get(sifted.consumed) {
            let last = self.last;
            let id = tick.agg_trade_id;
            if id <= last.agg_trade_id {
                if self.is_restart(&tick) {
                    sifted.restarted = true;
                    break;
                }
                sifted.repeated += 1;
                sifted.differing +=
                    usize::from(id == last.agg_trade_id && self.has_tick() && tick != last);
                sifted.consumed += 1;
                continue;
            }
            // `id` is above, so nothing overflows.
            if last.agg_trade_id != NO_POSITION && id > last.agg_trade_id + 1 {
                let Some(gap) = gaps.next() else {
                    break;
                };
                *gap = Gap {
                    from_id: last.agg_trade_id + 1,
                    to_id: id - 1,
                };
                sifted.gaps += 1;
            }
            if let Some(slot) = ticks.get_mut(sifted.kept) {
                *slot = tick;
            }
            self.last = tick;
            sifted.kept += 1;
            sifted.consumed += 1;
        }
        sifted
    }

    fn has_tick(&self) -> bool {
        self.last.price_e8 > 0
    }

    fn is_restart(&self, tick: &Tick) -> bool {
        let later = tick.timestamp_us.saturating_sub(self.last.timestamp_us);
        self.has_tick() && later > RESTART_AFTER_US
    }
}
