//! The weights of a sum of scores, by maximum likelihood.

use cloze_encoder::cpu::exponentials;
use faer::linalg::solvers::Solve as _;
use faer::{Col, Mat, Side};

/// Penalty of the squared norm of the weights, in nats a case: a score that is the same for all items has some weight too.
const RIDGE: f64 = 1e-6;
/// The search ends where a step would gain fewer nats a case.
const GAIN: f64 = 1e-6;
/// A weight moves no further in a step: where the softmax is all but certain, the parabola is flat and its minimum far away.
const LONGEST: f64 = 10.0;
/// By how much a step may be longer after one of that length that was a gain: weights of small scores are hundreds.
const LONGER: f64 = 4.0;
/// Looks at the data that the search takes at most: it needs four to nine, the more the larger the weights.
pub(super) const LOOKS: usize = 12;

/// Mean over cases of `−ln softmax(Σ w_k f_k)[target]` and half the ridge, with its derivatives at w: the conditional logit of
/// `McFadden` (1974), convex in w.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Likelihood {
    pub(super) loss: f64,
    gradient: Vec<f64>,
    /// `[weights, weights]`.
    hessian: Vec<f64>,
}

impl Likelihood {
    pub(super) fn zero(weights: usize) -> Self {
        Self { loss: 0.0, gradient: vec![0.0; weights], hessian: vec![0.0; weights * weights] }
    }

    /// A case: one of the items was taken.
    ///
    /// `features` is `[weights, items]`; `seen` are items that could not be taken, unless the target is one of them.
    pub(super) fn of(features: &[f32], weights: &[f64], seen: &[u32], target: u32) -> Self {
        let (count, items) = (weights.len(), features.len() / weights.len());
        let mut scores = vec![0.0_f32; items];
        for (row, &weight) in features.chunks_exact(items).zip(weights) {
            scores.iter_mut().zip(row).for_each(|(score, feature)| *score += weight as f32 * feature);
        }
        let target = target as usize;
        let taken = scores[target];
        for &item in seen {
            scores[item as usize] = f32::NEG_INFINITY;
        }
        scores[target] = taken;
        let (highest, sum) = exponentials(&mut scores);
        let mut this = Self::zero(count);
        this.loss = f64::from(highest) + f64::from(sum).ln() - f64::from(taken);
        let probabilities = || scores.iter().map(|score| f64::from(*score) / f64::from(sum));
        let row = |k: usize| &features[k * items..(k + 1) * items];
        let mean = |k: usize| probabilities().zip(row(k)).map(|(p, f)| p * f64::from(*f)).sum::<f64>();
        let means: Vec<f64> = (0..count).map(mean).collect();
        for a in 0..count {
            this.gradient[a] = means[a] - f64::from(row(a)[target]);
            for b in 0..=a {
                // Centred first: the difference of two large sums would lose what is asked for.
                let pairs = row(a).iter().zip(row(b));
                let centred = |(x, y): (&f32, &f32)| (f64::from(*x) - means[a]) * (f64::from(*y) - means[b]);
                let covariance: f64 = probabilities().zip(pairs).map(|(p, pair)| p * centred(pair)).sum();
                this.hessian[a * count + b] = covariance;
                this.hessian[b * count + a] = covariance;
            }
        }
        this
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.gradient.iter_mut().zip(&other.gradient).for_each(|(sum, value)| *sum += value);
        self.hessian.iter_mut().zip(&other.hessian).for_each(|(sum, value)| *sum += value);
    }

    /// The mean of a sum over `cases`, with the ridge.
    pub(super) fn mean(mut self, cases: usize, weights: &[f64]) -> Self {
        let count = weights.len();
        let share = 1.0 / cases as f64;
        let sums = self.gradient.iter_mut().chain(&mut self.hessian).chain([&mut self.loss]);
        sums.for_each(|sum| *sum *= share);
        for (k, weight) in weights.iter().enumerate() {
            self.loss += 0.5 * RIDGE * weight * weight;
            self.gradient[k] += RIDGE * weight;
            self.hessian[k * count + k] += RIDGE;
        }
        self
    }

    /// The same where some weights stay as they are: as if nothing depended on them.
    fn along(mut self, free: &[bool]) -> Self {
        let count = free.len();
        for fixed in (0..count).filter(|&k| !free[k]) {
            self.gradient[fixed] = 0.0;
            for k in 0..count {
                let one = if k == fixed { 1.0 } else { 0.0 };
                self.hessian[fixed * count + k] = one;
                self.hessian[k * count + fixed] = one;
            }
        }
        self
    }

    /// Newton's step, to be subtracted, and what it would gain if the loss were the parabola that it looks like here.
    fn step(&self) -> Option<(Vec<f64>, f64)> {
        let count = self.gradient.len();
        let hessian = Mat::from_fn(count, count, |row, column| self.hessian[row * count + column]);
        let gradient = Col::from_fn(count, |k| self.gradient[k]);
        let step = hessian.llt(Side::Lower).ok()?.solve(&gradient);
        let step: Vec<f64> = step.iter().copied().collect();
        let gain = 0.5 * step.iter().zip(&self.gradient).map(|(a, b)| a * b).sum::<f64>();
        (gain.is_finite() && step.iter().all(|value| value.is_finite())).then_some((step, gain))
    }
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) weights: Vec<f64>,
    /// Whether no step would gain more; otherwise the looks were used up.
    pub(super) settled: bool,
}

/// The weights of the largest likelihood, by Newton's method from `start`; those that are not `free` are 0. `look` goes through the
/// data.
///
/// # Errors
/// Those of `look`.
pub(super) fn most_likely<E>(
    start: Vec<f64>,
    free: &[bool],
    mut look: impl FnMut(&[f64]) -> Result<Likelihood, E>,
) -> Result<Found, E> {
    let mut weights = start;
    weights.iter_mut().zip(free).filter(|(_, free)| !**free).for_each(|(weight, _)| *weight = 0.0);
    let mut look = |weights: &[f64]| Ok(look(weights)?.along(free));
    let mut here = look(&weights)?;
    let (mut scale, mut longest) = (1.0, LONGEST);
    for _ in 1..LOOKS {
        let Some((step, gain)) = here.step().filter(|(_, gain)| *gain > GAIN) else { break };
        let length = step.iter().fold(0.0, |length: f64, step| length.max(step.abs()));
        let share = scale * (longest / length).min(1.0);
        let next: Vec<f64> = weights.iter().zip(&step).map(|(weight, step)| weight - share * step).collect();
        let there = look(&next)?;
        // The parabola may be too flat: then less of the step.
        if there.loss <= here.loss {
            if length > longest && scale >= 1.0 {
                longest *= LONGER;
            }
            (weights, here, scale) = (next, there, 1.0);
        } else if gain * scale > GAIN {
            scale *= 0.25;
        } else {
            // What is left to gain is lost in rounding.
            return Ok(Found { weights, settled: true });
        }
    }
    let settled = here.step().is_some_and(|(_, gain)| gain <= GAIN);
    Ok(Found { weights, settled })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    const ITEMS: usize = 40;

    /// Features, items that were seen, and the one that was taken.
    type Drawn = (Vec<f32>, Vec<u32>, u32);

    /// Cases whose items were drawn with these weights.
    fn drawn(weights: &[f64], cases: usize) -> Vec<Drawn> {
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let mut case = || {
            let features: Vec<f32> =
                (0..weights.len() * ITEMS).map(|_| generator.random_range(-1.0..1.0)).collect();
            let seen: Vec<u32> = (0..3).map(|_| generator.random_range(0..ITEMS as u32)).collect();
            let score = |item: usize| {
                let sum: f64 =
                    weights.iter().enumerate().map(|(k, w)| w * f64::from(features[k * ITEMS + item])).sum();
                if seen.contains(&(item as u32)) { 0.0 } else { sum.exp() }
            };
            let total: f64 = (0..ITEMS).map(score).sum();
            let mut left = generator.random_range(0.0..total);
            let taken = (0..ITEMS).find(|&item| {
                left -= score(item);
                left < 0.0
            });
            (features, seen, taken.unwrap_or(ITEMS - 1) as u32)
        };
        (0..cases).map(|_| case()).collect()
    }

    fn found(start: Vec<f64>, free: &[bool], cases: &[Drawn]) -> Vec<f64> {
        most_likely(start, free, |weights| Ok::<_, ()>(look(cases, weights))).unwrap().weights
    }

    fn look(cases: &[Drawn], weights: &[f64]) -> Likelihood {
        let mut sum = Likelihood::zero(weights.len());
        for (features, seen, target) in cases {
            sum.add(&Likelihood::of(features, weights, seen, *target));
        }
        sum.mean(cases.len(), weights)
    }

    #[test]
    fn derivatives_are_those_of_finite_differences() {
        let (cases, at) = (drawn(&[1.0, -2.0, 0.5], 50), [0.7, 1.1, -0.3]);
        let here = look(&cases, &at);
        let near = |k: usize, by: f64| {
            let mut at = at;
            at[k] += by;
            look(&cases, &at)
        };
        for k in 0..3 {
            let (above, below) = (near(k, 1e-2), near(k, -1e-2));
            let slope = (above.loss - below.loss) / 2e-2;
            assert!((slope - here.gradient[k]).abs() < 1e-4, "{k}: {slope}, {}", here.gradient[k]);
            for j in 0..3 {
                let bend = (above.gradient[j] - below.gradient[j]) / 2e-2;
                assert!((bend - here.hessian[j * 3 + k]).abs() < 1e-4, "{j} {k}: {bend}");
            }
        }
    }

    #[test]
    fn the_weights_that_cases_were_drawn_with_are_found_again() {
        let truth = [0.8, 3.0, -1.0];
        let cases = drawn(&truth, 4000);
        let mut looks = 0;
        let found = most_likely(vec![1.0, 0.0, 0.0], &[true; 3], |weights| {
            looks += 1;
            Ok::<_, ()>(look(&cases, weights))
        });
        let Found { weights: found, settled } = found.unwrap();
        assert!(settled);
        assert!(found.iter().zip(&truth).all(|(a, b)| (a - b).abs() < 0.15), "{found:?}");
        assert!(looks <= 6, "{looks} looks");
        let gradient = look(&cases, &found).gradient;
        assert!(gradient.iter().all(|value| value.abs() < 1e-2), "{gradient:?}");
    }

    #[test]
    fn without_a_score_the_weights_are_those_of_the_others_alone() {
        let cases = drawn(&[0.8, 3.0, -1.0], 500);
        let free = [true, false, true];
        let all = found(vec![1.0; 3], &free, &cases);
        let without = |(features, seen, target): &Drawn| {
            ([&features[..ITEMS], &features[2 * ITEMS..]].concat(), seen.clone(), *target)
        };
        let others: Vec<Drawn> = cases.iter().map(without).collect();
        let expected = found(vec![1.0; 2], &[true; 2], &others);
        assert_eq!(all[1], 0.0);
        assert!((all[0] - expected[0]).abs() + (all[2] - expected[1]).abs() < 1e-6, "{all:?}, {expected:?}");
    }

    #[test]
    fn a_step_that_goes_too_far_is_taken_back() {
        let cases = drawn(&[6.0, -6.0], 500);
        let found = found(vec![-30.0, 30.0], &[true; 2], &cases);
        let there = look(&cases, &found).loss;
        assert!(there < look(&cases, &[0.0, 0.0]).loss, "{found:?}: {there}");
    }

    /// From the usual weight the optimum lies farther than all steps of the first one's length reach.
    #[test]
    fn the_weight_of_a_small_score_is_found_however_far_it_is() {
        let mut cases = drawn(&[1.0, 3.0], 500);
        for (features, ..) in &mut cases {
            features[ITEMS..].iter_mut().for_each(|x| *x *= 0.01);
        }
        let mut looks = 0;
        let found = most_likely(vec![1.0, 5.0], &[true; 2], |weights| {
            looks += 1;
            Ok::<_, ()>(look(&cases, weights))
        });
        let Found { weights, settled } = found.unwrap();
        assert!(settled && looks <= 9, "{looks} looks");
        assert!(weights[1] > 5.0 + 11.0 * LONGEST, "{weights:?}");
        let gradient = look(&cases, &weights).gradient;
        assert!(gradient.iter().all(|value| value.abs() < 1e-4), "{gradient:?}");
    }

    #[test]
    fn a_search_whose_looks_are_used_up_is_told_from_one_that_ended() {
        // A quartic, where each of Newton's steps goes a third of the way.
        let quartic = |weights: &[f64]| {
            let w = weights[0];
            Ok::<_, ()>(Likelihood {
                loss: w.powi(4),
                gradient: vec![4.0 * w.powi(3)],
                hessian: vec![12.0 * w * w],
            })
        };
        assert!(!most_likely(vec![10.0], &[true], quartic).unwrap().settled);
        assert!(most_likely(vec![0.1], &[true], quartic).unwrap().settled);
    }

    #[test]
    fn a_score_that_says_nothing_gets_no_weight_and_a_seen_target_counts() {
        let mut cases = drawn(&[2.0, 0.0], 300);
        for (features, seen, target) in &mut cases {
            features[ITEMS..].fill(0.25);
            seen.push(*target);
        }
        let found = found(vec![1.0, 5.0], &[true; 2], &cases);
        assert!(found[1].abs() < 1e-3 && found[0] > 1.0, "{found:?}");
    }
}
