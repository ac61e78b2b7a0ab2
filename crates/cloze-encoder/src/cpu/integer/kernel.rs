//! The products' inner loops: a tile of up to six rows and a panel's columns stays in registers while the inner dimension
//! passes, as in [`super::super::product`].
#![expect(clippy::inline_always, reason = "must be inlined into what is compiled for the instructions")]

use super::Instructions;
use super::round::Step;

/// Rows of a tile.
const ROWS: usize = 6;
/// The widest panel.
const WIDEST: usize = 64;

/// A product with its sides rounded; see [`super::Integers`].
pub(super) struct Product<'a> {
    /// Rows of `depth` words, one for each of `steps`, at any address.
    pub(super) left: *const i32,
    /// How many words it has.
    pub(super) left_len: usize,
    pub(super) steps: &'a [Step],
    /// Words, handled as floats that nobody computes with.
    pub(super) right: &'a [f32],
    pub(super) depth: usize,
    pub(super) scales: &'a [f32],
    pub(super) sums: &'a [i32],
    pub(super) bias: &'a [f32],
}

/// Computes a product into `c`, `[rows, columns]`.
pub(super) fn run(instructions: Instructions, product: &Product<'_>, c: &mut [f32]) {
    let columns = product.scales.len();
    assert_eq!(c.len(), product.steps.len() * columns, "product beyond its slice");
    assert_eq!(product.left_len, product.steps.len() * product.depth, "words of the left side");
    assert!(product.right.len() >= columns.next_multiple_of(instructions.panel()) * product.depth, "panels");
    // SAFETY: both sides have their words, checked above; an engine is only made with a level that the processor has, and the
    // instructions go with it.
    match instructions {
        #[cfg(target_arch = "x86_64")]
        Instructions::Vnni => unsafe { vnni(product, c) },
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => unsafe { avx2(product, c) },
        _ => unsafe { product.run::<Four, 2>(c) },
    }
}

/// # Safety
/// As [`Product::run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn vnni(product: &Product<'_>, c: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { product.run::<x86::Sixteen, 4>(c) };
}

/// # Safety
/// As [`Product::run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(product: &Product<'_>, c: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { product.run::<x86::Eight, 2>(c) };
}

impl Product<'_> {
    /// # Safety
    /// The processor has the instructions of `V`; both sides have the words that they are said to have, the right one in
    /// panels of N vectors.
    #[inline(always)]
    unsafe fn run<V: Lanes, const N: usize>(&self, c: &mut [f32]) {
        let (rows, columns) = (self.steps.len(), self.scales.len());
        for first in (0..columns).step_by(N * V::LANES) {
            let mut row = 0;
            // SAFETY: the caller's promise, for rows and columns within the product.
            unsafe {
                while row + ROWS <= rows {
                    self.tile::<V, ROWS, N>(row, first, c);
                    row += ROWS;
                }
                match rows - row {
                    1 => self.tile::<V, 1, N>(row, first, c),
                    2 => self.tile::<V, 2, N>(row, first, c),
                    3 => self.tile::<V, 3, N>(row, first, c),
                    4 => self.tile::<V, 4, N>(row, first, c),
                    5 => self.tile::<V, 5, N>(row, first, c),
                    _ => {}
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Lanes, const M: usize, const N: usize>(&self, row: usize, first: usize, c: &mut [f32]) {
        let mut totals = [[0i32; WIDEST]; M];
        // SAFETY: the caller's promise; N vectors are at most as wide as the widest panel.
        unsafe {
            let mut sums = [[V::zero(); N]; M];
            let left = self.left.add(row * self.depth);
            let mut right = self.right.as_ptr().add(first * self.depth).cast::<i32>();
            for word in 0..self.depth {
                let mut columns = [V::zero(); N];
                for (j, column) in columns.iter_mut().enumerate() {
                    *column = V::load(right.add(j * V::LANES));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(left.add(i * self.depth + word).read_unaligned());
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = sum.accumulate(value, column);
                    }
                }
                right = right.wrapping_add(N * V::LANES);
            }
            for (totals, sums) in totals.iter_mut().zip(sums) {
                for (j, sum) in sums.into_iter().enumerate() {
                    sum.store(totals.as_mut_ptr().add(j * V::LANES));
                }
            }
        }
        let columns = self.scales.len();
        let here = first..columns.min(first + N * V::LANES);
        for (i, totals) in totals.iter().enumerate() {
            let Step { scale, offset } = self.steps[row + i];
            let c = &mut c[(row + i) * columns..][here.clone()];
            let of_columns = self.scales[here.clone()].iter().zip(&self.sums[here.clone()]);
            for (((c, total), (t, sum)), bias) in
                c.iter_mut().zip(totals).zip(of_columns).zip(&self.bias[here.clone()])
            {
                *c = (total + offset * sum) as f32 * (scale * t) + bias;
            }
        }
    }
}

/// A few sums of 32 bits, and words of factors, that are worked on together.
///
/// # Safety
/// All methods: the processor has the instructions of the type. Those with a pointer: it is valid for all lanes.
trait Lanes: Copy {
    const LANES: usize;

    unsafe fn zero() -> Self;
    unsafe fn splat(word: i32) -> Self;
    unsafe fn load(from: *const i32) -> Self;
    /// These sums and, lane by lane, the products of the words' factors.
    unsafe fn accumulate(self, left: Self, right: Self) -> Self;
    unsafe fn store(self, to: *mut i32);
}

/// Four sums; words of two factors. For any processor.
#[derive(Clone, Copy)]
struct Four([i32; 4]);

impl Lanes for Four {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0; 4])
    }

    #[inline(always)]
    unsafe fn splat(word: i32) -> Self {
        Self([word; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[i32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn accumulate(self, left: Self, right: Self) -> Self {
        let low = |word: i32| i32::from(word as i16);
        let sum = |lane: usize| {
            let (left, right) = (left.0[lane], right.0[lane]);
            self.0[lane] + low(left) * low(right) + (left >> 16) * (right >> 16)
        };
        Self(std::array::from_fn(sum))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[i32; 4]>().write_unaligned(self.0) };
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    #[allow(clippy::wildcard_imports, reason = "the processor's instructions")]
    use std::arch::x86_64::*;

    /// Eight sums; words of two factors: AVX2.
    #[derive(Clone, Copy)]
    pub(super) struct Eight(__m256i);

    // SAFETY of every block: the trait's promises are the intrinsics' own.
    impl Lanes for Eight {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn zero() -> Self {
            Self(unsafe { _mm256_setzero_si256() })
        }

        #[inline(always)]
        unsafe fn splat(word: i32) -> Self {
            Self(unsafe { _mm256_set1_epi32(word) })
        }

        #[inline(always)]
        unsafe fn load(from: *const i32) -> Self {
            Self(unsafe { _mm256_loadu_si256(from.cast()) })
        }

        #[inline(always)]
        unsafe fn accumulate(self, left: Self, right: Self) -> Self {
            Self(unsafe { _mm256_add_epi32(self.0, _mm256_madd_epi16(left.0, right.0)) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut i32) {
            unsafe { _mm256_storeu_si256(to.cast(), self.0) };
        }
    }

    /// Sixteen sums; words of four factors, those of the left side unsigned: AVX-512 VNNI.
    #[derive(Clone, Copy)]
    pub(super) struct Sixteen(__m512i);

    impl Lanes for Sixteen {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn zero() -> Self {
            Self(unsafe { _mm512_setzero_si512() })
        }

        #[inline(always)]
        unsafe fn splat(word: i32) -> Self {
            Self(unsafe { _mm512_set1_epi32(word) })
        }

        #[inline(always)]
        unsafe fn load(from: *const i32) -> Self {
            Self(unsafe { _mm512_loadu_si512(from.cast()) })
        }

        #[inline(always)]
        unsafe fn accumulate(self, left: Self, right: Self) -> Self {
            Self(unsafe { _mm512_dpbusd_epi32(self.0, left.0, right.0) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut i32) {
            unsafe { _mm512_storeu_si512(to.cast(), self.0) };
        }
    }
}
