//! The network: scores of pairs, and what they give back to the parameters.
//!
//! `s(u, i) = h · (p_u ∗ q_i) + g · z(p′_u, q′_i) + b_i + c_u + b`, with `z` the last of the layers `z₀ = relu(A p′ + B q′ + c₀)`,
//! `zₗ = relu(Wₗ zₗ₋₁ + cₗ)`, and what [`content`](super::content) adds. A model of the family has some of the terms.

use super::chunk::{Chunk, Part, People};
use super::content::PairContent;
use super::layout::{Layout, Shape};
use super::options::FactorLoss;
use super::products::{add_scaled, dot, matrix, multiply};
use std::sync::Arc;

/// A network with its values.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) shape: Shape,
    pub(super) layout: Layout,
    pub(super) values: Vec<f32>,
    /// What is given of pairs, where the shape has a part for it.
    pub(super) content: Option<Arc<dyn PairContent>>,
}

/// By what was learned.
impl PartialEq for Network {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.values == other.values
    }
}

impl Network {
    pub(super) fn new(shape: Shape, values: impl FnOnce(&Layout) -> Vec<f32>) -> Self {
        let layout = Layout::new(&shape);
        let values = values(&layout);
        Self { shape, layout, values, content: None }
    }

    /// Sets the vectors of users who learned nothing to zeros.
    pub(super) fn forget(&mut self, learned: impl Fn(usize) -> bool) {
        let layout = &self.layout;
        for table in [&layout.product_users, &layout.mlp_users, &layout.content_users, &layout.user_bias] {
            let rows = self.values[table.range.clone()].chunks_exact_mut(table.width.max(1));
            rows.enumerate().filter(|(user, _)| !learned(*user)).for_each(|(_, row)| row.fill(0.0));
        }
    }

    /// Scores of groups of `stride` items into `chunk`.
    pub(super) fn forward(&self, people: People<'_>, part: Part<'_>, chunk: &mut Chunk) {
        let (Part { users, items, .. }, stride) = (part, part.stride());
        let layout = &self.layout;
        let bias = self.values[layout.bias.clone()].first().copied().unwrap_or(0.0);
        chunk.scores.clear();
        chunk.scores.resize(items.len(), bias);
        if self.shape.item_bias {
            let biases = &self.values[layout.item_bias.range.clone()];
            chunk.scores.iter_mut().zip(items).for_each(|(score, &item)| *score += biases[item as usize]);
        }
        if self.shape.user_bias {
            let groups = chunk.scores.chunks_exact_mut(stride).zip(users);
            for (scores, &user) in groups {
                let bias = people.bias[user as usize];
                for score in scores {
                    *score += bias;
                }
            }
        }
        if self.shape.hidden > 0 {
            let things = &self.values[layout.product_items.range.clone()];
            chunk.weighted.clear();
            for &user in users {
                self.push_weighted(row(people.product, user, self.shape.hidden), &mut chunk.weighted);
            }
            let groups = chunk.scores.chunks_exact_mut(stride).zip(items.chunks_exact(stride));
            for ((scores, items), weighted) in groups.zip(chunk.weighted.chunks_exact(self.shape.hidden)) {
                for (score, &item) in scores.iter_mut().zip(items) {
                    *score += dot(weighted, row(things, item, self.shape.hidden));
                }
            }
        }
        if !self.shape.layers.is_empty() {
            self.forward_layers(people, users, items, chunk);
        }
        self.forward_content(people, part, chunk);
    }

    /// Appends `h ∗ p`.
    pub(super) fn push_weighted(&self, vector: &[f32], out: &mut Vec<f32>) {
        let weights = &self.values[self.layout.product_weights.clone()];
        if weights.is_empty() {
            out.extend_from_slice(vector);
        } else {
            out.extend(vector.iter().zip(weights).map(|(p, h)| p * h));
        }
    }

    fn forward_layers(&self, people: People<'_>, users: &[u32], items: &[u32], chunk: &mut Chunk) {
        let (layout, stride) = (&self.layout, items.len() / users.len());
        let m = self.shape.mlp_hidden;
        let gather = |table: &[f32], ids: &[u32], out: &mut Vec<f32>| {
            out.clear();
            for &id in ids {
                out.extend_from_slice(row(table, id, m));
            }
        };
        gather(people.mlp, users, &mut chunk.people);
        gather(&self.values[layout.mlp_items.range.clone()], items, &mut chunk.things);
        let of_users = self.first_of_users(&chunk.people);
        chunk.outputs.resize_with(layout.layers.len(), Vec::new);
        let width = self.shape.layers[0];
        let first = &mut chunk.outputs[0];
        first.clear();
        for row in of_users.chunks_exact(width) {
            (0..stride).for_each(|_| first.extend_from_slice(row));
        }
        let weight = &self.values[layout.layers[0].weight.clone()];
        multiply(first, true, matrix(&chunk.things, m), matrix(weight, m).transpose());
        self.finish_layers(&mut chunk.outputs, &mut chunk.scores);
    }

    /// The users' share of the first layer, with its bias: `A p′ + c₀`, `[G, layers[0]]`.
    pub(super) fn first_of_users(&self, people: &[f32]) -> Vec<f32> {
        let (m, bias) = (self.shape.mlp_hidden, &self.values[self.layout.layers[0].bias.clone()]);
        let mut out = bias.repeat(people.len() / m);
        let weight = &self.values[self.layout.first_users.clone()];
        multiply(&mut out, true, matrix(people, m), matrix(weight, m).transpose());
        out
    }

    /// From the first layer before its relu to the scores, which are added.
    pub(super) fn finish_layers(&self, outputs: &mut [Vec<f32>], scores: &mut [f32]) {
        let pairs = scores.len();
        for number in 0..outputs.len() {
            let (before, rest) = outputs.split_at_mut(number);
            let out = &mut rest[0];
            if let Some(inputs) = before.last() {
                let (layer, width) = (&self.layout.layers[number], self.shape.layers[number - 1]);
                out.clear();
                out.extend(self.values[layer.bias.clone()].repeat(pairs));
                let weight = matrix(&self.values[layer.weight.clone()], width);
                multiply(out, true, matrix(inputs, width), weight.transpose());
            }
            for value in out.iter_mut() {
                *value = value.max(0.0);
            }
        }
        let weights = &self.values[self.layout.mlp_weights.clone()];
        let last = outputs.last().into_iter().flat_map(|last| last.chunks_exact(weights.len()));
        scores.iter_mut().zip(last).for_each(|(score, z)| *score += dot(weights, z));
    }

    /// Loss of the scores in `chunk`, as a part of a mean over `groups`, and its gradients.
    pub(super) fn backward(
        &self,
        people: People<'_>,
        part: Part<'_>,
        loss: FactorLoss,
        groups: usize,
        chunk: &mut Chunk,
    ) {
        let (Part { users, items, ratings, .. }, stride) = (part, part.stride());
        let layout = &self.layout;
        chunk.slopes.resize(items.len(), 0.0);
        let scored = chunk.scores.chunks_exact(stride).zip(chunk.slopes.chunks_exact_mut(stride));
        let scored = scored.zip(ratings);
        chunk.loss = scored.map(|((scores, slopes), rating)| loss.of_group(scores, *rating, slopes)).sum();
        let share = 1.0 / groups as f32;
        chunk.slopes.iter_mut().for_each(|slope| *slope *= share);
        chunk.dense.clear();
        chunk.dense.resize(layout.dense.len(), 0.0);
        if self.shape.hidden > 0 {
            self.backward_product(people, users, items, chunk);
        }
        if !self.shape.layers.is_empty() {
            self.backward_layers(stride, chunk);
        }
        self.backward_content(people, part, chunk);
        if self.shape.bias {
            chunk.dense[layout.bias.start - layout.dense.start] = chunk.slopes.iter().sum();
        }
    }

    fn backward_product(&self, people: People<'_>, users: &[u32], items: &[u32], chunk: &mut Chunk) {
        let (layout, d, stride) = (&self.layout, self.shape.hidden, items.len() / users.len());
        let weights = &self.values[layout.product_weights.clone()];
        let of_weights = layout.product_weights.start - layout.dense.start;
        let things = &self.values[layout.product_items.range.clone()];
        chunk.product_users.clear();
        chunk.product_users.resize(users.len() * d, 0.0);
        let groups = users.iter().zip(items.chunks_exact(stride)).zip(chunk.slopes.chunks_exact(stride));
        for (((&user, items), slopes), gradient) in groups.zip(chunk.product_users.chunks_exact_mut(d)) {
            for (&item, &slope) in items.iter().zip(slopes) {
                add_scaled(gradient, slope, row(things, item, self.shape.hidden));
            }
            if weights.is_empty() {
                continue;
            }
            // The gradient of h ∗ p so far.
            let vector = row(people.product, user, d);
            let dense = chunk.dense[of_weights..].iter_mut().zip(vector);
            dense.zip(&*gradient).for_each(|((sum, p), g)| *sum += p * g);
            gradient.iter_mut().zip(weights).for_each(|(g, h)| *g *= h);
        }
    }

    fn backward_layers(&self, stride: usize, chunk: &mut Chunk) {
        let (layout, m) = (&self.layout, self.shape.mlp_hidden);
        let dense =
            |range: &std::ops::Range<usize>| range.start - layout.dense.start..range.end - layout.dense.start;
        let last = self.shape.layers.len() - 1;
        let weights = &self.values[layout.mlp_weights.clone()];
        let mut gradient = Vec::with_capacity(chunk.slopes.len() * weights.len());
        let sums = &mut chunk.dense[dense(&layout.mlp_weights)];
        for (z, &slope) in chunk.outputs[last].chunks_exact(weights.len()).zip(&chunk.slopes) {
            add_scaled(sums, slope, z);
            gradient.extend(weights.iter().map(|weight| slope * weight));
        }
        for number in (0..=last).rev() {
            let width = self.shape.layers[number];
            let outputs = chunk.outputs[number].iter();
            // Without a branch, which could not be foretold.
            gradient.iter_mut().zip(outputs).for_each(|(g, z)| *g = if *z > 0.0 { *g } else { 0.0 });
            let sums = &mut chunk.dense[dense(&layout.layers[number].bias)];
            gradient.chunks_exact(width).for_each(|row| add_scaled(sums, 1.0, row));
            let (inputs, inner) = match number {
                0 => (&chunk.things, m),
                _ => (&chunk.outputs[number - 1], self.shape.layers[number - 1]),
            };
            let range = &layout.layers[number].weight;
            let out = matrix(&gradient, width);
            multiply(&mut chunk.dense[dense(range)], false, out.transpose(), matrix(inputs, inner));
            let mut below = vec![0.0; inputs.len()];
            multiply(&mut below, false, out, matrix(&self.values[range.clone()], inner));
            if number == 0 {
                chunk.mlp_items = below;
            } else {
                gradient = below;
            }
        }
        // The first layer reads one vector of a user for all items of the group.
        let width = self.shape.layers[0];
        let mut sums = vec![0.0; gradient.len() / stride];
        for (sum, rows) in sums.chunks_exact_mut(width).zip(gradient.chunks_exact(stride * width)) {
            rows.chunks_exact(width).for_each(|row| add_scaled(sum, 1.0, row));
        }
        let weight = matrix(&self.values[layout.first_users.clone()], m);
        let sums = matrix(&sums, width);
        let out = &mut chunk.dense[dense(&layout.first_users)];
        multiply(out, false, sums.transpose(), matrix(&chunk.people, m));
        chunk.mlp_users.resize(chunk.people.len(), 0.0);
        multiply(&mut chunk.mlp_users, false, sums, weight);
    }
}

/// A row of a table.
pub(super) fn row(table: &[f32], id: u32, width: usize) -> &[f32] {
    &table[id as usize * width..][..width]
}
