//! The head: generalized matrix factorization of a user's and an item's profile (He et al. 2017), with an optional
//! linear map on either.
//!
//! `s(p, q) = w · (p̂ ∗ q̂) + b`, `r = σ(s)`, with `p̂ = P p + a`, `q̂ = Q q + c`, or p̂ = p and q̂ = q. Because
//! `w · (p̂ ∗ q̂) = (w ∗ p̂) · q̂`, one matrix product ranks the whole catalogue.

use rayon::prelude::*;
use std::ops::Range;

/// Parameters in one flat buffer: w, b, then P, a, Q, c where there are maps. Maps are `[width, width]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    width: usize,
    projects: bool,
    values: Vec<f32>,
}

/// One user's profile with an item that the user has and items that the user has not.
pub(crate) struct Example<'a> {
    pub(crate) profile: &'a [f32],
    /// The positive first.
    pub(crate) items: &'a [u32],
}

impl Head {
    /// The head before training: w = 1/width, so that s starts as a mean of products; maps are the identity.
    pub(crate) fn new(width: usize, projects: bool) -> Self {
        let mut head = Self { width, projects, values: vec![0.0; Self::len(width, projects)] };
        head.values[..width].fill(1.0 / width as f32);
        if projects {
            for start in [head.user_map(), head.item_map()] {
                (0..width).for_each(|i| head.values[start + i * width + i] = 1.0);
            }
        }
        head
    }

    /// A head around stored values; `None` if they are not as many as there must be.
    pub(crate) fn from_values(width: usize, projects: bool, values: Vec<f32>) -> Option<Self> {
        (values.len() == Self::len(width, projects)).then_some(Self { width, projects, values })
    }

    /// Number of parameters.
    pub(crate) fn len(width: usize, projects: bool) -> usize {
        width + 1 + if projects { 2 * (width * width + width) } else { 0 }
    }

    /// Width of a profile.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    fn user_map(&self) -> usize {
        self.width + 1
    }

    fn item_map(&self) -> usize {
        self.user_map() + self.width * self.width + self.width
    }

    fn map(&self, start: usize, x: &[f32]) -> Vec<f32> {
        if !self.projects {
            return x.to_vec();
        }
        let n = self.width;
        let (matrix, bias) = self.values[start..start + n * n + n].split_at(n * n);
        matrix.chunks_exact(n).zip(bias).map(|(row, b)| dot(row, x) + b).collect()
    }

    /// Item profiles as the head sees them, q̂: `[items, width]`.
    pub(crate) fn map_items(&self, profiles: &[f32]) -> Vec<f32> {
        let start = self.item_map();
        profiles.par_chunks(self.width).flat_map_iter(|q| self.map(start, q)).collect()
    }

    /// Scores s of all items for each user profile, `[users, items]`: one matrix product with the mapped items.
    pub(crate) fn rank(&self, profiles: &[f32], mapped_items: &[f32], scores: &mut [f32]) {
        let items = mapped_items.len() / self.width;
        let rows = scores.par_chunks_mut(items).zip(profiles.par_chunks(self.width));
        rows.for_each(|(row, p)| {
            let (weighted, b) = self.query(p);
            let columns = mapped_items.chunks_exact(self.width);
            row.iter_mut().zip(columns).for_each(|(score, q)| *score = dot(&weighted, q) + b);
        });
    }

    /// [`Head::rank`] of some of the profiles.
    pub(crate) fn rank_some(
        &self,
        profiles: &[f32],
        places: Range<usize>,
        mapped_items: &[f32],
        scores: &mut [f32],
    ) {
        self.rank(&profiles[places.start * self.width..places.end * self.width], mapped_items, scores);
    }

    /// What a user profile asks of mapped items: `w ∗ p̂` and b, so that `s = (w ∗ p̂) · q̂ + b`.
    pub(crate) fn query(&self, profile: &[f32]) -> (Vec<f32>, f32) {
        let w = &self.values[..self.width];
        (self.map_user(profile).iter().zip(w).map(|(p, w)| p * w).collect(), self.values[self.width])
    }

    /// Mean log loss `−ln r` of positives and `−ln (1 − r)` of negatives, and its gradient added to `gradient`.
    pub(crate) fn loss(&self, examples: &[Example<'_>], profiles: &[f32], gradient: &mut [f32]) -> f64 {
        let n = self.width;
        let pairs: usize = examples.iter().map(|example| example.items.len()).sum();
        let (w, b) = (&self.values[..n], self.values[n]);
        let mut loss = 0.0;
        for example in examples {
            let p = self.map_user(example.profile);
            let mut dp = vec![0.0; n];
            for (number, &item) in example.items.iter().enumerate() {
                let raw = &profiles[item as usize * n..(item as usize + 1) * n];
                let q = self.map(self.item_map(), raw);
                let s = (0..n).map(|k| w[k] * p[k] * q[k]).sum::<f32>() + b;
                let label = if number == 0 { 1.0 } else { 0.0 };
                // −ln σ(s) for a positive, −ln σ(−s) for a negative, without overflow.
                let z = f64::from(if number == 0 { -s } else { s });
                loss += z.max(0.0) + (-z.abs()).exp().ln_1p();
                let ds = (1.0 / (1.0 + (-s).exp()) - label) / pairs as f32;
                gradient[n] += ds;
                let mut dq = vec![0.0; n];
                for k in 0..n {
                    gradient[k] += ds * p[k] * q[k];
                    dp[k] += ds * w[k] * q[k];
                    dq[k] = ds * w[k] * p[k];
                }
                self.item_map_gradient(&dq, raw, gradient);
            }
            self.user_map_gradient(&dp, example.profile, gradient);
        }
        loss / pairs as f64
    }

    /// A user's profile as the head sees it, p̂.
    pub(super) fn map_user(&self, profile: &[f32]) -> Vec<f32> {
        self.map(self.user_map(), profile)
    }

    /// Adds the gradient of the users' map where p̂ has the gradient `upstream`.
    pub(super) fn user_map_gradient(&self, upstream: &[f32], profile: &[f32], gradient: &mut [f32]) {
        self.map_gradient(self.user_map(), upstream, profile, gradient);
    }

    /// The same of the items' map.
    pub(super) fn item_map_gradient(&self, upstream: &[f32], profile: &[f32], gradient: &mut [f32]) {
        self.map_gradient(self.item_map(), upstream, profile, gradient);
    }

    /// Gradients of raw user profiles, `[rows, width]`, where p̂ has the gradients `upstream`.
    pub(super) fn user_profile_gradient(&self, upstream: &[f32]) -> Vec<f32> {
        self.input_gradient(self.user_map(), upstream)
    }

    /// The same of item profiles.
    pub(super) fn item_profile_gradient(&self, upstream: &[f32]) -> Vec<f32> {
        self.input_gradient(self.item_map(), upstream)
    }

    /// `Mᵀ d` for each row d.
    fn input_gradient(&self, start: usize, upstream: &[f32]) -> Vec<f32> {
        if !self.projects {
            return upstream.to_vec();
        }
        let n = self.width;
        let matrix = &self.values[start..start + n * n];
        let mut all = vec![0.0; upstream.len()];
        all.par_chunks_exact_mut(n).zip(upstream.par_chunks_exact(n)).for_each(|(out, d)| {
            for (row, &d) in matrix.chunks_exact(n).zip(d) {
                out.iter_mut().zip(row).for_each(|(out, m)| *out += d * m);
            }
        });
        all
    }

    /// Gradient of `M x + m` with respect to M and m.
    fn map_gradient(&self, start: usize, upstream: &[f32], x: &[f32], gradient: &mut [f32]) {
        if !self.projects {
            return;
        }
        let n = self.width;
        let (matrix, bias) = gradient[start..start + n * n + n].split_at_mut(n * n);
        for ((row, b), &d) in matrix.chunks_exact_mut(n).zip(bias).zip(upstream) {
            *b += d;
            row.iter_mut().zip(x).for_each(|(g, x)| *g += d * x);
        }
    }
}

/// Eight sums side by side: the compiler turns them into vector instructions.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, rest_a) = a.as_chunks::<8>();
    let (b, rest_b) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        (0..8).for_each(|i| sums[i] += a[i] * b[i]);
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn wave(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.7 + phase).sin()).collect()
    }

    fn examples<'a>(profiles: &'a [f32], items: &'a [[u32; 3]]) -> Vec<Example<'a>> {
        profiles.chunks(5).zip(items).map(|(profile, items)| Example { profile, items }).collect()
    }

    #[test]
    fn gradient_agrees_with_finite_differences() {
        for projects in [false, true] {
            let mut head = Head::new(5, projects);
            let drawn = wave(head.values.len(), 0.3);
            head.values.iter_mut().zip(drawn).for_each(|(value, x)| *value += 0.5 * x);
            let (users, profiles, items) = (wave(10, 1.0), wave(20, 2.0), [[0, 1, 2], [3, 0, 1]]);
            let examples = examples(&users, &items);
            let mut gradient = vec![0.0; head.values.len()];
            head.loss(&examples, &profiles, &mut gradient);
            let mut unused = gradient.clone();
            let (mut error, mut size) = (0.0, 0.0);
            for (i, &found) in gradient.iter().enumerate() {
                let step = 1.0 / 128.0;
                let start = head.values[i];
                let mut at = |x| {
                    head.values[i] = x;
                    head.loss(&examples, &profiles, &mut unused)
                };
                let difference = (at(start + step) - at(start - step)) / (2.0 * f64::from(step));
                head.values[i] = start;
                error += (difference - f64::from(found)).powi(2);
                size += difference.powi(2);
            }
            // Second-order differences of a single-precision forward pass.
            assert!((error / size).sqrt() < 1e-4, "{}", (error / size).sqrt());
            assert!(gradient.iter().all(|g| *g != 0.0), "every parameter gets a gradient");
        }
    }

    #[test]
    fn ranking_by_one_product_equals_the_formula() {
        let mut head = Head::new(5, true);
        let drawn = wave(head.values.len(), 0.9);
        head.values.iter_mut().zip(drawn).for_each(|(value, x)| *value += x);
        let (users, items) = (wave(10, 1.0), wave(20, 2.0));
        let mut scores = vec![0.0; 8];
        head.rank(&users, &head.map_items(&items), &mut scores);
        for (u, p) in users.chunks(5).enumerate() {
            for (v, q) in items.chunks(5).enumerate() {
                let (p, q) = (head.map(head.user_map(), p), head.map(head.item_map(), q));
                let s = (0..5).map(|k| head.values[k] * p[k] * q[k]).sum::<f32>() + head.values[5];
                assert!((scores[u * 4 + v] - s).abs() < 1e-5);
            }
        }
    }
}
