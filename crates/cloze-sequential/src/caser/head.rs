//! The output layer, `y = W′ [z; P_u] + b′`, and what its scores are trained for.

use super::network::Network;
use super::products::{add_scaled, dot, matrix, matrix_mut, multiply, multiply_add};
use cloze_encoder::cpu::exponentials;
use cloze_encoder::{Loss, Negatives, Sharing};

/// The targets of a block of windows.
#[derive(Clone, Copy)]
pub(super) struct Targets<'a> {
    /// Items, window by window.
    pub(super) items: &'a [u32],
    /// Where each window's targets begin and, at last, end, in the whole batch.
    pub(super) ends: &'a [u32],
    /// Number of the block's first window in the batch.
    pub(super) first: usize,
    /// Targets of the whole batch: the loss is their mean.
    pub(super) all: usize,
}

impl<'a> Targets<'a> {
    /// For each window of the block: its targets, and the number of the first of them in the batch.
    fn windows(self) -> impl Iterator<Item = (&'a [u32], usize)> {
        let ends = self.ends.windows(2);
        ends.map(move |ends| (&self.items[ends[0] as usize..ends[1] as usize], ends[0] as usize))
    }
}

/// `[z; P_u]` of a block of windows with what they are trained for, and where the gradients of both sides go.
struct Block<'a> {
    joint: &'a [f32],
    targets: Targets<'a>,
    djoint: &'a mut [f32],
    gradient: &'a mut [f32],
}

/// Turns the scores of a list, the target's first, into their gradient and gives the loss; it is also told which of them count (a
/// negative that is the target does not) and their `log n`.
type ListLoss<'a> = &'a dyn Fn(&mut [f32], &[bool], &[f32]) -> f64;

impl Network {
    /// Scores of all items, `[windows, items]`, for `joint` = `[z; P_u]`, `[windows, joint]`.
    pub(super) fn scores(&self, joint: &[f32], scores: &mut [f32]) {
        let (items, width) = (self.shape().items, self.shape().joint());
        if items == 0 {
            return;
        }
        scores.chunks_exact_mut(items).for_each(|row| row.copy_from_slice(self.output_bias()));
        let output = matrix(self.output(), width);
        multiply_add(matrix_mut(scores, items), matrix(joint, width), output.transpose());
    }

    /// The block's part of the batch's mean loss. The gradient of `joint` is written to `djoint`, that of the output layer
    /// added to `gradient`; `scores` is a place to work in.
    pub(super) fn loss(
        &self,
        joint: &[f32],
        targets: Targets<'_>,
        loss: &Loss<'_>,
        scores: &mut Vec<f32>,
        djoint: &mut Vec<f32>,
        gradient: &mut [f32],
    ) -> f64 {
        djoint.clear();
        djoint.resize(joint.len(), 0.0);
        match *loss {
            Loss::Softmax => self.softmax(joint, targets, scores, djoint, gradient),
            Loss::SampledSoftmax(negatives) => {
                self.sampled(Block { joint, targets, djoint, gradient }, negatives, &sampled_softmax)
            }
            Loss::Binary { negatives, power } => {
                let binary =
                    |scores: &mut [f32], used: &[bool], _: &[f32]| binary(scores, used, f64::from(power));
                self.sampled(Block { joint, targets, djoint, gradient }, negatives, &binary)
            }
        }
    }

    fn softmax(
        &self,
        joint: &[f32],
        targets: Targets<'_>,
        scores: &mut Vec<f32>,
        djoint: &mut [f32],
        gradient: &mut [f32],
    ) -> f64 {
        let (items, width, layout) = (self.shape().items, self.shape().joint(), self.layout());
        let each = 1.0 / targets.all as f32;
        scores.resize(joint.len() / width * items, 0.0);
        self.scores(joint, scores);
        let mut loss = 0.0;
        for (row, (wanted, _)) in scores.chunks_exact_mut(items).zip(targets.windows()) {
            loss += wanted.iter().map(|&item| -f64::from(row[item as usize])).sum::<f64>();
            let log_sum = normalize(row, each * wanted.len() as f32);
            loss += log_sum * wanted.len() as f64;
            for &item in wanted {
                row[item as usize] -= each;
            }
        }
        multiply(matrix_mut(djoint, width), matrix(scores, items), matrix(self.output(), width));
        let doutput = matrix_mut(&mut gradient[layout.output.clone()], width);
        multiply_add(doutput, matrix(scores, items).transpose(), matrix(joint, width));
        let dbias = &mut gradient[layout.output_bias.clone()];
        scores.chunks_exact(items).for_each(|row| add_scaled(dbias, 1.0, row));
        loss / targets.all as f64
    }

    /// A loss over each target and its list of negatives: its own, or one that windows share.
    fn sampled(&self, block: Block<'_>, negatives: &Negatives, of: ListLoss<'_>) -> f64 {
        let Sharing::Sequences(together) = negatives.sharing() else {
            return self.listed(block, negatives, of);
        };
        let Block { joint, targets, djoint, gradient } = block;
        let (width, windows) = (self.shape().joint(), targets.ends.len() - 1);
        let (mut start, mut loss) = (0, 0.0);
        while start < windows {
            let list = (targets.first + start) / together;
            let end = ((list + 1) * together.get() - targets.first).min(windows);
            let targets =
                Targets { ends: &targets.ends[start..=end], first: targets.first + start, ..targets };
            let place = start * width..end * width;
            let (joint, djoint) = (&joint[place.clone()], &mut djoint[place]);
            let part = Block { joint, targets, djoint, gradient: &mut *gradient };
            loss += self.shared(part, (negatives.list(list), negatives.log_expected(list)), of);
            start = end;
        }
        loss
    }

    /// A loss over each target and its own list of negatives.
    fn listed(&self, block: Block<'_>, negatives: &Negatives, of: ListLoss<'_>) -> f64 {
        let Block { joint, targets, djoint, gradient } = block;
        let (width, layout) = (self.shape().joint(), self.layout());
        let (output, bias) = (self.output(), self.output_bias());
        let each = 1.0 / targets.all as f32;
        let (mut loss, mut scores, mut used) = (0.0, Vec::new(), Vec::new());
        let rows = joint.chunks_exact(width).zip(djoint.chunks_exact_mut(width));
        for ((joint, djoint), (wanted, first)) in rows.zip(targets.windows()) {
            for (number, &target) in wanted.iter().enumerate() {
                let list = first + number;
                let items =
                    || std::iter::once(&target).chain(negatives.list(list)).map(|&item| item as usize);
                scores.clear();
                scores.extend(items().map(|item| dot(joint, &output[item * width..][..width]) + bias[item]));
                used.clear();
                used.extend(items().enumerate().map(|(place, item)| place == 0 || item != target as usize));
                loss += of(&mut scores, &used, negatives.log_expected(list));
                for (item, &slope) in items().zip(&scores).filter(|(_, slope)| **slope != 0.0) {
                    let slope = slope * each;
                    gradient[layout.output_bias.start + item] += slope;
                    add_scaled(&mut gradient[layout.output.start + item * width..][..width], slope, joint);
                    add_scaled(djoint, slope, &output[item * width..][..width]);
                }
            }
        }
        loss / targets.all as f64
    }

    /// The same for windows that share a list, given with its `log n`: its scores are a product.
    fn shared(&self, block: Block<'_>, (ids, log_expected): (&[u32], &[f32]), of: ListLoss<'_>) -> f64 {
        let Block { joint, targets, djoint, gradient } = block;
        let (width, layout) = (self.shape().joint(), self.layout());
        let (output, bias) = (self.output(), self.output_bias());
        let row_of = |item: u32| item as usize * width..(item as usize + 1) * width;
        let vectors: Vec<f32> = ids.iter().flat_map(|&id| &output[row_of(id)]).copied().collect();
        let biases: Vec<f32> = ids.iter().map(|&id| bias[id as usize]).collect();
        let rows = joint.len() / width;
        let mut scores = biases.repeat(rows);
        let list = matrix(&vectors, width);
        multiply_add(matrix_mut(&mut scores, ids.len()), matrix(joint, width), list.transpose());
        let each = 1.0 / targets.all as f32;
        let (mut loss, mut errors) = (0.0, vec![0.0; scores.len()]);
        let (mut own, mut used) = (Vec::new(), Vec::new());
        let windows = joint.chunks_exact(width).zip(djoint.chunks_exact_mut(width)).zip(targets.windows());
        let lists = scores.chunks_exact(ids.len()).zip(errors.chunks_exact_mut(ids.len()));
        for (((joint, djoint), (wanted, _)), (scores, errors)) in windows.zip(lists) {
            for &target in wanted {
                own.clear();
                own.push(dot(joint, &output[row_of(target)]) + bias[target as usize]);
                own.extend_from_slice(scores);
                used.clear();
                used.push(true);
                used.extend(ids.iter().map(|&id| id != target));
                loss += of(&mut own, &used, log_expected);
                add_scaled(errors, each, &own[1..]);
                let slope = own[0] * each;
                gradient[layout.output_bias.start + target as usize] += slope;
                add_scaled(&mut gradient[layout.output.clone()][row_of(target)], slope, joint);
                add_scaled(djoint, slope, &output[row_of(target)]);
            }
        }
        let errors = matrix(&errors, ids.len());
        multiply_add(matrix_mut(djoint, width), errors, list);
        let mut dvectors = vec![0.0; vectors.len()];
        multiply(matrix_mut(&mut dvectors, width), errors.transpose(), matrix(joint, width));
        for (number, (&id, dvector)) in ids.iter().zip(dvectors.chunks_exact(width)).enumerate() {
            add_scaled(&mut gradient[layout.output.clone()][row_of(id)], 1.0, dvector);
            gradient[layout.output_bias.start + id as usize] += errors.col(number).iter().sum::<f32>();
        }
        loss / targets.all as f64
    }
}

/// Scores become probabilities times `factor`; the logarithm of the sum of exponentials.
fn normalize(scores: &mut [f32], factor: f32) -> f64 {
    let (largest, sum) = exponentials(scores);
    let scale = factor / sum;
    for score in scores {
        *score *= scale;
    }
    f64::from(largest) + f64::from(sum).ln()
}

/// `log(e^{s⁺} + Σⱼ e^{sⱼ} / nⱼ) − s⁺`.
fn sampled_softmax(scores: &mut [f32], used: &[bool], log_expected: &[f32]) -> f64 {
    let target = f64::from(scores[0]);
    for (score, log) in scores[1..].iter_mut().zip(log_expected) {
        *score -= log;
    }
    for (score, _) in scores.iter_mut().zip(used).filter(|(_, used)| !**used) {
        *score = f32::NEG_INFINITY;
    }
    let log_sum = normalize(scores, 1.0);
    scores[0] -= 1.0;
    log_sum - target
}

/// `−(power · log σ(s⁺) + Σⱼ log(1 − σ(sⱼ))) / (1 + K)`.
fn binary(scores: &mut [f32], used: &[bool], power: f64) -> f64 {
    let share = 1.0 / scores.len() as f64;
    let mut loss = 0.0;
    for (place, (score, &used)) in scores.iter_mut().zip(used).enumerate() {
        // −ln σ(−z) and σ(z), with the sign such that both labels are the same formula.
        let (sign, weight) = if place == 0 { (-1.0, power) } else { (1.0, f64::from(u8::from(used))) };
        let z = sign * f64::from(*score);
        loss += weight * share * (z.max(0.0) + (-z.abs()).exp().ln_1p());
        *score = (sign * weight * share / (1.0 + (-z).exp())) as f32;
    }
    loss
}
