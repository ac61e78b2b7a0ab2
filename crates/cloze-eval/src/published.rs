//! Published figures and how ours compare.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evaluation::Fit;
use crate::metrics::Metric;
use crate::part::Part;
use crate::protocol::Protocol;

/// The split of published figures.
const SPLIT: &str = "leave-one-out";

/// A figure from a paper or a public benchmark, under leave-one-out: it never stands beside figures of another split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Data set, as in [`Meta::dataset`](crate::Meta::dataset).
    pub dataset: String,
    /// Model, as in [`Meta::model`](crate::Meta::model).
    pub model: String,
    /// Candidate protocol.
    pub protocol: Protocol,
    /// Metric.
    pub metric: Metric,
    /// The figure, in 0..=1.
    pub value: f64,
    /// Where it stands: authors, year, table.
    pub source: String,
    /// Quoted from memory and not read again: marked † and given no verdict. Default false.
    #[serde(default)]
    pub from_memory: bool,
    /// Whether split, candidates and preparation are those of our evaluation. A figure that is not comparable
    /// is shown without a verdict. Default true.
    #[serde(default = "yes")]
    pub comparable: bool,
    /// What the model of the figure was fitted on. Beside a model of another fit the figure is shown without a verdict, and so is one
    /// whose fit is not known. Default: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// Anything that a reader has to know, e.g. what makes it not comparable. Default none.
    #[serde(default)]
    pub note: Option<String>,
}

fn yes() -> bool {
    true
}

impl Published {
    /// Whether it stands beside the figures of this model.
    pub(crate) fn is_of(&self, part: Part<'_>, model: &str, protocol: Protocol) -> bool {
        (part.split, part.dataset) == (SPLIT, &*self.dataset)
            && (model, protocol) == (&*self.model, self.protocol)
    }

    /// Whether it was obtained as the figures of models with this fit are.
    pub(crate) fn is_comparable(&self, fit: Fit) -> bool {
        self.comparable && !self.is_of_other_fit(fit)
    }

    fn is_of_other_fit(&self, fit: Fit) -> bool {
        self.fit != Some(fit)
    }
}

/// How our figure stands to a published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The published figure is inside our interval.
    Agrees,
    /// Our whole interval is above the published figure.
    Above,
    /// Our whole interval is below the published figure.
    Below,
    /// The figures were obtained in different ways.
    NotComparable,
    /// The published figure is of a model fitted on another part.
    OtherFit,
    /// Nobody says what the model of the published figure was fitted on.
    UnknownFit,
    /// The published figure is quoted from memory.
    Unverified,
}

impl Verdict {
    /// The verdict on the interval `low..=high` of our model with this fit, beside a published figure.
    pub fn of(low: f64, high: f64, fit: Fit, published: &Published) -> Self {
        if !published.comparable {
            Self::NotComparable
        } else if published.fit.is_none() {
            Self::UnknownFit
        } else if published.is_of_other_fit(fit) {
            Self::OtherFit
        } else if published.from_memory {
            Self::Unverified
        } else if published.value < low {
            Self::Above
        } else if published.value > high {
            Self::Below
        } else {
            Self::Agrees
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Agrees => "agrees",
            Self::Above => "ours above",
            Self::Below => "ours below",
            Self::NotComparable => "not comparable",
            Self::OtherFit => "other fit",
            Self::UnknownFit => "fit unknown",
            Self::Unverified => "-",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"{"dataset": "ml-1m", "model": "bert4rec", "protocol": "popularity-100",
        "metric": "ndcg@10", "value": 0.4818, "source": "Sun et al. 2019""#;

    fn minimal(rest: &str) -> Result<Published, serde_json::Error> {
        serde_json::from_str(&format!("{MINIMAL}{rest}}}"))
    }

    fn of_train() -> Published {
        minimal(r#", "fit": "train""#).unwrap()
    }

    #[test]
    fn defaults_are_a_comparable_figure_that_was_read() {
        let figure = minimal("").unwrap();
        assert!(figure.comparable && !figure.from_memory && figure.note.is_none());
        assert_eq!((figure.protocol, figure.metric), (Protocol::Popularity(100), Metric::Ndcg(10)));
    }

    #[test]
    fn unknown_keys_and_metrics_are_errors() {
        assert!(minimal(r#", "frommemory": true"#).is_err());
        let map = MINIMAL.replace("ndcg@10", "map@10") + "}";
        assert!(serde_json::from_str::<Published>(&map).unwrap_err().to_string().contains("map@10"));
    }

    #[test]
    fn the_verdict_follows_the_interval() {
        let figure = of_train();
        let of = |low, high, figure: &Published| Verdict::of(low, high, Fit::Train, figure);
        assert_eq!(of(0.47, 0.49, &figure), Verdict::Agrees);
        assert_eq!(of(0.49, 0.50, &figure), Verdict::Above);
        assert_eq!(of(0.40, 0.48, &figure), Verdict::Below);
        let memory = Published { from_memory: true, ..figure.clone() };
        assert_eq!(of(0.49, 0.50, &memory), Verdict::Unverified);
        assert_eq!(of(0.49, 0.50, &Published { comparable: false, ..figure }), Verdict::NotComparable);
    }

    #[test]
    fn a_figure_of_another_fit_gives_no_verdict() {
        let figure = minimal(r#", "fit": "train+validation""#).unwrap();
        assert_eq!(Verdict::of(0.49, 0.50, Fit::TrainAndValidation, &figure), Verdict::Above);
        assert_eq!(Verdict::of(0.49, 0.50, Fit::Train, &figure), Verdict::OtherFit);
        assert!(figure.is_comparable(Fit::TrainAndValidation) && !figure.is_comparable(Fit::Train));
        assert!(minimal(r#", "fit": "all""#).is_err());
        let unknown = minimal("").unwrap();
        assert_eq!(Verdict::of(0.49, 0.50, Fit::Train, &unknown), Verdict::UnknownFit);
        assert!(!unknown.is_comparable(Fit::Train));
    }
}
