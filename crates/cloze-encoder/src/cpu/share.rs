//! Which worker takes which sequences of a batch, and how many of them together.

use super::CpuEngine;
use super::forward::{Context, Sequence};
use super::head;
use super::worker::Worker;
use crate::batch::PackedBatch;
use crate::config::Body;
use crate::engine::Mode;
use crate::error::Result;
use crate::loss::Loss;
use rayon::prelude::*;

/// Sequences that go through recurrent layers side by side: the rows of a step's product. Whole tiles of the matrix kernels.
const SIDE_BY_SIDE: usize = 24;

/// When a group is large enough.
#[derive(Clone, Copy)]
enum Enough {
    OutputRows(usize),
    Sequences(usize),
}

impl CpuEngine {
    /// Gives every worker its sequences: the costliest first, each to the worker with the least so far. So many of them as
    /// are `together` are given as one.
    fn share(&mut self, batch: &PackedBatch, cu_outputs: &[u32], together: usize) {
        let cost = |number: usize| {
            let n = (batch.cu_seqlens()[number + 1] - batch.cu_seqlens()[number]) as usize;
            match self.config.body {
                Body::Transformer => n * (6 * self.config.hidden + n),
                Body::Gru => n,
            }
        };
        // A sequence without output rows changes nothing.
        let counts = |number: &usize| cu_outputs[*number] < cu_outputs[*number + 1];
        let sequences: Vec<usize> = (0..batch.sequences()).filter(counts).collect();
        let mut order: Vec<(usize, &[usize])> = sequences
            .chunk_by(|a, b| a / together == b / together)
            .map(|some| (some.iter().map(|&number| cost(number)).sum(), some))
            .collect();
        order.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        let mut loads = vec![0; self.workers.len()];
        self.workers.iter_mut().for_each(|worker| worker.share.clear());
        for (cost, some) in order {
            let least = (0..loads.len()).min_by_key(|&worker| loads[worker]).unwrap_or(0);
            loads[least] += cost;
            self.workers[least].share.extend_from_slice(some);
        }
    }

    fn enough(&self, loss: Option<&Loss<'_>>) -> Enough {
        match self.config.body {
            Body::Transformer => Enough::OutputRows(loss.map_or(1, head::rows_at_least)),
            Body::Gru => Enough::Sequences(SIDE_BY_SIDE),
        }
    }

    /// Runs `work` for groups of sequences on their worker: as many together as suit the body and, where there is one, the
    /// loss; in the last group as many as are left.
    pub(super) fn each_group(
        &mut self,
        batch: &PackedBatch,
        mode: Mode,
        loss: Option<&Loss<'_>>,
        work: impl Fn(&Context<'_>, &[Sequence<'_>], &mut Worker) + Sync,
    ) -> Result<()> {
        batch.validate(&self.config)?;
        let cu_outputs = batch.cu_outputs();
        self.prepare(mode, loss.is_some_and(|loss| loss.negatives().is_none()));
        let together = head::together(loss);
        self.share(batch, &cu_outputs, together);
        let mut workers = std::mem::take(&mut self.workers);
        let (context, enough) = (self.context(mode), self.enough(loss));
        workers.par_iter_mut().for_each(|worker| {
            let share = std::mem::take(&mut worker.share);
            let mut group = Vec::new();
            let mut gathered = 0;
            for (place, &number) in share.iter().enumerate() {
                let sequence = sequence(batch, &cu_outputs, number);
                gathered += sequence.outputs.len();
                group.push(sequence);
                let full = match enough {
                    Enough::OutputRows(rows) => gathered >= rows,
                    Enough::Sequences(count) => group.len() >= count,
                };
                let goes_on = share.get(place + 1).is_some_and(|next| next / together == number / together);
                if full && !goes_on {
                    work(&context, &group, worker);
                    gathered = 0;
                    group.clear();
                }
            }
            if !group.is_empty() {
                work(&context, &group, worker);
            }
            worker.share = share;
        });
        self.workers = workers;
        Ok(())
    }
}

/// Sequence `number` of the batch.
fn sequence<'a>(batch: &'a PackedBatch, cu_outputs: &[u32], number: usize) -> Sequence<'a> {
    let rows = batch.cu_seqlens()[number] as usize..batch.cu_seqlens()[number + 1] as usize;
    let outputs = cu_outputs[number] as usize..cu_outputs[number + 1] as usize;
    Sequence {
        number,
        tokens: &batch.tokens()[rows.clone()],
        positions: &batch.positions()[rows.clone()],
        token_types: &batch.token_types()[rows.clone()],
        first_row: rows.start,
        outputs: &batch.outputs()[outputs.clone()],
        targets: if batch.targets().is_empty() { &[] } else { &batch.targets()[outputs.clone()] },
        first_output: outputs.start,
    }
}
