//! What is popular for the objective that a learner is at.

use super::objectives::Objectives;
use cloze_eval::{ModelError, Query, Recommender};
use cloze_train::{Model, ModelFolder, NamedTensor, Run, TrainError, TrainingData};
use serde::{Deserialize, Serialize};

/// Options of [`PopularityInObjective`]: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PopularityInObjectiveOptions {}

/// Exercises by their number of interactions, those first that have an objective in common with the learner's last exercise: who
/// works on something goes on with it. Without a history, all are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct PopularityInObjective {
    options: PopularityInObjectiveOptions,
    objectives: Objectives,
    counts: Vec<u64>,
}

impl Model for PopularityInObjective {
    const NAME: &'static str = "popularity-in-objective";
    const ABOUT: &'static str =
        "The most popular exercises of the last one's objectives, then all others (needs genres)";
    const HELP: &'static [(&'static str, &'static str)] = &[];
    type Options = PopularityInObjectiveOptions;

    fn fit(data: &TrainingData<'_>, options: &Self::Options, _run: &mut Run<'_>) -> Result<Self, TrainError> {
        let genres = data.details.and_then(|details| details.genres.as_deref());
        if genres.is_none() {
            let problem = "the items have no genres: popularity ranks them without (cloze prepare --genres)";
            return Err(TrainError::Data(problem.to_owned()));
        }
        let objectives = Objectives::new(genres, data.items);
        Ok(Self { options: options.clone(), objectives, counts: data.sequences.counts(data.items) })
    }

    fn options(&self) -> &Self::Options {
        &self.options
    }

    fn tensors(&self) -> Result<Vec<NamedTensor<'static>>, TrainError> {
        let mut tensors = self.objectives.tensors();
        tensors.push(NamedTensor::u64("counts", &[self.counts.len()], self.counts.clone()));
        Ok(tensors)
    }

    fn load(folder: &ModelFolder) -> Result<Self, TrainError> {
        let options = folder.options(Self::NAME)?;
        let exercises = folder.vocabularies.items.len();
        let objectives = Objectives::load(folder, None)?;
        let counts = folder.u64("counts", Some(&[exercises]))?;
        Ok(Self { options, objectives, counts })
    }
}

impl Recommender for PopularityInObjective {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn catalogue(&self) -> usize {
        self.counts.len()
    }

    fn score(&mut self, queries: &[Query<'_>], scores: &mut [f32]) -> Result<(), ModelError> {
        let above = self.counts.iter().max().map_or(0, |most| most + 1);
        for (query, row) in queries.iter().zip(scores.chunks_exact_mut(self.counts.len().max(1))) {
            let now = query.history.last().map_or(&[][..], |&last| self.objectives.of(last));
            for ((exercise, &count), score) in (0..).zip(&self.counts).zip(row) {
                let shared = self.objectives.of(exercise).iter().any(|objective| now.contains(objective));
                *score = (count + if shared { above } else { 0 }) as f32;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{origin, stored_and_loaded};
    use cloze_data::{ItemDetails, Sequences};
    use cloze_train::Reporter;

    #[test]
    fn the_objective_of_the_last_exercise_comes_first_each_by_popularity() {
        let sequences = Sequences::from_lists(&[vec![0, 1, 3], vec![1, 2, 3], vec![3]], None).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let genres = Some(vec![names(&["a"]), names(&["a", "b"]), names(&["b"]), names(&["c"])]);
        let details = ItemDetails { genres, text: None };
        let origin = origin();
        let data = TrainingData { details: Some(&details), ..TrainingData::new(&sequences, 4, &origin) };
        let fit = |data: &TrainingData<'_>| {
            let mut reporter = Reporter::quiet();
            PopularityInObjective::fit(
                data,
                &PopularityInObjectiveOptions::default(),
                &mut Run::new(1, &mut reporter),
            )
        };
        let model = fit(&data).unwrap();
        let mut loaded = stored_and_loaded(&model, 3, 4);
        assert_eq!(model, loaded);
        let mut order = |history: &[u32]| {
            let mut scores = [f32::NAN; 4];
            loaded.score(&[Query { user: None, history }], &mut scores).unwrap();
            let mut order = [0, 1, 2, 3];
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            order
        };
        assert_eq!(order(&[]), [3, 1, 0, 2]);
        assert_eq!(order(&[3, 0]), [1, 0, 3, 2]);
        assert_eq!(order(&[2]), [1, 2, 3, 0]);
        let error = fit(&TrainingData { details: None, ..data }).unwrap_err().to_string();
        assert!(error.contains("genres"), "{error}");
    }
}
