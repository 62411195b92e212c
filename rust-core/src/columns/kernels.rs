//! One fold, compiled for several instruction sets; which one may run is decided in [`crate::ffi::kernel`].

use super::{Columns, RowError, fold::fold};
use crate::bar::Bar;
use crate::processor::Processor;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Nothing, or the first row that was refused.
pub(crate) type Folded = Result<(), (usize, RowError)>;

/// For every processor of the target.
pub(crate) fn baseline(
    processor: &mut Processor,
    columns: &Columns<'_>,
    rows: usize,
    bars: &mut Vec<Bar>,
) -> Folded {
    fold(processor, columns, rows, bars, &|_| ())
}

/// For x86-64 processors since about 2013.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(crate) fn avx2(
    processor: &mut Processor,
    columns: &Columns<'_>,
    rows: usize,
    bars: &mut Vec<Bar>,
) -> Folded {
    fold(processor, columns, rows, bars, &|ahead| {
        _mm_prefetch::<_MM_HINT_T0>(ahead)
    })
}

/// For x86-64 servers since about 2017.
#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512vl,avx512dq,avx512bw,avx512cd"
)]
pub(crate) fn avx512(
    processor: &mut Processor,
    columns: &Columns<'_>,
    rows: usize,
    bars: &mut Vec<Bar>,
) -> Folded {
    fold(processor, columns, rows, bars, &|ahead| {
        _mm_prefetch::<_MM_HINT_T0>(ahead)
    })
}
