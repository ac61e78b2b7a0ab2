//! Token vectors from elsewhere.

use super::{TOKENS, Tower};
use crate::objective::Objective;
use cloze_encoder::EncoderError;
use cloze_train::TrainError;

/// Vectors that the tokens start from.
pub(super) struct Start {
    /// `[catalogue, hidden]`.
    vectors: Vec<f32>,
    /// Steps in which they stay as they are.
    frozen: u64,
}

impl<O: Objective> Tower<O> {
    /// Starts the tokens from `vectors`, `[catalogue, hidden]`; special tokens keep theirs. The vectors stay as they are during
    /// the first `frozen` steps of [`Tower::train`], while all else learns; the optimizer's moments go on meanwhile.
    ///
    /// # Errors
    /// [`EncoderError::Parameter`] for another number of values, or one that is not finite.
    pub fn start_from(&mut self, vectors: Vec<f32>, frozen: u64) -> Result<(), TrainError> {
        let hidden = self.engine.config().hidden;
        let wrong = |problem: String| {
            TrainError::from(EncoderError::Parameter { name: "vectors to start from".to_owned(), problem })
        };
        let expected = self.catalogue * hidden;
        if vectors.len() != expected {
            let found = vectors.len();
            return Err(wrong(format!("{found} values, {expected} expected: {hidden} of each token")));
        }
        if let Some(place) = vectors.iter().position(|value| !value.is_finite()) {
            let (token, value) = (place / hidden, vectors[place]);
            return Err(wrong(format!("token {token} has {value}, which is no number to learn from")));
        }
        self.put_tokens(&vectors)?;
        self.start = Some(Start { vectors, frozen });
        Ok(())
    }

    /// After a step: puts frozen vectors back.
    pub(super) fn keep_frozen(&mut self, step: u64) -> Result<(), TrainError> {
        let Some(start) = self.start.take_if(|start| step < start.frozen) else { return Ok(()) };
        self.put_tokens(&start.vectors)?;
        self.start = Some(start);
        Ok(())
    }

    fn put_tokens(&mut self, vectors: &[f32]) -> Result<(), TrainError> {
        let mut parameters = self.engine.parameters()?;
        let Some(table) = self.engine.layout().get(TOKENS) else { return Ok(()) };
        parameters.values_mut()[table.range()][..vectors.len()].copy_from_slice(vectors);
        Ok(self.engine.load(&parameters)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bert4RecOptions;
    use cloze_data::Sequences;
    use cloze_train::{Reporter, Run};

    const CATALOGUE: usize = 7;
    const HIDDEN: usize = 4;

    fn options() -> Bert4RecOptions {
        let (batch, warmup, dropout) = (4, 0, 0.0);
        Bert4RecOptions {
            hidden: HIDDEN,
            max_length: 6,
            steps: 5,
            batch,
            warmup,
            dropout,
            ..Bert4RecOptions::default()
        }
    }

    fn vectors() -> Vec<f32> {
        (0..CATALOGUE * HIDDEN).map(|n| n as f32 / 10.0 - 1.0).collect()
    }

    #[test]
    fn frozen_vectors_stay_while_all_else_learns() {
        let sequences = Sequences::from_lists(&vec![(0..6).collect(); 8], None).unwrap();
        let trained = |frozen| {
            let mut tower = Tower::new(&options(), CATALOGUE, 3).unwrap();
            tower.start_from(vectors(), frozen).unwrap();
            assert_eq!(tower.token_vectors().unwrap(), vectors());
            let before = tower.parameters().unwrap();
            let mut reporter = Reporter::quiet();
            tower.train("bert4rec", &sequences, None, &mut Run::new(3, &mut reporter)).unwrap();
            let table = tower.engine.layout().get(TOKENS).unwrap().range();
            let after = tower.parameters().unwrap();
            assert!(before[table.end..] != after[table.end..], "all else learns");
            let mask = table.start + CATALOGUE * HIDDEN..table.end;
            assert!(before[mask.clone()] != after[mask], "the special token learns");
            tower.token_vectors().unwrap()
        };
        assert_eq!(trained(5), vectors());
        let (released, free) = (trained(3), trained(0));
        assert!(released != vectors() && released != free);
    }

    #[test]
    fn vectors_that_do_not_fit_or_are_no_numbers_are_errors() {
        let mut tower = Tower::new(&options(), CATALOGUE, 3).unwrap();
        let error = tower.start_from(vec![0.0; CATALOGUE * 8], 0).unwrap_err().to_string();
        assert!(error.contains("56 values, 28 expected: 4 of each token"), "{error}");
        let mut wrong = vectors();
        wrong[9] = f32::NAN;
        let error = tower.start_from(wrong, 0).unwrap_err().to_string();
        assert!(error.contains("token 2 has NaN"), "{error}");
    }
}
