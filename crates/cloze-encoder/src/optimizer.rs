//! AdamW on the flat buffer (Loshchilov & Hutter, 2019), gradient clipping and the learning-rate schedule.

use crate::error::{EncoderError, Result};
use crate::layout::{ParameterLayout, Role};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Values that one task takes.
const CHUNK: usize = 16384;

/// Options of [`AdamW`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWOptions {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay, per unit of learning rate.
    pub weight_decay: f64,
    /// Whether biases and norms decay too (PyTorch's default: yes; BERT's: no).
    pub decay_vectors: bool,
    /// Largest norm of the whole gradient; longer ones are scaled down to it.
    pub clip: Option<f64>,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            decay_vectors: false,
            clip: Some(5.0),
        }
    }
}

/// Norm of the whole gradient before clipping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientNorm {
    /// Euclidean norm.
    pub norm: f64,
    /// Whether it was clipped.
    pub clipped: bool,
}

/// Linear warm-up from 0 to the peak, then linear decay to 0 at the last step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Highest learning rate.
    pub peak: f64,
    /// Steps of warm-up.
    pub warmup: u64,
    /// Steps in all.
    pub steps: u64,
}

impl Schedule {
    /// Learning rate of step `step`, counted from 0: `peak · (step + 1) / warmup`, then
    /// `peak · (steps − step) / (steps − warmup)`.
    pub fn rate(&self, step: u64) -> f64 {
        let (step, warmup, steps) = (step as f64, self.warmup as f64, self.steps as f64);
        if step < warmup {
            self.peak * (step + 1.0) / warmup
        } else {
            self.peak * ((steps - step) / (steps - warmup).max(1.0)).clamp(0.0, 1.0)
        }
    }
}

/// What an optimizer remembers between steps: moments of the parameters' layout, and how many steps it has taken.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    /// Steps taken.
    pub step: u64,
    /// First moments m.
    pub first: Vec<f32>,
    /// Second moments v.
    pub second: Vec<f32>,
}

/// The optimizer: two moments of the parameters' layout and a step count.
///
/// With g the gradient and t the step from 1: `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`,
/// `p ← p·(1 − lr·λ) − lr · m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + ε)`.
#[derive(Debug, Clone)]
pub struct AdamW {
    options: AdamWOptions,
    first: Vec<f32>,
    second: Vec<f32>,
    /// Runs of the buffer with one decay each.
    runs: Vec<(Range<usize>, bool)>,
    step: u64,
}

impl AdamW {
    /// A fresh optimizer for buffers of `layout`.
    pub fn new(layout: &ParameterLayout, options: AdamWOptions) -> Self {
        let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
        for entry in layout.entries() {
            let decays = options.decay_vectors || entry.role == Role::Matrix;
            match runs.last_mut() {
                Some((range, same)) if *same == decays => range.end = entry.range().end,
                _ => runs.push((entry.range(), decays)),
            }
        }
        Self::over(runs, layout.len(), options)
    }

    /// A fresh optimizer for plain buffers of `len` values, all of them decaying.
    pub fn flat(len: usize, options: AdamWOptions) -> Self {
        Self::over(vec![(0..len, true)], len, options)
    }

    fn over(runs: Vec<(Range<usize>, bool)>, len: usize, options: AdamWOptions) -> Self {
        Self { options, first: vec![0.0; len], second: vec![0.0; len], runs, step: 0 }
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// A copy of what the next step depends on besides parameters and gradient.
    pub fn state(&self) -> OptimizerState {
        OptimizerState { step: self.step, first: self.first.clone(), second: self.second.clone() }
    }

    /// Goes on from `state`.
    ///
    /// # Errors
    /// [`EncoderError::Parameter`] for moments of another length; nothing is changed then.
    pub fn load_state(&mut self, state: OptimizerState) -> Result<()> {
        let expected = self.first.len();
        for (name, moments) in [("first moments", &state.first), ("second moments", &state.second)] {
            if moments.len() != expected {
                let problem = format!("{} values, {expected} expected", moments.len());
                return Err(EncoderError::Parameter { name: name.to_owned(), problem });
            }
        }
        OptimizerState { step: self.step, first: self.first, second: self.second } = state;
        Ok(())
    }

    /// One step at learning rate `rate`; changes `parameters` only.
    ///
    /// # Errors
    /// [`EncoderError::Diverged`] if the gradient is not finite; nothing is changed then.
    pub fn update(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f64) -> Result<GradientNorm> {
        let norm = norm(gradient);
        if !norm.is_finite() {
            return Err(EncoderError::Diverged { step: self.step, norm });
        }
        let limit = self.options.clip.unwrap_or(f64::INFINITY);
        let clipped = norm > limit;
        let scale = if clipped { (limit / norm) as f32 } else { 1.0 };
        self.step += 1;
        let o = &self.options;
        let (b1, b2) = (o.beta1 as f32, o.beta2 as f32);
        let t = self.step as f64;
        let size = (rate / (1.0 - o.beta1.powf(t))) as f32;
        let root = (1.0 / (1.0 - o.beta2.powf(t)).sqrt()) as f32;
        let epsilon = o.epsilon as f32;
        for (range, decays) in &self.runs {
            let keep = if *decays { (1.0 - rate * o.weight_decay) as f32 } else { 1.0 };
            let first = self.first[range.clone()].par_chunks_mut(CHUNK);
            let second = self.second[range.clone()].par_chunks_mut(CHUNK);
            let values = parameters[range.clone()].par_chunks_mut(CHUNK);
            let chunks = values.zip(gradient[range.clone()].par_chunks(CHUNK)).zip(first.zip(second));
            chunks.for_each(|((values, gradient), (first, second))| {
                for ((p, &g), (m, v)) in values.iter_mut().zip(gradient).zip(first.iter_mut().zip(second)) {
                    let g = g * scale;
                    *m = b1 * *m + (1.0 - b1) * g;
                    *v = b2 * *v + (1.0 - b2) * g * g;
                    *p = *p * keep - size * *m / (v.sqrt() * root + epsilon);
                }
            });
        }
        Ok(GradientNorm { norm, clipped })
    }
}

/// Euclidean norm. Sums of chunks are added in their order, so that it does not depend on who computed them.
fn norm(gradient: &[f32]) -> f64 {
    let square = |chunk: &[f32]| chunk.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
    let squares: Vec<f64> = gradient.par_chunks(CHUNK).map(square).collect();
    squares.iter().sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EncoderConfig;

    #[test]
    fn schedule_rises_and_falls() {
        let schedule = Schedule { peak: 2.0, warmup: 4, steps: 12 };
        let rates: Vec<f64> = (0..=12).map(|step| schedule.rate(step)).collect();
        assert_eq!(rates[..5], [0.5, 1.0, 1.5, 2.0, 2.0]);
        assert!(rates[4..].windows(2).all(|pair| pair[1] < pair[0]));
        assert_eq!(rates[12], 0.0);
        assert_eq!(Schedule { peak: 1.0, warmup: 0, steps: 1 }.rate(0), 1.0);
    }

    #[test]
    fn first_step_moves_against_the_sign_by_the_rate() {
        let layout = ParameterLayout::new(&EncoderConfig::bert4rec(3, 4, 1, 1, 3));
        let mut optimizer =
            AdamW::new(&layout, AdamWOptions { weight_decay: 0.5, ..AdamWOptions::default() });
        let mut values = vec![1.0; layout.len()];
        let gradient = vec![-1e-3; layout.len()];
        optimizer.update(&mut values, &gradient, 0.1).unwrap();
        for entry in layout.entries() {
            // The first step of Adam is lr·sign(g) whatever the size of g; matrices also shrink by lr·decay.
            let expected = if entry.role == Role::Matrix { 1.0 - 0.05 + 0.1 } else { 1.0 + 0.1 };
            for value in &values[entry.range()] {
                assert!((value - expected).abs() < 2e-6, "{}: {value}", entry.name);
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let layout = ParameterLayout::new(&EncoderConfig::bert4rec(700, 64, 1, 1, 3));
        assert!(layout.len() > 3 * CHUNK);
        let after = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut optimizer = AdamW::new(&layout, AdamWOptions::default());
            let mut values = vec![1.0; layout.len()];
            let gradient: Vec<f32> = (0..layout.len()).map(|i| (i as f32).sin()).collect();
            let norm = pool.install(|| optimizer.update(&mut values, &gradient, 0.1)).unwrap();
            (norm, values, optimizer.state())
        };
        assert_eq!(after(1), after(3));
    }

    #[test]
    fn long_gradients_are_clipped_and_broken_ones_refused() {
        let layout = ParameterLayout::new(&EncoderConfig::bert4rec(3, 4, 1, 1, 3));
        let mut optimizer = AdamW::new(&layout, AdamWOptions::default());
        let mut values = vec![1.0; layout.len()];
        let mut gradient = vec![1.0; layout.len()];
        let norm = optimizer.update(&mut values, &gradient, 0.1).unwrap();
        assert!(norm.clipped && (norm.norm - (layout.len() as f64).sqrt()).abs() < 1e-9);
        let clipped = 5.0 / (layout.len() as f64).sqrt();
        assert!((f64::from(optimizer.first[0]) / (0.1 * clipped) - 1.0).abs() < 1e-6);
        gradient[7] = f32::NAN;
        let before = values.clone();
        let error = optimizer.update(&mut values, &gradient, 0.1).unwrap_err();
        assert!(matches!(error, EncoderError::Diverged { step: 1, .. }));
        assert_eq!(values, before);
    }
}
