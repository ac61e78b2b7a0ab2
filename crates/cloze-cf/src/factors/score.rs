//! Scores of all items.

use super::chunk::People;
use super::network::{Network, row};
use super::newcomer::{Person, Prior};
use super::options::FactorOptions;
use super::products::{matrix, multiply};
use crate::error::CfError;
use crate::queries::{check_items, check_length, inner_products};
use cloze_eval::{ModelError, Query, Recommender};
use rayon::prelude::*;
use std::sync::OnceLock;

/// Items that go through the layers together.
const BLOCK: usize = 1024;

/// A network that is asked for its scores.
pub(super) struct Scorer<'a> {
    pub(super) network: &'a Network,
    pub(super) options: &'a FactorOptions,
}

/// The terms of a score, with their names.
pub(super) const TERMS: [&str; 4] = ["product", "layers", "text", "item"];

impl Scorer<'_> {
    /// The vectors of each query's user: those of training, or, of anybody else, such as are learned from the history.
    ///
    /// # Errors
    /// [`CfError::ItemOutOfRange`], [`CfError::UserOutOfRange`].
    pub(super) fn people(&self, queries: &[Query<'_>]) -> Result<Vec<Person>, CfError> {
        let (network, prior) = (self.network, OnceLock::new());
        let of_one = |query: &Query<'_>| {
            check_items(query.history, network.shape.items)?;
            if let Some(user) = query.user {
                let users = network.shape.users;
                if user as usize >= users {
                    return Err(CfError::UserOutOfRange { user, users });
                }
                let people = People::of(network);
                let known = Person {
                    product: row(people.product, user, network.shape.hidden).to_vec(),
                    mlp: row(people.mlp, user, network.shape.mlp_hidden).to_vec(),
                    content: (network.shape.content > 0)
                        .then(|| (user, row(people.content, user, network.shape.content).to_vec())),
                    bias: people.bias.get(user as usize).copied().unwrap_or(0.0),
                };
                // Zeros: there was nothing in training to learn the user's vectors from.
                if known.product.iter().chain(&known.mlp).any(|value| *value != 0.0) {
                    return Ok(known);
                }
            }
            let prior = prior.get_or_init(|| Prior::of(network));
            Person::learn(network, self.options, query.history, prior)
        };
        queries.par_iter().map(of_one).collect()
    }

    /// What the first layer makes of every item, `[items, layers[0]]`; empty without layers.
    fn first_of_items(&self) -> Vec<f32> {
        let (shape, layout, values) = (&self.network.shape, &self.network.layout, &self.network.values);
        let Some(layer) = layout.layers.first() else { return Vec::new() };
        let (m, width) = (shape.mlp_hidden, shape.layers[0]);
        let weight = matrix(&values[layer.weight.clone()], m).transpose();
        let mut out = vec![0.0; shape.items * width];
        let items = values[layout.mlp_items.range.clone()].par_chunks(BLOCK * m);
        out.par_chunks_mut(BLOCK * width)
            .zip(items)
            .for_each(|(out, items)| multiply(out, false, matrix(items, m), weight));
        out
    }

    /// Adds the named terms of a user's scores.
    fn add(&self, person: &Person, first: &[f32], terms: &[&str], scores: &mut [f32]) {
        let (shape, layout, values) = (&self.network.shape, &self.network.layout, &self.network.values);
        scores.fill(0.0);
        if terms.contains(&TERMS[0]) && shape.hidden > 0 {
            let mut weighted = Vec::with_capacity(shape.hidden);
            self.network.push_weighted(&person.product, &mut weighted);
            inner_products(&weighted, &values[layout.product_items.range.clone()], scores);
        }
        if terms.contains(&TERMS[1]) && !shape.layers.is_empty() {
            let (width, of_user) = (shape.layers[0], self.network.first_of_users(&person.mlp));
            let mut outputs = vec![Vec::new(); shape.layers.len()];
            for (scores, first) in scores.chunks_mut(BLOCK).zip(first.chunks(BLOCK * width)) {
                outputs[0].clear();
                let rows = first.chunks_exact(width);
                rows.for_each(|row| {
                    outputs[0].extend(row.iter().zip(&of_user).map(|(item, user)| item + user));
                });
                self.network.finish_layers(&mut outputs, scores);
            }
        }
        if let Some((user, vector)) = person.content.as_ref().filter(|_| terms.contains(&TERMS[2])) {
            self.network.add_content(*user, vector, scores);
        }
        if terms.contains(&TERMS[3]) {
            let of_items = &values[layout.item_bias.range.clone()];
            scores.iter_mut().zip(of_items).for_each(|(score, bias)| *score += bias);
            let shared = person.bias + values[layout.bias.clone()].first().copied().unwrap_or(0.0);
            for score in scores.iter_mut() {
                *score += shared;
            }
        }
    }

    /// Each term of a query's scores that the model has.
    pub(super) fn parts(&self, query: &Query<'_>) -> Result<Vec<(&'static str, Vec<f32>)>, CfError> {
        let (shape, first) = (&self.network.shape, self.first_of_items());
        let own = shape.item_bias || shape.bias;
        let has = [shape.hidden > 0, !shape.layers.is_empty(), shape.content > 0, own];
        let mut parts = Vec::new();
        for person in self.people(&[*query])? {
            for (term, _) in TERMS.into_iter().zip(has).filter(|(_, has)| *has) {
                let mut scores = vec![0.0; shape.items];
                self.add(&person, &first, &[term], &mut scores);
                parts.push((term, scores));
            }
        }
        Ok(parts)
    }
}

impl Recommender for Scorer<'_> {
    fn name(&self) -> String {
        "factors".to_owned()
    }

    fn catalogue(&self) -> usize {
        self.network.shape.items
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let items = self.network.shape.items;
        check_length(queries, scores, items)?;
        let (people, first) = (self.people(queries)?, self.first_of_items());
        let rows = scores.par_chunks_exact_mut(items.max(1));
        rows.zip(&people).for_each(|(row, person)| self.add(person, &first, &TERMS, row));
        Ok(())
    }
}
