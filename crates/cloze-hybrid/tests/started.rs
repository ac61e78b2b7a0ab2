//! BERT4Rec that starts from matrix factorization: every initializer, and the folder.
#![allow(clippy::unwrap_used)]

mod common;

use cloze_cf::{Ials, IalsOptions, Popularity, PopularityOptions};
use cloze_hybrid::{Initializer, MfBert4Rec, MfBert4RecOptions};
use cloze_sequential::Bert4RecOptions;
use cloze_train::{Model, ModelFolder};
use common::{fit, origin, scores, small, write};

#[test]
fn every_initializer_starts_another_model_that_its_folder_brings_back() {
    let of = |initializer| MfBert4RecOptions {
        bert: small(),
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

#[test]
fn the_vectors_of_a_trained_model_are_a_start_and_what_does_not_fit_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let path = |name: &str| parent.path().join(name);
    let ials: Ials =
        fit(&IalsOptions { hidden: 16, ..IalsOptions::default() }, &origin("train"), None).unwrap();
    write(&path("ials"), &ials, origin("train"));
    // Nothing but the start: no noise, no steps beyond the frozen ones.
    let options =
        MfBert4RecOptions { bert: small(), noise: 0.0, frozen_steps: 40, ..MfBert4RecOptions::default() };
    let start = |options: &MfBert4RecOptions, name: &str| {
        fit::<MfBert4Rec>(options, &origin("train"), Some(path(name))).map_err(|error| error.to_string())
    };
    let model = start(&options, "ials").unwrap();
    assert_eq!(model.options().initializer, Initializer::Reuse);
    let own = MfBert4RecOptions { initializer: Initializer::Ials, ..options.clone() };
    let mut same: MfBert4Rec = fit(&own, &origin("train"), None).unwrap();
    write(&path("started"), &model, origin("train"));
    let mut again = MfBert4Rec::load(&ModelFolder::open(&path("started")).unwrap()).unwrap();
    assert_eq!(scores(&mut again, &[3, 8, 1]), scores(&mut same, &[3, 8, 1]), "the same vectors");
    start(&options, "started").unwrap();

    let wide = MfBert4RecOptions { bert: Bert4RecOptions { hidden: 32, ..small() }, ..options.clone() };
    let error = start(&wide, "ials").err().unwrap();
    assert!(error.contains("width 16") && error.contains("--hidden 16"), "{error}");
    let popularity: Popularity = fit(&PopularityOptions {}, &origin("train"), None).unwrap();
    write(&path("popularity"), &popularity, origin("train"));
    let error = start(&options, "popularity").err().unwrap();
    assert!(error.contains("popularity, which has no item vectors"), "{error}");
    let error = fit::<MfBert4Rec>(&options, &origin("train+validation"), Some(path("ials"))).err().unwrap();
    assert!(error.to_string().contains("held out"), "{error}");
    let none = MfBert4RecOptions { initializer: Initializer::Reuse, ..options.clone() };
    let error = fit::<MfBert4Rec>(&none, &origin("train"), None).err().unwrap();
    assert!(error.to_string().contains("--reuse"), "{error}");

    // A number that is none, in its place in the file.
    let weights = path("ials").join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let first = ials.item_vectors()[0].to_le_bytes();
    let at = bytes.windows(4).position(|four| four == first).unwrap();
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&weights, bytes).unwrap();
    let error = start(&options, "ials").err().unwrap();
    assert!(error.contains("items") && error.contains("NaN"), "{error}");
}
