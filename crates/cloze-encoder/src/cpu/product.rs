//! Matrix products on one thread. The right side is packed into panels; of the left side, single elements are spread
//! over a vector, so that it may lie in memory in any order. A tile of up to six rows and a panel's columns stays in
//! registers while the inner dimension passes.
#![expect(clippy::inline_always, reason = "must be inlined into what is compiled for the instructions")]

#[cfg(target_arch = "x86_64")]
use super::amx;
use super::bfloat16::Left;
use super::level::Level;
use super::matrix::{Matrix, Packed, fits};
#[cfg(target_arch = "x86_64")]
use super::simd::{Eight, Pairs, Sixteen};
use super::simd::{Four, MOST_BLOCKS, Vector};
use std::cell::RefCell;

/// Rows of a tile.
const ROWS: usize = 6;
/// Part of the inner dimension that passes at once: a panel's share of it stays in the second-level cache.
const DEPTH: usize = 256;

/// What a product is added to.
#[derive(Clone, Copy)]
pub(super) enum Onto<'a> {
    /// Nothing: old values are overwritten.
    Zero,
    /// The destination's old values.
    Old,
    /// These, in every row.
    Bias(&'a [f32]),
}

thread_local! {
    static PACKED: RefCell<Packed> = RefCell::default();
    static LEFT: RefCell<Left> = RefCell::default();
}

/// `C ← onto + alpha · A B` for a row-major C of `a.rows × b.columns` with rows `stride` apart.
pub(super) fn multiply(
    level: Level,
    c: &mut [f32],
    stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
    alpha: f32,
    onto: Onto<'_>,
) {
    PACKED.with_borrow_mut(|packed| {
        packed.fill(b, level);
        multiply_packed(level, c, stride, a, packed, alpha, onto);
    });
}

/// [`multiply`] with a right side that is packed already.
pub(super) fn multiply_packed(
    level: Level,
    c: &mut [f32],
    stride: usize,
    a: Matrix<'_>,
    b: &Packed,
    alpha: f32,
    onto: Onto<'_>,
) {
    assert_eq!(a.columns, b.rows, "inner dimensions");
    assert!(fits(c.len(), a.rows, b.columns, stride), "product beyond its slice");
    assert_eq!(b.panel, level.panel(), "packed for another level");
    if let Onto::Bias(bias) = onto {
        assert_eq!(bias.len(), b.columns, "length of the bias");
    }
    if level.rounds() {
        LEFT.with_borrow_mut(|left| {
            left.fill(a, level);
            run(level, &Product { a: left.words(), b, c: c.as_mut_ptr(), stride, alpha, onto });
        });
    } else {
        run(level, &Product { a, b, c: c.as_mut_ptr(), stride, alpha, onto });
    }
}

/// Computes a product whose shapes have been checked.
fn run(level: Level, product: &Product<'_>) {
    // SAFETY: the level says which instructions there are; `fits` holds for A (checked where the view was made) and C,
    // which is borrowed mutably and so overlaps neither A nor B.
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Amx => unsafe { amx::run::<amx::Hardware>(product) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx512Bf16 => unsafe { avx512_bf16(product) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(product) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(product) },
        _ => unsafe { product.run::<Four>() },
    }
}

/// # Safety
/// C is valid for the product's shape.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn avx512_bf16(product: &Product<'_>) {
    // SAFETY: the caller's promise.
    unsafe { product.run::<Pairs>() };
}

/// # Safety
/// C is valid for the product's shape.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(product: &Product<'_>) {
    // SAFETY: the caller's promise.
    unsafe { product.run::<Sixteen>() };
}

/// # Safety
/// C is valid for the product's shape.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(product: &Product<'_>) {
    // SAFETY: the caller's promise.
    unsafe { product.run::<Eight>() };
}

/// A product with its operands as the kernels take them: where the level rounds, the elements of A and B are words of two
/// neighbours in the inner dimension.
pub(super) struct Product<'a> {
    pub(super) a: Matrix<'a>,
    pub(super) b: &'a Packed,
    pub(super) c: *mut f32,
    pub(super) stride: usize,
    pub(super) alpha: f32,
    pub(super) onto: Onto<'a>,
}

/// One call of the kernel: where its operands begin.
#[derive(Clone, Copy)]
struct Tile {
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    /// Part of the inner dimension.
    depth: usize,
    /// Its first columns' bias, or null.
    bias: *const f32,
    /// Whether C's old values count.
    old: bool,
    /// Columns of C in the tile.
    columns: usize,
}

impl Product<'_> {
    /// # Safety
    /// The processor has the instructions of `V`; C is valid for the product's shape.
    #[inline(always)]
    unsafe fn run<V: Vector>(&self) {
        let (depth, panel) = (self.a.columns, self.b.panel);
        let mut from = 0;
        // An empty inner dimension still sets C.
        loop {
            for number in 0..self.b.columns.div_ceil(panel) {
                let columns = panel.min(self.b.columns - number * panel);
                // SAFETY: the caller's promise, for a part of the product.
                unsafe { self.part::<V>(from, DEPTH.min(depth - from), number, columns) };
            }
            from += DEPTH;
            if from >= depth {
                break;
            }
        }
    }

    /// A panel's part of the product.
    #[inline(always)]
    unsafe fn part<V: Vector>(&self, from: usize, depth: usize, number: usize, columns: usize) {
        let first = number * self.b.panel;
        let bias = match self.onto {
            Onto::Bias(bias) if from == 0 => bias[first..].as_ptr(),
            _ => std::ptr::null(),
        };
        // SAFETY: the caller's promise; a panel has `b.depth` rows of its width.
        unsafe {
            let tile = Tile {
                a: self.a.data.as_ptr().wrapping_add(from * self.a.column_stride),
                b: self.b.values().as_ptr().wrapping_add((number * self.b.depth + from) * self.b.panel),
                c: self.c.wrapping_add(first),
                depth,
                bias,
                old: from > 0 || matches!(self.onto, Onto::Old),
                columns,
            };
            match columns.div_ceil(V::LANES) {
                1 => self.rows::<V, 1>(tile),
                2 => self.rows::<V, 2>(tile),
                3 if V::BLOCKS >= 3 => self.rows::<V, 3>(tile),
                _ if V::BLOCKS >= MOST_BLOCKS => self.rows::<V, MOST_BLOCKS>(tile),
                _ => unreachable!("a panel is as wide as a tile"),
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<V: Vector, const N: usize>(&self, mut tile: Tile) {
        let mut left = self.a.rows;
        // SAFETY: the caller's promise.
        unsafe {
            while left >= ROWS {
                self.tile::<V, ROWS, N>(tile);
                tile.a = tile.a.wrapping_add(ROWS * self.a.row_stride);
                tile.c = tile.c.wrapping_add(ROWS * self.stride);
                left -= ROWS;
            }
            match left {
                1 => self.tile::<V, 1, N>(tile),
                2 => self.tile::<V, 2, N>(tile),
                3 => self.tile::<V, 3, N>(tile),
                4 => self.tile::<V, 4, N>(tile),
                5 => self.tile::<V, 5, N>(tile),
                _ => {}
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Vector, const M: usize, const N: usize>(&self, tile: Tile) {
        let (row_stride, column_stride, panel) = (self.a.row_stride, self.a.column_stride, self.b.panel);
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [[V::splat(0.0); N]; M];
            let (mut a, mut b) = (tile.a, tile.b);
            for _ in 0..tile.depth {
                let mut columns = [V::splat(0.0); N];
                for (j, column) in columns.iter_mut().enumerate() {
                    *column = V::load(b.add(j * V::LANES));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*a.add(i * row_stride));
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = value.accumulate(column, *sum);
                    }
                }
                a = a.wrapping_add(column_stride);
                b = b.wrapping_add(panel);
            }
            let alpha = V::splat(self.alpha);
            for (i, sums) in sums.into_iter().enumerate() {
                for (j, sum) in sums.into_iter().enumerate() {
                    let (at, column) = (tile.c.add(i * self.stride + j * V::LANES), j * V::LANES);
                    let here = tile.columns - column;
                    if here >= V::LANES {
                        let onto = if tile.old {
                            V::load(at)
                        } else if tile.bias.is_null() {
                            V::splat(0.0)
                        } else {
                            V::load(tile.bias.add(column))
                        };
                        sum.multiply_add(alpha, onto).store(at);
                    } else {
                        let onto = if tile.old {
                            V::load_part(at, here)
                        } else if tile.bias.is_null() {
                            V::splat(0.0)
                        } else {
                            V::load_part(tile.bias.add(column), here)
                        };
                        sum.multiply_add(alpha, onto).store_part(at, here);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::bfloat16::plain::round;
    use super::*;

    fn wave(len: usize, f: f64) -> Vec<f32> {
        (0..len).map(|i| (i as f64 * f).sin() as f32).collect()
    }

    /// Every transposition, level, kind of destination, and shapes around the sizes of tiles, panels and chunks.
    #[test]
    fn products_agree_with_the_definition() {
        let shapes = [
            (1, 1, 1),
            (5, 7, 3),
            (6, 64, 64),
            (13, 65, 257),
            (7, 200, 32),
            (3, 17, 300),
            (12, 31, 1),
            (4, 5, 0),
        ];
        for level in Level::present() {
            for ((m, n, k), (ta, tb)) in shapes.into_iter().flat_map(|shape| {
                [(false, false), (true, false), (false, true), (true, true)].map(|t| (shape, t))
            }) {
                let (a, b, bias) = (wave(m * k, 0.7), wave(k * n, 1.3), wave(n, 0.3));
                let left = if ta { Matrix::new(&a, k, m).t() } else { Matrix::new(&a, m, k) };
                let right = if tb { Matrix::new(&b, n, k).t() } else { Matrix::new(&b, k, n) };
                for onto in [Onto::Zero, Onto::Old, Onto::Bias(&bias)] {
                    check(level, (m, n, k), left, right, onto);
                }
            }
        }
    }

    fn check(level: Level, (m, n, k): (usize, usize, usize), a: Matrix<'_>, b: Matrix<'_>, onto: Onto<'_>) {
        let (stride, old) = (n + 2, 0.5);
        let mut c = vec![old; m * stride];
        multiply(level, &mut c, stride, a, b, 2.0, onto);
        for row in c.chunks_exact(stride) {
            assert_eq!(row[n..], [old; 2], "{level} wrote beside {m}×{n}×{k}");
        }
        let c: Vec<f32> = c.chunks_exact(stride).flat_map(|row| &row[..n]).copied().collect();
        if level.rounds() {
            check_rounded((m, n, k), a, b, onto, &c);
        } else {
            check_values((m, n, k), a, b, onto, &c, f64::from);
        }
    }

    /// C against the product of the factors as bfloat16 holds them.
    pub(in super::super) fn check_rounded(
        shape: (usize, usize, usize),
        a: Matrix<'_>,
        b: Matrix<'_>,
        onto: Onto<'_>,
        c: &[f32],
    ) {
        check_values(shape, a, b, onto, c, |value| f64::from(f32::from_bits(round(value) << 16)));
    }

    fn check_values(
        (m, n, k): (usize, usize, usize),
        a: Matrix<'_>,
        b: Matrix<'_>,
        onto: Onto<'_>,
        c: &[f32],
        held: impl Fn(f32) -> f64,
    ) {
        let at =
            |matrix: Matrix<'_>, i, j| held(matrix.data[i * matrix.row_stride + j * matrix.column_stride]);
        for i in 0..m {
            for j in 0..n {
                let product: f64 = (0..k).map(|l| at(a, i, l) * at(b, l, j)).sum();
                let start = match onto {
                    Onto::Zero => 0.0,
                    Onto::Old => 0.5,
                    Onto::Bias(bias) => f64::from(bias[j]),
                };
                let error = (f64::from(c[i * n + j]) - (start + 2.0 * product)).abs();
                assert!(error < 1e-6 * (k + 1) as f64, "{m}×{n}×{k} ({i}, {j}): {error:.1e}");
            }
        }
    }
}
