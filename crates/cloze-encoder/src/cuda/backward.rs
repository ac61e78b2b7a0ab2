//! The backward pass: [`super::forward`] from its last line to its first.

use super::device::{Address, Arguments};
use super::forward::AttentionGradients;
use super::run::{Run, View};
use crate::error::Result;

/// Arrays of row gradients, `[T, hidden]` each, that change places from layer to layer.
struct Rows {
    /// Gradient of what the layer gives: in pre-norm, of its norm.
    up: Address,
    /// In pre-norm the gradient of the residual, or none yet; and the array for it.
    sum: Address,
    sum_space: Address,
    /// Free for a residual's gradient.
    residual: Address,
    /// A branch's.
    branch: Address,
    /// The mixed values'.
    mixed: Address,
}

impl Run<'_> {
    /// Adds the parameters' gradients, from the head's `upstream`, the gradient of the final hidden states.
    pub(super) fn backward(&self) -> Result<()> {
        let [up, sum_space, residual, branch, mixed] = self.backward_space()?.rows;
        let mut rows = Rows { up, sum: Address::NONE, sum_space, residual, branch, mixed };
        // Only the first layer's turn reads from the head's array: it is then free, but may be shorter than [T, hidden].
        let mut from = self.space.head.upstream;
        for number in (0..self.config.layers).rev() {
            self.layer_backward(number, from, &mut rows)?;
            from = rows.up;
        }
        if self.is_pre() {
            self.join_backward(
                &self.first_join(),
                [rows.up, rows.sum],
                [rows.residual, Address::NONE],
                None,
            )?;
            rows.up = rows.residual;
        }
        self.embed_backward(rows.up, rows.branch)
    }

    /// Where a branch's gradient goes: nowhere if it is the residual's.
    fn branch_space(&self, rows: &Rows) -> Address {
        if self.dropout.is_off() { Address::NONE } else { rows.branch }
    }

    fn layer_backward(&self, number: usize, from: Address, rows: &mut Rows) -> Result<()> {
        let (width, wide, pre) = (self.config.hidden, self.config.intermediate, self.is_pre());
        let (space, layer) = (&self.space.layers[number], &self.plan.layers[number]);
        let (count, inner) = (self.rows(number), self.backward_space()?.wide);
        let view = |at: Address| View::new(at, count, width);
        let own_branch = self.branch_space(rows);
        let of_branch = |residual: Address| if own_branch == Address::NONE { residual } else { own_branch };

        // The feed-forward block.
        let join = self.layer_join(number);
        let outputs = [rows.residual, own_branch];
        self.join_backward(&join, [from, rows.sum], outputs, Some(&layer.output.bias))?;
        let branch = view(of_branch(rows.residual));
        let (activated, inner_view) =
            (View::new(space.activated, count, wide), View::new(inner, count, wide));
        self.weight_gradient(branch, activated, &layer.output.weight)?;
        self.input_gradient(branch, &layer.output.weight, inner, false)?;
        self.activate_backward(space.inner, inner, count, &layer.intermediate.bias)?;
        self.weight_gradient(inner_view, view(space.feed_input), &layer.intermediate.weight)?;
        let join = self.attention_join(number);
        let bias = Some(&layer.attention_output.bias);
        // The gradient of the attention block's residual: in post-norm into `up`, in pre-norm into `sum`.
        let residual = if pre {
            self.input_gradient(inner_view, &layer.intermediate.weight, rows.up, false)?;
            self.join_backward(&join, [rows.up, rows.residual], [rows.sum_space, own_branch], bias)?;
            rows.sum = rows.sum_space;
            rows.sum
        } else {
            self.input_gradient(inner_view, &layer.intermediate.weight, rows.residual, true)?;
            self.join_backward(&join, [rows.residual, Address::NONE], [rows.up, own_branch], bias)?;
            rows.up
        };

        // The attention block.
        let branch = view(of_branch(residual));
        self.weight_gradient(branch, view(space.mixed), &layer.attention_output.weight)?;
        self.input_gradient(branch, &layer.attention_output.weight, rows.mixed, false)?;
        if self.is_last(number) {
            self.last_attention_backward(number, rows)
        } else {
            self.attention_backward(number, rows)
        }
    }

    /// From the mixed values' gradient to that of the attention's input; in post-norm, `up` has the residual's share.
    fn attention_backward(&self, number: usize, rows: &Rows) -> Result<()> {
        let (width, tokens) = (self.config.hidden, self.sizes().tokens);
        let (space, layer, own) =
            (&self.space.layers[number], &self.plan.layers[number], self.backward_space()?);
        let key_value = own.query_key_value.offset(width * self.shape.number().bytes());
        let gradients =
            AttentionGradients { mixed: rows.mixed, delta: own.delta, query: own.query_key_value, key_value };
        self.attend_backward(number, gradients)?;
        let all = View::new(own.query_key_value, tokens, 3 * width);
        let weight = layer.query.weight.start..layer.key_value.weight.end;
        self.add_column_sums(all, &(layer.query.bias.start..layer.key_value.bias.end))?;
        self.weight_gradient(all, View::new(space.attention_input, tokens, width), &weight)?;
        self.input_gradient(all, &weight, rows.up, !self.is_pre())
    }

    /// The same for the last layer, in which the output rows ask: M rows become T.
    fn last_attention_backward(&self, number: usize, rows: &mut Rows) -> Result<()> {
        let (width, sizes) = (self.config.hidden, self.sizes());
        let (space, layer, own) =
            (&self.space.layers[number], &self.plan.layers[number], self.backward_space()?);
        let (query, key_value) = (own.query, own.query_key_value);
        let gradients = AttentionGradients { mixed: rows.mixed, delta: own.delta, query, key_value };
        self.attend_backward(number, gradients)?;
        let asked = View::new(query, sizes.outputs, width);
        let read = View::new(key_value, sizes.tokens, 2 * width);
        self.add_column_sums(asked, &layer.query.bias)?;
        self.add_column_sums(read, &layer.key_value.bias)?;
        self.weight_gradient(asked, View::new(space.asking, sizes.outputs, width), &layer.query.weight)?;
        let input = View::new(space.attention_input, sizes.tokens, width);
        self.weight_gradient(read, input, &layer.key_value.weight)?;
        if self.is_pre() {
            self.input_gradient(read, &layer.key_value.weight, rows.up, false)?;
            self.input_gradient(asked, &layer.query.weight, rows.mixed, false)?;
            self.output_rows(rows.mixed, rows.up, true)?;
            // The residual's share goes to its rows; the others get none.
            self.device.clear(rows.residual, sizes.tokens * width * self.shape.number().bytes())?;
            self.output_rows(rows.sum, rows.residual, true)?;
            std::mem::swap(&mut rows.sum_space, &mut rows.residual);
            rows.sum = rows.sum_space;
        } else {
            self.input_gradient(asked, &layer.query.weight, rows.up, true)?;
            self.input_gradient(read, &layer.key_value.weight, rows.residual, false)?;
            self.output_rows(rows.up, rows.residual, true)?;
            std::mem::swap(&mut rows.up, &mut rows.residual);
        }
        Ok(())
    }

    /// From the embedding's gradient to the tables'.
    fn embed_backward(&self, upstream: Address, vectors: Address) -> Result<()> {
        let (rows, width, partial) =
            (self.sizes().tokens, self.config.hidden, self.backward_space()?.partial);
        let launch = self.shape.striding_rows(rows);
        let arguments = Arguments::new()
            .words(&self.embedding_words())
            .address(self.embedding_norm())
            .address(upstream)
            .address(vectors)
            .address(partial)
            .int(rows)
            .words(&self.dropout_words())
            .address(self.flat.step);
        self.launch("embed_backward", launch, &arguments)?;
        if let Some(norm) = &self.plan.embedding_norm {
            self.add_partials(partial, [launch.grid[0], 2 * width], 2 * width, norm)?;
        }
        for table in &self.staged.tables {
            self.add_segments(table, vectors, Address::NONE, 1, None)?;
        }
        Ok(())
    }
}
