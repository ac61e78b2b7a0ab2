//! What every engine must do, whatever it is made of: one test body each, instantiated by [`engine_contract!`](crate::engine_contract!).

use crate::batches::{all_rows, drawn, every_loss};
use crate::bodies::{config, kinds};
use crate::compare::{assert_close, assert_gradients_close, gradient_is_zero, norm};
use cloze_encoder::{
    AdamW, AdamWOptions, Attention, Body, EncoderConfig, EncoderError, Engine, Head, Loss, Mode, Negatives,
    PackedBatch, ParameterLayout, Parameters, Sharing,
};
use std::sync::Arc;

pub use crate::unbiased::dropout_is_unbiased;
pub use crate::whole_steps::{
    losses_take_turns, prepared_batches_keep_their_loss, whole_steps_equal_their_parts,
};

/// Makes the engine under test: configuration, parameters, optimizer, dropout seed.
pub type Make = fn(EncoderConfig, Parameters, AdamWOptions, u64) -> Box<dyn Engine>;

/// Sequence lengths of the contract's batches: unequal, with the shortest and the longest possible.
pub(crate) const LENGTHS: [usize; 4] = [12, 1, 5, 9];

pub(crate) fn engine(make: Make, config: &EncoderConfig) -> Box<dyn Engine> {
    let layout = Arc::new(ParameterLayout::new(config));
    make(config.clone(), Parameters::initialize(layout, 0.2, 5), AdamWOptions::default(), 17)
}

pub(crate) fn hidden(engine: &mut dyn Engine, batch: &PackedBatch, mode: Mode) -> Vec<f32> {
    engine.forward(batch, mode).unwrap();
    engine.hidden().unwrap()
}

/// A sequence's hidden states do not depend on what else is in the batch.
pub fn sequences_do_not_see_each_other(make: Make, body: Body, bound: f64) {
    for config in kinds(body) {
        let mut engine = engine(make, &config);
        let together = hidden(&mut *engine, &all_rows(&drawn(&config, &LENGTHS, 1)), Mode::Inference);
        let mut start = 0;
        let batch = drawn(&config, &LENGTHS, 1);
        for ends in batch.cu_seqlens().windows(2) {
            let range = ends[0] as usize..ends[1] as usize;
            let mut alone = PackedBatch::new();
            alone.push(&batch.tokens()[range.clone()], batch.positions()[range.start], &[], &[]).unwrap();
            alone.set_token_types(&batch.token_types()[range]).unwrap();
            let alone = hidden(&mut *engine, &all_rows(&alone), Mode::Inference);
            assert_close("sequence", &together[start..start + alone.len()], &alone, bound);
            start += alone.len();
        }
    }
}

/// Computing the output rows only gives what computing all rows gives.
pub fn output_rows_equal_all_rows(make: Make, body: Body, bound: f64) {
    for config in kinds(body) {
        let mut engine = engine(make, &config);
        let batch = drawn(&config, &LENGTHS, 2);
        let some = hidden(&mut *engine, &batch, Mode::Inference);
        let all = hidden(&mut *engine, &all_rows(&batch), Mode::Inference);
        for (number, &row) in batch.outputs().iter().enumerate() {
            let place = |row: usize| row * config.hidden..(row + 1) * config.hidden;
            assert_close("row", &some[place(number)], &all[place(row as usize)], bound);
        }
    }
}

/// With causal attention, or without any, a later token changes nothing before it; with attention to both sides it does.
pub fn causal_attention_sees_no_future(make: Make, body: Body, bound: f64) {
    for config in kinds(body) {
        let mut engine = engine(make, &config);
        let rows: Vec<u32> = (0..8).collect();
        let mut states = |last: u32| {
            let mut batch = PackedBatch::new();
            batch.push(&[1, 2, 3, 4, 5, 6, 7, last], 4, &rows, &[]).unwrap();
            hidden(&mut *engine, &batch, Mode::Inference)
        };
        let (a, b) = (states(8), states(9));
        let before = 7 * config.hidden;
        if config.attention == Attention::Causal {
            assert_close("earlier rows", &a[..before], &b[..before], bound);
        } else {
            assert!(
                norm(&a[..before]) > 0.0 && crate::compare::relative_error(&a[..before], &b[..before]) > 1e-3
            );
        }
        assert!(crate::compare::relative_error(&a[before..], &b[before..]) > 1e-3);
    }
}

/// No parameter is cut off from the loss.
pub fn every_parameter_gets_a_gradient(make: Make, body: Body) {
    for config in kinds(body) {
        let mut engine = engine(make, &config);
        // Long enough that every token and position occurs.
        engine.cloze_step(&drawn(&config, &[12; 20], 3)).unwrap();
        let gradients = engine.gradients().unwrap();
        for entry in engine.layout().entries() {
            let rows = entry.shape.first().copied().unwrap_or(1);
            if gradient_is_zero(&entry.name) {
                continue;
            }
            for row in gradients[entry.range()].chunks(entry.range().len() / rows) {
                assert!(norm(row) > 0.0, "{} has a row without gradient", entry.name);
            }
        }
    }
}

/// Every loss is what its definition makes of the logits.
pub fn losses_follow_their_definitions(make: Make, body: Body, bound: f64) {
    for config in kinds(body) {
        let mut engine = engine(make, &config);
        let batch = drawn(&config, &LENGTHS, 12);
        engine.forward(&batch, Mode::Inference).unwrap();
        let logits = engine.logits().unwrap();
        let mut written = vec![f32::NAN; logits.len()];
        engine.write_logits(&mut written).unwrap();
        assert_eq!(written, logits);
        every_loss(&config, &batch, |loss| {
            let expected = defined_loss(&logits, config.outputs, &batch, loss);
            let (found, step) = (engine.loss(&batch, loss).unwrap(), engine.loss_step(&batch, loss).unwrap());
            for found in [found, f64::from(step)] {
                assert!((found / expected - 1.0).abs() < bound, "{loss:?}: {found}, defined {expected}");
            }
        });
    }
}

/// The definition of a loss, row by row in double precision.
fn defined_loss(logits: &[f32], outputs: usize, batch: &PackedBatch, loss: &Loss<'_>) -> f64 {
    let cu_outputs = batch.cu_outputs();
    let row_loss = |(row, &target): (usize, &u32)| {
        let at = |id: u32| f64::from(logits[row * outputs + id as usize]);
        let sequence = cu_outputs.partition_point(|&end| end as usize <= row) - 1;
        let sampled = |negatives: &Negatives| {
            let list = negatives.list_of(sequence, row);
            let pairs = negatives.list(list).iter().zip(negatives.log_expected(list));
            pairs
                .filter(|(id, _)| **id != target)
                .map(|(&id, &log_expected)| (at(id), f64::from(log_expected)))
                .collect::<Vec<_>>()
        };
        match *loss {
            Loss::Softmax => (0..outputs as u32).map(|id| at(id).exp()).sum::<f64>().ln() - at(target),
            Loss::SampledSoftmax(negatives) => {
                let others: f64 = sampled(negatives).iter().map(|(logit, log)| (logit - log).exp()).sum();
                (at(target).exp() + others).ln() - at(target)
            }
            Loss::Binary { negatives, power } => {
                let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
                let others: f64 =
                    sampled(negatives).iter().map(|(logit, _)| (1.0 - sigmoid(*logit)).ln()).sum();
                let own = f64::from(power) * sigmoid(at(target)).ln();
                -(own + others) / (1 + negatives.count()) as f64
            }
        }
    };
    batch.targets().iter().enumerate().map(row_loss).sum::<f64>() / batch.targets().len() as f64
}

/// A head outside the engine reaches the same gradients: here the plain softmax head, computed by hand.
pub fn outside_heads_reach_the_same_gradients(make: Make, body: Body, bound: f64) {
    let config = EncoderConfig { head: Head::Plain, ..config(body) };
    let batch = drawn(&config, &LENGTHS, 4);
    let mut engine = engine(make, &config);
    engine.cloze_step(&batch).unwrap();
    let fused = engine.gradients().unwrap();
    engine.optimizer_step(0.0).unwrap();

    engine.forward(&batch, Mode::Training).unwrap();
    let (logits, hidden) = (engine.logits().unwrap(), engine.hidden().unwrap());
    let parameters = engine.parameters().unwrap();
    let layout = engine.layout().clone();
    let table = layout.get("bert.embeddings.word_embeddings.weight").unwrap().range();
    let bias = layout.get("cls.predictions.bias").unwrap().range();
    let mut head = vec![0.0f32; layout.len()];
    let mut upstream = vec![0.0f32; hidden.len()];
    for (row, &target) in batch.targets().iter().enumerate() {
        let scores = &logits[row * config.outputs..(row + 1) * config.outputs];
        let largest = scores.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = scores.iter().map(|score| (score - largest).exp()).sum();
        for (item, score) in scores.iter().enumerate() {
            let hit = if item == target as usize { 1.0 } else { 0.0 };
            let error = ((score - largest).exp() / sum - hit) / batch.targets().len() as f32;
            head[bias.start + item] += error;
            for column in 0..config.hidden {
                let cell = table.start + item * config.hidden + column;
                upstream[row * config.hidden + column] += error * parameters.values()[cell];
                head[cell] += error * hidden[row * config.hidden + column];
            }
        }
    }
    engine.backward(&upstream).unwrap();
    let outside: Vec<f32> = engine.gradients().unwrap().iter().zip(&head).map(|(a, b)| a + b).collect();
    assert_gradients_close(&layout, &outside, &fused, bound);
}

/// Dropout is the same for the same step and seed, another for another, and absent in inference.
pub fn dropout_is_seeded(make: Make, body: Body, bound: f64) {
    let config = EncoderConfig { dropout: 0.3, ..config(body) };
    let layout = Arc::new(ParameterLayout::new(&config));
    let start = Parameters::initialize(layout, 0.2, 5);
    let with_seed = |seed| make(config.clone(), start.clone(), AdamWOptions::default(), seed);
    let batch = drawn(&config, &LENGTHS, 6);
    let mut a = with_seed(1);
    let first = hidden(&mut *a, &batch, Mode::Training);
    assert_eq!(first, hidden(&mut *a, &batch, Mode::Training), "same step, same mask");
    assert_eq!(first, hidden(&mut *with_seed(1), &batch, Mode::Training), "same seed, same mask");
    assert_ne!(first, hidden(&mut *with_seed(2), &batch, Mode::Training));
    let still = hidden(&mut *a, &batch, Mode::Inference);
    let dry = EncoderConfig { dropout: 0.0, ..config.clone() };
    let mut without = make(dry, start.clone(), AdamWOptions::default(), 1);
    assert_close("inference", &still, &hidden(&mut *without, &batch, Mode::Inference), bound);
    a.cloze_step(&batch).unwrap();
    a.optimizer_step(0.0).unwrap();
    assert_ne!(first, hidden(&mut *a, &batch, Mode::Training), "the next step has another mask");
}

/// The engine's optimizer is [`AdamW`] on the flat buffers, and uses the gradients up.
pub fn optimizer_is_adamw(make: Make, body: Body, bound: f64) {
    let config = config(body);
    let mut engine = engine(make, &config);
    let batch = drawn(&config, &LENGTHS, 7);
    let mut expected = engine.parameters().unwrap();
    let mut optimizer = AdamW::new(engine.layout(), AdamWOptions::default());
    for rate in [1e-2, 3e-3, 1e-3] {
        engine.cloze_step(&batch).unwrap();
        let gradient = engine.gradients().unwrap();
        let norm = optimizer.update(expected.values_mut(), &gradient, rate).unwrap();
        let found = engine.optimizer_step(rate).unwrap();
        assert!((found.norm / norm.norm - 1.0).abs() < bound);
        assert_close("parameters", engine.parameters().unwrap().values(), expected.values(), bound);
        assert_eq!(self::norm(&engine.gradients().unwrap()), 0.0);
    }
}

/// Gradients add up until they are used.
pub fn gradients_add_up(make: Make, body: Body, bound: f64) {
    let config = config(body);
    let mut engine = engine(make, &config);
    let batch = drawn(&config, &LENGTHS, 8);
    engine.cloze_step(&batch).unwrap();
    let once: Vec<f32> = engine.gradients().unwrap().iter().map(|g| 2.0 * g).collect();
    engine.cloze_step(&batch).unwrap();
    assert_gradients_close(engine.layout(), &engine.gradients().unwrap(), &once, bound);
}

/// Two runs of a few steps end with the same bits, dropout on.
pub fn runs_repeat_to_the_bit(make: Make, body: Body) {
    let config = EncoderConfig { dropout: 0.2, ..config(body) };
    let run = || {
        let mut engine = engine(make, &config);
        let losses: Vec<f32> = (0..4)
            .map(|step| {
                let loss = engine.cloze_step(&drawn(&config, &LENGTHS, step)).unwrap();
                engine.optimizer_step(1e-2).unwrap();
                loss
            })
            .collect();
        (losses, engine.parameters().unwrap())
    };
    assert_eq!(run(), run());
}

/// One batch is learned by heart: the loss falls to almost zero.
pub fn one_batch_is_learned_by_heart(make: Make, body: Body) {
    let config = config(body);
    let mut engine = engine(make, &config);
    let batch = drawn(&config, &LENGTHS, 9);
    let first = engine.cloze_step(&batch).unwrap();
    for _ in 0..300 {
        engine.optimizer_step(1e-2).unwrap();
        engine.cloze_step(&batch).unwrap();
    }
    let last = engine.cloze_loss(&batch).unwrap();
    assert!(last < 0.01, "loss {first} fell to {last} only");
}

/// Parameters go out and come back; others are refused.
pub fn parameters_round_trip(make: Make, body: Body) {
    let config = config(body);
    let mut a = engine(make, &config);
    let batch = drawn(&config, &LENGTHS, 10);
    a.cloze_step(&batch).unwrap();
    a.optimizer_step(1e-2).unwrap();
    let mut b = engine(make, &config);
    assert_ne!(a.parameters().unwrap(), b.parameters().unwrap());
    b.load(&a.parameters().unwrap()).unwrap();
    assert_eq!(hidden(&mut *a, &batch, Mode::Inference), hidden(&mut *b, &batch, Mode::Inference));
    let wider = EncoderConfig { hidden: 32, ..config };
    let foreign = Parameters::initialize(Arc::new(ParameterLayout::new(&wider)), 0.1, 1);
    assert!(matches!(b.load(&foreign), Err(EncoderError::Parameter { .. })));
}

/// Parameters and optimizer state, taken between two steps, are all that a run needs to go on to the same bits elsewhere.
pub fn a_moved_run_goes_on_to_the_same_bits(make: Make, body: Body) {
    let config = EncoderConfig { dropout: 0.2, ..config(body) };
    let advance = |engine: &mut dyn Engine, steps: std::ops::Range<u64>| {
        for step in steps {
            engine.cloze_step(&drawn(&config, &LENGTHS, step)).unwrap();
            engine.optimizer_step(1e-2).unwrap();
        }
    };
    let mut a = engine(make, &config);
    advance(&mut *a, 0..3);
    let mut b = engine(make, &config);
    b.load(&a.parameters().unwrap()).unwrap();
    b.load_optimizer_state(a.optimizer_state().unwrap()).unwrap();
    advance(&mut *a, 3..6);
    advance(&mut *b, 3..6);
    assert_eq!(a.parameters().unwrap(), b.parameters().unwrap());
    assert_eq!(a.optimizer_state().unwrap(), b.optimizer_state().unwrap());
    let mut short = a.optimizer_state().unwrap();
    short.second.pop();
    assert!(matches!(b.load_optimizer_state(short), Err(EncoderError::Parameter { .. })));
    assert_eq!(a.optimizer_state().unwrap(), b.optimizer_state().unwrap(), "a refused state changes nothing");
}

/// Bad batches, calls out of order and broken gradients are errors that say what is wrong.
pub fn bad_input_is_an_error(make: Make, body: Body) {
    let config = config(body);
    let mut engine = engine(make, &config);
    assert!(matches!(engine.hidden(), Err(EncoderError::Order { .. })));
    assert!(matches!(engine.transformed(), Err(EncoderError::Order { .. })));
    assert!(matches!(engine.logits(), Err(EncoderError::Order { .. })));
    assert!(matches!(engine.write_logits(&mut []), Err(EncoderError::Order { .. })));
    let push = |token, position, target| {
        let mut batch = PackedBatch::new();
        batch.push(&[token], position, &[0], &[target]).unwrap();
        batch
    };
    assert!(matches!(engine.cloze_step(&push(20, 0, 0)), Err(EncoderError::Token { token: 20, .. })));
    assert!(matches!(engine.cloze_step(&push(0, 12, 0)), Err(EncoderError::Position { .. })));
    assert!(matches!(engine.cloze_step(&push(0, 0, 19)), Err(EncoderError::Target { target: 19, .. })));
    assert!(matches!(engine.cloze_step(&PackedBatch::new()), Err(EncoderError::Batch(_))));
    let batch = drawn(&config, &LENGTHS, 11);
    assert!(matches!(engine.cloze_step(&all_rows(&batch)), Err(EncoderError::Batch(_))), "no targets");
    let foreign = Negatives::new(Sharing::Row, 1, vec![0], Vec::new()).unwrap();
    let sampled = Loss::SampledSoftmax(&foreign);
    assert!(matches!(engine.loss_step(&batch, &sampled), Err(EncoderError::Batch(_))));
    assert!(matches!(engine.loss(&batch, &sampled), Err(EncoderError::Batch(_))));
    engine.forward(&batch, Mode::Inference).unwrap();
    assert!(matches!(engine.write_logits(&mut [0.0]), Err(EncoderError::Batch(_))), "no room");
    let zeros = vec![0.0; batch.outputs().len() * config.hidden];
    assert!(matches!(engine.backward(&zeros), Err(EncoderError::Order { .. })));
    engine.forward(&batch, Mode::Training).unwrap();
    assert!(matches!(engine.backward(&zeros[1..]), Err(EncoderError::Batch(_))));
    engine.forward(&batch, Mode::Training).unwrap();
    engine.backward(&vec![f32::NAN; zeros.len()]).unwrap();
    let before = engine.parameters().unwrap();
    assert!(matches!(engine.optimizer_step(1e-3), Err(EncoderError::Diverged { .. })));
    assert_eq!(before, engine.parameters().unwrap());
}

/// Instantiates the contract as tests of the calling crate: `engine_contract!(make, bound)`, where `bound` is the
/// relative norm within which results that are equal in exact arithmetic must agree. A third argument is the body, a
/// transformer if there is none.
#[macro_export]
macro_rules! engine_contract {
    ($make:expr, $bound:expr) => {
        $crate::engine_contract!($make, $bound, cloze_encoder::Body::Transformer);
    };
    ($make:expr, $bound:expr, $body:expr) => {
        $crate::engine_contract!(@bounded $make, $body, $bound; sequences_do_not_see_each_other, output_rows_equal_all_rows,
            causal_attention_sees_no_future, losses_follow_their_definitions, outside_heads_reach_the_same_gradients, dropout_is_seeded,
            dropout_is_unbiased,
            optimizer_is_adamw, gradients_add_up);
        $crate::engine_contract!(@exact $make, $body; every_parameter_gets_a_gradient, runs_repeat_to_the_bit,
            one_batch_is_learned_by_heart, parameters_round_trip, a_moved_run_goes_on_to_the_same_bits,
            bad_input_is_an_error, whole_steps_equal_their_parts, prepared_batches_keep_their_loss, losses_take_turns);
    };
    (@bounded $make:expr, $body:expr, $bound:expr; $($name:ident),+) => {
        $(#[test] fn $name() { $crate::engine_contract::$name($make, $body, $bound) })+
    };
    (@exact $make:expr, $body:expr; $($name:ident),+) => {
        $(#[test] fn $name() { $crate::engine_contract::$name($make, $body) })+
    };
}
