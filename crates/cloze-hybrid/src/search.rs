//! The best items of a catalogue by inner product, exactly, without reading most of the catalogue.
//!
//! Every vector q is kept twice: as it is, and as bytes c with a scale, `q ≈ scale · c`. The bytes are a quarter of the
//! memory to read, and give for each item a number that its score cannot exceed. Only an item whose number exceeds the
//! k-th best score so far is scored from q itself, by the same sum as a whole ranking: of a million items some hundreds.

use crate::product::dot;
use rayon::prelude::*;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Items whose bounds are computed together.
const BLOCK: usize = 256;
/// Items that are worth a thread.
const FOR_A_THREAD: usize = 1 << 15;
/// Largest byte.
const LEVELS: f32 = 127.0;
/// Half of the distance from 1 to the next float.
const ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
/// What stored bounds are raised by, so that rounding them, and what is computed with them, lowers none.
const RAISED: f64 = 1.0 + 1e-5;

/// Vectors of all items, ready to be searched.
#[derive(Debug, Clone)]
pub struct ItemSearch {
    width: usize,
    /// `[items, width]`.
    vectors: Vec<f32>,
    /// The same in bytes.
    codes: Vec<i8>,
    /// What each item's bytes are worth.
    worth: Vec<Worth>,
}

/// A vector's scale, and a bound of what its bytes leave out: `‖q − scale · c‖ ≤ residual`, `|q_i| ≤ 127 · scale`.
#[derive(Debug, Clone, Copy)]
struct Worth {
    scale: f32,
    residual: f32,
}

/// A query in 16-bit steps, with the two factors of its bound.
struct Coarse {
    steps: Vec<i16>,
    /// What a step is worth.
    scale: f32,
    /// Times an item's residual.
    of_residual: f32,
    /// Times an item's scale: what the query's own steps leave out, and the rounding of either sum.
    of_scale: f32,
}

/// An item and its score; the greater one is recommended first: the higher score, then the smaller number.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    item: u32,
    score: f32,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.item.cmp(&self.item))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

impl ItemSearch {
    /// Vectors `[items, width]`; what is left over of the last one is dropped.
    pub fn new(mut vectors: Vec<f32>, width: usize) -> Self {
        let width = width.max(1);
        vectors.truncate(vectors.len() / width * width);
        let mut codes = vec![0; vectors.len()];
        let worth = vectors.par_chunks_exact(width).zip(codes.par_chunks_exact_mut(width));
        let worth = worth.map(|(vector, codes)| Worth::encode(vector, codes)).collect();
        Self { width, vectors, codes, worth }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.worth.len()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.worth.is_empty()
    }

    /// Puts another vector in an item's place.
    ///
    /// # Panics
    /// If there is no such item, or the vector has another width.
    pub fn replace(&mut self, item: u32, vector: &[f32]) {
        let place = item as usize * self.width..(item as usize + 1) * self.width;
        self.worth[item as usize] = Worth::encode(vector, &mut self.codes[place.clone()]);
        self.vectors[place].copy_from_slice(vector);
    }

    /// The `k` best items by `query · q + bias` that are not `excluded`, best first, equal scores in the order of items: the
    /// items and the bits of a ranking of all items.
    ///
    /// # Panics
    /// If the query has another width than the items.
    pub fn top(&self, query: &[f32], bias: f32, k: usize, excluded: &[u32]) -> Vec<(u32, f32)> {
        assert_eq!(query.len(), self.width, "the query's width");
        if k == 0 || self.is_empty() {
            return Vec::new();
        }
        let mut excluded = excluded.to_vec();
        excluded.sort_unstable();
        let coarse = Coarse::of(query);
        let asked = Asked { query, bias, k, excluded: &excluded, coarse: &coarse };
        let threads = rayon::current_num_threads().min(self.len().div_ceil(FOR_A_THREAD));
        let share = self.len().div_ceil(threads);
        let mut best = if threads == 1 {
            self.scan(&asked, 0..self.len())
        } else {
            let part = |at: usize| self.scan(&asked, at * share..((at + 1) * share).min(self.len()));
            (0..threads).into_par_iter().flat_map_iter(part).collect()
        };
        best.sort_unstable_by_key(|&candidate| Reverse(candidate));
        best.truncate(k);
        best.into_iter().map(|Candidate { item, score }| (item, score)).collect()
    }

    /// The best of a range of items, in no order.
    fn scan(&self, asked: &Asked<'_>, range: std::ops::Range<usize>) -> Vec<Candidate> {
        // The least of the best on top.
        let mut best = BinaryHeap::with_capacity(asked.k.min(range.len()) + 1);
        let mut bounds = [0.0; BLOCK];
        for start in range.clone().step_by(BLOCK) {
            let block = start..(start + BLOCK).min(range.end);
            let bounds = &mut bounds[..block.len()];
            self.bounds(asked.coarse, block.clone(), bounds);
            for (item, bound) in block.zip(bounds) {
                let least = best.peek().filter(|_| best.len() == asked.k);
                // Later items lose against equal ones. A bound that is no number excludes nothing.
                if least.is_some_and(|&Reverse(Candidate { score, .. })| *bound + asked.bias <= score) {
                    continue;
                }
                if asked.excluded.binary_search(&(item as u32)).is_ok() {
                    continue;
                }
                let vector = &self.vectors[item * self.width..(item + 1) * self.width];
                let score = dot(asked.query, vector) + asked.bias;
                best.push(Reverse(Candidate { item: item as u32, score }));
                if best.len() > asked.k {
                    best.pop();
                }
            }
        }
        best.into_iter().map(|Reverse(candidate)| candidate).collect()
    }

    /// What the products of a block's items with the query cannot exceed.
    fn bounds(&self, query: &Coarse, block: std::ops::Range<usize>, bounds: &mut [f32]) {
        let codes = self.codes[block.start * self.width..block.end * self.width].chunks_exact(self.width);
        for ((bound, codes), worth) in bounds.iter_mut().zip(codes).zip(&self.worth[block]) {
            let product = products(&query.steps, codes) as f32 * (query.scale * worth.scale);
            let left_out = query.of_residual * worth.residual + query.of_scale * worth.scale;
            // The last term stands for products too small for a float.
            *bound = product + left_out + f32::MIN_POSITIVE;
        }
    }
}

/// What a search asks for.
struct Asked<'a> {
    query: &'a [f32],
    bias: f32,
    k: usize,
    /// In order.
    excluded: &'a [u32],
    coarse: &'a Coarse,
}

impl Worth {
    fn encode(vector: &[f32], codes: &mut [i8]) -> Self {
        let largest = vector.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        if largest == 0.0 && vector.iter().all(|x| *x == 0.0) {
            codes.fill(0);
            return Self { scale: 0.0, residual: 0.0 };
        }
        let scale = (largest / LEVELS).next_up();
        let mut residual = 0.0;
        for (code, &x) in codes.iter_mut().zip(vector) {
            *code = (x / scale).round().clamp(-LEVELS, LEVELS) as i8;
            residual += (f64::from(x) - f64::from(scale) * f64::from(*code)).powi(2);
        }
        Self { scale, residual: ((residual.sqrt() * RAISED) as f32).next_up() }
    }
}

impl Coarse {
    /// With x the query, x̃ its steps, q an item and q̃ its bytes:
    /// `x · q = x̃ · q̃ + x̃ · (q − q̃) + (x − x̃) · q ≤ x̃ · q̃ + ‖x̃‖ ‖q − q̃‖ + ‖x − x̃‖ ‖q‖`, where `‖q‖ ≤ 127 √n · scale`; a sum
    /// of n products in floats is off by less than `(n + 1) u ‖x‖ ‖q‖`, and the bound itself by a few u more.
    fn of(query: &[f32]) -> Self {
        let n = query.len();
        // So that n products of a step and a byte fit 32 bits.
        let levels = f64::from(i16::MAX).min(f64::from(i32::MAX) / (f64::from(LEVELS) * n as f64)).floor();
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
        let largest = query.iter().fold(0.0f64, |largest, &x| largest.max(f64::from(x).abs()));
        let scale = ((largest / levels) as f32).next_up();
        let step = |x: f32| (f64::from(x) / f64::from(scale)).round().clamp(-levels, levels) as i16;
        let steps: Vec<i16> = query.iter().map(|&x| step(x)).collect();
        let of_steps = || steps.iter().map(|&step| f64::from(step) * f64::from(scale));
        let whole = norm(&mut query.iter().map(|&x| f64::from(x)));
        let lost = norm(&mut query.iter().zip(of_steps()).map(|(&x, step)| f64::from(x) - step));
        let rounding = 2.0 * (n as f64 + 32.0) * ROUNDOFF * whole;
        let reach = f64::from(LEVELS) * (n as f64).sqrt();
        let of_residual = ((norm(&mut of_steps()) * RAISED) as f32).next_up();
        let of_scale = (((lost + rounding) * reach * RAISED) as f32).next_up();
        Self { steps, scale, of_residual, of_scale }
    }
}

/// The inner product of steps and bytes, exactly. Compilers make multiply-adds of pairs of it, which every x86-64 and ARM64
/// processor has, so that it needs no instructions beyond those a build may take for granted.
fn products(steps: &[i16], codes: &[i8]) -> i32 {
    let (steps, rest_of_steps) = steps.as_chunks::<32>();
    let (codes, rest_of_codes) = codes.as_chunks::<32>();
    let whole: i32 = steps.iter().zip(codes).map(|(steps, codes)| few_products(steps, codes)).sum();
    whole + few_products(rest_of_steps, rest_of_codes)
}

#[inline]
fn few_products(steps: &[i16], codes: &[i8]) -> i32 {
    steps.iter().zip(codes).map(|(&step, &code)| i32::from(step) * i32::from(code)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    /// A ranking of everything, sorted.
    fn naive(vectors: &[f32], query: &[f32], bias: f32, k: usize, excluded: &[u32]) -> Vec<(u32, u32)> {
        let mut all: Vec<(u32, f32)> = (0..)
            .zip(vectors.chunks_exact(query.len()))
            .map(|(item, vector)| (item, dot(query, vector) + bias))
            .filter(|(item, _)| !excluded.contains(item))
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.into_iter().take(k).map(|(item, score)| (item, score.to_bits())).collect()
    }

    fn bits(found: Vec<(u32, f32)>) -> Vec<(u32, u32)> {
        found.into_iter().map(|(item, score)| (item, score.to_bits())).collect()
    }

    proptest! {
        /// Vectors of few distinct values tie often; magnitudes go from denormal to where sums overflow.
        #[test]
        fn a_search_is_a_ranking_of_everything(
            seed: u64, width in 1..70usize, items in 0..900usize, k in 0..40usize, coarse: bool,
            exponent in -44..37i32, bias in -2.0f32..2.0,
        ) {
            let mut generator = ChaCha8Rng::seed_from_u64(seed);
            let magnitude = 10f32.powi(exponent);
            let mut draw = |n: usize, magnitude: f32| -> Vec<f32> {
                (0..n).map(|_| {
                    let x: f32 = generator.random_range(-1.0..1.0);
                    (if coarse { x.round() } else { x * x * x }) * magnitude
                }).collect()
            };
            let (vectors, query) = (draw(items * width, magnitude), draw(width, 1.0));
            let excluded: Vec<u32> = (0..items as u32).filter(|item| item % 7 == 3).rev().collect();
            let search = ItemSearch::new(vectors.clone(), width);
            let found = bits(search.top(&query, bias, k, &excluded));
            prop_assert_eq!(found, naive(&vectors, &query, bias, k, &excluded));
        }
    }

    #[test]
    fn threads_share_a_large_catalogue_and_ties_go_to_the_smaller_number() {
        let (width, items) = (3, 3 * FOR_A_THREAD + 5);
        let vectors: Vec<f32> = (0..items * width).map(|i| ((i * i) % 11) as f32 - 5.0).collect();
        let query = [1.0, -0.5, 0.25];
        let found = bits(ItemSearch::new(vectors.clone(), width).top(&query, 0.5, 20, &[0, 2]));
        assert_eq!(found, naive(&vectors, &query, 0.5, 20, &[0, 2]));
    }

    #[test]
    fn a_replaced_item_is_found_by_its_new_vector() {
        let mut search = ItemSearch::new(vec![1.0, 0.0, 0.0, 1.0, 0.5, 0.5], 2);
        assert_eq!(search.top(&[1.0, 0.0], 0.0, 1, &[]), [(0, 1.0)]);
        search.replace(1, &[4.0, 0.0]);
        assert_eq!(search.top(&[1.0, 0.0], 0.0, 1, &[]), [(1, 4.0)]);
    }

    #[test]
    fn few_items_are_scored_from_their_vectors() {
        // The bounds of random vectors are tight: otherwise a search would be right, and slow.
        let (width, items) = (64, 20_000);
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let vectors: Vec<f32> = (0..items * width).map(|_| generator.random_range(-1.0..1.0)).collect();
        let query: Vec<f32> = vectors[..width].to_vec();
        let search = ItemSearch::new(vectors, width);
        let tenth = search.top(&query, 0.0, 10, &[])[9].1;
        let mut bounds = vec![0.0; items];
        search.bounds(&Coarse::of(&query), 0..items, &mut bounds);
        let candidates = bounds.iter().filter(|bound| **bound > tenth).count();
        assert!((10..40).contains(&candidates), "{candidates} candidates for 10 places");
    }
}
