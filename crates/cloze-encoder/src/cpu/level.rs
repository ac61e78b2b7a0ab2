//! Vector instructions, chosen at run time.

use crate::error::{EncoderError, Result};
use std::fmt;

/// A set of vector instructions that the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the architecture has.
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ, VL.
    Avx512,
}

impl Level {
    /// The best level of this processor.
    pub fn detect() -> Self {
        Self::best()
    }

    /// The best level of this processor, or a lower one that the environment variable `CLOZE_CPU` names (`baseline`,
    /// `avx2`, `avx512`): to repeat an older processor's bits, or to test its path. It governs the engine's own
    /// kernels; matrix products choose theirs by themselves.
    ///
    /// # Errors
    /// [`EncoderError::Environment`] for another name, or a level that the processor does not have.
    pub fn chosen() -> Result<Self> {
        const NAME: &str = "CLOZE_CPU";
        let Ok(value) = std::env::var(NAME) else { return Ok(Self::detect()) };
        let mut present = vec![Self::Baseline, Self::Avx2, Self::Avx512];
        present.retain(|level| *level <= Self::detect());
        let names: Vec<&str> = present.iter().map(|level| level.name()).collect();
        let found = present.iter().find(|level| level.name() == value);
        found.copied().ok_or_else(|| EncoderError::environment(NAME, value, &names))
    }

    /// Its name, as in `CLOZE_CPU`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn best() -> Self {
        let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (has_avx2, has_avx512) {
            (true, true) => Self::Avx512,
            (true, false) => Self::Avx2,
            (false, _) => Self::Baseline,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Self {
        Self::Baseline
    }

    /// Runs `work` compiled for this level; what it calls must be inlined to profit.
    #[inline]
    pub(super) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        match self {
            // SAFETY: a level above the baseline is only made by `detect`, which has asked the processor for it.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { with_avx512(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { with_avx2(work) },
            _ => work(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn with_avx512<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}
