//! The truth about gradients: central differences of the loss, in double precision.

use crate::compare::{gradient_is_zero, norm, relative_error};
use cloze_encoder::{Engine, Loss, PackedBatch};

/// Step of the differences: a power of two, added to parameters that are rounded to multiples of it, so that the
/// perturbed values are exact in single precision.
const STEP: f32 = 1.0 / 131_072.0;

/// Asserts that an engine's gradients of a loss agree with fourth-order central differences,
/// `(8(f₊₁ − f₋₁) − (f₊₂ − f₋₂)) / 12h`, within `bound` as a relative norm for each parameter tensor.
///
/// The engine must compute in double precision with dropout off.
#[track_caller]
pub fn assert_gradients(engine: &mut dyn Engine, batch: &PackedBatch, loss: &Loss<'_>, bound: f64) {
    assert!(engine.config().dropout == 0.0, "differences of a random loss are no gradient");
    let mut parameters = engine.parameters().unwrap();
    for value in parameters.values_mut() {
        *value = (*value / STEP).round() * STEP;
    }
    engine.load(&parameters).unwrap();
    engine.loss_step(batch, loss).unwrap();
    let gradients = engine.gradients().unwrap();
    engine.optimizer_step(0.0).unwrap(); // clears them
    let layout = engine.layout().clone();
    let mut loss_at = |index: usize, steps: f32| {
        let value = parameters.values()[index];
        parameters.values_mut()[index] = value + steps * STEP;
        engine.load(&parameters).unwrap();
        parameters.values_mut()[index] = value;
        engine.loss(batch, loss).unwrap()
    };
    let expected: Vec<f32> = (0..layout.len())
        .map(|i| {
            let near = loss_at(i, 1.0) - loss_at(i, -1.0);
            let far = loss_at(i, 2.0) - loss_at(i, -2.0);
            ((8.0 * near - far) / (12.0 * f64::from(STEP))) as f32
        })
        .collect();
    let whole = norm(&expected);
    for entry in layout.entries() {
        let (found, truth) = (&gradients[entry.range()], &expected[entry.range()]);
        let error =
            if gradient_is_zero(&entry.name) { norm(found) / whole } else { relative_error(found, truth) };
        assert!(error < bound, "{loss:?}: {}: relative error {error:.2e}, bound {bound:.0e}", entry.name);
    }
}
