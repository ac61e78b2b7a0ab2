//! The models of this binary. Everything else asks here; a new model is one line in [`MODELS`].

use anyhow::{Context as _, Result, bail};
use cloze_cf::{
    Bpr, Ease, EaseDecay, Gmf, Ials, ItemKnn, ItemKnnDecay, Mf, Mlp, NeuMf, Popularity, PopularityRecent,
    PureSvd, Rp3Beta, Slit,
};
use cloze_encoder::Body;
use cloze_eval::Recommender;
use cloze_hybrid::{HybridBert4Rec, LearnerHybrid, MfBert4Rec, Pfa, PopularityInObjective};
use cloze_review::{BertRs, ReviewProfiles};
use cloze_sequential::{Bert4Rec, Caser, Gru4Rec, SasRec};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use serde_json::Value;

use crate::options::Options;
use crate::text::did_you_mean;

/// All models, in the order of the help text.
pub(crate) static MODELS: &[Entry] = &[
    Entry::of::<Popularity>(),
    Entry::of::<ItemKnn>(),
    Entry::of::<ItemKnnDecay>(),
    Entry::of::<Rp3Beta>(),
    Entry::of::<Ease>(),
    Entry::of::<EaseDecay>(),
    Entry::of::<Ials>(),
    Entry::of::<PureSvd>(),
    Entry::of::<Slit>(),
    Entry::of::<Mf>(),
    Entry::of::<Bpr>(),
    Entry::of::<Gmf>(),
    Entry::of::<Mlp>(),
    Entry::of::<NeuMf>(),
    Entry::of::<PopularityRecent>(),
    Entry::of::<Bert4Rec>(),
    Entry::of::<SasRec>(),
    Entry::of::<Gru4Rec>(),
    Entry::of::<Caser>(),
    Entry::of::<MfBert4Rec>().reusing(VECTORS),
    Entry::of::<HybridBert4Rec>().reusing(TOWERS),
    Entry::of::<ReviewProfiles>(),
    Entry::of::<BertRs>(),
    Entry::of::<PopularityInObjective>(),
    Entry::of::<Pfa>(),
    Entry::of::<LearnerHybrid>().reusing(TOWER),
];

/// Training a tower is most of the work of a hybrid, and its towers are models of their own.
const TOWERS: &str = "Folder of a trained model on the same data and fit, whose towers and their options are taken: of a \
                      bert4rec the item tower, of a hybridbert4rec both";

const TOWER: &str = "Folder of a trained model on the same data and fit: of a bert4rec its tower with its options, of a \
                     hybridbert4rec-learners also SLIT and EASE, where they are the same";

const VECTORS: &str = "Folder of a trained model on the same data and fit, whose item vectors are the start: mf, bpr, gmf, \
                       neumf, ials, pure-svd, bert4rec, sasrec or mf-bert4rec";

/// A model as the command line needs it, without its type.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Flags of an example.
    pub(crate) example: Option<&'static str>,
    /// Each option with a line of help.
    pub(crate) help: &'static [(&'static str, &'static str)],
    /// Help of the flag that names a trained model to reuse, for a model that can.
    pub(crate) reuse: Option<&'static str>,
    /// What it has an engine compute.
    pub(crate) body: Option<Body>,
    defaults: fn() -> Result<Options>,
    complete: fn(Options) -> Result<Options>,
    train: fn(&TrainingData<'_>, Options, &mut Run<'_>) -> Result<Trained>,
    load: fn(&ModelFolder) -> Result<Box<dyn Recommender>, TrainError>,
}

/// What a model folder needs of a trained model.
pub(crate) struct Trained {
    pub(crate) options: Value,
    pub(crate) tensors: Vec<NamedTensor<'static>>,
}

impl Entry {
    const fn of<M: Model + 'static>() -> Self {
        Self {
            name: M::NAME,
            about: M::ABOUT,
            example: M::EXAMPLE,
            help: M::HELP,
            reuse: None,
            body: M::BODY,
            defaults: || plain(&M::Options::default()),
            complete: |given| plain(&serde_json::from_value::<M::Options>(Value::Object(given))?),
            train: train::<M>,
            load: |folder| Ok(Box::new(M::load(folder)?)),
        }
    }

    const fn reusing(self, help: &'static str) -> Self {
        Self { reuse: Some(help), ..self }
    }

    /// The options with their default values.
    pub(crate) fn defaults(&self) -> Options {
        (self.defaults)().expect("default options are plain values: tested for each model")
    }

    /// All options where these are given: what is a default may depend on them.
    ///
    /// # Errors
    /// Names and types that the model does not take, and values that are no numbers.
    pub(crate) fn complete(&self, given: Options) -> Result<Options> {
        (self.complete)(given)
    }

    pub(crate) fn train(
        &self,
        data: &TrainingData<'_>,
        options: Options,
        run: &mut Run<'_>,
    ) -> Result<Trained> {
        (self.train)(data, options, run)
    }

    pub(crate) fn load(&self, folder: &ModelFolder) -> Result<Box<dyn Recommender>> {
        let model = (self.load)(folder)?;
        folder.check_all_read()?;
        let (scores, known) = (model.catalogue(), folder.vocabularies.items.len());
        if scores != known {
            let path = folder.path().display();
            bail!(
                "{path}: the model scores {scores} items, vocabulary.json has {known}: the folder is damaged"
            );
        }
        Ok(model)
    }
}

fn train<M: Model>(data: &TrainingData<'_>, options: Options, run: &mut Run<'_>) -> Result<Trained> {
    let options: M::Options = serde_json::from_value(Value::Object(options))?;
    let model = M::fit(data, &options, run)?;
    Ok(Trained { options: Value::Object(plain(model.options())?), tensors: model.tensors()? })
}

/// Options as JSON. Through text, so that 0.1 in 32 bits stays 0.1 and does not become 0.10000000149.
fn plain(options: &impl serde::Serialize) -> Result<Options> {
    Ok(serde_json::from_str(&serde_json::to_string(options)?)?)
}

/// The names of all models.
pub(crate) fn names() -> Vec<&'static str> {
    MODELS.iter().map(|entry| entry.name).collect()
}

/// The model of that name.
pub(crate) fn find(name: &str) -> Result<&'static Entry> {
    MODELS.iter().find(|entry| entry.name == name).with_context(|| {
        format!("unknown model `{name}`{}; known: {}", did_you_mean(name, names()), names().join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    #[test]
    fn every_option_has_help_and_every_help_an_option() {
        for entry in MODELS {
            let options: BTreeSet<String> = entry.defaults().keys().cloned().collect();
            let helped: BTreeSet<String> = entry.help.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(options, helped, "{}", entry.name);
        }
    }

    #[test]
    fn names_are_kebab_case_and_distinct() {
        let distinct: BTreeSet<&str> = names().into_iter().collect();
        assert_eq!(distinct.len(), MODELS.len());
        let options = MODELS.iter().flat_map(|entry| entry.help).map(|(name, _)| *name);
        for name in options.chain(distinct) {
            let kebab = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            assert!(kebab && !name.is_empty(), "{name}");
        }
    }

    #[test]
    fn default_options_are_taken_and_are_those_where_nothing_is_given() {
        for entry in MODELS {
            assert_eq!(entry.complete(entry.defaults()).unwrap(), entry.defaults(), "{}", entry.name);
            assert_eq!(entry.complete(Options::new()).unwrap(), entry.defaults(), "{}", entry.name);
        }
    }

    /// The rows of `xtask/measured` are compared with what this version trains: they have its options, or from a time before them.
    #[test]
    fn rows_on_record_are_comparable_with_new_ones() {
        let record = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask/measured");
        let json = |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
        let within = |folder: &PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let rows: Vec<PathBuf> =
            within(&record).flat_map(|paper| within(&paper)).flat_map(|dataset| within(&dataset)).collect();
        assert!(!rows.is_empty());
        for row in rows {
            let evaluation = json(row.join("evaluation/evaluation.json"));
            let Some(recorded) = evaluation["meta"]["options"].as_object() else { continue };
            let model = find(json(row.join("row.json"))["model"].as_str().unwrap()).unwrap();
            for option in model.defaults().keys() {
                let known = recorded.contains_key(option) || cloze_eval::held_before(option).is_some();
                assert!(
                    known,
                    "`{option}` is newer than {}: say in `held_before` what held before it",
                    row.display()
                );
            }
        }
    }
}
