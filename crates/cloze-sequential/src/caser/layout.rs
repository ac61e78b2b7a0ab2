//! Where each of Caser's parameters stands in the flat buffer.

use cloze_encoder::config::MAX_PARAMETERS;
use cloze_encoder::{EncoderError, Philox};
use std::ops::Range;

/// First stream of the generator that parameters start from; dropout counts from 0 in the same word.
const INITIALIZATION_STREAM: u32 = 0x1000_0000;

/// The sizes that make the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) items: usize,
    /// Users with a vector; 0 where no user has one.
    pub(crate) users: usize,
    /// d.
    pub(crate) hidden: usize,
    /// L.
    pub(crate) length: usize,
    /// Horizontal filters of each height.
    pub(crate) horizontal: usize,
    pub(crate) vertical: usize,
}

impl Shape {
    /// Outputs of all filters, the vertical ones first: `n_v · d + n_h · L`.
    pub(crate) fn features(&self) -> usize {
        self.vertical * self.hidden + self.horizontal * self.length
    }

    /// Width of `[z; P_u]`: 2d, or d without user vectors.
    pub(crate) fn joint(&self) -> usize {
        self.hidden * if self.users > 0 { 2 } else { 1 }
    }

    /// Checks the number of parameters.
    ///
    /// # Errors
    /// [`EncoderError::Size`] above [`MAX_PARAMETERS`].
    pub(crate) fn validate(&self) -> Result<(), EncoderError> {
        let [items, users, hidden, length, horizontal, vertical] =
            [self.items, self.users, self.hidden, self.length, self.horizontal, self.vertical]
                .map(|size| size as f64);
        let filters = horizontal * hidden * length * (length + 1.0) / 2.0 + vertical * length;
        let features = vertical * hidden + horizontal * length;
        // In floating point: numbers that no memory holds must not wrap to small ones.
        let size = hidden * (3.0 * items + 2.0 * users) + filters + features * hidden;
        if size <= MAX_PARAMETERS as f64 {
            return Ok(());
        }
        let what = format!(
            "hidden = {}, max-length = {}, horizontal = {} and vertical = {} make more than {size:.1e}",
            self.hidden, self.length, self.horizontal, self.vertical
        );
        Err(EncoderError::Size { what })
    }
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub(crate) name: String,
    /// Row-major; linear layers and filters are `[out, in]`.
    pub(crate) shape: Vec<usize>,
    pub(crate) range: Range<usize>,
    start: Start,
}

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    /// Normal, with the standard deviation of the tables.
    Table,
    /// Normal with standard deviation `1/√(3n)` for n inputs: that of the uniform draw by which PyTorch's layers start.
    Layer(usize),
    Zero,
}

/// The filters of one height h: `weight` is `[n_h, h · d]`, `bias` `[n_h]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filters {
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
}

/// All parameters, in buffer order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    arrays: Vec<Array>,
    len: usize,
    /// E: `[items, d]`.
    pub(crate) items: Range<usize>,
    /// P: `[users, d]`.
    pub(crate) users: Range<usize>,
    /// Number h − 1 has height h.
    pub(crate) horizontal: Vec<Filters>,
    /// F̃: `[n_v, L]`.
    pub(crate) vertical: Range<usize>,
    /// W: `[d, features]`.
    pub(crate) hidden: Range<usize>,
    /// b: `[d]`.
    pub(crate) hidden_bias: Range<usize>,
    /// W′: `[items, joint]`.
    pub(crate) output: Range<usize>,
    /// b′: `[items]`.
    pub(crate) output_bias: Range<usize>,
}

impl Layout {
    /// The layout of a shape that has been checked.
    pub(crate) fn new(shape: &Shape) -> Self {
        let Shape { items, users, hidden: d, length, horizontal, vertical } = *shape;
        let (mut arrays, mut len) = (Vec::new(), 0);
        let mut push = |name: &str, shape: &[usize], start: Start| {
            let range = len..len + shape.iter().product::<usize>();
            len = range.end;
            // What a model does not have is no parameter of it.
            if !range.is_empty() {
                let (name, shape) = (name.to_owned(), shape.to_vec());
                arrays.push(Array { name, shape, range: range.clone(), start });
            }
            range
        };
        let item_table = push("item_embeddings.weight", &[items, d], Start::Table);
        let user_table = push("user_embeddings.weight", &[users, d], Start::Table);
        let filters = (1..=length)
            .map(|height| Filters {
                weight: push(
                    &format!("horizontal.{height}.weight"),
                    &[horizontal, height * d],
                    Start::Layer(height * d),
                ),
                bias: push(&format!("horizontal.{height}.bias"), &[horizontal], Start::Zero),
            })
            .collect();
        let vertical = push("vertical.weight", &[vertical, length], Start::Layer(length));
        let features = shape.features();
        let hidden = push("hidden.weight", &[d, features], Start::Layer(features));
        let hidden_bias = push("hidden.bias", &[d], Start::Zero);
        let output = push("output.weight", &[items, shape.joint()], Start::Table);
        let output_bias = push("output.bias", &[items], Start::Zero);
        let (items, users, horizontal) = (item_table, user_table, filters);
        Self { arrays, len, items, users, horizontal, vertical, hidden, hidden_bias, output, output_bias }
    }

    /// Every parameter.
    pub(crate) fn arrays(&self) -> &[Array] {
        &self.arrays
    }

    /// Number of values in the flat buffer.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// First values, those of the tables with standard deviation `scale`: a parameter's depend on the seed and its number
    /// only.
    pub(crate) fn initialize(&self, scale: f64, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; self.len];
        for (number, array) in self.arrays.iter().enumerate() {
            let deviation = match array.start {
                Start::Zero => continue,
                Start::Table => scale,
                Start::Layer(inputs) => 1.0 / (3.0 * inputs as f64).sqrt(),
            };
            let mut generator = Philox::new(seed, INITIALIZATION_STREAM + number as u32);
            for pair in values[array.range.clone()].chunks_mut(2) {
                let drawn = generator.normal_pair();
                pair.iter_mut().zip(drawn).for_each(|(value, x)| *value = (deviation * x) as f32);
            }
        }
        values
    }
}
