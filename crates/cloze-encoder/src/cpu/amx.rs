//! Products of bfloat16 matrices by AMX: tiles of 16 × 16 sums, four of them at a time. Rust's intrinsics for AMX are
//! unstable, hence the assembly.

use super::product::{Onto, Product};
use std::arch::asm;

/// Rows and columns of the sums that one pass over the inner dimension makes.
pub(super) const SIDE: usize = 32;
/// Rows of a tile, and words in one of its rows.
const TILE: usize = 16;

/// A block of [`SIDE`] × [`SIDE`] sums.
#[repr(C, align(64))]
pub(super) struct Block([f32; SIDE * SIDE]);

/// Operands of a block: rows of A `row` words apart, `SIDE` of them; rows of B `SIDE` words apart; both `tiles` tiles
/// deep.
pub(super) struct Operands {
    a: *const f32,
    row: usize,
    b: *const f32,
    tiles: usize,
}

/// What multiplies tiles: the processor, or in tests its definition.
pub(super) trait Tiles {
    /// `sums ← A B`.
    ///
    /// # Safety
    /// The operands are valid for reads, and the processor has what is used.
    unsafe fn multiply(operands: &Operands, sums: &mut Block);
}

/// Computes a product of words laid out in whole tiles.
///
/// # Safety
/// The operands were packed for AMX, C is valid for the product's shape, and the processor has AVX-512 and `T`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn run<T: Tiles>(product: &Product<'_>) {
    let Product { a, b, c, stride, alpha, onto } = *product;
    let (words, panels) = (b.depth, b.columns.div_ceil(SIDE));
    let mut sums = Block([0.0; SIDE * SIDE]);
    for panel in 0..panels {
        let columns = panel * SIDE..((panel + 1) * SIDE).min(b.columns);
        let start = panel * words * SIDE;
        for first in (0..a.rows).step_by(SIDE) {
            let operands = Operands {
                a: a.data[first * words..(first + SIDE) * words].as_ptr(),
                row: words,
                b: b.values()[start..start + words * SIDE].as_ptr(),
                tiles: words / TILE,
            };
            // SAFETY: both sides are as long as the slices above, and the rest is the caller's promise.
            unsafe { T::multiply(&operands, &mut sums) };
            for (row, sums) in (first..a.rows).zip(sums.0.chunks_exact(SIDE)) {
                // SAFETY: the caller's promise.
                let c = unsafe {
                    std::slice::from_raw_parts_mut(c.add(row * stride + columns.start), columns.len())
                };
                match onto {
                    Onto::Zero => c.iter_mut().zip(sums).for_each(|(c, sum)| *c = alpha * sum),
                    Onto::Old => c.iter_mut().zip(sums).for_each(|(c, sum)| *c += alpha * sum),
                    Onto::Bias(bias) => {
                        let sums = sums.iter().zip(&bias[columns.clone()]);
                        c.iter_mut().zip(sums).for_each(|(c, (sum, bias))| *c = alpha * sum + bias);
                    }
                }
            }
        }
    }
}

/// The processor's tiles.
pub(super) struct Hardware;

/// What `ldtilecfg` reads: palette 1, all eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

static CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = TILE as u8;
        tile += 1;
    }
    Configuration(bytes)
};

thread_local! {
    static CONFIGURED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl Tiles for Hardware {
    unsafe fn multiply(operands: &Operands, sums: &mut Block) {
        if !CONFIGURED.replace(true) {
            // SAFETY: the processor has AMX, and the process may use it since `is_present`. The configuration is the
            // thread's own, which nobody else in this program touches.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) };
        }
        let row = 4 * operands.row;
        // SAFETY: tiles of 16 rows of 64 bytes at the operands, whose length is the caller's promise, and at the sums.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "test {n}, {n}",
                "jz 3f",
                "2:",
                "tileloadd tmm4, [{a} + {row}*1]",
                "tileloadd tmm5, [{below} + {row}*1]",
                "tileloadd tmm6, [{b} + {panel}*1]",
                "tileloadd tmm7, [{b} + {panel}*1 + 64]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a}, 64",
                "add {below}, 64",
                "add {b}, {b_step}",
                "dec {n}",
                "jnz 2b",
                "3:",
                "tilestored [{c} + {panel}*1], tmm0",
                "tilestored [{c} + {panel}*1 + 64], tmm1",
                "tilestored [{c} + {panel}*1 + {half}], tmm2",
                "tilestored [{c} + {panel}*1 + {half} + 64], tmm3",
                a = inout(reg) operands.a => _,
                below = inout(reg) operands.a.wrapping_byte_add(TILE * row) => _,
                b = inout(reg) operands.b => _,
                n = inout(reg) operands.tiles => _,
                c = in(reg) sums.0.as_mut_ptr(),
                row = in(reg) row,
                panel = in(reg) 4 * SIDE,
                b_step = const 4 * SIDE * TILE,
                half = const 4 * SIDE * TILE,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

/// Whether the processor has AMX for bfloat16 and the system lets this process use it, which it is asked for.
pub(super) fn is_present() -> bool {
    const BF16_AND_TILES: u32 = 1 << 22 | 1 << 24;
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    features & BF16_AND_TILES == BF16_AND_TILES && permitted()
}

/// Linux gives a process tile registers when asked.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const TILE_DATA: libc::c_int = 18;
    // SAFETY: a system call that takes two numbers; where it is unknown it fails.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::super::bfloat16::Left;
    use super::super::level::Level;
    use super::super::matrix::{Matrix, Packed};
    use super::*;
    use std::io::Write as _;

    /// The definition of `tileloadd` and `tdpbf16ps`, on the operands' bytes.
    struct Emulated;

    impl Tiles for Emulated {
        unsafe fn multiply(operands: &Operands, sums: &mut Block) {
            // SAFETY: the caller's promise.
            let word = |at: *const f32, offset: usize| unsafe { at.add(offset).read() }.to_bits();
            for (place, sum) in sums.0.iter_mut().enumerate() {
                let (i, j) = (place / SIDE, place % SIDE);
                *sum = 0.0;
                for k in 0..operands.tiles * TILE {
                    let (a, b) = (word(operands.a, i * operands.row + k), word(operands.b, k * SIDE + j));
                    for half in [16, 0] {
                        let part = |word: u32| f32::from_bits(word << half & 0xffff_0000);
                        *sum += part(a) * part(b);
                    }
                }
            }
        }
    }

    /// The layout of tiles and the edges of blocks, on any processor that can round; the instructions themselves where
    /// there are any.
    #[test]
    fn tiles_give_the_product_of_the_rounded_factors() {
        if !Level::Avx512Bf16.is_present() {
            let _ = writeln!(std::io::stderr(), "skipped: this processor has no AVX-512 BF16");
            return;
        }
        check::<Emulated>();
        if Level::Amx.is_present() {
            check::<Hardware>();
        } else {
            let _ = writeln!(std::io::stderr(), "AMX itself was not run: this processor has none");
        }
    }

    fn check<T: Tiles>() {
        let values =
            |len: usize, f: f64| -> Vec<f32> { (0..len).map(|i| (i as f64 * f).sin() as f32).collect() };
        for (m, n, k) in [(1, 1, 1), (33, 40, 70), (16, 31, 32), (200, 33, 5), (64, 64, 200), (3, 5, 0)] {
            for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
                let (a, b, bias) = (values(m * k, 0.7), values(k * n, 1.3), values(n, 0.3));
                let left = if ta { Matrix::new(&a, k, m).t() } else { Matrix::new(&a, m, k) };
                let right = if tb { Matrix::new(&b, n, k).t() } else { Matrix::new(&b, k, n) };
                let (mut words, mut packed) = (Left::default(), Packed::default());
                // Over what other matrices left behind.
                for matrix in [Matrix::new(&[f32::NAN; 4096], 64, 64), left] {
                    words.fill(matrix, Level::Amx);
                }
                for matrix in [Matrix::new(&[f32::NAN; 4096], 64, 64), right] {
                    packed.fill(matrix, Level::Amx);
                }
                for onto in [Onto::Zero, Onto::Old, Onto::Bias(&bias)] {
                    let mut c = vec![0.5; m * n];
                    let c_start = c.as_mut_ptr();
                    let product =
                        Product { a: words.words(), b: &packed, c: c_start, stride: n, alpha: 2.0, onto };
                    // SAFETY: packed for AMX above, C is m × n, and the instructions are there.
                    unsafe { run::<T>(&product) };
                    super::super::product::tests::check_rounded((m, n, k), left, right, onto, &c);
                }
            }
        }
    }
}
