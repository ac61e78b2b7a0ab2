//! The curve of a model's training, as an evaluation keeps it.

use cloze_eval::CurvePoint;
use cloze_train::Record;

/// Points of a curve that are kept at most, beside those where quality was measured.
const POINTS: usize = 200;

/// The records of a run, thinned, with seconds since its beginning.
pub(super) fn curve(records: &[Record]) -> Vec<CurvePoint> {
    let every = records.len().div_ceil(POINTS).max(1);
    let (mut before, mut points) = (0.0, Vec::new());
    for phase in records.chunk_by(|a, b| a.phase == b.phase) {
        let kept = phase.iter().enumerate();
        let kept = kept.filter(|(at, record)| (at + 1) % every == 0 || record.validation_ndcg_10.is_some());
        points.extend(kept.map(|(_, record)| CurvePoint {
            phase: record.phase.clone(),
            step: record.step,
            seconds: before + record.seconds,
            loss: record.loss,
            ndcg: record.validation_ndcg_10,
        }));
        before += phase.last().map_or(0.0, |record| record.seconds);
    }
    points
}
