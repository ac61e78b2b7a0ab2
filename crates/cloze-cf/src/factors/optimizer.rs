//! Steps of the rows that a batch used.

use super::layout::Table;
use super::options::Optimizer;
use super::products::{add_scaled, dot};
use cloze_encoder::OptimizerState;
use std::ops::Range;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Rows that one thread updates without asking for help.
const ALONE: usize = 64;

/// Which places of a batch use each row, rows and places ascending.
pub(super) struct Uses {
    places: Vec<u32>,
    rows: Vec<(u32, Range<usize>)>,
}

impl Uses {
    pub(super) fn of(ids: &[u32]) -> Self {
        let pair = |(place, &id): (usize, &u32)| u64::from(id) << 32 | place as u64;
        let mut sorted: Vec<u64> = ids.iter().enumerate().map(pair).collect();
        sorted.sort_unstable();
        let mut rows: Vec<(u32, Range<usize>)> = Vec::new();
        for (number, id) in sorted.iter().map(|pair| (pair >> 32) as u32).enumerate() {
            match rows.last_mut() {
                Some((row, range)) if *row == id => range.end = number + 1,
                _ => rows.push((id, number..number + 1)),
            }
        }
        Self { places: sorted.iter().map(|pair| *pair as u32).collect(), rows }
    }
}

/// An optimizer that touches only the rows that a batch used: a row that no pair uses costs nothing, and is not moved by old
/// gradients.
pub(super) struct SparseOptimizer {
    kind: Optimizer,
    /// Moments, which SGD leaves at zero.
    pub(super) state: OptimizerState,
}

/// One step of it.
#[derive(Clone, Copy)]
pub(super) struct Stride {
    rule: Rule,
    /// What a value times this adds to its gradient, for each use.
    l2: f32,
}

#[derive(Clone, Copy)]
enum Rule {
    Sgd {
        rate: f32,
    },
    Adam {
        /// Learning rate over the first moment's bias.
        size: f32,
        /// One over the root of the second moment's bias.
        root: f32,
    },
}

/// Rows of a table with their moments, from row `start`.
struct Rows<'a> {
    start: usize,
    width: usize,
    values: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl SparseOptimizer {
    pub(super) fn new(kind: Optimizer, len: usize) -> Self {
        Self { kind, state: OptimizerState { step: 0, first: vec![0.0; len], second: vec![0.0; len] } }
    }

    /// Begins a step at a learning rate: the stride of what all pairs share.
    pub(super) fn step(&mut self, rate: f64) -> Stride {
        self.state.step += 1;
        let step = self.state.step as f64;
        let rule = match self.kind {
            Optimizer::Sgd => Rule::Sgd { rate: rate as f32 },
            Optimizer::Adam => Rule::Adam {
                size: (rate / (1.0 - f64::from(BETA1).powf(step))) as f32,
                root: (1.0 / (1.0 - f64::from(BETA2).powf(step)).sqrt()) as f32,
            },
        };
        Stride { rule, l2: 0.0 }
    }

    /// Updates the used rows of a table; `add(place, gradient)` adds the gradient of one use. Returns the gradient's square.
    /// A row is one thread's and its uses are added in order: the same bits on any number of threads.
    pub(super) fn update_rows(
        &mut self,
        step: Stride,
        values: &mut [f32],
        table: &Table,
        uses: &Uses,
        add: &(impl Fn(usize, &mut [f32]) + Sync),
    ) -> f64 {
        let range = table.range.clone();
        let rows = Rows {
            start: 0,
            width: table.width,
            values: &mut values[range.clone()],
            first: &mut self.state.first[range.clone()],
            second: &mut self.state.second[range],
        };
        rows.update(step, &uses.rows, &uses.places, add)
    }

    /// Updates what every pair uses. Returns the gradient's square.
    pub(super) fn update_dense(
        &mut self,
        step: Stride,
        values: &mut [f32],
        range: Range<usize>,
        gradient: &[f32],
    ) -> f64 {
        let (first, second) = (&mut self.state.first[range.clone()], &mut self.state.second[range.clone()]);
        step.apply(&mut values[range], first, second, gradient)
    }
}

impl Rows<'_> {
    fn update(
        mut self,
        step: Stride,
        rows: &[(u32, Range<usize>)],
        places: &[u32],
        add: &(impl Fn(usize, &mut [f32]) + Sync),
    ) -> f64 {
        if rows.len() > ALONE {
            let (left, right) = rows.split_at(rows.len() / 2);
            let (before, after) = self.split(right[0].0 as usize);
            let (left, right) = rayon::join(
                || before.update(step, left, places, add),
                || after.update(step, right, places, add),
            );
            return left + right;
        }
        let mut gradient = vec![0.0; self.width];
        let mut square = 0.0;
        for (row, range) in rows {
            let own = (*row as usize - self.start) * self.width..;
            let own = own.start..own.start + self.width;
            let values = &mut self.values[own.clone()];
            let l2 = step.l2 * range.len() as f32;
            gradient.iter_mut().zip(&*values).for_each(|(sum, value)| *sum = l2 * value);
            places[range.clone()].iter().for_each(|&place| add(place as usize, &mut gradient));
            square += step.apply(values, &mut self.first[own.clone()], &mut self.second[own], &gradient);
        }
        square
    }

    fn split(&mut self, row: usize) -> (Rows<'_>, Rows<'_>) {
        let (width, at) = (self.width, (row - self.start) * self.width);
        let (values, more_values) = self.values.split_at_mut(at);
        let (first, more_first) = self.first.split_at_mut(at);
        let (second, more_second) = self.second.split_at_mut(at);
        (
            Rows { start: self.start, width, values, first, second },
            Rows { start: row, width, values: more_values, first: more_first, second: more_second },
        )
    }
}

impl Stride {
    /// That of vectors, where gradients are those of a mean over so many groups: with a penalty for each use.
    pub(super) fn for_rows(self, groups: usize, l2: f64) -> Self {
        let rule = match self.rule {
            Rule::Sgd { rate } => Rule::Sgd { rate: rate * groups as f32 },
            adam @ Rule::Adam { .. } => adam,
        };
        Self { rule, l2: l2 as f32 / groups as f32 }
    }

    /// The same where each use is one of so many pairs.
    pub(super) fn for_pairs(self, pairs: usize) -> Self {
        Self { l2: self.l2 * pairs as f32, ..self }
    }

    fn apply(self, values: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) -> f64 {
        match self.rule {
            Rule::Sgd { rate } => add_scaled(values, -rate, gradient),
            Rule::Adam { size, root } => {
                for (((value, m), v), &g) in values.iter_mut().zip(first).zip(second).zip(gradient) {
                    *m = BETA1 * *m + (1.0 - BETA1) * g;
                    *v = BETA2 * *v + (1.0 - BETA2) * g * g;
                    *value -= size * *m / (v.sqrt() * root + EPSILON);
                }
            }
        }
        f64::from(dot(gradient, gradient))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_rows_move_as_under_adam_and_others_stay() {
        let table = Table { range: 2..2 + 200 * 3, width: 3 };
        let start: Vec<f32> = (0..602).map(|n| (n % 7) as f32 - 3.0).collect();
        let (mut values, mut adam) = (start.clone(), SparseOptimizer::new(Optimizer::Adam, 602));
        // Every second row, one of them twice.
        let ids: Vec<u32> = (0..100).map(|n| n * 2).chain([4]).rev().collect();
        let add = |place: usize, gradient: &mut [f32]| {
            gradient.iter_mut().enumerate().for_each(|(k, g)| *g += 1.0 + (place + k) as f32);
        };
        let step = adam.step(0.5);
        let square = adam.update_rows(step, &mut values, &table, &Uses::of(&ids), &add);
        let mut expected = 0.0;
        for row in 0..200_u32 {
            for k in 0..3 {
                let place = 2 + row as usize * 3 + k;
                let uses = ids.iter().enumerate().filter(|(_, id)| **id == row);
                let gradient: f32 = uses.map(|(place, _)| 1.0 + (place + k) as f32).sum();
                expected += f64::from(gradient * gradient);
                // The first step of Adam is as long as the rate, whatever the gradient.
                let moved = if row % 2 == 0 { 0.5 } else { 0.0 };
                assert!((start[place] - values[place] - moved).abs() < 1e-5, "row {row}");
                let moment = adam.state.first[place];
                assert!((moment - 0.1 * gradient).abs() <= 1e-6 * gradient, "row {row}");
            }
        }
        assert!((square / expected - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_penalty_counts_for_every_use() {
        let table = Table { range: 0..2, width: 1 };
        let (mut values, mut adam) = (vec![2.0, 3.0], SparseOptimizer::new(Optimizer::Adam, 2));
        let step = adam.step(0.1).for_rows(1, 0.5);
        adam.update_rows(step, &mut values, &table, &Uses::of(&[1, 0, 1]), &|_, _| {});
        assert!((adam.state.first[0] - 0.1 * 0.5 * 2.0).abs() < 1e-6);
        assert!((adam.state.first[1] - 0.1 * 2.0 * 0.5 * 3.0).abs() < 1e-6);
    }
}
