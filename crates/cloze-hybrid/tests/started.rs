//! BERT4Rec that starts from matrix factorization: every initializer, and the folder.
#![allow(clippy::unwrap_used)]

mod common;

use cloze_hybrid::{Initializer, MfBert4Rec, MfBert4RecOptions};
use cloze_sequential::Bert4RecOptions;
use cloze_train::{Model, ModelFolder};
use common::{fit, origin, scores, write};

#[test]
fn every_initializer_starts_another_model_that_its_folder_brings_back() {
    let bert = Bert4RecOptions {
        hidden: 16,
        layers: 1,
        max_length: 9,
        steps: 40,
        batch: 20,
        warmup: 5,
        learning_rate: 1e-2,
        validate_every: 0,
        ..Bert4RecOptions::default()
    };
    let of = |initializer| MfBert4RecOptions {
        bert: bert.clone(),
        initializer,
        frozen_steps: 5,
        ..MfBert4RecOptions::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let mut seen: Vec<Vec<f32>> = Vec::new();
    for initializer in [
        Initializer::None,
        Initializer::Ratings,
        Initializer::Mf,
        Initializer::Bpr,
        Initializer::Ials,
        Initializer::PureSvd,
    ] {
        let mut model: MfBert4Rec = fit(&of(initializer), &origin("train"), None).unwrap();
        let found = scores(&mut model, &[3, 8, 1]);
        assert!(found.iter().all(|score| score.is_finite()), "{initializer:?}");
        assert!(!seen.contains(&found), "{initializer:?} is no other start");
        let path = folder.path().join(format!("{initializer:?}"));
        write(&path, &model, origin("train"));
        let mut again = MfBert4Rec::load(&ModelFolder::open(&path).unwrap()).unwrap();
        assert_eq!(scores(&mut again, &[3, 8, 1]), found, "{initializer:?}");
        seen.push(found);
    }
}
