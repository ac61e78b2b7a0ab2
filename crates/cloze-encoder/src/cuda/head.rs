//! The head over the output rows: transform, output layer, losses, and back.

use super::device::{Address, Arguments, Operand, Product};
use super::run::{Join, Run, View, pair};
use super::shape::{launch, warps};
use super::staging::StagedNegatives;
use crate::error::Result;
use crate::loss::Loss;
use std::ops::Range;

impl Run<'_> {
    /// The output layer's input, `[M, hidden]`: `LN(act(h W_p + b_p))`, or as much of it as the configuration has.
    fn output_input(&self) -> Address {
        let head = &self.space.head;
        match (&self.plan.transform, &self.plan.transform_norm) {
            (None, _) => self.space.hidden,
            (Some(_), None) => head.activated,
            (Some(_), Some(_)) => head.transformed,
        }
    }

    fn transform_join<'a>(&self, norm: &'a Range<usize>) -> Join<'a> {
        let head = &self.space.head;
        Join {
            residual: head.activated,
            rows_of_residual: Address::NONE,
            branch: Address::NONE,
            sum: Address::NONE,
            norm,
            out: head.transformed,
            rows: self.sizes().outputs,
            site: 0,
        }
    }

    /// Computes the output layer's input and says where it is.
    pub(super) fn transform(&self) -> Result<Address> {
        let (rows, width, head) = (self.sizes().outputs, self.config.hidden, &self.space.head);
        if let Some(linear) = &self.plan.transform {
            self.linear(View::new(self.space.hidden, rows, width), linear, head.inner, width)?;
            self.activate(head.inner, head.activated, rows * width)?;
        }
        if let Some(norm) = &self.plan.transform_norm {
            self.join(&self.transform_join(norm))?;
        }
        Ok(self.output_input())
    }

    /// Logits of all outputs at `to`, [`super::workspace::HeadSpace::stride`] apart, after [`Self::transform`]. What stands
    /// behind a row's outputs means nothing: tensor cores want whole strides.
    pub(super) fn output_layer(&self, to: Address) -> Result<()> {
        let (rows, width, number) = (self.sizes().outputs, self.config.hidden, self.shape.number());
        self.device.multiply(&Product {
            size: [rows, self.space.head.stride, width],
            input: number,
            output: number,
            a: Operand { at: self.output_input(), stride: width, transposed: false },
            b: Operand { at: self.rounded(&self.plan.output), stride: width, transposed: true },
            c: to,
            c_stride: self.space.head.stride,
            adds: false,
            bias: self.rounded(&self.plan.output_bias),
        })
    }

    /// Puts the mean loss of the rows into the arena; with `back`, the head's gradients are added, and its `upstream` becomes
    /// that of the hidden states.
    pub(super) fn loss(&self, loss: &Loss<'_>, back: bool) -> Result<()> {
        self.transform()?;
        match &self.staged.sampled {
            None => self.softmax_loss(back)?,
            Some(negatives) => self.sampled_loss(negatives, loss, back)?,
        }
        let head = &self.space.head;
        let arguments = Arguments::new()
            .address(head.losses)
            .address(self.staged(self.staged.weights))
            .int(self.sizes().outputs)
            .address(head.loss);
        self.launch("sum_losses", launch(1, 1), &arguments)?;
        if back { self.transform_backward() } else { Ok(()) }
    }

    fn softmax_loss(&self, back: bool) -> Result<()> {
        let (rows, outputs, head) = (self.sizes().outputs, self.config.outputs, &self.space.head);
        self.output_layer(head.logits)?;
        let arguments = Arguments::new()
            .address(head.logits)
            .int(head.stride)
            .int(outputs)
            .address(self.staged(self.staged.targets))
            .address(self.staged(self.staged.weights))
            .address(head.losses)
            .int(usize::from(back));
        self.launch("softmax_loss", launch(rows, 1), &arguments)?;
        if !back {
            return Ok(());
        }
        let input = View::new(self.output_input(), rows, self.config.hidden);
        let errors = View { at: head.logits, stride: head.stride, rows, columns: outputs };
        self.add_column_sums(errors, &self.plan.output_bias)?;
        // The columns behind the outputs are 0: they add nothing to what stands behind the table, and take nothing from it.
        let errors = View { columns: head.stride, ..errors };
        self.weight_gradient(errors, input, &self.plan.output)?;
        let start = self.plan.output.start;
        let table = start..start + head.stride * self.config.hidden;
        self.input_gradient(errors, &table, head.spare, false)
    }

    fn sampled_loss(&self, negatives: &StagedNegatives, loss: &Loss<'_>, back: bool) -> Result<()> {
        let (rows, head, staged) = (self.sizes().outputs, &self.space.head, self.staged);
        let (binary, power) = match *loss {
            Loss::Binary { power, .. } => (1, power),
            Loss::Softmax | Loss::SampledSoftmax(_) => (0, 0.0),
        };
        let words = [
            self.output_input().0,
            self.rounded(&self.plan.output).0,
            self.values(&self.plan.output_bias).0,
            self.staged(staged.targets).0,
            self.staged(negatives.ids).0,
            self.staged(negatives.lists).0,
            negatives.log_expected.map_or(0, |start| self.staged(start).0),
            self.staged(staged.weights).0,
            head.errors.0,
            head.losses.0,
            pair(rows as u32, negatives.count as u32),
            pair(binary, power.to_bits()),
        ];
        let candidates = negatives.count + 1;
        let arguments = Arguments::new().words(&words);
        self.launch("sampled_logits", self.shape.rows(rows * candidates), &arguments)?;
        self.launch("sampled_loss", warps(rows), &arguments)?;
        if !back {
            return Ok(());
        }
        self.launch("sampled_upstream", self.shape.rows(rows), &arguments.address(head.spare))?;
        let bias = Some(&self.plan.output_bias);
        self.add_segments(&negatives.segments, self.output_input(), head.errors, candidates, bias)
    }

    /// From the gradient of the output layer's input, in `spare`, to that of the hidden states, in `upstream`.
    fn transform_backward(&self) -> Result<()> {
        let (rows, width, head) = (self.sizes().outputs, self.config.hidden, &self.space.head);
        // Without a transform, `spare` is `upstream`.
        let Some(linear) = &self.plan.transform else { return Ok(()) };
        let dense = if let Some(norm) = &self.plan.transform_norm {
            let outputs = [head.transformed, Address::NONE];
            self.join_backward(&self.transform_join(norm), [head.spare, Address::NONE], outputs, None)?;
            head.transformed
        } else {
            head.spare
        };
        self.activate_backward(head.inner, dense, rows, &linear.bias)?;
        let dense = View::new(dense, rows, width);
        self.weight_gradient(dense, View::new(self.space.hidden, rows, width), &linear.weight)?;
        self.input_gradient(dense, &linear.weight, head.upstream, false)
    }
}
