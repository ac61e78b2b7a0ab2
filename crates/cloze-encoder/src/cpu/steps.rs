//! Sequences side by side, in the order in which recurrent layers take their tokens.

use super::forward::Sequence;
use crate::plan::Plan;
use std::ops::Range;

/// The tokens of a group of sequences, ordered by time: those of step 0, then of step 1, and so on. Within a step the longest
/// sequence comes first, so that who is still there at the next step comes before who is not.
#[derive(Default)]
pub(super) struct Steps {
    /// Where each step begins, and the end of the last.
    starts: Vec<usize>,
    tokens: Vec<u32>,
    positions: Vec<u32>,
    token_types: Vec<u32>,
    /// Rows of the batch.
    rows: Vec<usize>,
    /// Place of each output row in this order, and its number among the batch's; one sequence of the group after the other.
    outputs: Vec<(usize, usize)>,
}

impl Steps {
    /// Takes a group.
    pub(super) fn fill(&mut self, group: &[Sequence<'_>]) {
        let Self { starts, tokens, positions, token_types, rows, outputs } = self;
        let mut order: Vec<usize> = (0..group.len()).collect();
        order.sort_by_key(|&number| std::cmp::Reverse(group[number].tokens.len()));
        [&mut *tokens, positions, token_types].into_iter().for_each(Vec::clear);
        starts.clear();
        rows.clear();
        outputs.clear();
        let longest = order.first().map_or(0, |&first| group[first].tokens.len());
        for step in 0..longest {
            starts.push(tokens.len());
            for sequence in order.iter().map(|&number| &group[number]).take_while(|s| step < s.tokens.len()) {
                tokens.push(sequence.tokens[step]);
                positions.push(sequence.positions[step]);
                token_types.push(sequence.token_types[step]);
                rows.push(sequence.first_row + step);
            }
        }
        starts.push(tokens.len());
        let mut places = vec![0; group.len()];
        for (place, &number) in order.iter().enumerate() {
            places[number] = place;
        }
        for (sequence, place) in group.iter().zip(places) {
            let numbered = sequence.local_outputs().zip(sequence.first_output..);
            outputs.extend(numbered.map(|(step, number)| (starts[step] + place, number)));
        }
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Number of steps.
    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The tokens of a step.
    pub(super) fn step(&self, number: usize) -> Range<usize> {
        self.starts[number]..self.starts[number + 1]
    }

    /// What a step's tokens follow, in their order: the tokens of the step before, without those that end there.
    pub(super) fn before(&self, number: usize) -> Range<usize> {
        let start = self.starts[number - 1];
        start..start + self.step(number).len()
    }

    /// Row of the batch that a token has.
    pub(super) fn row(&self, token: usize) -> usize {
        self.rows[token]
    }

    /// Place of each output row in this order, and its number among the batch's outputs.
    pub(super) fn outputs(&self) -> &[(usize, usize)] {
        &self.outputs
    }

    /// The tables whose vectors are summed at the bottom, with the tokens' rows in them.
    pub(super) fn embeddings<'s>(
        &'s self,
        plan: &'s Plan,
    ) -> impl Iterator<Item = (&'s Range<usize>, &'s [u32])> {
        plan.embeddings(&self.tokens, &self.positions, &self.token_types)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_by_time_and_the_longest_first() {
        // Sequence 0: tokens 1 2 at rows 10 and 11; sequence 1: 3 4 5 at 20 and on; sequence 2: 6 at 30.
        let sequence = |number, tokens, first_row, outputs, first_output| Sequence {
            number,
            tokens,
            positions: tokens,
            token_types: tokens,
            first_row,
            outputs,
            targets: &[],
            first_output,
        };
        let group = [
            sequence(0, &[1, 2], 10, &[11], 0),
            sequence(1, &[3, 4, 5], 20, &[20, 22], 1),
            sequence(2, &[6], 30, &[30], 3),
        ];
        let mut steps = Steps::default();
        for _ in 0..2 {
            steps.fill(&group);
            assert_eq!(steps.tokens, [3, 1, 6, 4, 2, 5]);
            assert_eq!(steps.rows, [20, 10, 30, 21, 11, 22]);
            assert_eq!((steps.len(), steps.count()), (6, 3));
            assert_eq!([steps.step(0), steps.step(1), steps.step(2)], [0..3, 3..5, 5..6]);
            assert_eq!([steps.before(1), steps.before(2)], [0..2, 3..4]);
            assert_eq!(steps.outputs(), [(4, 0), (0, 1), (5, 2), (2, 3)]);
        }
    }
}
