//! BERT-RS (Lu et al. 2022): what users wrote about items, with GMF and MLP.

mod content;
mod options;
mod printed;
mod quotations;
mod ranker;

use std::sync::Arc;

use cloze_cf::{Factors, PairContent};
use cloze_data::Sequences;
use cloze_eval::{ModelError, Query, Quotation, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData, Vocabularies};

use crate::components::Components;
use crate::embeddings::Embeddings;
use crate::fine_tuning::fine_tuned;
use crate::reviews::Reviews;
use crate::text_model::TextModel;
use content::{LeftOut, Profiles};
pub use options::{BertRsKind, BertRsOptions, TextOptions, Variant};
use printed::OwnReviews;
use quotations::Library;
pub use ranker::{ReviewProfiles, ReviewProfilesOptions};

/// BERT-RS: `s(u, i) = h_s · ((u_s ∗ b_u) ∗ (i_s ∗ b_i)) + h_g · (u_g ∗ i_g) + h_m · z(u_m, i_m) + b`, with learned u, i, h, layers z,
/// and given b: means of the vectors that a pretrained BERT makes of the reviews that the user wrote, and of those about the item.
///
/// - [`Variant::LeftOut`], the default, never sees a pair's own review when it predicts the pair, in training or after.
/// - [`Variant::AsPrinted`] puts the vector of the pair's own review in place of `b_u` and of `b_i`. That review exists because the
///   pair was observed: it tells the answer, and the figures of this form show by how much.
///
/// The paper states neither the width of its vectors nor how they start: here `u_s` and `i_s` start at 1 and `h_s` at 0, so that
/// texts count as they are until something better is learned. A user who was not in training has no text part.
pub struct BertRs {
    options: BertRsOptions,
    factors: Factors<BertRsKind>,
    content: Content,
    /// Of a model from a folder: whose reviews they are.
    names: Option<Vocabularies>,
    /// The texts, once somebody has asked for them.
    library: Option<Library>,
}

/// What is kept of the reviews.
#[derive(Debug, Clone, PartialEq)]
enum Content {
    Profiles(Profiles),
    OwnReviews(OwnReviews),
}

impl Content {
    fn shared(&self) -> Arc<dyn PairContent> {
        match self {
            Self::Profiles(profiles) => Arc::new(profiles.clone()),
            Self::OwnReviews(reviews) => Arc::new(reviews.clone()),
        }
    }
}

/// The reviews of the pairs in `known`, with their vectors, `[reviews, width]`, and the width.
fn read(
    text: &TextOptions,
    known: &Sequences,
    data: &TrainingData<'_>,
    run: &mut Run<'_>,
) -> Result<(Reviews, Vec<f32>, usize), TrainError> {
    text.validate()?;
    let (Some(users), Some(items)) = (data.users, data.names) else {
        return Err(TrainError::Data(
            "reviews are of users and items by their ids, and the data have none".to_owned(),
        ));
    };
    let mut reviews = Reviews::read(&text.reviews, text.columns()?.as_ref(), users, items)?;
    reviews.retain(|user, item| known.get(user as usize).contains(&item));
    let (found, pairs) = (reviews.pairs().len(), known.interactions());
    run.reporter.note(&format!("{found} of {pairs} interactions have a review in {}", text.reviews));
    if found == 0 {
        let problem =
            "no interaction that may be learned from has a review: are the reviews of the same data?";
        return Err(TrainError::Data(problem.to_owned()));
    }
    let mut model = TextModel::open(&text.text_model, text.pooling, text.text_length, text.text_precision)?;
    if let Some(tuned) =
        fine_tuned(model.folder())?.filter(|tuned| tuned.split_hash != data.origin.split_hash)
    {
        let problem = format!(
            "{}: fine-tuned on reviews of {} under another split: it may have read what is held out here. Fine-tune on this \
             data and split, or take the model that it came from, {}",
            text.text_model, tuned.dataset, tuned.options.text_model
        );
        return Err(TrainError::Data(problem));
    }
    let texts: Vec<&str> = reviews.texts().iter().map(String::as_str).collect();
    let vectors = Embeddings::of_all(&texts, &mut model, "reviews", run.reporter)?;
    Ok((reviews, vectors, model.width()))
}

/// The vectors in `count` components whose values have a mean square of 1; 0: as they are.
fn reduced(vectors: Vec<f32>, width: usize, count: usize) -> Result<(Vec<f32>, usize), TrainError> {
    if count == 0 {
        return Ok((vectors, width));
    }
    if count > width {
        let rule = format!("must be at most {width}, the width of the text model's vectors");
        return Err(TrainError::option("text-hidden", count, rule));
    }
    let mut vectors = Components::of(&vectors, width, count)?.apply(&vectors);
    let square: f64 = vectors.iter().map(|value| f64::from(value * value)).sum();
    let scale = (vectors.len() as f64 / square.max(f64::MIN_POSITIVE)).sqrt() as f32;
    for value in &mut vectors {
        *value *= scale;
    }
    Ok((vectors, count))
}

impl Model for BertRs {
    const NAME: &'static str = <BertRsKind as cloze_cf::Kind>::NAME;
    const ABOUT: &'static str = <BertRsKind as cloze_cf::Kind>::ABOUT;
    const EXAMPLE: Option<&'static str> =
        Some("--data mydata --reviews reviews.jsonl.gz --text-model bert-base-uncased");
    const HELP: &'static [(&'static str, &'static str)] = BertRsOptions::HELP;
    type Options = BertRsOptions;

    fn fit(data: &TrainingData<'_>, options: &BertRsOptions, run: &mut Run<'_>) -> Result<Self, TrainError> {
        options.validate()?;
        let known = match options.variant {
            Variant::LeftOut => data.sequences,
            Variant::AsPrinted | Variant::AsPrintedEmpty => data.leak.unwrap_or(data.sequences),
        };
        let (reviews, vectors, width) = read(&options.text, known, data, run)?;
        let (vectors, width) = reduced(vectors, width, options.text_hidden)?;
        let sizes = (data.sequences.len(), data.items);
        let (content, given): (Content, Arc<dyn PairContent>) = match options.variant {
            Variant::LeftOut => {
                let left_out = LeftOut::new(&reviews, vectors, width, sizes, options.shrinkage as f32);
                (Content::Profiles(left_out.profiles().clone()), Arc::new(left_out))
            }
            Variant::AsPrinted | Variant::AsPrintedEmpty => {
                let borrow = options.variant == Variant::AsPrinted;
                let own = OwnReviews { width, pairs: reviews.pairs().to_vec(), vectors, borrow };
                (Content::OwnReviews(own.clone()), Arc::new(own))
            }
        };
        let factors = Factors::fit_with(data, &options.factors, Some(given), run)?;
        Ok(Self { options: options.clone(), factors, content, names: None, library: None })
    }

    fn options(&self) -> &BertRsOptions {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let mut tensors = self.factors.tensors()?;
        match &self.content {
            Content::Profiles(Profiles { width, users, items }) => {
                for (name, values) in [("texts.users", users), ("texts.items", items)] {
                    tensors.push(NamedTensor::f32(name, &[values.len() / width, *width], values.clone()));
                }
            }
            Content::OwnReviews(OwnReviews { width, pairs, vectors, .. }) => {
                let count = pairs.len();
                let ids = |of: fn(&(u32, u32)) -> u32| pairs.iter().map(of).collect::<Vec<u32>>();
                tensors.push(NamedTensor::u32("reviews.users", &[count], ids(|pair| pair.0)));
                tensors.push(NamedTensor::u32("reviews.items", &[count], ids(|pair| pair.1)));
                tensors.push(NamedTensor::f32("reviews.vectors", &[count, *width], vectors.clone()));
            }
        }
        Ok(tensors)
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options: BertRsOptions = folder.options(Self::NAME)?;
        options.validate()?;
        let content = match options.variant {
            Variant::LeftOut => {
                let (users, items) = (folder.vocabularies.users.len(), folder.vocabularies.items.len());
                let rows = folder.f32("texts.users", None)?;
                let width = rows.len() / users.max(1);
                // Again, now that their width is known.
                let users = folder.f32("texts.users", Some(&[users, width]))?;
                Content::Profiles(Profiles {
                    width,
                    users,
                    items: folder.f32("texts.items", Some(&[items, width]))?,
                })
            }
            Variant::AsPrinted | Variant::AsPrintedEmpty => {
                let users = folder.u32("reviews.users", None)?;
                let items = folder.u32("reviews.items", Some(&[users.len()]))?;
                let vectors = folder.f32("reviews.vectors", None)?;
                let width = vectors.len() / users.len().max(1);
                let vectors = folder.f32("reviews.vectors", Some(&[users.len(), width]))?;
                Content::OwnReviews(OwnReviews {
                    borrow: options.variant == Variant::AsPrinted,
                    width,
                    pairs: users.into_iter().zip(items).collect(),
                    vectors,
                })
            }
        };
        let factors = Factors::load_with(folder, options.factors.clone(), Some(content.shared()))?;
        Ok(Self { options, factors, content, names: Some(folder.vocabularies.clone()), library: None })
    }
}

impl Recommender for BertRs {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.factors.catalogue()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        self.factors.score(queries, scores)
    }

    fn parts(&mut self, query: &Query<'_>) -> Result<Vec<(&'static str, Vec<f32>)>, ModelError> {
        self.factors.parts(query)
    }

    /// See [`Quotation`]: what is nearest among the reviews; none of a model that was not loaded from a folder.
    fn quotations(&mut self, query: &Query<'_>, items: &[u32]) -> Result<Vec<Vec<Quotation>>, ModelError> {
        let Some(names) = &self.names else { return Ok(Vec::new()) };
        if self.library.is_none() {
            self.library = Some(Library::open(&self.options.text, &names.users, &names.items)?);
        }
        let library = self.library.as_mut().map(|library| library.quotations(query, items));
        Ok(library.transpose()?.unwrap_or_default())
    }

    fn profiles(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>, ModelError> {
        self.factors.profiles(queries)
    }
}
