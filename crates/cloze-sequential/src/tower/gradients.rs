//! Every parameter of every form of the models gets a gradient from the batches that the model makes itself.

use super::{Lessons, Sampler, Tower};
use crate::objective::Objective;
use crate::{Bert4RecOptions, Gru4RecOptions, LossKind, SasRecOptions, Windows};
use cloze_data::Sequences;
use cloze_encoder::{Head, Output, Positions};
use cloze_testkit::compare::{gradient_is_zero, norm};

const CATALOGUE: usize = 12;

fn check<O: Objective + std::fmt::Debug>(options: &O) {
    // Longer and shorter than the encoder, with every item.
    let lists: Vec<Vec<u32>> = (0..16)
        .map(|user| (0..3 + user % 9).map(|step| (2 * user + 7 * step) % CATALOGUE as u32).collect())
        .collect();
    let sequences = Sequences::from_lists(&lists, None).unwrap();
    let mut tower = Tower::new(options, CATALOGUE, 3).unwrap();
    let sampler = Sampler::new(sequences, CATALOGUE, options, 3).unwrap();
    let training = options.training();
    let mut lessons = Lessons::new(sampler, tower.engine.preparer(), training.loss, CATALOGUE);
    for step in 0..8 {
        let lesson = lessons.make(step).unwrap();
        let loss = tower.engine.loss_step(lesson.batch.batch(), &lessons.loss(&lesson)).unwrap();
        assert!(loss > 0.0);
    }
    let gradients = tower.engine.gradients().unwrap();
    for entry in tower.engine.layout().entries().iter().filter(|entry| !gradient_is_zero(&entry.name)) {
        let values = &gradients[entry.range()];
        for (row, values) in values.chunks(values.len() / entry.shape[0]).enumerate() {
            assert!(norm(values) > 0.0, "row {row} of {} has no gradient: {options:?}", entry.name);
        }
    }
}

const LOSSES: [LossKind; 4] = [LossKind::Softmax, LossKind::SampledSoftmax, LossKind::Bce, LossKind::Gbce];

#[test]
fn every_parameter_of_bert4rec_gets_a_gradient() {
    let base = Bert4RecOptions { hidden: 8, max_length: 8, batch: 16, ..Bert4RecOptions::default() };
    for loss in LOSSES {
        for head in [Head::TransformNorm, Head::Transform, Head::Plain] {
            check(&Bert4RecOptions { head, loss, ..base.clone() });
        }
    }
    check(&Bert4RecOptions { windows: Windows::Random, last_mask_share: 0.0, ..base.clone() });
    // MiniBERT4Rec but for its ReLU, of which some units are off on so few rows.
    check(&Bert4RecOptions {
        positions: Positions::None,
        embedding_norm: false,
        head: Head::Plain,
        output_layer: Output::Separate,
        mask_probability: 0.0,
        last_mask_share: 0.0,
        ..base.clone()
    });
    check(&Bert4RecOptions { last_mask_share: 1.0, dropout: 0.0, ..base });
}

#[test]
fn every_parameter_of_sasrec_gets_a_gradient() {
    let base = SasRecOptions { hidden: 8, max_length: 8, batch: 16, ..SasRecOptions::default() };
    for loss in LOSSES {
        check(&SasRecOptions { loss, ..base.clone() });
    }
    check(&SasRecOptions { windows: Windows::Random, ..base.clone() });
    check(&SasRecOptions { recency: 0.5, dropout: 0.0, expansion: 1, ..base });
}

#[test]
fn every_parameter_of_gru4rec_gets_a_gradient() {
    let base = Gru4RecOptions { hidden: 8, layers: 2, max_length: 8, batch: 16, ..Gru4RecOptions::default() };
    for loss in LOSSES {
        check(&Gru4RecOptions { loss, ..base.clone() });
    }
    check(&Gru4RecOptions { recency: 0.5, dropout: 0.0, layers: 1, ..base });
}
