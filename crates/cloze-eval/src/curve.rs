//! How quality grew in training, kept with an evaluation.

use serde::{Deserialize, Serialize};

use crate::evaluation::Evaluation;
use crate::table::{Table, count, figure};

/// A share of the best that counts as near it.
const NEAR: f64 = 0.95;

/// A point of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// What was trained: a run may have several phases.
    pub phase: String,
    /// Optimizer steps, or epochs where the phase counts those, since the phase began.
    pub step: u64,
    /// Seconds since the training began.
    pub seconds: f64,
    /// Mean training loss since the point before.
    pub loss: f64,
    /// NDCG@10 on validation items, where it was measured.
    pub ndcg: Option<f64>,
}

/// A model's curve, the mean over its seeds.
pub(crate) struct ModelCurve<'a> {
    pub(crate) model: &'a str,
    pub(crate) points: Vec<CurvePoint>,
}

/// The curves of the models that have one, in the order of the evaluations.
pub(crate) fn model_curves<'a>(evaluations: &[&'a Evaluation]) -> Vec<ModelCurve<'a>> {
    let mut models: Vec<&str> = Vec::new();
    for run in evaluations.iter().filter(|run| !run.meta.curve.is_empty()) {
        if !models.contains(&run.meta.model.as_str()) {
            models.push(&run.meta.model);
        }
    }
    let of_model = |model: &'a str| {
        let runs: Vec<&[CurvePoint]> = evaluations
            .iter()
            .filter(|run| run.meta.model == model && !run.meta.curve.is_empty())
            .map(|run| &run.meta.curve[..])
            .collect();
        ModelCurve { model, points: mean(&runs) }
    };
    models.into_iter().map(of_model).collect()
}

/// The points that all runs have, in the mean.
fn mean(runs: &[&[CurvePoint]]) -> Vec<CurvePoint> {
    let Some((first, others)) = runs.split_first() else { return Vec::new() };
    let of_point = |point: &CurvePoint| {
        let same = |run: &&[CurvePoint]| {
            run.iter().find(|other| other.phase == point.phase && other.step == point.step).cloned()
        };
        let all: Vec<CurvePoint> =
            [Some(point.clone())].into_iter().chain(others.iter().map(same)).collect::<Option<_>>()?;
        let over = |value: fn(&CurvePoint) -> f64| all.iter().map(value).sum::<f64>() / all.len() as f64;
        let measured = all.iter().all(|one| one.ndcg.is_some());
        Some(CurvePoint {
            seconds: over(|one| one.seconds),
            loss: over(|one| one.loss),
            ndcg: measured.then(|| over(|one| one.ndcg.unwrap_or_default())),
            ..point.clone()
        })
    };
    first.iter().filter_map(of_point).collect()
}

/// Where a curve is at its best, and where it came near.
pub(crate) struct NearBest<'a> {
    best: &'a CurvePoint,
    highest: f64,
    pub(crate) near: &'a CurvePoint,
}

/// None of a curve that was never measured. Of a training in phases the last is looked at: what those before it train are parts, and
/// a part alone may rank better than the model.
pub(crate) fn near_best(points: &[CurvePoint]) -> Option<NearBest<'_>> {
    let phase = &points.last()?.phase;
    let of_phase = || points.iter().filter(|point| point.phase == *phase);
    let measured = || of_phase().filter_map(|point| Some((point, point.ndcg?)));
    let (best, highest) = measured().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    let (near, _) = measured().find(|(_, ndcg)| *ndcg >= NEAR * highest)?;
    Some(NearBest { best, highest, near })
}

/// How fast each model came near its best; no row for a model that was never measured in training.
pub(crate) fn convergence(evaluations: &[&Evaluation]) -> Table {
    let titles = ["<model", "best validation NDCG@10", "at step", "after s", "95 % of it at step", "after s"];
    let mut table = Table::new(&titles);
    for ModelCurve { model, points } in model_curves(evaluations) {
        let Some(NearBest { best, highest, near }) = near_best(&points) else { continue };
        let place = |point: &CurvePoint| [count(point.step as usize), format!("{:.0}", point.seconds)];
        let cells = [vec![model.to_owned(), figure(highest)], place(best).to_vec(), place(near).to_vec()];
        table.row(cells.concat());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64, seconds: f64, ndcg: Option<f64>) -> CurvePoint {
        CurvePoint { phase: "bert4rec".to_owned(), step, seconds, loss: 8.0 - step as f64 / 100.0, ndcg }
    }

    #[test]
    fn the_mean_is_over_what_all_seeds_have() {
        let one = [point(50, 1.0, None), point(100, 2.0, Some(0.1)), point(200, 4.0, Some(0.2))];
        let two = [point(100, 4.0, Some(0.3)), point(200, 8.0, None)];
        let found = mean(&[&one, &two]);
        assert_eq!(found, [point(100, 3.0, Some(0.2)), point(200, 6.0, None)]);
        assert_eq!(mean(&[&one]), one);
    }

    #[test]
    fn a_part_that_ranks_better_than_the_model_is_not_its_best() {
        let head = |step, ndcg| CurvePoint { phase: "head".to_owned(), ..point(step, 9.0, Some(ndcg)) };
        let points = [point(100, 1.0, Some(0.4)), head(50, 0.1), head(100, 0.2)];
        let found = near_best(&points).unwrap();
        assert_eq!((found.highest, found.best, found.near), (0.2, &points[2], &points[2]));
        assert!(near_best(&points[..1]).is_some() && near_best(&[]).is_none());
    }
}
