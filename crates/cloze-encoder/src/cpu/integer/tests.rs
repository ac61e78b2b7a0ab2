use super::*;

fn wave(len: usize, f: f64) -> Vec<f32> {
    (0..len).map(|i| ((i as f64 * f).sin() * (1.0 + (i % 7) as f64)) as f32).collect()
}

fn present() -> impl Iterator<Item = (Level, Instructions)> {
    let of = |instructions| {
        Level::present()
            .find(|level| Instructions::of(*level) == instructions)
            .map(|level| (level, instructions))
    };
    [Instructions::Plain, Instructions::Avx2, Instructions::Vnni].into_iter().filter_map(of)
}

/// Weights as their integers say, by the definition.
fn weights(row: &[f32]) -> Vec<f64> {
    let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let inverse = if most == 0.0 { 0.0 } else { 127.0 / most };
    row.iter().map(|x| f64::from(most / 127.0) * f64::from((x * inverse).round_ties_even())).collect()
}

/// A row of the left side, likewise.
fn left(row: &[f32]) -> Vec<f64> {
    let (lowest, highest) = row.iter().fold((0.0f32, 0.0f32), |(low, high), x| (low.min(*x), high.max(*x)));
    let inverse = if highest == lowest { 0.0 } else { 254.0 / (highest - lowest) };
    let scale = f64::from((highest - lowest) / 254.0);
    row.iter().map(|x| scale * f64::from((x * inverse).round_ties_even())).collect()
}

/// Every set of instructions, shapes around the sizes of words, tiles and panels, a row of zeros on either side, a row
/// without negative values and one without positive ones.
#[test]
fn products_are_those_of_the_rounded_factors() {
    let shapes = [(1, 1, 1), (5, 7, 3), (6, 64, 64), (13, 65, 257), (7, 200, 32), (3, 17, 300), (12, 31, 6)];
    for (level, instructions) in present() {
        for (rows, out, inner) in shapes {
            let (mut x, mut w, bias) = (wave(rows * inner, 0.7), wave(out * inner, 1.3), wave(out, 0.3));
            x[..inner].iter_mut().for_each(|x| *x = x.abs());
            x[(rows - 1) * inner..].fill(0.0);
            x[rows / 2 * inner..][..inner].iter_mut().for_each(|x| *x = -x.abs());
            w[(out / 2) * inner..][..inner].fill(-0.0);
            let integers = Integers::with(&w, out, instructions);
            let mut found = vec![9.0; 3];
            integers.multiply(level, &x, &bias, &mut found);
            assert_eq!(found.len(), rows * out);
            for (i, x) in x.chunks_exact(inner).enumerate() {
                let x = left(x);
                for (j, w) in w.chunks_exact(inner).enumerate() {
                    let product: f64 = x.iter().zip(weights(w)).map(|(x, w)| x * w).sum();
                    let bias = f64::from(bias[j]);
                    let error = (f64::from(found[i * out + j]) - product - bias).abs();
                    let bound = 1e-6 * (product.abs() + bias.abs());
                    assert!(error <= bound, "{instructions:?} {rows}×{out}×{inner} ({i}, {j}): {error:.1e}");
                }
            }
        }
    }
}

/// Half a step, whatever the row.
#[test]
fn values_move_by_half_a_step_at_most() {
    for (level, _) in present() {
        for row in [wave(300, 0.7), wave(33, 0.01), vec![127.5, -127.5, 0.5], vec![3.0; 20], vec![-1e-20; 5]]
        {
            let (mut bytes, mut halves) = (vec![7; row.len() + 2], vec![7; row.len() + 2]);
            let step = round_to_bytes(level, &row, &mut bytes);
            assert_eq!(step, round_to_halves(level, &row, &mut halves));
            assert_eq!((&bytes[row.len()..], &halves[row.len()..]), (&[0, 0][..], &[0, 0][..]));
            for ((byte, half), x) in bytes.iter().zip(&halves).zip(&row) {
                assert_eq!(i16::from(*byte), *half);
                let back = f64::from(step.scale) * f64::from(i32::from(*byte) + step.offset);
                assert!((back - f64::from(*x)).abs() <= f64::from(step.scale) * 0.5001, "{x} becomes {back}");
            }
        }
    }
}

#[test]
fn all_instructions_have_the_same_bits() {
    let (x, w, bias) = (wave(11 * 130, 0.9), wave(70 * 130, 0.4), wave(70, 0.2));
    let of = |(level, instructions)| {
        let mut out = Vec::new();
        Integers::with(&w, 70, instructions).multiply(level, &x, &bias, &mut out);
        out.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let all: Vec<_> = present().map(of).collect();
    assert!(all.iter().all(|bits| *bits == all[0]));
}

/// The longest sum of the largest factors still fits.
#[test]
fn the_longest_sum_fits() {
    for (level, instructions) in present() {
        let ones = vec![1.0; LONGEST];
        for sign in [1.0f32, -1.0] {
            let mut out = Vec::new();
            let x: Vec<f32> = ones.iter().map(|one| sign * one).collect();
            Integers::with(&ones, 1, instructions).multiply(level, &x, &[0.0], &mut out);
            let error = (out[0] / (sign * LONGEST as f32) - 1.0).abs();
            assert!(error < 1e-6, "{instructions:?}: {}", out[0]);
        }
    }
}

/// What is not finite is not hidden, and tiny values make no infinite scale.
#[test]
fn what_is_not_finite_comes_out() {
    for (level, instructions) in present() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let (mut x, mut out) = (wave(2 * 20, 0.7), Vec::new());
            x[25] = bad;
            Integers::with(&wave(3 * 20, 0.3), 3, instructions).multiply(level, &x, &[0.0; 3], &mut out);
            assert!(
                out[..3].iter().all(|value| value.is_finite()) && out[3..].iter().all(|value| value.is_nan())
            );
            x[25] = 1e-44;
            x[20..].iter_mut().for_each(|x| *x *= 1e-44);
            Integers::with(&x, 2, instructions).multiply(level, &x, &[1.0; 2], &mut out);
            assert!(out.iter().all(|value| value.is_finite()));
        }
    }
}
