//! Philox 4x32-10: random numbers addressed by a counter (Salmon et al., "Parallel random numbers: as easy as 1, 2,
//! 3", SC 2011). Any engine can make any number at any time, in any order, and make it again in the backward pass.

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Ten rounds of Philox 4x32 on `counter` under `key`.
#[inline]
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(MULTIPLIER[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIER[1]) * u64::from(counter[2]);
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// [`philox4x32`] for `N` counters that differ in their first word only; word w of call number i is `[w][i]`. Made to
/// be compiled into vector instructions.
#[expect(clippy::inline_always, reason = "compiled for the caller's instructions")]
#[expect(clippy::needless_range_loop, reason = "four arrays go side by side")]
#[inline(always)]
pub(crate) fn philox4x32_lanes<const N: usize>(
    first: [u32; N],
    [second, third, fourth]: [u32; 3],
    mut key: [u32; 2],
) -> [[u32; N]; 4] {
    let mut words = [first, [second; N], [third; N], [fourth; N]];
    for _ in 0..10 {
        for i in 0..N {
            let a = u64::from(MULTIPLIER[0]) * u64::from(words[0][i]);
            let b = u64::from(MULTIPLIER[1]) * u64::from(words[2][i]);
            words[0][i] = (b >> 32) as u32 ^ words[1][i] ^ key[0];
            words[1][i] = b as u32;
            words[2][i] = (a >> 32) as u32 ^ words[3][i] ^ key[1];
            words[3][i] = a as u32;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    words
}

/// The key of a run's generator. The constant keeps small seeds apart from other users of Philox.
#[inline]
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, 0x5EED_0001 ^ (seed >> 32) as u32]
}

/// A stream of numbers: counters `[n, n >> 32, stream, 0]` for n = 0, 1, …
#[derive(Debug, Clone)]
pub struct Philox {
    key: [u32; 2],
    stream: u32,
    next: u64,
}

impl Philox {
    /// The stream number `stream` of `seed`. Streams of one seed are independent.
    pub fn new(seed: u64, stream: u32) -> Self {
        Self { key: key(seed), stream, next: 0 }
    }

    /// The next four 32-bit numbers.
    pub fn block(&mut self) -> [u32; 4] {
        let n = self.next;
        self.next += 1;
        philox4x32([n as u32, (n >> 32) as u32, self.stream, 0], self.key)
    }

    /// Two independent standard normal numbers (Box-Muller on 53-bit uniforms).
    pub fn normal_pair(&mut self) -> [f64; 2] {
        let [a, b, c, d] = self.block();
        // In (0, 1]: the logarithm never sees zero.
        let unit = |high: u32, low: u32| {
            (f64::from(high) * 2_097_152.0 + f64::from(low >> 11) + 1.0) / 9_007_199_254_740_992.0
        };
        let radius = (-2.0 * unit(a, b).ln()).sqrt();
        let angle = std::f64::consts::TAU * unit(c, d);
        [radius * angle.cos(), radius * angle.sin()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with the generator (Random123, `kat_vectors`, philox4x32 10).
    #[test]
    fn known_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn lanes_are_single_calls() {
        let first: [u32; 32] = std::array::from_fn(|i| (i as u32).wrapping_mul(0x9E37_79B9));
        let words = philox4x32_lanes(first, [5, 6, 7], [8, 9]);
        for (i, &counter) in first.iter().enumerate() {
            assert_eq!(words.map(|word| word[i]), philox4x32([counter, 5, 6, 7], [8, 9]));
        }
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let mut generator = Philox::new(7, 3);
        let draws: Vec<f64> = (0..50_000).flat_map(|_| generator.normal_pair()).collect();
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / n - mean * mean;
        // Five standard errors: 5/√n and 5·√(2/n).
        assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "variance {variance}");
    }

    #[test]
    fn streams_differ() {
        assert_ne!(Philox::new(1, 0).block(), Philox::new(1, 1).block());
        assert_ne!(Philox::new(1, 0).block(), Philox::new(2, 0).block());
        assert_ne!(Philox::new(1, 0).block(), Philox::new(1 | 1 << 32, 0).block());
    }
}
