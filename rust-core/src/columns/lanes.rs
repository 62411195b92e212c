//! Eight values side by side: the shape in which plain loops become vector instructions.
//!
//! Everything here wraps; whoever sums proves from the bits of the input that nothing did.

use core::ops::Range;

/// Values side by side: one AVX-512 register, two of AVX2.
pub(super) const LANES: usize = 8;
/// A group of values, and the accumulators over groups.
pub(super) type Lanes = [i64; LANES];
/// A mask: all bits of a lane that counts, none of one that does not.
pub(super) const ALL: Lanes = [-1; LANES];

/// The mask of the last group of a span of which only the last `new` rows have not been seen: that group overlaps the
/// one before it.
#[inline(always)]
pub(super) fn newest(new: usize) -> Lanes {
    core::array::from_fn(|lane| if lane + new >= LANES { -1 } else { 0 })
}

/// A span of a column as whole groups and the overlapping last one.
#[derive(Clone, Copy)]
pub(super) struct Groups<'a, T> {
    pub(super) whole: &'a [[T; LANES]],
    pub(super) last: &'a [T; LANES],
}

impl<'a, T> Groups<'a, T> {
    /// `None` when the span is not inside the column or ends before its first group does.
    #[inline(always)]
    pub(super) fn of(column: &'a [T], span: Range<usize>) -> Option<Self> {
        let (whole, _) = column.get(span.clone())?.as_chunks::<LANES>();
        let last = column.get(..span.end)?.last_chunk::<LANES>()?;
        Some(Self { whole, last })
    }
}

/// Adds to one lane.
#[inline(always)]
pub(super) fn add(sum: &mut i64, part: i64) {
    *sum = sum.wrapping_add(part);
}

/// All bits for a trade whose aggressor bought, none for one that sold.
#[inline(always)]
pub(super) fn bought(is_buyer_maker: u8) -> i64 {
    if is_buyer_maker == 0 { -1 } else { 0 }
}

/// Sum over the lanes.
#[inline(always)]
pub(super) fn sum(lanes: &Lanes) -> i64 {
    lanes.iter().fold(0, |sum, &lane| sum.wrapping_add(lane))
}

/// Bits that are set in any lane.
#[inline(always)]
pub(super) fn any(lanes: &Lanes) -> i64 {
    lanes.iter().fold(0, |bits, &lane| bits | lane)
}

/// Bits that a value that is not negative needs.
#[inline(always)]
pub(super) fn width(value: i64) -> u32 {
    i64::BITS - value.leading_zeros()
}

/// Bytes between what is read and what is asked for: some 40 groups, about one trip to memory.
const AHEAD: usize = 2048;

/// Where a column goes on a little further down, perhaps beyond its end: only for a hint to the cache.
#[inline(always)]
pub(super) fn ahead<T>(group: &[T; LANES]) -> *const i8 {
    core::ptr::from_ref(group).wrapping_byte_add(AHEAD).cast()
}

/// Tells the memory what will be read soon; each kernel brings its own.
pub(super) trait Hint: Fn(*const i8) {}

impl<F: Fn(*const i8)> Hint for F {}
