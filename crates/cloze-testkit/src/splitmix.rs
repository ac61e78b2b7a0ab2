//! SplitMix64 (Steele, Lea & Flood, 2014): a generator simple enough that a PyTorch script repeats it to the bit, so
//! that both sides start from the same weights and the same batch.

use cloze_encoder::{PackedBatch, ParameterLayout, Parameters, Role};
use std::sync::Arc;

/// The generator.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in [0, 1) of 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal number (Box-Muller, cosine branch).
    pub fn normal(&mut self) -> f64 {
        let (a, b) = (self.unit().max(1e-300), self.unit());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

/// Parameters that the PyTorch step script draws too: matrices normal(0, 0.02) in the layout's order, norm scales 1,
/// biases 0.
pub fn parameters(layout: &Arc<ParameterLayout>) -> Parameters {
    let mut generator = SplitMix::new(42);
    Parameters::read::<cloze_encoder::EncoderError>(layout.clone(), |name, shape| {
        let count = shape.iter().product();
        Ok(match layout.get(name).unwrap().role {
            Role::Matrix => (0..count).map(|_| (generator.normal() * 0.02) as f32).collect(),
            Role::Scale => vec![1.0; count],
            Role::Bias => vec![0.0; count],
        })
    })
    .unwrap()
}

/// Shape of the script's batch.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Sequences.
    pub sequences: usize,
    /// Length; every fourth sequence has half of it.
    pub length: usize,
    /// Items; the mask token is `items + 1`.
    pub items: usize,
    /// Masked positions a sequence.
    pub masked: usize,
}

/// The script's batch, packed: sequences end at the last position, popular items are frequent, `masked` positions of
/// each are hidden and become targets.
///
/// The script lists the masked positions in the order drawn; the packed batch in the order of rows. The loss is a mean
/// over them, so it is the same.
pub fn batch(shape: Shape) -> PackedBatch {
    let mut generator = SplitMix::new(7);
    let mut batch = PackedBatch::new();
    for sequence in 0..shape.sequences {
        let length = if sequence % 4 == 3 { shape.length / 2 } else { shape.length };
        let mut tokens: Vec<u32> =
            (0..length).map(|_| 1 + ((shape.items as f64 - 1.0) * generator.unit().powi(3)) as u32).collect();
        let mut outputs = std::collections::BTreeSet::new();
        while outputs.len() < shape.masked {
            outputs.insert((length as u64 - 1 - generator.next_u64() % length as u64) as u32);
        }
        let outputs: Vec<u32> = outputs.into_iter().collect();
        let targets: Vec<u32> = outputs.iter().map(|&row| tokens[row as usize]).collect();
        for &row in &outputs {
            tokens[row as usize] = shape.items as u32 + 1;
        }
        batch.push(&tokens, (shape.length - length) as u32, &outputs, &targets).unwrap();
    }
    batch
}
