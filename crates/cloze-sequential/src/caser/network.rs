//! Caser's network: from the last items to `[z; P_u]`, and back from its gradient.

use super::activation::CaserActivation;
use super::layout::{Layout, Shape};
use super::options::CaserOptions;
use super::products::{add_scaled, dot, matrix, matrix_mut, multiply, multiply_add};
use cloze_encoder::dropout::Dropout;
use cloze_train::TrainError;
use faer::MatRef;

/// Stands in a window where no item is: its vector is 0 and learns nothing.
pub(super) const PAD: u32 = u32::MAX;

/// The site of [`Dropout`]: the filters' outputs.
const FILTERS: u32 = 0;

/// Parameters with what they mean.
#[derive(Debug, Clone)]
pub(super) struct Network {
    shape: Shape,
    layout: Layout,
    filter_activation: CaserActivation,
    activation: CaserActivation,
    values: Vec<f32>,
}

/// What a block of windows is on its way through the network. A new block overwrites it.
#[derive(Default)]
pub(super) struct Pass {
    /// E, `[windows, L · d]`: rows of the item table one after the other.
    vectors: Vec<f32>,
    /// Outputs of the filters of one height at one place, `[windows, n_h]`.
    placed: Vec<f32>,
    /// Where each horizontal filter is largest, `[windows, n_h · L]`.
    places: Vec<u32>,
    /// Outputs of all filters, `[windows, features]`.
    features: Vec<f32>,
    /// Dropout's factors, as many; none where nothing is dropped.
    factors: Vec<f32>,
    /// The outputs that are left, as many.
    kept: Vec<f32>,
    /// z, `[windows, d]`.
    z: Vec<f32>,
    /// `[z; P_u]`, `[windows, joint]`.
    joint: Vec<f32>,
}

impl Pass {
    /// `[z; P_u]` of the block, `[windows, joint]`.
    pub(super) fn joint(&self) -> &[f32] {
        &self.joint
    }
}

impl Network {
    /// An untrained network.
    ///
    /// # Errors
    /// More parameters than are possible.
    pub(super) fn new(
        options: &CaserOptions,
        items: usize,
        users: usize,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let mut network = Self::empty(options, items, users)?;
        network.values = network.layout.initialize(options.initial_scale, seed);
        Ok(network)
    }

    /// A network whose values are still to come.
    ///
    /// # Errors
    /// More parameters than are possible.
    pub(super) fn empty(options: &CaserOptions, items: usize, users: usize) -> Result<Self, TrainError> {
        let shape = options.shape(items, users);
        shape.validate()?;
        let (filter_activation, activation) = (options.filter_activation, options.activation);
        Ok(Self { shape, layout: Layout::new(&shape), filter_activation, activation, values: Vec::new() })
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Takes `values` for the flat buffer.
    ///
    /// # Errors
    /// Another number of values.
    pub(super) fn load(&mut self, values: Vec<f32>) -> Result<(), TrainError> {
        let (found, expected) = (values.len(), self.layout.len());
        if found != expected {
            return Err(TrainError::Data(format!("{found} values for a network of {expected}")));
        }
        self.values = values;
        Ok(())
    }

    /// `P_u`; empty without user vectors.
    pub(super) fn user(&self, user: u32) -> &[f32] {
        if self.shape.users == 0 {
            return &[];
        }
        let d = self.shape.hidden;
        &self.values[self.layout.users.clone()][user as usize * d..][..d]
    }

    /// W′, `[items, joint]`.
    pub(super) fn output(&self) -> &[f32] {
        &self.values[self.layout.output.clone()]
    }

    /// b′, `[items]`.
    pub(super) fn output_bias(&self) -> &[f32] {
        &self.values[self.layout.output_bias.clone()]
    }

    /// `[z; P_u]` of `windows`, `[windows, L]` items or [`PAD`], for the user vectors `people`, one a window. With
    /// dropout, number `first` is that of the first window in its batch.
    pub(super) fn forward(
        &self,
        windows: &[u32],
        people: &[&[f32]],
        dropout: Option<(&Dropout, usize)>,
        pass: &mut Pass,
    ) {
        let Shape { hidden: d, length, .. } = self.shape;
        let (rows, features) = (people.len(), self.shape.features());
        let table = &self.values[self.layout.items.clone()];
        pass.vectors.resize(rows * length * d, 0.0);
        for (vector, &item) in pass.vectors.chunks_exact_mut(d).zip(windows) {
            if item == PAD {
                vector.fill(0.0);
            } else {
                vector.copy_from_slice(&table[item as usize * d..][..d]);
            }
        }
        pass.features.resize(rows * features, 0.0);
        self.vertical(pass);
        self.horizontal(rows, pass);
        pass.kept.clone_from(&pass.features);
        pass.factors.clear();
        if let Some((dropout, first)) = dropout {
            pass.factors.resize(rows * features, 1.0);
            for (row, factors) in pass.factors.chunks_exact_mut(features).enumerate() {
                dropout.hidden_row(FILTERS, first + row, factors);
            }
            pass.kept.iter_mut().zip(&pass.factors).for_each(|(kept, factor)| *kept *= factor);
        }
        self.join(people, pass);
    }

    /// Vertical filter k: `Σₗ F̃ₖₗ Eₗ`, without an activation.
    fn vertical(&self, pass: &mut Pass) {
        let Shape { hidden: d, length, vertical, .. } = self.shape;
        let filters = &self.values[self.layout.vertical.clone()];
        let rows = pass.features.chunks_exact_mut(self.shape.features());
        for (features, window) in rows.zip(pass.vectors.chunks_exact(length * d)) {
            let outputs = features[..vertical * d].chunks_exact_mut(d);
            for (output, filter) in outputs.zip(filters.chunks_exact(length)) {
                output.fill(0.0);
                for (weight, vector) in filter.iter().zip(window.chunks_exact(d)) {
                    add_scaled(output, *weight, vector);
                }
            }
        }
    }

    /// Horizontal filter k of height h: `maxₚ φ(Fₖ · E[p..p + h] + bₖ)`; of equal ones the first.
    fn horizontal(&self, rows: usize, pass: &mut Pass) {
        let Shape { hidden: d, length, horizontal, vertical, .. } = self.shape;
        if horizontal == 0 {
            return;
        }
        let (features, outputs) = (self.shape.features(), horizontal * length);
        pass.places.resize(rows * outputs, 0);
        pass.placed.resize(rows * horizontal, 0.0);
        for (height, filters) in (1..=length).zip(&self.layout.horizontal) {
            let weight = matrix(&self.values[filters.weight.clone()], height * d);
            let bias = &self.values[filters.bias.clone()];
            let column = (height - 1) * horizontal;
            let first = vertical * d + column;
            for place in 0..=length - height {
                let parts = part(&pass.vectors, length * d, place * d..(place + height) * d);
                multiply(matrix_mut(&mut pass.placed, horizontal), parts, weight.transpose());
                let found = pass.placed.chunks_exact(horizontal);
                let best = pass.features.chunks_exact_mut(features);
                let places = pass.places.chunks_exact_mut(outputs);
                for ((found, best), places) in found.zip(best).zip(places) {
                    let best = &mut best[first..first + horizontal];
                    let places = &mut places[column..column + horizontal];
                    for ((&value, best), at) in found.iter().zip(best).zip(places) {
                        if place == 0 || value > *best {
                            (*best, *at) = (value, place as u32);
                        }
                    }
                }
            }
            for row in pass.features.chunks_exact_mut(features) {
                let outputs = row[first..first + horizontal].iter_mut().zip(bias);
                outputs.for_each(|(output, bias)| *output = self.filter_activation.of(*output + bias));
            }
        }
    }

    /// `z = φ(W o + b)`, and the user's vector behind it.
    fn join(&self, people: &[&[f32]], pass: &mut Pass) {
        let d = self.shape.hidden;
        let weight = matrix(&self.values[self.layout.hidden.clone()], self.shape.features());
        let bias = &self.values[self.layout.hidden_bias.clone()];
        pass.z.resize(people.len() * d, 0.0);
        pass.joint.resize(people.len() * self.shape.joint(), 0.0);
        multiply(matrix_mut(&mut pass.z, d), matrix(&pass.kept, self.shape.features()), weight.transpose());
        let joint = pass.joint.chunks_exact_mut(self.shape.joint());
        for ((z, joint), person) in pass.z.chunks_exact_mut(d).zip(joint).zip(people) {
            z.iter_mut().zip(bias).for_each(|(z, bias)| *z = self.activation.of(*z + bias));
            joint[..d].copy_from_slice(z);
            joint[d..].copy_from_slice(person);
        }
    }

    /// Adds to `gradient` what follows from the gradient of `[z; P_u]`, `[windows, joint]`, of the windows and users that
    /// `pass` comes from.
    pub(super) fn backward(
        &self,
        windows: &[u32],
        users: &[u32],
        upstream: &[f32],
        pass: &mut Pass,
        gradient: &mut [f32],
    ) {
        let (d, features) = (self.shape.hidden, self.shape.features());
        let person = self.layout.users.start;
        let dz = &mut pass.z;
        for ((upstream, dz), &user) in
            upstream.chunks_exact(self.shape.joint()).zip(dz.chunks_exact_mut(d)).zip(users)
        {
            dz.iter_mut().zip(upstream).for_each(|(z, up)| *z = up * self.activation.slope(*z));
            if self.shape.users > 0 {
                add_scaled(&mut gradient[person + user as usize * d..][..d], 1.0, &upstream[d..]);
            }
            add_scaled(&mut gradient[self.layout.hidden_bias.clone()], 1.0, dz);
        }
        let weight = matrix(&self.values[self.layout.hidden.clone()], features);
        let dweight = matrix_mut(&mut gradient[self.layout.hidden.clone()], features);
        multiply_add(dweight, matrix(dz, d).transpose(), matrix(&pass.kept, features));
        let dfeatures = &mut pass.kept;
        multiply(matrix_mut(dfeatures, features), matrix(dz, d), weight);
        dfeatures.iter_mut().zip(&pass.factors).for_each(|(gradient, factor)| *gradient *= factor);
        self.filters_backward(windows, pass, gradient);
    }

    /// From the gradient of the filters' outputs, in `kept`, to those of filters and item vectors.
    fn filters_backward(&self, windows: &[u32], pass: &Pass, gradient: &mut [f32]) {
        let Shape { hidden: d, length, horizontal, vertical, .. } = self.shape;
        let features = self.shape.features();
        let mut dvectors = vec![0.0; length * d];
        for (row, window) in windows.chunks_exact(length).enumerate() {
            let vectors = &pass.vectors[row * length * d..][..length * d];
            let (outputs, upstream) =
                (&pass.features[row * features..][..features], &pass.kept[row * features..][..features]);
            let filters = &self.values[self.layout.vertical.clone()];
            let dfilters = &mut gradient[self.layout.vertical.clone()];
            dvectors.fill(0.0);
            for (filter, up) in upstream[..vertical * d].chunks_exact(d).enumerate() {
                for (place, dvector) in dvectors.chunks_exact_mut(d).enumerate() {
                    dfilters[filter * length + place] += dot(up, &vectors[place * d..][..d]);
                    add_scaled(dvector, filters[filter * length + place], up);
                }
            }
            let places = &pass.places[row * horizontal * length..][..horizontal * length];
            for (number, &place) in places.iter().enumerate() {
                let (column, place) = (vertical * d + number, place as usize * d);
                let slope = upstream[column] * self.filter_activation.slope(outputs[column]);
                if slope == 0.0 {
                    continue;
                }
                let (height, filter) = (number / horizontal + 1, number % horizontal);
                let at = &self.layout.horizontal[height - 1];
                let weight = at.weight.start + filter * height * d;
                gradient[at.bias.start + filter] += slope;
                add_scaled(&mut gradient[weight..][..height * d], slope, &vectors[place..]);
                add_scaled(&mut dvectors[place..], slope, &self.values[weight..][..height * d]);
            }
            let table = self.layout.items.start;
            for (dvector, &item) in dvectors.chunks_exact(d).zip(window).filter(|(_, item)| **item != PAD) {
                add_scaled(&mut gradient[table + item as usize * d..][..d], 1.0, dvector);
            }
        }
    }
}

/// Some columns of a row-major matrix with rows of `stride` values.
fn part(data: &[f32], stride: usize, columns: std::ops::Range<usize>) -> MatRef<'_, f32> {
    matrix(data, stride).subcols(columns.start, columns.len())
}
