//! Gated recurrent units between their two products, row by row. Gates stand side by side in a row: r, z, n.

use super::level::for_every_level;
use super::math::{sigmoid, tanh};

for_every_level! {
    /// A step of some sequences. `gates` holds what comes from the input, `W x + b`, and becomes the gates themselves;
    /// `from_state` is `W h + b` of the states h, `before`. The candidate's share of it is kept in `candidate`; `after` becomes
    /// the next states.
    pub(super) fn step(
        gates: &mut [f32],
        from_state: &[f32],
        before: &[f32],
        candidate: &mut [f32],
        after: &mut [f32],
        width: usize,
    ) {
        let rows = gates.chunks_exact_mut(3 * width).zip(from_state.chunks_exact(3 * width));
        let states = before.chunks_exact(width).zip(after.chunks_exact_mut(width));
        for (((gates, from_state), (before, after)), candidate) in
            rows.zip(states).zip(candidate.chunks_exact_mut(width))
        {
            let (r_and_z, n) = gates.split_at_mut(2 * width);
            let (to_r_and_z, to_n) = from_state.split_at(2 * width);
            for (gate, from_state) in r_and_z.iter_mut().zip(to_r_and_z) {
                *gate = sigmoid(*gate + from_state);
            }
            candidate.copy_from_slice(to_n);
            let (r, z) = r_and_z.split_at(width);
            for ((n, r), from_state) in n.iter_mut().zip(r).zip(to_n) {
                *n = tanh(*n + r * from_state);
            }
            for (((after, n), z), before) in after.iter_mut().zip(n).zip(z).zip(before) {
                *after = *n + z * (before - *n);
            }
        }
    }
}

for_every_level! {
    /// The way back of [`step`], from `gradient`, that of the next states: `gates` become the gradients of what came from the
    /// input, `from_state` those of what came from the states, and `gradient` the share that the states keep, `z ⊙ gradient`.
    pub(super) fn step_backward(
        gates: &mut [f32],
        from_state: &mut [f32],
        before: &[f32],
        candidate: &[f32],
        gradient: &mut [f32],
        width: usize,
    ) {
        let rows = gates.chunks_exact_mut(3 * width).zip(from_state.chunks_exact_mut(3 * width));
        let states = before.chunks_exact(width).zip(candidate.chunks_exact(width));
        for (((gates, from_state), (before, candidate)), gradient) in
            rows.zip(states).zip(gradient.chunks_exact_mut(width))
        {
            let (r, z_and_n) = gates.split_at_mut(width);
            let (z, n) = z_and_n.split_at_mut(width);
            let (to_r, to_z_and_n) = from_state.split_at_mut(width);
            let (to_z, to_n) = to_z_and_n.split_at_mut(width);
            // Slices of one length, so that the loop needs no checks.
            let (before, candidate, gradient) = (&before[..width], &candidate[..width], &mut gradient[..width]);
            let (r, z, n) = (&mut r[..width], &mut z[..width], &mut n[..width]);
            let (to_r, to_z, to_n) = (&mut to_r[..width], &mut to_z[..width], &mut to_n[..width]);
            for i in 0..width {
                let inner = gradient[i] * (1.0 - z[i]) * (1.0 - n[i] * n[i]);
                to_n[i] = inner * r[i];
                to_r[i] = inner * candidate[i] * r[i] * (1.0 - r[i]);
                to_z[i] = gradient[i] * (before[i] - n[i]) * z[i] * (1.0 - z[i]);
                gradient[i] *= z[i];
                (r[i], z[i], n[i]) = (to_r[i], to_z[i], inner);
            }
        }
    }
}
