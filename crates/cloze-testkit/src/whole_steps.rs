//! Of the engines' contract: whole training steps with batches prepared beforehand.

use crate::batches::{drawn, every_loss, negatives};
use crate::bodies::config;
use crate::engine_contract::{LENGTHS, Make, engine};
use cloze_encoder::{Body, EncoderConfig, Loss, Mode, Negatives, PreparedBatch, Sharing};

/// Steps at which batches grow, shrink and come again.
const SIZES: [usize; 5] = [2, 4, 4, 1, 4];

/// A whole step ends with the bits of its parts, its batch prepared during the step before, dropout on.
pub fn whole_steps_equal_their_parts(make: Make, body: Body) {
    let config = EncoderConfig { dropout: 0.2, ..config(body) };
    let batch = |step: usize| drawn(&config, &LENGTHS[..SIZES[step]], 40 + step as u64);
    // The negatives belong to a batch, so each loss stands for its kind.
    every_loss(&config, &batch(0), |kind| {
        let of = |step: usize| {
            let sharing = kind.negatives().map_or(Sharing::Row, Negatives::sharing);
            negatives(&config, &batch(step), sharing, step as u64)
        };
        let (mut whole, mut parts) = (engine(make, &config), engine(make, &config));
        let preparer = whole.preparer();
        let prepare =
            |step: usize| preparer.prepare(batch(step), &with(kind, &of(step))).expect("a good batch");
        let mut next = Some(prepare(0));
        for step in 0..SIZES.len() {
            let (drawn, negatives, rate) = (batch(step), of(step), 1e-2 / (1 + step) as f64);
            let loss = with(kind, &negatives);
            let prepared: PreparedBatch = next.take().expect("prepared in the step before");
            assert_eq!(prepared.batch(), &drawn);
            let found = whole
                .train_step(&prepared, &loss, rate, &mut || {
                    next = (step + 1 < SIZES.len()).then(|| prepare(step + 1));
                })
                .unwrap();
            let expected = (parts.loss_step(&drawn, &loss).unwrap(), parts.optimizer_step(rate).unwrap());
            assert_eq!(found, expected, "step {step}");
        }
        assert_eq!(whole.parameters().unwrap(), parts.parameters().unwrap());
        assert_eq!(whole.optimizer_state().unwrap(), parts.optimizer_state().unwrap());
    });
}

/// Whatever an engine has kept from a step with another loss: a loss is that of a fresh engine with the same parameters, and so are
/// the logits.
pub fn losses_take_turns(make: Make, body: Body) {
    let config = config(body);
    let batch = drawn(&config, &LENGTHS, 6);
    let mut used = engine(make, &config);
    for _ in 0..2 {
        every_loss(&config, &batch, |loss| {
            let mut fresh = engine(make, &config);
            fresh.load(&used.parameters().unwrap()).unwrap();
            assert_eq!(used.loss(&batch, loss).unwrap(), fresh.loss(&batch, loss).unwrap(), "{loss:?}");
            for engine in [&mut used, &mut fresh] {
                engine.forward(&batch, Mode::Inference).unwrap();
            }
            assert_eq!(used.logits().unwrap(), fresh.logits().unwrap(), "before a step of {loss:?}");
            assert_eq!(used.loss_step(&batch, loss).unwrap(), fresh.loss_step(&batch, loss).unwrap());
            used.optimizer_step(1e-2).unwrap();
        });
    }
}

/// A loss of the same kind with other negatives.
fn with<'a>(kind: &Loss<'_>, negatives: &'a Negatives) -> Loss<'a> {
    match *kind {
        Loss::Softmax => Loss::Softmax,
        Loss::SampledSoftmax(_) => Loss::SampledSoftmax(negatives),
        Loss::Binary { power, .. } => Loss::Binary { negatives, power },
    }
}

/// A batch that was prepared for another loss is refused, or as good.
pub fn prepared_batches_keep_their_loss(make: Make, body: Body) {
    let config = config(body);
    let batch = drawn(&config, &LENGTHS, 3);
    let negatives = negatives(&config, &batch, Sharing::Row, 5);
    let mut engine = engine(make, &config);
    let prepared = engine.preparer().prepare(batch.clone(), &Loss::Softmax).unwrap();
    let sampled = Loss::SampledSoftmax(&negatives);
    let expected = engine.loss(&batch, &sampled).unwrap();
    match engine.train_step(&prepared, &sampled, 1e-3, &mut || {}) {
        Ok((loss, _)) => assert!((f64::from(loss) - expected).abs() < 1e-2 * expected),
        Err(error) => assert!(error.to_string().contains("another loss"), "{error}"),
    }
}
