//! Vector instructions, chosen at run time.

#[cfg(target_arch = "x86_64")]
use super::simd::{Eight, Sixteen};
use super::simd::{Four, Vector};
use crate::error::{EncoderError, Result};
use std::fmt;
use std::sync::OnceLock;

/// A set of vector instructions that the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the architecture has.
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ, VL.
    Avx512,
    /// The same; training's matrix products round to bfloat16 and sum in float32 by AVX-512 BF16.
    Avx512Bf16,
    /// The same by AMX tiles.
    Amx,
}

impl Level {
    const ALL: [Self; 5] = [Self::Baseline, Self::Avx2, Self::Avx512, Self::Avx512Bf16, Self::Amx];

    /// The fastest level of this processor.
    pub fn detect() -> Self {
        static FASTEST: OnceLock<Level> = OnceLock::new();
        *FASTEST.get_or_init(|| {
            let highest = Self::highest();
            if highest == Self::Avx512Bf16 && !multiplies_pairs_fast() { Self::Avx512 } else { highest }
        })
    }

    /// The highest level of this processor.
    fn highest() -> Self {
        static HIGHEST: OnceLock<Level> = OnceLock::new();
        *HIGHEST.get_or_init(Self::found)
    }

    /// The fastest level of this processor, or another one that the environment variable `CLOZE_CPU` names (`baseline`,
    /// `avx2`, `avx512`, `avx512-bf16`, `amx`): to repeat another processor's bits, to test its path, or to train in
    /// float32.
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
        Self::ALL.into_iter().filter(|level| level.is_present())
    }

    /// Whether this processor has it.
    pub fn is_present(self) -> bool {
        self <= Self::highest()
    }

    /// The best level that computes in float32, this one or one below: what inference runs on, so that a saved model's
    /// scores do not depend on the processor beyond rounding.
    #[must_use]
    pub fn exact(self) -> Self {
        self.min(Self::Avx512)
    }

    /// Whether matrix products round their factors to bfloat16.
    pub fn rounds(self) -> bool {
        self > Self::Avx512
    }

    /// Columns that a matrix product works on at once.
    pub(super) fn panel(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Bf16 => Sixteen::LANES * Sixteen::BLOCKS,
            #[cfg(target_arch = "x86_64")]
            Self::Amx => super::amx::SIDE,
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
            Self::Avx512Bf16 => "avx512-bf16",
            Self::Amx => "amx",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn found() -> Self {
        let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if !has_avx2 {
            Self::Baseline
        } else if !has_avx512 {
            Self::Avx2
        } else if !is_x86_feature_detected!("avx512bf16") {
            Self::Avx512
        } else if !super::amx::is_present() {
            Self::Avx512Bf16
        } else {
            Self::Amx
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn found() -> Self {
        Self::Baseline
    }
}

/// Whether AVX-512 BF16 multiplies faster than AVX-512 does in float32: AMD's does (Zen 4). Of Intel's processors most have AMX
/// beside it; where a virtual machine hides that, a step takes 1.5 times as long as in float32 (Sapphire Rapids).
#[cfg(target_arch = "x86_64")]
fn multiplies_pairs_fast() -> bool {
    use std::arch::x86_64::__cpuid;
    let leaf = __cpuid(0);
    [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).concat() != b"GenuineIntel"
}

#[cfg(not(target_arch = "x86_64"))]
fn multiplies_pairs_fast() -> bool {
    true
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
                $crate::cpu::Level::Avx512 | $crate::cpu::Level::Avx512Bf16 | $crate::cpu::Level::Amx => unsafe {
                    avx512($($argument),*)
                },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::cpu::Level::Avx2 => unsafe { avx2($($argument),*) },
                _ => any($($argument),*),
            }
        }
    };
}

pub(super) use for_every_level;
