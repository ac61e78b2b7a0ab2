//! Where each parameter stands in the flat buffer: tables of rows first, then what every pair uses.

use super::content::PairContent;
use super::kind::Kind;
use super::options::{FactorLoss, FactorOptions};
use cloze_encoder::config::MAX_PARAMETERS;
use cloze_encoder::{EncoderError, Philox};
use std::ops::Range;

/// First stream of the generator that parameters start from.
const INITIALIZATION_STREAM: u32 = 0x1000_0000;

/// The sizes that make a network.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether a score has a term")]
pub(super) struct Shape {
    pub(super) users: usize,
    pub(super) items: usize,
    /// Width of the product's vectors; 0: no product.
    pub(super) hidden: usize,
    /// Whether the product is weighed.
    pub(super) weighted: bool,
    /// Width of the layers' vectors.
    pub(super) mlp_hidden: usize,
    /// Outputs of the layers; none: no layers.
    pub(super) layers: Vec<usize>,
    /// Width of what is given of pairs; 0: nothing is.
    pub(super) content: usize,
    pub(super) item_bias: bool,
    pub(super) user_bias: bool,
    /// Whether there is a score that all pairs share.
    pub(super) bias: bool,
}

impl Shape {
    /// The shape of a model of the family.
    pub(super) fn of<K: Kind>(
        options: &FactorOptions,
        users: usize,
        items: usize,
        content: Option<&dyn PairContent>,
    ) -> Self {
        Self {
            users,
            items,
            hidden: if K::PRODUCT { options.hidden } else { 0 },
            weighted: K::WEIGHTED,
            mlp_hidden: if K::MLP { options.mlp_hidden } else { 0 },
            layers: if K::MLP { options.layers.clone() } else { Vec::new() },
            content: content.map_or(0, PairContent::width),
            item_bias: options.item_bias,
            // Rankings do not know it.
            user_bias: options.loss == FactorLoss::Squared && options.item_bias,
            bias: match options.loss {
                FactorLoss::Log => true,
                FactorLoss::Squared => options.item_bias,
                // Differences of scores do not know it.
                FactorLoss::Bpr | FactorLoss::SampledSoftmax => false,
            },
        }
    }

    /// The part without layers.
    pub(super) fn product(&self) -> Self {
        Self { layers: Vec::new(), mlp_hidden: 0, content: 0, ..self.clone() }
    }

    /// The part without a product.
    pub(super) fn mlp(&self) -> Self {
        Self { hidden: 0, weighted: false, content: 0, ..self.clone() }
    }

    /// Checks the number of parameters.
    ///
    /// # Errors
    /// [`EncoderError::Size`] above [`MAX_PARAMETERS`].
    pub(super) fn validate(&self) -> Result<(), EncoderError> {
        // In floating point: numbers that no memory holds must not wrap to small ones.
        let size = |n: usize| n as f64;
        // And one for what weighs the rows.
        let rows = size(self.users) + size(self.items) + 1.0;
        let inputs = [2.0 * size(self.mlp_hidden)].into_iter().chain(self.layers.iter().map(|&n| size(n)));
        let layers: f64 = self.layers.iter().zip(inputs).map(|(&out, inner)| size(out) * inner).sum();
        let size = rows * (size(self.hidden) + size(self.mlp_hidden) + size(self.content)) + layers;
        if size <= MAX_PARAMETERS as f64 {
            return Ok(());
        }
        let what = format!(
            "hidden = {}, mlp-hidden = {} and layers = {:?} make more than {size:.1e}",
            self.hidden, self.mlp_hidden, self.layers
        );
        Err(EncoderError::Size { what })
    }
}

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    /// Normal, with the standard deviation of the option.
    Table,
    /// Normal with variance `2 / n` for n inputs (He et al. 2015), for layers with `ReLU`.
    Layer(usize),
    Zero,
    One,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub(super) name: String,
    /// Row-major; layers are `[out, in]`.
    pub(super) shape: Vec<usize>,
    pub(super) range: Range<usize>,
    start: Start,
    /// Its stream of the generator.
    stream: u32,
}

/// A table with a row for each user or item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) range: Range<usize>,
    pub(super) width: usize,
}

/// `weight` is `[out, in]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    pub(super) weight: Range<usize>,
    pub(super) bias: Range<usize>,
}

/// All parameters, in buffer order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) arrays: Vec<Array>,
    pub(super) len: usize,
    /// P and Q of the product, `[users, hidden]` and `[items, hidden]`.
    pub(super) product_users: Table,
    pub(super) product_items: Table,
    /// P and Q of the layers, `[users, mlp-hidden]` and `[items, mlp-hidden]`.
    pub(super) mlp_users: Table,
    pub(super) mlp_items: Table,
    /// Vectors of the part that is given, `[users, content]` and `[items, content]`.
    pub(super) content_users: Table,
    pub(super) content_items: Table,
    /// `[items]` and `[users]`.
    pub(super) item_bias: Table,
    pub(super) user_bias: Table,
    /// Everything behind the tables.
    pub(super) dense: Range<usize>,
    /// h of the product.
    pub(super) product_weights: Range<usize>,
    /// h of the part that is given.
    pub(super) content_weights: Range<usize>,
    /// The first layer's weights of the user's vector, `[layers[0], mlp-hidden]`; those of the item's are the layer's.
    pub(super) first_users: Range<usize>,
    pub(super) layers: Vec<Layer>,
    /// h of the last layer's outputs.
    pub(super) mlp_weights: Range<usize>,
    pub(super) bias: Range<usize>,
}

impl Layout {
    /// The layout of a shape that has been checked.
    pub(super) fn new(shape: &Shape) -> Self {
        let (mut arrays, mut len) = (Vec::new(), 0);
        let mut streams = INITIALIZATION_STREAM..;
        let mut push = |name: &str, shape: &[usize], start: Start| {
            let range = len..len + shape.iter().product::<usize>();
            len = range.end;
            // What a model does not have is no parameter of it, but has its stream: the parts of a joint model that are
            // trained apart must not start from the same numbers.
            let stream = streams.next().unwrap_or_default();
            if !range.is_empty() {
                let (name, shape) = (name.to_owned(), shape.to_vec());
                arrays.push(Array { name, shape, range: range.clone(), start, stream });
            }
            range
        };
        let (users, items, d, m) = (shape.users, shape.items, shape.hidden, shape.mlp_hidden);
        let mut table = |name: &str, rows: usize, width: usize, start: Start| {
            let range = push(name, &[rows, width], start);
            Table { range, width }
        };
        let product_users = table("product.users", users, d, Start::Table);
        let product_items = table("product.items", items, d, Start::Table);
        let mlp_users = table("mlp.users", users, m, Start::Table);
        let mlp_items = table("mlp.items", items, m, Start::Table);
        // What is given counts as it is, until a user or an item has learned better.
        let content_users = table("content.users", users, shape.content, Start::One);
        let content_items = table("content.items", items, shape.content, Start::One);
        let item_bias = push("item_bias", &[if shape.item_bias { items } else { 0 }], Start::Zero);
        let user_bias = push("user_bias", &[if shape.user_bias { users } else { 0 }], Start::Zero);
        let dense = user_bias.end;
        let item_bias = Table { width: usize::from(shape.item_bias), range: item_bias };
        let user_bias = Table { width: usize::from(shape.user_bias), range: user_bias };
        let product_weights = push("product.weights", &[if shape.weighted { d } else { 0 }], Start::One);
        let content_weights = push("content.weights", &[shape.content], Start::Zero);
        let first = shape.layers.first().copied().unwrap_or(0);
        let first_users = push("mlp.0.users.weight", &[first, m], Start::Layer(2 * m));
        let mut inputs = m;
        let layers = shape.layers.iter().enumerate().map(|(number, &outputs)| {
            let (name, fan_in) = match number {
                0 => ("mlp.0.items".to_owned(), 2 * m),
                _ => (format!("mlp.{number}"), inputs),
            };
            let weight = push(&format!("{name}.weight"), &[outputs, inputs], Start::Layer(fan_in));
            inputs = outputs;
            Layer { weight, bias: push(&format!("mlp.{number}.bias"), &[outputs], Start::Zero) }
        });
        let layers: Vec<Layer> = layers.collect();
        let last = shape.layers.last().copied().unwrap_or(0);
        let mlp_weights = push("mlp.weights", &[last], Start::Layer(last));
        let bias = push("bias", &[usize::from(shape.bias)], Start::Zero);
        Self {
            arrays,
            len,
            product_users,
            product_items,
            mlp_users,
            mlp_items,
            content_users,
            content_items,
            item_bias,
            user_bias,
            dense: dense..len,
            product_weights,
            content_weights,
            first_users,
            layers,
            mlp_weights,
            bias,
        }
    }

    /// First values; those of a parameter depend on the seed and its place among all that a network can have.
    pub(super) fn initialize(&self, scale: f64, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; self.len];
        for array in &self.arrays {
            let slice = &mut values[array.range.clone()];
            let deviation = match array.start {
                Start::Table => scale,
                Start::Layer(inputs) => (2.0 / inputs as f64).sqrt(),
                Start::Zero => continue,
                Start::One => {
                    slice.fill(1.0);
                    continue;
                }
            };
            let mut generator = Philox::new(seed, array.stream);
            for pair in slice.chunks_mut(2) {
                let drawn = generator.normal_pair();
                pair.iter_mut().zip(drawn).for_each(|(value, normal)| *value = (deviation * normal) as f32);
            }
        }
        values
    }
}
