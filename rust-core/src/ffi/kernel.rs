//! Which kernel may run: the one place that promises the compiler what the processor can do.

use crate::bar::Bar;
use crate::columns::{self, Columns, Folded};
use crate::processor::Processor;

type Fold = unsafe fn(&mut Processor, &Columns<'_>, usize, &mut Vec<Bar>) -> Folded;

/// A kernel that this processor can run: values of this type exist for no other.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    fold: Fold,
}

impl Kernel {
    /// The one that uses most of this processor.
    pub(crate) fn fastest() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = Self::avx512().or_else(Self::avx2) {
            return kernel;
        }
        Self::baseline()
    }

    /// The one that runs everywhere.
    pub(crate) fn baseline() -> Self {
        Self {
            fold: columns::baseline,
        }
    }

    /// The one for AVX2, where there is AVX2.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn avx2() -> Option<Self> {
        let able = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        able.then_some(Self {
            fold: columns::avx2,
        })
    }

    /// The one for AVX-512, where there is AVX-512.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn avx512() -> Option<Self> {
        let able = Self::avx2().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd");
        able.then_some(Self {
            fold: columns::avx512,
        })
    }

    /// Takes `rows` rows; on an error the caller undoes what was done so far.
    pub(crate) fn fold(
        self,
        processor: &mut Processor,
        columns: &Columns<'_>,
        rows: usize,
        bars: &mut Vec<Bar>,
    ) -> Folded {
        // SAFETY: a safe function but for its instruction set, which was found on this processor above.
        unsafe { (self.fold)(processor, columns, rows, bars) }
    }
}

#[cfg(test)]
impl Kernel {
    /// All that this processor can run, by name.
    pub(crate) fn all() -> Vec<(&'static str, Self)> {
        let mut kernels = vec![("baseline", Self::baseline())];
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(Self::avx2().map(|kernel| ("avx2", kernel)));
            kernels.extend(Self::avx512().map(|kernel| ("avx512", kernel)));
        }
        kernels
    }
}
