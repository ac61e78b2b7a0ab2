//! Vector instructions, chosen at run time.

#[cfg(target_arch = "x86_64")]
use super::simd::{Eight, Sixteen};
use super::simd::{Four, Vector};
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
    /// `avx2`, `avx512`): to repeat an older processor's bits, or to test its path.
    ///
    /// # Errors
    /// [`EncoderError::Environment`] for another name, or a level that the processor does not have.
    pub fn chosen() -> Result<Self> {
        const NAME: &str = "CLOZE_CPU";
        let Ok(value) = std::env::var(NAME) else { return Ok(Self::detect()) };
        let present: Vec<Self> = Self::present().collect();
        let names: Vec<&str> = present.iter().map(|level| level.name()).collect();
        let found = present.iter().find(|level| level.name() == value);
        found.copied().ok_or_else(|| EncoderError::environment(NAME, value, &names))
    }

    /// The levels that this processor has, the lowest first.
    pub fn present() -> impl Iterator<Item = Self> {
        [Self::Baseline, Self::Avx2, Self::Avx512].into_iter().filter(|level| *level <= Self::detect())
    }

    /// Columns that a matrix product works on at once.
    pub(super) fn panel(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Sixteen::LANES * Sixteen::BLOCKS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Eight::LANES * Eight::BLOCKS,
            _ => Four::LANES * Four::BLOCKS,
        }
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
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Makes a function that is compiled for each level and takes the level as its first argument. What its body calls must
/// be inlined into it to be compiled with it.
macro_rules! for_every_level {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        $visibility fn $name(level: $crate::cpu::Level, $($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn any($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512($($argument: $type),*) $(-> $result)? {
                any($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                any($($argument),*)
            }

            match level {
                // SAFETY: an engine is only made with a level that the processor has.
                #[cfg(target_arch = "x86_64")]
                $crate::cpu::Level::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::cpu::Level::Avx2 => unsafe { avx2($($argument),*) },
                _ => any($($argument),*),
            }
        }
    };
}

pub(super) use for_every_level;
