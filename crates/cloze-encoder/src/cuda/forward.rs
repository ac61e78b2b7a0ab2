//! The forward pass, as a list of launches.

use super::device::{Address, Arguments};
use super::run::{Run, View, pair};
use super::shape::warps;
use crate::dropout::Dropout;
use crate::error::Result;

/// The gradients' side of attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttentionGradients {
    /// Of the mixed values.
    pub(super) mixed: Address,
    pub(super) delta: Address,
    /// Of queries, keys and values; the strides are those of the forward pass.
    pub(super) query: Address,
    pub(super) key_value: Address,
}

impl Run<'_> {
    /// Runs the encoder over the staged batch.
    pub(super) fn forward(&self) -> Result<()> {
        self.embed()?;
        if self.is_pre() {
            self.join(&self.first_join())?;
        }
        for layer in 0..self.config.layers {
            self.layer(layer)?;
        }
        Ok(())
    }

    /// The structure that kernels know as `Embedding`.
    pub(super) fn embedding_words(&self) -> [u64; 6] {
        let table = |range: Option<&std::ops::Range<usize>>| range.map_or(0, |range| self.rounded(range).0);
        let staged = self.staged;
        [
            self.rounded(&self.plan.tokens).0,
            table(self.plan.positions.as_ref()),
            table(self.plan.token_types.as_ref()),
            self.staged(staged.tokens).0,
            self.staged(staged.positions).0,
            self.staged(staged.token_types).0,
        ]
    }

    pub(super) fn embedding_norm(&self) -> Address {
        self.plan.embedding_norm.as_ref().map_or(Address::NONE, |norm| self.values(norm))
    }

    fn embed(&self) -> Result<()> {
        let rows = self.sizes().tokens;
        let arguments = Arguments::new()
            .words(&self.embedding_words())
            .address(self.embedding_norm())
            .address(self.space.embedded)
            .int(rows)
            .words(&self.dropout_words())
            .address(self.flat.step);
        self.launch("embed", self.shape.rows(rows), &arguments)
    }

    fn layer(&self, number: usize) -> Result<()> {
        let (width, wide) = (self.config.hidden, self.config.intermediate);
        let (space, layer) = (&self.space.layers[number], &self.plan.layers[number]);
        let (rows, tokens) = (self.rows(number), self.sizes().tokens);
        let input = View::new(space.attention_input, tokens, width);
        if self.is_last(number) {
            self.output_rows(space.attention_input, space.asking, false)?;
            self.linear(View::new(space.asking, rows, width), &layer.query, space.query, width)?;
            self.linear(input, &layer.key_value, space.key_value, 2 * width)?;
        } else {
            // Query, key and value stand side by side in the flat buffer.
            let weight = layer.query.weight.start..layer.key_value.weight.end;
            let bias = layer.query.bias.start..layer.key_value.bias.end;
            self.linear_at(input, &weight, &bias, space.query, 3 * width)?;
        }
        self.attend(number)?;
        let mixed = View::new(space.mixed, rows, width);
        self.linear(mixed, &layer.attention_output, space.attention_branch, width)?;
        self.join(&self.attention_join(number))?;
        self.linear(View::new(space.feed_input, rows, width), &layer.intermediate, space.inner, wide)?;
        self.activate(space.inner, space.activated, rows * wide)?;
        self.linear(View::new(space.activated, rows, wide), &layer.output, space.branch, width)?;
        self.join(&self.layer_join(number))
    }

    /// `mixed ← drop(softmax(Q Kᵀ / √d)) V`, head by head.
    fn attend(&self, number: usize) -> Result<()> {
        let sizes = self.sizes();
        let none = AttentionGradients {
            mixed: Address::NONE,
            delta: Address::NONE,
            query: Address::NONE,
            key_value: Address::NONE,
        };
        let arguments = Arguments::new().words(&self.attention_words(number, none));
        let tiled = if self.is_last(number) { sizes.most_outputs } else { sizes.longest };
        let limit = self.device.shared_memory();
        match self.shape.flash(sizes.sequences, sizes.longest, tiled, limit) {
            Some(launch) if self.dropout.is_off() => self.launch("flash_forward", launch, &arguments),
            Some(launch) => self.launch("flash_forward_drop", launch, &arguments),
            None => {
                let launch = warps(self.rows(number) * self.config.heads);
                self.launch("attention_forward", launch, &arguments)
            }
        }
    }

    /// Gradients of queries, keys and values from that of the mixed values.
    pub(super) fn attend_backward(&self, number: usize, gradients: AttentionGradients) -> Result<()> {
        let sizes = self.sizes();
        let arguments = Arguments::new().words(&self.attention_words(number, gradients));
        let asked = if self.is_last(number) { sizes.most_outputs } else { sizes.longest };
        let limit = self.device.shared_memory();
        // Both turns or none: they share what `lse` is.
        let queries = self.shape.flash(sizes.sequences, sizes.longest, asked, limit);
        let keys = self.shape.flash(sizes.sequences, asked, sizes.longest, limit);
        let (Some(queries), Some(keys)) = (queries, keys) else {
            let launch = |rows: usize| warps(rows * self.config.heads);
            self.launch("attention_backward_queries", launch(self.rows(number)), &arguments)?;
            return self.launch("attention_backward_keys", launch(sizes.tokens), &arguments);
        };
        if self.dropout.is_off() {
            self.launch("flash_backward_queries", queries, &arguments)?;
            self.launch("flash_backward_keys", keys, &arguments)
        } else {
            self.launch("flash_backward_queries_drop", queries, &arguments)?;
            self.launch("flash_backward_keys_drop", keys, &arguments)
        }
    }

    /// The structure that kernels know as `Attention`.
    fn attention_words(&self, number: usize, gradients: AttentionGradients) -> Vec<u64> {
        let (width, last) = (self.config.hidden, self.is_last(number));
        let (space, staged, sizes) = (&self.space.layers[number], self.staged, self.sizes());
        let bytes = width * self.shape.number().bytes();
        // The strides of queries, and of keys with values behind them.
        let [query, key_value] = if last { [width, 2 * width] } else { [3 * width; 2] };
        let [sequences, ends] = if last {
            [staged.sequence_of_output, staged.cu_outputs]
        } else {
            [staged.sequence_of_token, staged.cu_seqlens]
        };
        let mut words = vec![
            space.query.0,
            space.key_value.0,
            space.key_value.offset(bytes).0,
            space.mixed.0,
            space.lse.0,
            gradients.mixed.0,
            gradients.delta.0,
            gradients.query.0,
            gradients.key_value.0,
            gradients.key_value.offset(bytes).0,
            self.staged(sequences).0,
            self.staged(staged.sequence_of_token).0,
            self.staged(ends).0,
            self.staged(staged.cu_seqlens).0,
            if last { self.staged(staged.place_of_output).0 } else { 0 },
            self.staged(staged.order).0,
            self.flat.step.0,
            pair(query as u32, key_value as u32),
            pair(width as u32, query as u32),
            pair(key_value as u32, self.rows(number) as u32),
            pair(sizes.tokens as u32, (1.0 / (self.config.head_width() as f32).sqrt()).to_bits()),
            pair(Dropout::attention_site(number), sizes.sequences as u32),
        ];
        words.extend(self.dropout_words());
        words
    }
}
