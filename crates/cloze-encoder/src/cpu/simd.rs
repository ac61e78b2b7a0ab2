//! Vectors of floats for the matrix kernels: one trait, a type for each level of instructions.
#![expect(clippy::inline_always, reason = "must be inlined into code that is compiled for the instructions")]

/// A few floats that are worked on together.
///
/// # Safety
/// All methods: the processor has the instructions of the type. Those with a pointer: it is valid for the elements
/// named.
pub(super) trait Vector: Copy {
    /// Floats in a vector.
    const LANES: usize;
    /// Vectors side by side in a tile: what the registers hold for six rows of them, at most [`MOST_BLOCKS`].
    const BLOCKS: usize;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// The first `count` elements; the rest is 0.
    unsafe fn load_part(from: *const f32, count: usize) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Stores the first `count` elements.
    unsafe fn store_part(self, to: *mut f32, count: usize);
    /// `self · b + c`.
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self;
    /// A step of an inner product: the sum `c` and what `self` and `b` add to it.
    #[inline(always)]
    unsafe fn accumulate(self, b: Self, c: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { self.multiply_add(b, c) }
    }
}

/// The largest [`Vector::BLOCKS`].
pub(super) const MOST_BLOCKS: usize = 4;

/// Four floats, for any processor.
#[derive(Clone, Copy)]
pub(super) struct Four([f32; 4]);

impl Vector for Four {
    const LANES: usize = 4;
    const BLOCKS: usize = 2;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        let mut values = [0.0; 4];
        for (lane, value) in values.iter_mut().enumerate().take(count) {
            // SAFETY: the caller's promise.
            *value = unsafe { from.add(lane).read() };
        }
        Self(values)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) };
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, count: usize) {
        for (lane, value) in self.0.into_iter().enumerate().take(count) {
            // SAFETY: the caller's promise.
            unsafe { to.add(lane).write(value) };
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] * b.0[lane] + c.0[lane]))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Eight, Pairs, Sixteen};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    #[allow(clippy::wildcard_imports, reason = "the processor's instructions")]
    use std::arch::x86_64::*;

    /// Eight floats: AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub(crate) struct Eight(__m256);

    /// All bits set in the first `count` lanes.
    #[inline(always)]
    unsafe fn lanes(count: usize) -> __m256i {
        // SAFETY: the trait's promise.
        unsafe {
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
        }
    }

    // SAFETY of every block: the trait's promises are the intrinsics' own.
    impl Vector for Eight {
        const LANES: usize = 8;
        const BLOCKS: usize = 2;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { _mm256_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm256_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn load_part(from: *const f32, count: usize) -> Self {
            Self(unsafe { _mm256_maskload_ps(from, lanes(count)) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self.0) };
        }

        #[inline(always)]
        unsafe fn store_part(self, to: *mut f32, count: usize) {
            unsafe { _mm256_maskstore_ps(to, lanes(count), self.0) };
        }

        #[inline(always)]
        unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
            Self(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
        }
    }

    /// Sixteen floats: AVX-512 F.
    #[derive(Clone, Copy)]
    pub(crate) struct Sixteen(__m512);

    impl Vector for Sixteen {
        const LANES: usize = 16;
        const BLOCKS: usize = 4;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm512_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn load_part(from: *const f32, count: usize) -> Self {
            Self(unsafe { _mm512_maskz_loadu_ps((1u16 << count) - 1, from) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) };
        }

        #[inline(always)]
        unsafe fn store_part(self, to: *mut f32, count: usize) {
            unsafe { _mm512_mask_storeu_ps(to, (1u16 << count) - 1, self.0) };
        }

        #[inline(always)]
        unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
        }
    }

    /// Sixteen floats, or in an inner product sixteen pairs of bfloat16: AVX-512 BF16.
    #[derive(Clone, Copy)]
    pub(crate) struct Pairs(Sixteen);

    impl Vector for Pairs {
        const LANES: usize = Sixteen::LANES;
        const BLOCKS: usize = Sixteen::BLOCKS;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { Sixteen::splat(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { Sixteen::load(from) })
        }

        #[inline(always)]
        unsafe fn load_part(from: *const f32, count: usize) -> Self {
            Self(unsafe { Sixteen::load_part(from, count) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { self.0.store(to) };
        }

        #[inline(always)]
        unsafe fn store_part(self, to: *mut f32, count: usize) {
            unsafe { self.0.store_part(to, count) };
        }

        #[inline(always)]
        unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
            Self(unsafe { self.0.multiply_add(b.0, c.0) })
        }

        #[inline(always)]
        unsafe fn accumulate(self, b: Self, c: Self) -> Self {
            let pairs = |words: Self| unsafe { std::mem::transmute::<__m512, __m512bh>(words.0.0) };
            Self(Sixteen(unsafe { _mm512_dpbf16_ps(c.0.0, pairs(b), pairs(self)) }))
        }
    }
}
