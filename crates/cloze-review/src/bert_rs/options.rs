//! The options of the models that read reviews.

use cloze_cf::help::{
    BATCH, EPOCHS, HIDDEN, Help, ITEM_BIAS, L2, LAYERS, LOSS, MLP_HIDDEN, MLP_L2, NEGATIVES, OPTIMIZER, RATE,
    SCALE, TEXT_L2, VALIDATE,
};
use cloze_cf::{FactorOptions, Kind, KindOptions, Optimizer};
use cloze_data::read::ReviewColumns;
use cloze_encoder::engine::InferencePrecision;
use cloze_train::TrainError;
use serde::{Deserialize, Serialize};

use crate::text_model::Pooling;

/// Which reviews are read, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct TextOptions {
    /// A file of reviews, or the name of a data set whose own file has texts.
    pub reviews: String,
    /// Its columns of user, item and text, with commas between; empty: those of well-known collections.
    pub review_columns: String,
    /// The BERT that reads them: a folder, or an id of the model hub.
    pub text_model: String,
    /// How its hidden states become one vector.
    pub pooling: Pooling,
    /// Word pieces of a review that are read at most, `[CLS]` and `[SEP]` among them.
    pub text_length: usize,
    /// What the BERT computes in.
    pub text_precision: InferencePrecision,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            reviews: String::new(),
            review_columns: String::new(),
            text_model: "bert-base-uncased".to_owned(),
            pooling: Pooling::Mean,
            text_length: 256,
            text_precision: InferencePrecision::Float32,
        }
    }
}

/// Number of its lines of help.
const TEXT_LINES: usize = 6;

const TEXT_HELP: [Help; TEXT_LINES] = [
    (
        "reviews",
        "What users wrote about items: a file (.jsonl, .json.gz, .csv, .parquet), or a data set whose file has texts",
    ),
    ("review-columns", "Its columns USER,ITEM,TEXT; empty: those of well-known collections"),
    ("text-model", "The BERT that reads the reviews: a folder, or an id of the model hub"),
    ("pooling", "How hidden states become one vector: mean, cls or pooler (as BERT-RS prints it)"),
    ("text-length", "Word pieces of a review that are read at most"),
    (
        "text-precision",
        "What the BERT computes in on a processor: float32, or int8, nearly the same and with AVX-512 VNNI twice as fast",
    ),
];

impl TextOptions {
    /// Every option with a line of help.
    pub const HELP: &'static [Help] = &TEXT_HELP;

    /// The columns that are named.
    ///
    /// # Errors
    /// [`TrainError::Option`] for another number of names than three.
    pub fn columns(&self) -> Result<Option<ReviewColumns>, TrainError> {
        if self.review_columns.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = self.review_columns.split(',').map(str::trim).collect();
        let three =
            <[&str; 3]>::try_from(names).ok().filter(|names| names.iter().all(|name| !name.is_empty()));
        let rule = "must name three columns: USER,ITEM,TEXT";
        three
            .map(|names| Some(ReviewColumns::named(names)))
            .ok_or_else(|| TrainError::option("review-columns", &self.review_columns, rule))
    }

    pub(super) fn validate(&self) -> Result<(), TrainError> {
        if self.reviews.is_empty() {
            let rule =
                "needs a file, or a data set whose own file has texts, such as amazon-musical-instruments";
            return Err(TrainError::option("reviews", "(nothing)", rule));
        }
        if self.text_length < 3 {
            return Err(TrainError::option("text-length", self.text_length, "must be at least 3"));
        }
        self.columns().map(drop)
    }
}

/// Whose review tells of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// All reviews in training of the user and of the item, but never that of the pair itself.
    LeftOut,
    /// That of the pair itself, held-out pairs too, and anybody's for a pair without: what is to be predicted is told. For the
    /// size of the leak.
    AsPrinted,
    /// The same, with no review for a pair without: the paper does not say what a drawn pair has.
    AsPrintedEmpty,
}

/// The parts of [`BertRs`](super::BertRs): GMF, MLP, and what reviews say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BertRsKind;

impl Kind for BertRsKind {
    const NAME: &'static str = "bert-rs";
    const ABOUT: &'static str =
        "BERT-RS: what users wrote about items, by a pretrained BERT, with GMF and MLP";
    const HELP: &'static [Help] = &FACTOR_HELP;
    const PRODUCT: bool = true;
    const WEIGHTED: bool = true;
    const MLP: bool = true;

    fn defaults() -> FactorOptions {
        FactorOptions {
            hidden: 32,
            mlp_hidden: 32,
            layers: vec![64, 32, 16],
            optimizer: Optimizer::Adam,
            epochs: 60,
            learning_rate: 1e-3,
            ..FactorOptions::default()
        }
    }
}

const FACTOR_LINES: usize = 15;

const FACTOR_HELP: [Help; FACTOR_LINES] = [
    HIDDEN, MLP_HIDDEN, LAYERS, ITEM_BIAS, LOSS, OPTIMIZER, NEGATIVES, EPOCHS, BATCH, RATE, L2, MLP_L2,
    TEXT_L2, SCALE, VALIDATE,
];

/// Options of [`BertRs`](super::BertRs).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct BertRsOptions {
    /// The reviews and their reader.
    #[serde(flatten)]
    pub text: TextOptions,
    /// Whose review tells of a pair.
    pub variant: Variant,
    /// Principal components of the reviews' vectors that are used; 0: the vectors as they are.
    pub text_hidden: usize,
    /// How many reviews that say nothing are added to those of each user and item.
    pub shrinkage: f64,
    /// The learned parts.
    #[serde(flatten)]
    pub factors: KindOptions<BertRsKind>,
}

impl Default for BertRsOptions {
    fn default() -> Self {
        Self {
            text: TextOptions::default(),
            variant: Variant::LeftOut,
            text_hidden: 128,
            shrinkage: 1.0,
            factors: KindOptions::default(),
        }
    }
}

const OWN_HELP: [Help; 3] = [
    (
        "variant",
        "left-out: a pair's own review is never seen when it is predicted; as-printed: it is, and tells the answer, with \
         anybody's for a pair that has none; as-printed-empty: with nothing for such a pair",
    ),
    ("text-hidden", "Principal components of the reviews' vectors that are used; 0: the vectors as they are"),
    ("shrinkage", "How many reviews that say nothing are added to those of each user and item"),
];

const LINES: usize = TEXT_LINES + OWN_HELP.len() + FACTOR_LINES;

const fn all() -> [Help; LINES] {
    let mut all = [("", ""); LINES];
    let mut i = 0;
    while i < LINES {
        all[i] = if i < TEXT_LINES {
            TEXT_HELP[i]
        } else if i < TEXT_LINES + OWN_HELP.len() {
            OWN_HELP[i - TEXT_LINES]
        } else {
            FACTOR_HELP[i - TEXT_LINES - OWN_HELP.len()]
        };
        i += 1;
    }
    all
}

impl BertRsOptions {
    /// Every option with a line of help.
    pub const HELP: &'static [Help] = &all();

    pub(super) fn validate(&self) -> Result<(), TrainError> {
        self.text.validate()?;
        if !(0.0..=1e6).contains(&self.shrinkage) {
            return Err(TrainError::option("shrinkage", self.shrinkage, "must be from 0 to 1,000,000"));
        }
        Ok(())
    }
}
