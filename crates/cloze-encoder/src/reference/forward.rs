//! The forward pass, line by line as the papers have it.

use super::ops::{activate, layer_norm, linear, softmax};
use crate::batch::PackedBatch;
use crate::config::{Attention, Body, EncoderConfig, Head, Norm, Output, Positions};
use crate::dropout::Dropout;
use crate::error::Result;
use crate::layout::{DECODER, TOKEN_TYPES};
use candle_core::{DType, Device, Tensor, Var};
use rayon::prelude::*;
use std::collections::HashMap;

pub(super) struct Forward<'a> {
    pub(super) config: &'a EncoderConfig,
    pub(super) variables: &'a HashMap<String, Var>,
    pub(super) dropout: Dropout,
    pub(super) device: &'a Device,
    pub(super) dtype: DType,
}

/// Rows that a layer computes: `index` are rows of its input, cut into sequences by `ends`.
pub(super) struct Rows<'a> {
    pub(super) index: Vec<u32>,
    pub(super) ends: &'a [u32],
}

impl<'a> Rows<'a> {
    /// Every token of the batch.
    pub(super) fn everything(batch: &'a PackedBatch) -> Self {
        Self { index: (0..batch.tokens().len() as u32).collect(), ends: batch.cu_seqlens() }
    }
}

impl Forward<'_> {
    /// Hidden states of the batch's output rows, `[M, hidden]`.
    pub(super) fn hidden(&self, batch: &PackedBatch) -> Result<Tensor> {
        match self.config.body {
            Body::Transformer => self.transformer(batch),
            Body::Gru => self.recurrent(batch),
        }
    }

    /// The last layer computes keys and values for every token and everything else for the output rows only.
    fn transformer(&self, batch: &PackedBatch) -> Result<Tensor> {
        let everything = Rows::everything(batch);
        let cu_outputs = batch.cu_outputs();
        let outputs = Rows { index: batch.outputs().to_vec(), ends: &cu_outputs };
        let mut x = self.embed(batch)?;
        for layer in 0..self.config.layers {
            let queries = if layer + 1 == self.config.layers { &outputs } else { &everything };
            x = self.layer(&x, layer, queries, &everything)?;
        }
        match self.config.norm {
            Norm::Post | Norm::None => Ok(x),
            Norm::Pre => self.norm(&x, "bert.encoder.LayerNorm"),
        }
    }

    pub(super) fn embed(&self, batch: &PackedBatch) -> Result<Tensor> {
        let rows = |table: &str, index: &[u32]| -> Result<Tensor> {
            let index = Tensor::from_slice(index, index.len(), self.device)?;
            Ok(self.variables[table].index_select(&index, 0)?)
        };
        let mut x = rows("bert.embeddings.word_embeddings.weight", batch.tokens())?;
        if self.config.positions == Positions::Learned {
            x = (x + rows("bert.embeddings.position_embeddings.weight", batch.positions())?)?;
        }
        if self.config.token_types > 0 {
            x = (x + rows(TOKEN_TYPES, batch.token_types())?)?;
        }
        if self.config.embedding_norm {
            x = self.norm(&x, "bert.embeddings.LayerNorm")?;
        }
        self.drop_hidden(x, 0)
    }

    fn layer(&self, x: &Tensor, layer: usize, queries: &Rows<'_>, keys: &Rows<'_>) -> Result<Tensor> {
        let prefix = format!("bert.encoder.layer.{layer}");
        let (attention_norm, output_norm) =
            (format!("{prefix}.attention.output.LayerNorm"), format!("{prefix}.output.LayerNorm"));
        let pre = self.config.norm == Norm::Pre;
        let index = Tensor::from_slice(&queries.index, queries.index.len(), self.device)?;
        let residual = x.index_select(&index, 0)?;
        let input = if pre { self.norm(x, &attention_norm)? } else { x.clone() };
        let attended = self.attention(&input, layer, queries, keys)?;
        let attended = self.linear(&attended, &format!("{prefix}.attention.output.dense"))?;
        let mut x = (residual + self.drop_hidden(attended, Dropout::attention_output_site(layer))?)?;
        if !pre {
            x = self.norm(&x, &attention_norm)?;
        }
        let input = if pre { self.norm(&x, &output_norm)? } else { x.clone() };
        let inner = self.linear(&input, &format!("{prefix}.intermediate.dense"))?;
        let inner = activate(&inner, self.config.activation)?;
        let inner = self.linear(&inner, &format!("{prefix}.output.dense"))?;
        x = (x + self.drop_hidden(inner, Dropout::output_site(layer))?)?;
        if pre { Ok(x) } else { self.norm(&x, &output_norm) }
    }

    /// `softmax(Q Kᵀ / √d − slope · distance) V` for each sequence and head, of the query rows: `[queries, hidden]`.
    fn attention(&self, x: &Tensor, layer: usize, queries: &Rows<'_>, keys: &Rows<'_>) -> Result<Tensor> {
        let prefix = format!("bert.encoder.layer.{layer}.attention.self");
        let query_grid = Grid::new(queries);
        let key_grid = Grid::new(keys);
        let q = self.heads(&self.linear(x, &format!("{prefix}.query"))?, &query_grid)?;
        let k = self.heads(&self.linear(x, &format!("{prefix}.key"))?, &key_grid)?;
        let v = self.heads(&self.linear(x, &format!("{prefix}.value"))?, &key_grid)?;
        let scale = 1.0 / (self.config.head_width() as f64).sqrt();
        let scores = (q.matmul(&k.transpose(2, 3)?.contiguous()?)? * scale)?;
        let mut scores = scores.broadcast_add(&self.mask(queries, keys, &query_grid, &key_grid)?)?;
        if self.config.distance_slope > 0.0 {
            scores = scores.broadcast_sub(&self.falls(queries, keys, &query_grid, &key_grid)?)?;
        }
        let weights = softmax(&scores)?;
        let weights = self.drop_attention(weights, layer, &query_grid, &key_grid)?;
        let mixed = weights.matmul(&v)?.transpose(1, 2)?.contiguous()?;
        let mixed = mixed.reshape((query_grid.sequences * query_grid.longest, self.config.hidden))?;
        let places = Tensor::from_slice(&query_grid.places, query_grid.places.len(), self.device)?;
        Ok(mixed.index_select(&places, 0)?)
    }

    /// Rows of `x` on a grid `[sequences, heads, longest, head width]`. Cells without a token repeat some row: their
    /// keys are masked and their queries never read.
    fn heads(&self, x: &Tensor, grid: &Grid) -> Result<Tensor> {
        let index = Tensor::from_slice(&grid.rows, grid.rows.len(), self.device)?;
        let shape = (grid.sequences, grid.longest, self.config.heads, self.config.head_width());
        Ok(x.index_select(&index, 0)?.reshape(shape)?.transpose(1, 2)?.contiguous()?)
    }

    /// 0 where the query may attend to the key, else a very negative number: `[sequences, 1, queries, keys]`.
    fn mask(&self, queries: &Rows<'_>, keys: &Rows<'_>, rows: &Grid, columns: &Grid) -> Result<Tensor> {
        let mut mask = vec![-1e9f32; rows.sequences * rows.longest * columns.longest];
        for sequence in 0..rows.sequences {
            let start = keys.ends[sequence];
            let length = keys.ends[sequence + 1] - start;
            for query in 0..rows.longest {
                let row = queries.index.get(queries.ends[sequence] as usize + query);
                let visible = match (self.config.attention, row) {
                    (Attention::Causal, Some(&row)) => length.min((row + 1).saturating_sub(start)),
                    _ => length,
                };
                let line = (sequence * rows.longest + query) * columns.longest;
                mask[line..line + visible as usize].fill(0.0);
            }
        }
        let shape = (rows.sequences, 1, rows.longest, columns.longest);
        Ok(Tensor::from_vec(mask, shape, self.device)?.to_dtype(self.dtype)?)
    }

    /// What distance takes from the scores: `[sequences, heads, queries, keys]`.
    fn falls(&self, queries: &Rows<'_>, keys: &Rows<'_>, rows: &Grid, columns: &Grid) -> Result<Tensor> {
        let slopes: Vec<f64> = (0..self.config.heads).map(|head| self.config.slope(head)).collect();
        let mut falls = Vec::with_capacity(rows.sequences * slopes.len() * rows.longest * columns.longest);
        for sequence in 0..rows.sequences {
            let places = |query| {
                let row = queries.index.get(queries.ends[sequence] as usize + query);
                i64::from(row.copied().unwrap_or(0)) - i64::from(keys.ends[sequence])
            };
            for slope in &slopes {
                for place in (0..rows.longest).map(places) {
                    let distances = (0..columns.longest as i64).map(|key| key.abs_diff(place) as f64);
                    falls.extend(distances.map(|distance| slope * distance));
                }
            }
        }
        let shape = (rows.sequences, slopes.len(), rows.longest, columns.longest);
        Ok(Tensor::from_vec(falls, shape, self.device)?.to_dtype(self.dtype)?)
    }

    fn drop_attention(&self, weights: Tensor, layer: usize, rows: &Grid, columns: &Grid) -> Result<Tensor> {
        if self.dropout.is_off() {
            return Ok(weights);
        }
        let site = Dropout::attention_site(layer);
        let mut factors = vec![0.0f32; weights.elem_count()];
        let planes = factors.par_chunks_mut((rows.longest * columns.longest).max(1));
        planes.enumerate().for_each(|(plane, factors)| {
            self.dropout.attention(site, plane as u32, columns.longest, factors);
        });
        let factors = Tensor::from_vec(factors, weights.shape(), self.device)?.to_dtype(self.dtype)?;
        Ok((weights * factors)?)
    }

    pub(super) fn drop_hidden(&self, x: Tensor, site: u32) -> Result<Tensor> {
        if self.dropout.is_off() {
            return Ok(x);
        }
        let mut factors = vec![0.0f32; x.elem_count()];
        let lines = factors.par_chunks_mut(self.config.hidden);
        lines.enumerate().for_each(|(row, line)| self.dropout.hidden_row(site, row, line));
        let factors = Tensor::from_vec(factors, x.shape(), self.device)?.to_dtype(self.dtype)?;
        Ok((x * factors)?)
    }

    fn norm(&self, x: &Tensor, prefix: &str) -> Result<Tensor> {
        norm(self.config, self.variables, x, prefix)
    }

    fn linear(&self, x: &Tensor, prefix: &str) -> Result<Tensor> {
        dense(self.variables, x, prefix)
    }
}

/// Where packed rows stand on a padded grid of sequences.
pub(super) struct Grid {
    pub(super) sequences: usize,
    pub(super) longest: usize,
    /// Packed row of each cell, `[sequences · longest]`.
    pub(super) rows: Vec<u32>,
    /// Cell of each packed row.
    pub(super) places: Vec<u32>,
}

impl Grid {
    pub(super) fn new(rows: &Rows<'_>) -> Self {
        let sequences = rows.ends.len() - 1;
        let longest = rows.ends.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max().unwrap_or(0);
        let mut grid = Self { sequences, longest, rows: vec![0; sequences * longest], places: Vec::new() };
        for (sequence, ends) in rows.ends.windows(2).enumerate() {
            for (offset, row) in (ends[0]..ends[1]).enumerate() {
                let place = sequence * longest + offset;
                grid.rows[place] = rows.index[row as usize];
                grid.places.push(place as u32);
            }
        }
        grid
    }
}

/// The head between the last hidden state and the output layer: `[M, hidden]`.
pub(super) fn transform(
    config: &EncoderConfig,
    variables: &HashMap<String, Var>,
    hidden: &Tensor,
) -> Result<Tensor> {
    if config.head == Head::Plain {
        return Ok(hidden.clone());
    }
    let t = activate(&dense(variables, hidden, "cls.predictions.transform.dense")?, config.activation)?;
    match config.head {
        Head::TransformNorm => norm(config, variables, &t, "cls.predictions.transform.LayerNorm"),
        Head::Plain | Head::Transform => Ok(t),
    }
}

/// The output layer's E, `[outputs, hidden]`, and its bias, `[outputs]`.
fn output_layer<'a>(
    config: &EncoderConfig,
    variables: &'a HashMap<String, Var>,
) -> Result<(Tensor, &'a Var)> {
    let table = match config.output {
        Output::Tied => variables["bert.embeddings.word_embeddings.weight"].narrow(0, 0, config.outputs)?,
        Output::Separate => variables[DECODER].as_tensor().clone(),
    };
    Ok((table, &variables["cls.predictions.bias"]))
}

/// `t Eᵀ + b_O` over the scored tokens: `[M, outputs]`.
pub(super) fn logits(config: &EncoderConfig, variables: &HashMap<String, Var>, t: &Tensor) -> Result<Tensor> {
    let (table, bias) = output_layer(config, variables)?;
    Ok(linear(t, &table, bias)?)
}

/// The output layer at the tokens `ids` of each row, `[M, K]`.
pub(super) fn logits_at(
    config: &EncoderConfig,
    variables: &HashMap<String, Var>,
    t: &Tensor,
    ids: &Tensor,
) -> Result<Tensor> {
    let (table, bias) = output_layer(config, variables)?;
    let flat = ids.flatten_all()?;
    let shape = (ids.dim(0)?, ids.dim(1)?, config.hidden);
    let products = table.index_select(&flat, 0)?.reshape(shape)?.broadcast_mul(&t.unsqueeze(1)?)?;
    Ok((products.sum(2)? + bias.index_select(&flat, 0)?.reshape(ids.shape())?)?)
}

fn dense(variables: &HashMap<String, Var>, x: &Tensor, prefix: &str) -> Result<Tensor> {
    Ok(linear(x, &variables[&format!("{prefix}.weight")], &variables[&format!("{prefix}.bias")])?)
}

fn norm(
    config: &EncoderConfig,
    variables: &HashMap<String, Var>,
    x: &Tensor,
    prefix: &str,
) -> Result<Tensor> {
    let (scale, bias) = (&variables[&format!("{prefix}.weight")], &variables[&format!("{prefix}.bias")]);
    Ok(layer_norm(x, scale, bias, config.norm_epsilon)?)
}
