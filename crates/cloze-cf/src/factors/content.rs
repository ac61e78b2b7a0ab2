//! What is known of a pair before anything is learned, as a part of its score: `h · (u ∗ i ∗ c(u, i))`, with learned u and i and a
//! given c, such as what the two have in common by texts.

use super::chunk::{Chunk, Part, People};
use super::network::{Network, row};
use std::fmt::Debug;

/// Items whose content is asked for together.
const BLOCK: usize = 256;

/// Vectors of pairs that are given, not learned.
pub trait PairContent: Debug + Send + Sync {
    /// Values of a vector.
    fn width(&self) -> usize;

    /// The vectors of a user with the items of a group in training, `[items, width]`: the first item was observed, the others were
    /// drawn. What is known only because a pair was observed must not stand in its vector, or the pair tells itself. `step` is
    /// that of the optimizer: whoever draws something draws the same for the same step.
    fn of_group(&self, user: u32, items: &[u32], step: u64, vectors: &mut [f32]);

    /// The vectors of a user with items in a row, from `first` on, `[items, width]`.
    fn of_items(&self, user: u32, first: u32, vectors: &mut [f32]);
}

impl Network {
    /// Adds the part to the scores in `chunk`; people without vectors for it have none.
    pub(super) fn forward_content(&self, people: People<'_>, part: Part<'_>, chunk: &mut Chunk) {
        let Some(content) = self.content.as_deref().filter(|_| !people.content.is_empty()) else { return };
        let (width, stride) = (self.shape.content, part.stride());
        let (things, weights) = self.content_values();
        chunk.content.resize(part.items.len() * width, 0.0);
        let groups = part.users.iter().zip(part.items.chunks_exact(stride));
        let groups = groups.zip(chunk.content.chunks_exact_mut(stride * width));
        for (((&user, items), vectors), scores) in groups.zip(chunk.scores.chunks_exact_mut(stride)) {
            content.of_group(user, items, part.step, vectors);
            let weighted = weighted(weights, row(people.content, user, width));
            let pairs = items.iter().zip(vectors.chunks_exact(width));
            for (score, (&item, vector)) in scores.iter_mut().zip(pairs) {
                *score += triple(&weighted, row(things, item, width), vector);
            }
        }
    }

    /// Gradients of the part by the slopes in `chunk`; its vectors of pairs become the gradients of the items' vectors.
    pub(super) fn backward_content(&self, people: People<'_>, part: Part<'_>, chunk: &mut Chunk) {
        if people.content.is_empty() || self.shape.content == 0 {
            return;
        }
        let (width, stride) = (self.shape.content, part.stride());
        let (things, weights) = self.content_values();
        let of_weights = self.layout.content_weights.start - self.layout.dense.start;
        let sums = &mut chunk.dense[of_weights..][..width];
        chunk.content_users.clear();
        chunk.content_users.resize(part.users.len() * width, 0.0);
        let groups = part.users.iter().zip(part.items.chunks_exact(stride));
        let groups = groups.zip(chunk.content.chunks_exact_mut(stride * width));
        let groups = groups.zip(chunk.slopes.chunks_exact(stride));
        for ((((&user, items), vectors), slopes), gradient) in
            groups.zip(chunk.content_users.chunks_exact_mut(width))
        {
            let vector = row(people.content, user, width);
            let weighted = weighted(weights, vector);
            for ((&item, &slope), content) in items.iter().zip(slopes).zip(vectors.chunks_exact_mut(width)) {
                let thing = row(things, item, width);
                for (((g, c), i), w) in gradient.iter_mut().zip(content).zip(thing).zip(&weighted) {
                    *g += slope * *c * i;
                    *c *= slope * w;
                }
            }
            // The gradient of h ∗ u so far.
            for (((sum, g), u), h) in sums.iter_mut().zip(gradient).zip(vector).zip(weights) {
                *sum += *g * u;
                *g *= h;
            }
        }
    }

    /// Adds the part to a user's scores of all items.
    pub(super) fn add_content(&self, user: u32, vector: &[f32], scores: &mut [f32]) {
        let Some(content) = self.content.as_deref().filter(|_| !vector.is_empty()) else { return };
        let width = self.shape.content;
        let (things, weights) = self.content_values();
        let weighted = weighted(weights, vector);
        let mut vectors = vec![0.0; BLOCK * width];
        let blocks = scores.chunks_mut(BLOCK).zip(things.chunks(BLOCK * width));
        for ((scores, things), first) in blocks.zip((0_u32..).step_by(BLOCK)) {
            let vectors = &mut vectors[..scores.len() * width];
            content.of_items(user, first, vectors);
            let pairs = things.chunks_exact(width).zip(vectors.chunks_exact(width));
            for (score, (thing, vector)) in scores.iter_mut().zip(pairs) {
                *score += triple(&weighted, thing, vector);
            }
        }
    }

    /// The items' vectors and h.
    fn content_values(&self) -> (&[f32], &[f32]) {
        let layout = &self.layout;
        (&self.values[layout.content_items.range.clone()], &self.values[layout.content_weights.clone()])
    }
}

fn weighted(weights: &[f32], vector: &[f32]) -> Vec<f32> {
    weights.iter().zip(vector).map(|(h, u)| h * u).collect()
}

fn triple(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    // Sums that do not wait for each other.
    let mut sums = [0.0_f32; 8];
    let cut = a.len() / 8 * 8;
    let blocks = a[..cut].chunks_exact(8).zip(b.chunks_exact(8)).zip(c.chunks_exact(8));
    for ((a, b), c) in blocks {
        for (sum, ((a, b), c)) in sums.iter_mut().zip(a.iter().zip(b).zip(c)) {
            *sum += a * b * c;
        }
    }
    let rest = a[cut..].iter().zip(&b[cut..]).zip(&c[cut..]).map(|((a, b), c)| a * b * c);
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}
