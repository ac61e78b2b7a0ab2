//! A batch without padding.

use crate::config::{EncoderConfig, Positions};
use crate::error::{EncoderError, Result};

/// Sequences laid end to end, and the rows whose hidden states are wanted.
///
/// With T tokens, S sequences and M output rows:
/// - `tokens`, `positions`, `token_types`: `[T]`;
/// - `cu_seqlens`: `[S + 1]`, sequence s is rows `cu_seqlens[s]..cu_seqlens[s + 1]`; none is empty;
/// - `outputs`: `[M]`, strictly increasing rows;
/// - `targets`: `[M]` for a loss, or empty.
///
/// Built by [`PackedBatch::push`]; the fields stay readable for engines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedBatch {
    tokens: Vec<u32>,
    positions: Vec<u32>,
    token_types: Vec<u32>,
    cu_seqlens: Vec<u32>,
    outputs: Vec<u32>,
    targets: Vec<u32>,
}

impl PackedBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self { cu_seqlens: vec![0], ..Self::default() }
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.token_types.clear();
        self.outputs.clear();
        self.targets.clear();
        self.cu_seqlens.truncate(1);
    }

    /// Appends a sequence. Its token number i stands at position `first_position + i`; `outputs` are row numbers
    /// within the sequence, strictly increasing, `targets` their targets (for inference: empty). All tokens are of type 0.
    ///
    /// # Errors
    /// [`EncoderError::Batch`] for an empty sequence, an output row out of order or beyond the sequence, or a number
    /// of targets that is neither zero nor that of the outputs.
    pub fn push(
        &mut self,
        tokens: &[u32],
        first_position: u32,
        outputs: &[u32],
        targets: &[u32],
    ) -> Result<()> {
        let sequence = self.sequences();
        let problem = if tokens.is_empty() {
            Some("is empty".to_owned())
        } else if !outputs.is_sorted_by(|a, b| a < b) {
            Some(format!("has output rows {outputs:?}, which must strictly increase"))
        } else if outputs.last().is_some_and(|&row| row as usize >= tokens.len()) {
            Some(format!("has {} tokens and output rows {outputs:?}", tokens.len()))
        } else if !targets.is_empty() && targets.len() != outputs.len() {
            Some(format!("has {} output rows and {} targets", outputs.len(), targets.len()))
        } else if self.tokens.len() + tokens.len() > u32::MAX as usize {
            Some("makes the batch longer than 32 bits can count".to_owned())
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(EncoderError::Batch(format!("sequence {sequence} {problem}")));
        }
        let start = self.tokens.len() as u32;
        self.tokens.extend_from_slice(tokens);
        self.positions.extend((0..tokens.len() as u32).map(|i| first_position + i));
        self.token_types.resize(self.tokens.len(), 0);
        self.outputs.extend(outputs.iter().map(|row| start + row));
        self.targets.extend_from_slice(targets);
        self.cu_seqlens.push(self.tokens.len() as u32);
        Ok(())
    }

    /// Gives the tokens of the last sequence their types, which count where the encoder has token types.
    ///
    /// # Errors
    /// Another number of types than of tokens.
    pub fn set_token_types(&mut self, types: &[u32]) -> Result<()> {
        let start = self.sequences().checked_sub(1).map_or(0, |last| self.cu_seqlens[last] as usize);
        if types.len() != self.tokens.len() - start {
            let (found, expected) = (types.len(), self.tokens.len() - start);
            return Err(EncoderError::Batch(format!("{found} token types for {expected} tokens")));
        }
        self.token_types[start..].copy_from_slice(types);
        Ok(())
    }

    /// Token ids, `[T]`.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Rows of the position table, `[T]`.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// Rows of the table of token types, `[T]`.
    pub fn token_types(&self) -> &[u32] {
        &self.token_types
    }

    /// Ends of the sequences, `[S + 1]`, beginning with 0.
    pub fn cu_seqlens(&self) -> &[u32] {
        &self.cu_seqlens
    }

    /// Rows whose final hidden state is wanted, `[M]`.
    pub fn outputs(&self) -> &[u32] {
        &self.outputs
    }

    /// Targets of the output rows, `[M]` or empty.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// Number of sequences S.
    pub fn sequences(&self) -> usize {
        self.cu_seqlens.len() - 1
    }

    /// Length of the longest sequence.
    pub fn longest(&self) -> usize {
        self.cu_seqlens.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max().unwrap_or(0)
    }

    /// Ends of each sequence's run of output rows within `outputs`, `[S + 1]`.
    pub fn cu_outputs(&self) -> Vec<u32> {
        self.cu_seqlens.iter().map(|&end| self.outputs.partition_point(|&row| row < end) as u32).collect()
    }

    /// Checks every id against the tables of `config`; an engine calls it before it computes anything.
    ///
    /// # Errors
    /// The first id that has no row, with its place; or a batch without sequences or output rows.
    pub fn validate(&self, config: &EncoderConfig) -> Result<()> {
        if self.sequences() == 0 || self.outputs.is_empty() {
            return Err(EncoderError::Batch("has no sequence, or no output row".to_owned()));
        }
        if !self.targets.is_empty() && self.targets.len() != self.outputs.len() {
            return Err(EncoderError::Batch("some sequences have targets and others have none".to_owned()));
        }
        if let Some(row) = self.tokens.iter().position(|&token| token as usize >= config.vocabulary) {
            return Err(EncoderError::Token { token: self.tokens[row], row, vocabulary: config.vocabulary });
        }
        if config.positions == Positions::Learned
            && let Some(row) = self.positions.iter().position(|&p| p as usize >= config.max_length)
        {
            let (position, max_length) = (self.positions[row], config.max_length);
            return Err(EncoderError::Position { position, row, max_length });
        }
        if config.token_types > 0
            && let Some(row) = self.token_types.iter().position(|&kind| kind as usize >= config.token_types)
        {
            let (found, known) = (self.token_types[row], config.token_types);
            return Err(EncoderError::Batch(format!(
                "has token type {found} at row {row}, of {known} types"
            )));
        }
        match self.targets.iter().position(|&target| target as usize >= config.outputs) {
            Some(row) => {
                Err(EncoderError::Target { target: self.targets[row], row, outputs: config.outputs })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_laid_end_to_end() {
        let mut batch = PackedBatch::new();
        batch.push(&[5, 6, 7], 2, &[0, 2], &[1, 2]).unwrap();
        batch.push(&[8], 4, &[], &[]).unwrap();
        batch.push(&[9, 3], 3, &[1], &[4]).unwrap();
        assert_eq!(batch.tokens(), [5, 6, 7, 8, 9, 3]);
        assert_eq!(batch.positions(), [2, 3, 4, 4, 3, 4]);
        assert_eq!(batch.cu_seqlens(), [0, 3, 4, 6]);
        assert_eq!(batch.outputs(), [0, 2, 5]);
        assert_eq!(batch.targets(), [1, 2, 4]);
        assert_eq!(batch.cu_outputs(), [0, 2, 2, 3]);
        assert_eq!(batch.longest(), 3);
        batch.set_token_types(&[0, 1]).unwrap();
        assert_eq!(batch.token_types(), [0, 0, 0, 0, 0, 1]);
        assert!(batch.set_token_types(&[0, 1, 1]).is_err());
        batch.clear();
        assert_eq!(batch, PackedBatch::new());
    }

    #[test]
    fn broken_sequences_are_refused() {
        let mut batch = PackedBatch::new();
        for (tokens, outputs, targets) in [
            (&[][..], &[][..], &[][..]),
            (&[1, 2], &[2], &[]),
            (&[1, 2], &[1, 0], &[]),
            (&[1, 2], &[0, 1], &[1]),
        ] {
            assert!(matches!(batch.push(tokens, 0, outputs, targets), Err(EncoderError::Batch(_))));
        }
        assert_eq!(batch, PackedBatch::new());
    }

    #[test]
    fn ids_without_a_row_are_named() {
        let config = EncoderConfig::bert4rec(4, 8, 1, 2, 3);
        let check = |token, position, target| {
            let mut batch = PackedBatch::new();
            batch.push(&[token], position, &[0], &[target]).unwrap();
            batch.validate(&config)
        };
        assert!(check(4, 2, 3).is_ok());
        assert!(matches!(check(5, 0, 0), Err(EncoderError::Token { token: 5, row: 0, vocabulary: 5 })));
        assert!(matches!(check(0, 3, 0), Err(EncoderError::Position { position: 3, .. })));
        // The mask token stands behind the items: it can be an input, never a target.
        assert!(matches!(check(0, 0, 4), Err(EncoderError::Target { target: 4, outputs: 4, .. })));
        assert!(PackedBatch::new().validate(&config).is_err());
    }
}
