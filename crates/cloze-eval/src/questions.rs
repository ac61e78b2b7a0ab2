//! Questions that pairs of models answer, such as: does a start from matrix factorization help?

use serde::{Deserialize, Serialize};

use crate::analysis::{Analysis, list_row};
use crate::bootstrap::{Bootstrap, Interval};
use crate::breakdown::SCARCE;
use crate::comparison::{Comparison, Contender, Finding, adjusted, compare, families};
use crate::curve::{model_curves, near_best};
use crate::error::EvalError;
use crate::evaluation::Evaluation;
use crate::part::Part;
use crate::results::group;
use crate::table::{Table, count, figure, p_value, signed};

/// A question, and the pairs of models whose difference answers it: the first of a pair against the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// In words.
    pub question: String,
    /// Names of models.
    pub pairs: Vec<(String, String)>,
}

/// What one pair says to a question, on one data set, split, fit and protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The question.
    pub question: String,
    /// The pair on all users; Holm's correction is over the question's pairs.
    pub comparison: Comparison,
    /// The pair on the users whose target training shows at most 3 times; absent where there are none.
    pub scarce: Option<ScarceTargets>,
    /// What else is to be known of the first model.
    pub model: Side,
    /// Of the second.
    pub baseline: Side,
}

/// A difference in NDCG@10 on targets that training hardly shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScarceTargets {
    /// Number of users.
    pub users: usize,
    /// Mean of their differences, with the ends of its bootstrap interval.
    pub difference: Interval,
}

/// A model's lists, and its training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Share of the catalogue that is in any list.
    pub coverage: Option<f64>,
    /// Mean training count of the listed items.
    pub popularity: Option<f64>,
    /// First step at which validation was within 5 % of its best.
    pub near_best_step: Option<u64>,
    /// The same in seconds since the training began.
    pub near_best_seconds: Option<f64>,
}

/// The answers to `questions`, by question, data set, split, fit and protocol. A pair that a group lacks is passed over.
///
/// # Errors
/// As [`comparisons`](crate::comparisons), for any name of a pair.
pub fn answers(
    evaluations: &[Evaluation],
    questions: &[Question],
    bootstrap: &Bootstrap,
) -> Result<Vec<Answer>, EvalError> {
    let names = questions.iter().flat_map(|question| &question.pairs).flat_map(|(a, b)| [a, b]);
    let families = families(evaluations, &names.cloned().collect::<Vec<_>>())?;
    let mut found = Vec::new();
    for question in questions {
        for models in &families {
            let of = |name: &String| models.iter().find(|model| model.name() == name);
            let pairs: Vec<(&Contender<'_>, &Contender<'_>)> =
                question.pairs.iter().filter_map(|(a, b)| Some((of(a)?, of(b)?))).collect();
            let rows = pairs.iter().map(|(a, b)| compare(a, b, bootstrap)).collect::<Result<Vec<_>, _>>()?;
            for ((a, b), comparison) in pairs.into_iter().zip(adjusted(rows)) {
                found.push(Answer {
                    question: question.question.clone(),
                    comparison,
                    scarce: scarce_targets(a, b, bootstrap)?,
                    model: side(evaluations, a),
                    baseline: side(evaluations, b),
                });
            }
        }
    }
    Ok(found)
}

fn scarce_targets(
    a: &Contender<'_>,
    b: &Contender<'_>,
    bootstrap: &Bootstrap,
) -> Result<Option<ScarceTargets>, EvalError> {
    let of_users = a.values().iter().zip(b.values()).zip(a.target_counts());
    let differences: Vec<f64> =
        of_users.filter(|(_, count)| **count <= SCARCE).map(|((a, b), _)| a - b).collect();
    if differences.is_empty() {
        return Ok(None);
    }
    let (users, difference) = (differences.len(), bootstrap.interval(&differences)?);
    Ok(Some(ScarceTargets { users, difference }))
}

fn side(evaluations: &[Evaluation], of: &Contender<'_>) -> Side {
    let of_model = |run: &&Evaluation| run.meta.model == of.name() && Part::of(&run.meta) == of.part();
    let runs: Vec<&Evaluation> = evaluations.iter().filter(of_model).collect();
    let seeds = group(evaluations).into_iter().find(|seeds| of_model(&seeds[0]));
    let lists = seeds.and_then(|seeds| list_row(&seeds)).map(|row| row.statistics);
    let curves = model_curves(&runs);
    let near = curves.first().and_then(|curve| near_best(&curve.points)).map(|found| found.near);
    Side {
        coverage: lists.as_ref().map(|lists| lists.coverage),
        popularity: lists.as_ref().map(|lists| lists.popularity),
        near_best_step: near.map(|point| point.step),
        near_best_seconds: near.map(|point| point.seconds),
    }
}

/// A question's answers on one data set, split and fit, ready to be shown.
pub(crate) struct Shown {
    pub(crate) question: String,
    /// What the pairs say together, a line for each protocol.
    pub(crate) words: Vec<String>,
    pub(crate) differences: Table,
    /// Empty where nothing of the kind is known.
    pub(crate) beside: Table,
}

/// All questions that a part answers.
pub(crate) fn shown(analysis: &Analysis, part: Part<'_>) -> Vec<Shown> {
    let of_part =
        |row: &&Answer| part.has(&row.comparison.dataset, &row.comparison.split, row.comparison.fit);
    let answers: Vec<&Answer> = analysis.questions.iter().filter(of_part).collect();
    answers.chunk_by(|a, b| a.question == b.question).map(show).collect()
}

fn show(answers: &[&Answer]) -> Shown {
    let mut differences = Table::new(&["<pair", "<protocol", "NDCG@10", "p (Holm)", "<verdict"]);
    let titles = ["<pair", "scarce targets", "users", "coverage", "popularity", "95 % at step", "after s"];
    let mut beside = Table::new(&titles);
    let mut words = Vec::new();
    for (number, answers) in
        answers.chunk_by(|a, b| a.comparison.protocol == b.comparison.protocol).enumerate()
    {
        words.push(verdict(answers));
        for Answer { comparison, scarce, model, baseline, .. } in answers.iter().copied() {
            let pair = format!("{} - {}", comparison.model, comparison.baseline);
            let (low, high) = (signed(comparison.low), signed(comparison.high));
            differences.row(vec![
                pair.clone(),
                comparison.protocol.to_string(),
                format!("{} [{low}, {high}]", signed(comparison.difference)),
                p_value(comparison.holm),
                comparison.finding.to_string(),
            ]);
            // Lists and training have no protocol, and rare targets are looked at under the first.
            let known = scarce.is_some() || model.coverage.is_some() || model.near_best_step.is_some();
            if number > 0 || !known {
                continue;
            }
            let of_scarce = |scarce: &ScarceTargets| {
                let Interval { value, low, high, .. } = scarce.difference;
                format!("{} [{}, {}]", signed(value), signed(low), signed(high))
            };
            let both = |of: fn(&Side) -> Option<String>| match (of(model), of(baseline)) {
                (Some(model), Some(baseline)) => format!("{model} / {baseline}"),
                _ => "-".to_owned(),
            };
            beside.row(vec![
                pair,
                scarce.as_ref().map_or_else(|| "-".to_owned(), of_scarce),
                scarce.as_ref().map_or_else(|| "-".to_owned(), |scarce| count(scarce.users)),
                both(|side| side.coverage.map(figure)),
                both(|side| side.popularity.map(|value| format!("{value:.1}"))),
                both(|side| side.near_best_step.map(|step| count(step as usize))),
                both(|side| side.near_best_seconds.map(|seconds| format!("{seconds:.0}"))),
            ]);
        }
    }
    Shown { question: answers[0].question.clone(), words, differences, beside }
}

/// Explains the tables; empty without questions.
pub(crate) fn footer(analysis: &Analysis) -> &'static str {
    if analysis.questions.is_empty() {
        return "";
    }
    "\
Questions: the first of a pair less the second, user by user; Holm adjusts over the pairs of a question; scarce\n\
targets are those that training shows at most 3 times. Of the other columns the first's figure stands before the\n\
second's: share of the catalogue in any list, mean training count of what is listed, and when validation was\n\
within 5 % of its best.\n"
}

/// What the pairs of one protocol say together.
fn verdict(answers: &[&Answer]) -> String {
    let of = |finding| answers.iter().filter(|answer| answer.comparison.finding == finding).count();
    format!(
        "{}: of {} pairs {} better, {} worse, {} without a difference shown",
        answers[0].comparison.protocol,
        answers.len(),
        of(Finding::Better),
        of(Finding::Worse),
        of(Finding::NoDifferenceShown)
    )
}
