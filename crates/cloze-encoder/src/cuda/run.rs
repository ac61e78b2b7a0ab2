//! What does not change during a pass, and the kernels as methods: the rest of the engine says what is computed from what.

use super::device::{Address, Arguments, Device, Launch, Number, Operand, Product};
use super::shape::{Shape, threads};
use super::staging::{Sizes, StagedBatch, StagedSegments};
use super::workspace::{BackwardSpace, LayerSpace, Workspace};
use crate::config::EncoderConfig;
use crate::dropout::Dropout;
use crate::error::{EncoderError, Result};
use crate::plan::{Linear, Plan};
use std::ops::Range;

/// The flat buffers, each of the layout's length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat {
    pub(super) values: Address,
    pub(super) gradients: Address,
    pub(super) first: Address,
    pub(super) second: Address,
    /// The values as the products take them.
    pub(super) rounded: Address,
    /// A byte for each: whether it decays.
    pub(super) decays: Address,
    /// What changes from step to step.
    pub(super) step: Address,
    /// Parts of the sum of squares, and behind them its root.
    pub(super) squares: Address,
}

/// See the [module's documentation](self).
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) config: &'a EncoderConfig,
    pub(super) plan: &'a Plan,
    pub(super) shape: Shape,
    pub(super) device: &'a dyn Device,
    pub(super) flat: &'a Flat,
    pub(super) space: &'a Workspace,
    pub(super) staged: &'a StagedBatch,
    pub(super) dropout: Dropout,
}

/// A residual, a branch and a norm: `sum = residual + drop(branch)`, `out = norm(sum)`.
#[derive(Debug, Clone)]
pub(super) struct Join<'a> {
    pub(super) residual: Address,
    /// Rows of the residual, or none: in order.
    pub(super) rows_of_residual: Address,
    /// Or none: the norm alone.
    pub(super) branch: Address,
    /// Where the sum is kept, or none.
    pub(super) sum: Address,
    pub(super) norm: &'a Range<usize>,
    pub(super) out: Address,
    pub(super) rows: usize,
    pub(super) site: u32,
}

/// A matrix of activations: `[rows, columns]` at `stride`.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) at: Address,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl View {
    /// Rows without gaps.
    pub(super) fn new(at: Address, rows: usize, columns: usize) -> Self {
        Self { at, stride: columns, rows, columns }
    }
}

/// Two 32-bit words of a kernel's structure.
pub(super) fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

impl<'a> Run<'a> {
    pub(super) fn sizes(&self) -> Sizes {
        self.staged.sizes
    }

    /// An array of the staged batch.
    pub(super) fn staged(&self, start: usize) -> Address {
        self.space.batch.offset(start)
    }

    /// Parameters in full precision.
    pub(super) fn values(&self, range: &Range<usize>) -> Address {
        self.flat.values.offset(range.start * 4)
    }

    /// Parameters as the products take them.
    pub(super) fn rounded(&self, range: &Range<usize>) -> Address {
        self.flat.rounded.offset(range.start * self.shape.number().bytes())
    }

    pub(super) fn gradients(&self, range: &Range<usize>) -> Address {
        self.flat.gradients.offset(range.start * 4)
    }

    pub(super) fn backward_space(&self) -> Result<&'a BackwardSpace> {
        let needs = "forward in training mode";
        self.space.backward.as_ref().ok_or(EncoderError::Order { call: "backward", needs })
    }

    pub(super) fn launch(&self, kernel: &'static str, launch: Launch, arguments: &Arguments) -> Result<()> {
        self.device.launch(kernel, launch, arguments)
    }

    /// The structure that kernels know as `Dropout`.
    pub(super) fn dropout_words(&self) -> [u64; 3] {
        let [(keep16, scale16), (keep8, scale8)] = self.dropout.bounds();
        let [key0, key1] = self.dropout.key();
        [pair(keep16, scale16.to_bits()), pair(keep8, scale8.to_bits()), pair(key0, key1)]
    }

    fn join_words(&self, join: &Join<'_>) -> [u64; 7] {
        [
            join.residual.0,
            join.rows_of_residual.0,
            join.branch.0,
            join.sum.0,
            self.values(join.norm).0,
            join.out.0,
            pair(join.rows as u32, join.site),
        ]
    }

    pub(super) fn join(&self, join: &Join<'_>) -> Result<()> {
        let arguments = Arguments::new().words(&self.join_words(join)).words(&self.dropout_words());
        self.launch("join", self.shape.rows(join.rows), &arguments.address(self.flat.step))
    }

    /// From the gradients of a join's `out` and (or none) of its `sum`: that of the residual, and of the branch (or none,
    /// where it is the same). Adds the norm's gradients, and the branch's sum over its rows to those of `bias`.
    pub(super) fn join_backward(
        &self,
        join: &Join<'_>,
        [of_out, of_sum]: [Address; 2],
        [of_residual, of_branch]: [Address; 2],
        bias: Option<&Range<usize>>,
    ) -> Result<()> {
        let (width, partial) = (self.config.hidden, self.backward_space()?.partial);
        let launch = self.shape.striding_rows(join.rows);
        let arguments = Arguments::new()
            .words(&self.join_words(join))
            .address(of_out)
            .address(of_sum)
            .address(of_residual)
            .address(of_branch)
            .address(partial)
            .words(&self.dropout_words())
            .address(self.flat.step);
        self.launch("join_backward", launch, &arguments)?;
        let blocks = [launch.grid[0], 3 * width];
        self.add_partials(partial, blocks, 2 * width, join.norm)?;
        bias.map_or(Ok(()), |bias| self.add_partials(partial.offset(2 * width * 4), blocks, width, bias))
    }

    /// Adds `count` partial sums of `columns` columns, `stride` apart, to the gradients at `to`.
    pub(super) fn add_partials(
        &self,
        partial: Address,
        [count, stride]: [usize; 2],
        columns: usize,
        to: &Range<usize>,
    ) -> Result<()> {
        let arguments =
            Arguments::new().address(partial).int(count).int(stride).int(columns).address(self.gradients(to));
        self.launch("add_partials", super::shape::adders(columns), &arguments)
    }

    /// `out ← activation(x)`.
    pub(super) fn activate(&self, x: Address, out: Address, count: usize) -> Result<()> {
        let arguments = Arguments::new().address(x).address(out).int(count);
        self.launch("activate", self.shape.vectors(count), &arguments)
    }

    /// `gradient *= activation'(x)`; adds its sums over the rows to the gradients of `bias`.
    pub(super) fn activate_backward(
        &self,
        x: Address,
        gradient: Address,
        rows: usize,
        bias: &Range<usize>,
    ) -> Result<()> {
        let partial = self.backward_space()?.partial;
        let columns = bias.len();
        let launch = self.shape.tiles(rows, columns);
        let arguments = Arguments::new().address(x).address(gradient).address(partial).int(rows).int(columns);
        self.launch("activate_backward", launch, &arguments)?;
        self.add_partials(partial, [launch.grid[1], columns], columns, bias)
    }

    /// Adds a matrix's sums over its rows to the gradients of `bias`.
    pub(super) fn add_column_sums(&self, g: View, bias: &Range<usize>) -> Result<()> {
        let partial = self.backward_space()?.partial;
        let launch = self.shape.tiles(g.rows, g.columns);
        let arguments =
            Arguments::new().address(g.at).int(g.stride).address(partial).int(g.rows).int(g.columns);
        self.launch("column_sums", launch, &arguments)?;
        self.add_partials(partial, [launch.grid[1], g.columns], g.columns, bias)
    }

    /// `out[i] ← from[rows[i]]` or, with `adds`, `out[rows[i]] += from[i]`, over M rows.
    pub(super) fn output_rows(&self, from: Address, out: Address, adds: bool) -> Result<()> {
        let rows = self.sizes().outputs;
        let arguments =
            Arguments::new().address(from).address(self.staged(self.staged.outputs)).address(out).int(rows);
        self.launch(if adds { "scatter_add" } else { "gather" }, self.shape.rows(rows), &arguments)
    }

    /// `out ← x Wᵀ + b`.
    pub(super) fn linear(&self, x: View, linear: &Linear, out: Address, out_stride: usize) -> Result<()> {
        self.linear_at(x, &linear.weight, &linear.bias, out, out_stride)
    }

    pub(super) fn linear_at(
        &self,
        x: View,
        weight: &Range<usize>,
        bias: &Range<usize>,
        out: Address,
        out_stride: usize,
    ) -> Result<()> {
        let number = self.shape.number();
        self.device.multiply(&Product {
            size: [x.rows, bias.len(), x.columns],
            input: number,
            output: number,
            a: Operand { at: x.at, stride: x.stride, transposed: false },
            b: Operand { at: self.rounded(weight), stride: x.columns, transposed: true },
            c: out,
            c_stride: out_stride,
            adds: false,
            bias: self.rounded(bias),
        })
    }

    /// `out ← g W`, or with `adds` `out += g W`: the gradient of a linear layer's input.
    pub(super) fn input_gradient(
        &self,
        g: View,
        weight: &Range<usize>,
        out: Address,
        adds: bool,
    ) -> Result<()> {
        let (number, width) = (self.shape.number(), weight.len() / g.columns);
        self.device.multiply(&Product {
            size: [g.rows, width, g.columns],
            input: number,
            output: number,
            a: Operand { at: g.at, stride: g.stride, transposed: false },
            b: Operand { at: self.rounded(weight), stride: width, transposed: false },
            c: out,
            c_stride: width,
            adds,
            bias: Address::NONE,
        })
    }

    /// Adds `gᵀ x` to the gradients of a linear layer's weight.
    pub(super) fn weight_gradient(&self, g: View, x: View, weight: &Range<usize>) -> Result<()> {
        self.device.multiply(&Product {
            size: [g.columns, x.columns, g.rows],
            input: self.shape.number(),
            output: Number::F32,
            a: Operand { at: g.at, stride: g.stride, transposed: true },
            b: Operand { at: x.at, stride: x.stride, transposed: false },
            c: self.gradients(weight),
            c_stride: x.columns,
            adds: true,
            bias: Address::NONE,
        })
    }

    /// Adds rows to the gradients of the tables' vectors that they used. `coefficients`: a factor of each entry, whose row is
    /// `entry / per_row`; with `bias`, their sums are added there.
    pub(super) fn add_segments(
        &self,
        segments: &StagedSegments,
        rows: Address,
        coefficients: Address,
        per_row: usize,
        bias: Option<&Range<usize>>,
    ) -> Result<()> {
        let slots = self.backward_space()?.slots;
        let words = [
            rows.0,
            self.staged(segments.entries).0,
            coefficients.0,
            self.staged(segments.chunks).0,
            self.staged(segments.runs).0,
            self.gradients(&segments.table).0,
            bias.map_or(0, |bias| self.gradients(bias).0),
            slots.0,
            pair(per_row as u32, segments.chunk_count as u32),
            pair(segments.run_count as u32, 0),
        ];
        let arguments = Arguments::new().words(&words);
        self.launch("add_chunks", super::shape::warps(segments.chunk_count), &arguments)?;
        if segments.run_count == 0 {
            return Ok(());
        }
        self.launch("add_runs", super::shape::launch(segments.run_count, 1), &arguments)
    }

    /// `out ← from`, rounded.
    pub(super) fn round(&self, from: Address, out: Address, count: usize) -> Result<()> {
        let arguments = Arguments::new().address(from).address(out).int(count);
        self.launch("round_numbers", threads(count), &arguments)
    }

    /// Rows that a layer computes to the end.
    pub(super) fn rows(&self, layer: usize) -> usize {
        if self.is_last(layer) { self.sizes().outputs } else { self.sizes().tokens }
    }

    pub(super) fn is_last(&self, layer: usize) -> bool {
        layer + 1 == self.config.layers
    }

    /// The join that ends a layer's attention block.
    pub(super) fn attention_join(&self, layer: usize) -> Join<'a> {
        let space: &LayerSpace = &self.space.layers[layer];
        let parameters = &self.plan.layers[layer];
        let pre = self.is_pre();
        Join {
            residual: space.input,
            rows_of_residual: if self.is_last(layer) {
                self.staged(self.staged.outputs)
            } else {
                Address::NONE
            },
            branch: space.attention_branch,
            sum: if pre { space.middle } else { Address::NONE },
            norm: if pre { &parameters.output_norm } else { &parameters.attention_norm },
            out: space.feed_input,
            rows: self.rows(layer),
            site: Dropout::attention_output_site(layer),
        }
    }

    /// The join that ends a layer. In pre-norm its norm is the next layer's first, or the last of all.
    pub(super) fn layer_join(&self, layer: usize) -> Join<'a> {
        let space = &self.space.layers[layer];
        let next = self.plan.layers.get(layer + 1).map(|layer| &layer.attention_norm);
        let pre = self.plan.final_norm.as_ref().map(|norm| next.unwrap_or(norm));
        Join {
            residual: space.middle,
            rows_of_residual: Address::NONE,
            branch: space.branch,
            sum: if pre.is_some() { space.result } else { Address::NONE },
            norm: pre.unwrap_or(&self.plan.layers[layer].output_norm),
            out: space.normalized,
            rows: self.rows(layer),
            site: Dropout::output_site(layer),
        }
    }

    /// In pre-norm, the norm of the first layer's input.
    pub(super) fn first_join(&self) -> Join<'a> {
        let space = &self.space.layers[0];
        Join {
            residual: space.input,
            rows_of_residual: Address::NONE,
            branch: Address::NONE,
            sum: Address::NONE,
            norm: &self.plan.layers[0].attention_norm,
            out: space.attention_input,
            rows: self.sizes().tokens,
            site: 0,
        }
    }

    pub(super) fn is_pre(&self) -> bool {
        self.plan.final_norm.is_some()
    }
}
