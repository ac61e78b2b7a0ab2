//! Difficulties that somebody knows: a table of learner, objective and level.

use super::difficulty::LEVELS;
use super::objectives::Objectives;
use cloze_data::log::{LogOptions, ScoreRow, Scores, read_scores};
use cloze_data::read::{Column, plain_text_id};
use cloze_data::{Silent, Vocabulary};
use cloze_train::{TrainError, TrainingData};
use std::collections::HashMap;
use std::path::Path;

/// What a pair counts as that the table does not name: medium.
const UNNAMED: u8 = 1;

/// The level of each learner and objective, `[learners, objectives]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) objectives: usize,
    pub(super) levels: Vec<u8>,
}

impl Given {
    /// Reads a table with the columns `learner`, `objective` and `difficulty`: 1 easy, 2 medium, 3 hard. Also the number of pairs in it.
    ///
    /// # Errors
    /// A file that is no such table, learners or objectives that the data do not have, another difficulty, a pair with two of them.
    pub(super) fn read(
        path: &Path,
        data: &TrainingData<'_>,
        objectives: &Objectives,
    ) -> Result<(Self, usize), TrainError> {
        let column = |name: &str| Column::Name(name.to_owned());
        let mut options = LogOptions::new(path, column("learner"), column("objective"));
        options.value = Some(column("difficulty"));
        let table = read_scores(&options, &mut Silent)?;
        let refuse = |row: &ScoreRow, problem: String| {
            TrainError::Data(format!("{}, line {}: {problem}", path.display(), row.line))
        };
        let genres = data.details.and_then(|details| details.genres.as_deref());
        let names = Objectives::names(genres);
        let learners =
            data.users.ok_or_else(|| TrainError::Data("the ids of learners are not known".to_owned()))?;
        let (users, found) = numbers(&table, learners, &names);
        let count = objectives.count();
        let mut levels = vec![u8::MAX; data.sequences.len() * count];
        let mut pairs = 0;
        for row in &table.rows {
            let (learner, objective) = (&table.users[row.user as usize], &table.items[row.item as usize]);
            let user = users[row.user as usize]
                .ok_or_else(|| refuse(row, format!("unknown learner {learner:?}")))?;
            let place = found[row.item as usize].ok_or_else(|| {
                refuse(row, format!("unknown objective {objective:?}: there are {}", names.join(", ")))
            })?;
            let number = |level: usize| (level + 1) as f64;
            let level =
                (0..LEVELS).find(|&level| number(level).total_cmp(&row.score).is_eq()).ok_or_else(|| {
                    refuse(row, format!("difficulty {}: 1 (easy), 2 (medium) or 3 (hard) is read", row.score))
                })?;
            let level = level as u8;
            let slot = &mut levels[user as usize * count + place];
            if *slot != u8::MAX && *slot != level {
                return Err(refuse(
                    row,
                    format!("{learner:?} and {objective:?} had another difficulty before: {}", *slot + 1),
                ));
            }
            pairs += usize::from(*slot == u8::MAX);
            *slot = level;
        }
        levels.iter_mut().filter(|level| **level == u8::MAX).for_each(|level| *level = UNNAMED);
        Ok((Self { objectives: count, levels }, pairs))
    }

    /// Whether there is a level for each of so many learners.
    pub(super) fn is_whole(&self, learners: usize) -> bool {
        self.levels.len() == learners * self.objectives
            && self.levels.iter().all(|level| usize::from(*level) < LEVELS)
    }

    pub(super) fn level(&self, learner: Option<u32>, objective: u32) -> usize {
        let place = learner.map(|learner| learner as usize * self.objectives + objective as usize);
        let known = place.and_then(|place| self.levels.get(place));
        usize::from(*known.unwrap_or(&UNNAMED))
    }
}

/// The numbers of the table's learners and objectives.
fn numbers(table: &Scores, learners: &Vocabulary, names: &[&str]) -> (Vec<Option<u32>>, Vec<Option<usize>>) {
    let users = table.users.iter().map(|id| learners.get(id)).collect();
    // The table's are plain; genres are as they were written.
    let plain: HashMap<&str, usize> =
        names.iter().enumerate().rev().map(|(place, name)| (plain_text_id(name), place)).collect();
    let objective = |name: &str| names.binary_search(&name).ok().or_else(|| plain.get(name).copied());
    let objectives = table.items.iter().map(|name| objective(name)).collect();
    (users, objectives)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;
    use cloze_data::{ItemDetails, Sequences};

    /// Reads a table for the learners a, b, c and the objectives 17.0, angles and sums.
    fn read(text: &str) -> Result<(Given, usize), String> {
        let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let sequences = Sequences::from_lists(&[vec![0, 1], vec![1], vec![0, 2]], None).unwrap();
        let users = Vocabulary::new(["a", "b", "c"].map(str::to_owned).to_vec(), None).unwrap();
        let genres = Some(["sums", "angles", "17.0"].map(|genre| vec![genre.to_owned()]).to_vec());
        let details = ItemDetails { genres, text: None };
        let origin = origin();
        let data = TrainingData {
            users: Some(&users),
            details: Some(&details),
            ..TrainingData::new(&sequences, 3, &origin)
        };
        let objectives = Objectives::new(details.genres.as_deref(), 3);
        Given::read(file.path(), &data, &objectives).map_err(|error| error.to_string())
    }

    #[test]
    fn named_pairs_have_their_level_and_all_others_are_medium() {
        let (given, pairs) =
            read("learner,objective,difficulty\na,sums,1\nc,angles,3\na,sums,1\nb,sums,2\n").unwrap();
        assert_eq!(pairs, 3);
        let level = |learner, objective| given.level(learner, objective);
        assert_eq!([level(Some(0), 2), level(Some(2), 1), level(Some(1), 2)], [0, 2, 1]);
        assert_eq!([level(Some(0), 1), level(Some(9), 2), level(None, 1)], [1, 1, 1]);
        for written in ["17", "17.0"] {
            let (given, _) = read(&format!("learner,objective,difficulty\nb,{written},3\n")).unwrap();
            assert_eq!(given.level(Some(1), 0), 2, "{written}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (rows, said) in [
            ("a,sums,4", "line 2: difficulty 4: 1 (easy), 2 (medium) or 3 (hard)"),
            ("a,sums,1.5", "difficulty 1.5"),
            ("z,sums,1", "unknown learner \"z\""),
            ("a,sum,1", "unknown objective \"sum\": there are 17.0, angles, sums"),
            ("a,sums,1\nb,sums,1\na,sums,2", "line 4: \"a\" and \"sums\" had another difficulty before: 1"),
            ("a,sums,hard", "hard"),
        ] {
            let error = read(&format!("learner,objective,difficulty\n{rows}\n")).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(read("learner,difficulty\na,1\n").unwrap_err().contains("objective"));
    }
}
