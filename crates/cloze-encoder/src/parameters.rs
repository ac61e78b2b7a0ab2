//! The values of an encoder's parameters.

use crate::error::{EncoderError, Result};
use crate::layout::{Entry, ParameterLayout, Role};
use crate::philox::Philox;
use std::sync::Arc;

/// Stream of the generator that parameters start from; dropout counts from 0 in the same word.
const INITIALIZATION_STREAM: u32 = 0x1000_0000;

/// The square matrices through which a masked place receives what stands elsewhere, and through which it is compared with the items.
const PASSING: [&str; 3] = [
    "attention.self.value.weight",
    "attention.output.dense.weight",
    "cls.predictions.transform.dense.weight",
];

/// The norm behind the head's transform.
const TRANSFORM_NORM: &str = "cls.predictions.transform.LayerNorm.weight";

/// One flat buffer with its layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    layout: Arc<ParameterLayout>,
    values: Vec<f32>,
}

impl Parameters {
    /// Matrices normal with mean 0 and standard deviation `scale`, norm scales 1, biases 0. The draw of a parameter
    /// depends on the seed and its number in the layout only.
    pub fn initialize(layout: Arc<ParameterLayout>, scale: f64, seed: u64) -> Self {
        let mut values = vec![0.0; layout.len()];
        for (number, entry) in layout.entries().iter().enumerate() {
            let slice = &mut values[entry.range()];
            match entry.role {
                Role::Bias => {}
                Role::Scale => slice.fill(1.0),
                Role::Matrix => {
                    let mut generator = Philox::new(seed, INITIALIZATION_STREAM + number as u32);
                    for pair in slice.chunks_mut(2) {
                        let drawn = generator.normal_pair();
                        pair.iter_mut()
                            .zip(drawn)
                            .for_each(|(value, normal)| *value = (scale * normal) as f32);
                    }
                }
            }
        }
        Self { layout, values }
    }

    /// Adds `weight · I` to the matrices that hand vectors on from one place to another: of each layer of attention the values'
    /// and the output's, and the head's. No random number is drawn for it.
    ///
    /// So a masked place starts as a mean of the vectors around it, which the tied output layer then compares with every
    /// item, instead of having to find this out: with few data it does not. After the mimetic initialization of Trockman and
    /// Kolter 2023 ("Mimetic Initialization of Self-Attention Layers"), which has the product of the two near `-I`, where an
    /// image's place has a token of its own.
    #[must_use]
    pub fn with_identity(mut self, weight: f64) -> Self {
        let layout = Arc::clone(&self.layout);
        let passes = |name: &str| PASSING.iter().any(|passing| name.ends_with(passing));
        for entry in layout.entries().iter().filter(|entry| passes(&entry.name)) {
            let width = entry.shape[0];
            let diagonal = self.values[entry.range()].iter_mut().step_by(width + 1);
            diagonal.for_each(|value| *value += weight as f32);
        }
        self
    }

    /// Adds `bias` to all biases of the head's transform, if a norm follows it, which takes a constant away again. The
    /// activation hands on what is above zero; far above, both signs of what the transform makes of a hidden state get through, so
    /// that a head near the identity starts as one.
    #[must_use]
    pub fn with_transform_bias(mut self, bias: f64) -> Self {
        let place = |name: &str| self.layout.get(name).map(Entry::range);
        let (biases, norm) = (place("cls.predictions.transform.dense.bias"), place(TRANSFORM_NORM));
        if let Some(range) = norm.and(biases) {
            self.values[range].iter_mut().for_each(|value| *value += bias as f32);
        }
        self
    }

    /// Takes `values` for the flat buffer.
    ///
    /// # Errors
    /// [`EncoderError::Parameter`] if their number is not the layout's.
    pub fn from_flat(layout: Arc<ParameterLayout>, values: Vec<f32>) -> Result<Self> {
        if values.len() == layout.len() {
            Ok(Self { layout, values })
        } else {
            Err(EncoderError::Parameter {
                name: "(all)".to_owned(),
                problem: format!("{} values for a buffer of {}", values.len(), layout.len()),
            })
        }
    }

    /// Fills the buffer from a source of named arrays: `read(name, shape)` gives the values, row-major.
    ///
    /// # Errors
    /// The source's error, or one of an array of another length, as the source's type.
    pub fn read<E: From<EncoderError>>(
        layout: Arc<ParameterLayout>,
        mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        // Grows with what is there: an absurd layout fails at its first array, before its buffer is allocated.
        let mut values = Vec::new();
        for entry in layout.entries() {
            let array = read(&entry.name, &entry.shape)?;
            if array.len() != entry.range().len() {
                let problem = format!("{} values for shape {:?}", array.len(), entry.shape);
                return Err(EncoderError::Parameter { name: entry.name.clone(), problem }.into());
            }
            values.extend_from_slice(&array);
        }
        Ok(Self { layout, values })
    }

    /// The layout.
    pub fn layout(&self) -> &Arc<ParameterLayout> {
        &self.layout
    }

    /// The flat buffer.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The flat buffer, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// One parameter by its name.
    pub fn get(&self, name: &str) -> Option<&[f32]> {
        self.layout.get(name).map(|entry| &self.values[entry.range()])
    }

    /// Every parameter as (name, shape, values), in buffer order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        self.layout
            .entries()
            .iter()
            .map(|entry| (entry.name.as_str(), entry.shape.as_slice(), &self.values[entry.range()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EncoderConfig, Head};

    /// A configuration may claim sizes that the weights do not have.
    #[test]
    fn an_array_of_another_size_fails_before_the_buffer_is_allocated() {
        let layout = ParameterLayout::new(&EncoderConfig::bert4rec(1 << 30, 1 << 30, 1, 1, 20));
        let error =
            Parameters::read(Arc::new(layout), |_, _| Ok::<_, EncoderError>(vec![0.0; 3])).unwrap_err();
        assert!(error.to_string().contains("3 values for shape"), "{error}");
    }

    #[test]
    fn start_is_seeded_and_of_the_stated_scale() {
        let layout = Arc::new(ParameterLayout::new(&EncoderConfig::bert4rec(500, 32, 1, 2, 20)));
        let a = Parameters::initialize(layout.clone(), 0.05, 3);
        assert_eq!(a, Parameters::initialize(layout.clone(), 0.05, 3));
        assert_ne!(a, Parameters::initialize(layout, 0.05, 4));
        let table = a.get("bert.embeddings.word_embeddings.weight").unwrap();
        let n = table.len() as f64;
        let deviation = (table.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n).sqrt();
        assert!((deviation / 0.05 - 1.0).abs() < 5.0 / (2.0 * n).sqrt(), "{deviation}");
        assert!(a.get("bert.embeddings.LayerNorm.weight").unwrap().iter().all(|&x| x == 1.0));
        assert!(a.get("cls.predictions.bias").unwrap().iter().all(|&x| x == 0.0));
    }

    #[test]
    fn the_identity_is_added_where_vectors_are_handed_on() {
        let layout = Arc::new(ParameterLayout::new(&EncoderConfig::bert4rec(20, 8, 2, 2, 5)));
        let plain = Parameters::initialize(layout, 0.05, 3);
        let with = plain.clone().with_identity(2.0);
        let mut changed = Vec::new();
        for ((name, shape, before), (_, _, after)) in plain.iter().zip(with.iter()) {
            if before == after {
                continue;
            }
            changed.push(name);
            for (place, (before, after)) in before.iter().zip(after).enumerate() {
                let one = if place / shape[1] == place % shape[1] { 2.0 } else { 0.0 };
                assert_eq!(*after, before + one, "{name}, place {place}");
            }
        }
        let expected = [
            "bert.encoder.layer.0.attention.self.value.weight",
            "bert.encoder.layer.0.attention.output.dense.weight",
            "bert.encoder.layer.1.attention.self.value.weight",
            "bert.encoder.layer.1.attention.output.dense.weight",
            "cls.predictions.transform.dense.weight",
        ];
        assert_eq!(changed, expected);
    }

    #[test]
    fn the_heads_bias_is_raised_where_a_norm_follows() {
        let changed = |head| {
            let config = EncoderConfig { head, ..EncoderConfig::bert4rec(20, 8, 2, 2, 5) };
            let plain = Parameters::initialize(Arc::new(ParameterLayout::new(&config)), 0.05, 3);
            let with = plain.clone().with_transform_bias(4.0);
            let pairs = plain.iter().zip(with.iter()).filter(|(before, after)| before.2 != after.2);
            pairs
                .map(|((name, _, before), (_, _, after))| {
                    assert!(before.iter().zip(after).all(|(before, after)| *after == before + 4.0));
                    name.to_owned()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(changed(Head::TransformNorm), ["cls.predictions.transform.dense.bias"]);
        assert!(changed(Head::Transform).is_empty() && changed(Head::Plain).is_empty());
    }
}
