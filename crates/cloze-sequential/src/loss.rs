//! Which loss a transformer is trained with, and the negatives that some losses need.

use crate::objective::check;
use cloze_encoder::{EncoderError, Loss, Negatives, PackedBatch, Sharing};
use cloze_train::TrainError;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// Draws for a negative that the sequence, or the user, does not hold, before one that it holds is taken.
const TRIES: usize = 100;

/// Lists of shared negatives at least, where there are as many sequences.
const LEAST_LISTS: usize = 32;

/// More negatives of a target are a slip of the hand.
const MOST_NEGATIVES: usize = 1 << 16;

/// Negatives of a batch, where each row has its own: they are drawn into memory, 4 bytes each, and so are those of the next batch.
const MOST_OF_BATCH: usize = 1 << 28;

/// A loss by name; its formula is that of [`Loss`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Softmax cross-entropy over all items.
    Softmax,
    /// Softmax cross-entropy over the target and uniformly drawn items, with logQ correction. Sequences share their negatives:
    /// so many that the lists of a step hold every item once, or have a list of their own.
    SampledSoftmax,
    /// Binary cross-entropy, each row with negatives of its own from outside its sequence (Kang & McAuley 2018, who draw
    /// one).
    Bce,
    /// The same with many uniformly drawn negatives, calibrated for the share of the catalogue that they are (Petrov &
    /// Macdonald 2023).
    Gbce,
}

/// A loss with its options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingLoss {
    /// Which.
    pub kind: LossKind,
    /// Negatives of a target; 0: one for `bce`, 256 for the others that have any.
    pub negatives: usize,
    /// gBCE's t, in \[0, 1\].
    pub calibration: f64,
}

impl TrainingLoss {
    /// Lines of help for the options of these names.
    pub(crate) const LOSS_HELP: (&'static str, &'static str) =
        ("loss", "softmax, sampled-softmax, bce or gbce");
    pub(crate) const NEGATIVES_HELP: (&'static str, &'static str) = (
        "negatives",
        "Sampled items a target is compared with; 0: 1 for bce, 256 for sampled-softmax and gbce",
    );
    pub(crate) const CALIBRATION_HELP: (&'static str, &'static str) =
        ("calibration", "gbce: 1 makes up for the sampling, 0 is bce");

    /// Checks the values against their rules.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the option and its rule.
    pub(crate) fn validate(&self) -> Result<(), TrainError> {
        let t = self.calibration;
        check("negatives", self.negatives, self.negatives <= MOST_NEGATIVES, "must be at most 65536")?;
        check("calibration", t, (0.0..=1.0).contains(&t), "must be in [0, 1]")
    }

    /// Negatives of a target.
    pub(crate) fn count(&self) -> usize {
        match (self.negatives, self.kind) {
            (0, LossKind::Bce) => 1,
            (0, _) => 256,
            (count, _) => count,
        }
    }

    /// Negatives that `sequences` of a batch share: as few lists as hold every item, but enough for all cores. The lists cut
    /// a drawn order of all items into pieces, so that no item is drawn again before all others were: that changes no list's
    /// expectation, and an item's gradient depends less on chance.
    ///
    /// # Errors
    /// None for a catalogue with items.
    pub(crate) fn shared(
        &self,
        sequences: usize,
        catalogue: usize,
        generator: &mut ChaCha8Rng,
    ) -> Result<Negatives, EncoderError> {
        let count = self.count();
        let lists = catalogue.div_ceil(count).clamp(LEAST_LISTS, sequences.max(LEAST_LISTS));
        let together = NonZeroUsize::new(sequences / lists).unwrap_or(NonZeroUsize::MIN);
        let drawn = sequences.div_ceil(together.get()) * count;
        let order = rand::seq::index::sample(generator, catalogue, drawn.min(catalogue));
        let ids = (0..drawn).map(|place| order.index(place % order.len()) as u32).collect();
        let log_expected = vec![(count as f32 / catalogue as f32).ln(); drawn];
        Negatives::new(Sharing::Sequences(together), count, ids, log_expected)
    }

    /// Negatives for `batch` from items below `catalogue`, where the loss has any.
    ///
    /// # Errors
    /// [`EncoderError::Config`] where a batch's would not fit.
    pub(crate) fn draw(
        &self,
        batch: &PackedBatch,
        catalogue: usize,
        generator: &mut ChaCha8Rng,
    ) -> Result<Option<Negatives>, EncoderError> {
        let (count, items) = (self.count(), catalogue as u32);
        self.check_room(batch.outputs().len())?;
        let negatives = match self.kind {
            LossKind::Softmax => return Ok(None),
            LossKind::SampledSoftmax => self.shared(batch.sequences(), catalogue, generator)?,
            LossKind::Bce => {
                Negatives::new(Sharing::Row, count, outside(batch, count, items, generator), Vec::new())?
            }
            LossKind::Gbce => self.anywhere(batch.outputs().len(), items, generator)?,
        };
        Ok(Some(negatives))
    }

    /// For each of so many rows items from all.
    pub(crate) fn anywhere(
        &self,
        rows: usize,
        items: u32,
        generator: &mut ChaCha8Rng,
    ) -> Result<Negatives, EncoderError> {
        let ids = (0..rows * self.count()).map(|_| generator.random_range(0..items)).collect();
        Negatives::new(Sharing::Row, self.count(), ids, Vec::new())
    }

    /// Refuses more rows than have room for negatives of their own.
    pub(crate) fn check_room(&self, rows: usize) -> Result<(), EncoderError> {
        let own = matches!(self.kind, LossKind::Bce | LossKind::Gbce);
        if own && rows.saturating_mul(self.count()) > MOST_OF_BATCH {
            return Err(EncoderError::Config {
                key: "negatives",
                value: format!("{} for each of a batch's {rows} places", self.count()),
                rule: "must be at most 268,435,456 in all: lower --negatives or --batch, or take sampled-softmax, whose \
                       sequences share theirs",
            });
        }
        Ok(())
    }

    /// The loss over the negatives that [`Self::draw`] gave.
    pub(crate) fn over<'a>(&self, negatives: Option<&'a Negatives>, catalogue: usize) -> Loss<'a> {
        match (negatives, self.kind) {
            (None, _) | (_, LossKind::Softmax) => Loss::Softmax,
            (Some(negatives), LossKind::SampledSoftmax) => Loss::SampledSoftmax(negatives),
            (Some(negatives), LossKind::Bce) => Loss::Binary { negatives, power: 1.0 },
            (Some(negatives), LossKind::Gbce) => {
                let others = (catalogue - 1).max(1) as f64;
                let share = (self.count() as f64 / others).min(1.0);
                Loss::Binary { negatives, power: Loss::calibrated_power(share, self.calibration) }
            }
        }
    }
}

/// An item that is not held, unless so many draws find none.
pub(crate) fn draw_outside(items: u32, generator: &mut ChaCha8Rng, held: impl Fn(u32) -> bool) -> u32 {
    let mut draws = (0..TRIES).map(|_| generator.random_range(0..items));
    let free = draws.find(|&item| !held(item));
    free.unwrap_or_else(|| generator.random_range(0..items))
}

/// `count` items for each output row that its sequence neither holds nor is asked for.
fn outside(batch: &PackedBatch, count: usize, items: u32, generator: &mut ChaCha8Rng) -> Vec<u32> {
    // The number of the last sequence that held an item, counted from 1.
    let mut holder = vec![0; items as usize];
    let mut ids = Vec::with_capacity(batch.outputs().len() * count);
    let (rows, outputs) = (batch.cu_seqlens().windows(2), batch.cu_outputs());
    for (number, (rows, outputs)) in rows.zip(outputs.windows(2)).enumerate() {
        let tokens = &batch.tokens()[rows[0] as usize..rows[1] as usize];
        let targets = &batch.targets()[outputs[0] as usize..outputs[1] as usize];
        for &item in tokens.iter().chain(targets).filter(|&&item| item < items) {
            holder[item as usize] = number + 1;
        }
        for _ in 0..targets.len() * count {
            ids.push(draw_outside(items, generator, |item| holder[item as usize] == number + 1));
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn batch() -> PackedBatch {
        let mut batch = PackedBatch::new();
        batch.push(&[0, 1, 2], 0, &[0, 1, 2], &[1, 2, 3]).unwrap();
        batch.push(&[9, 10], 0, &[1], &[8]).unwrap();
        batch
    }

    fn draw(kind: LossKind, negatives: usize) -> Option<Negatives> {
        let loss = TrainingLoss { kind, negatives, calibration: 0.75 };
        loss.draw(&batch(), 10, &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    }

    #[test]
    fn every_loss_draws_what_its_paper_says() {
        assert!(draw(LossKind::Softmax, 5).is_none());
        let shared = draw(LossKind::SampledSoftmax, 5).unwrap();
        assert_eq!((shared.sharing(), shared.count()), (Sharing::Sequences(NonZeroUsize::MIN), 5));
        assert!(shared.log_expected(1).iter().all(|log| (log - 0.5f32.ln()).abs() < 1e-6));
        assert_eq!(draw(LossKind::Bce, 0).unwrap().count(), 1);
        let own = draw(LossKind::Gbce, 0).unwrap();
        assert_eq!((own.sharing(), own.count()), (Sharing::Row, 256));
    }

    #[test]
    fn more_negatives_than_memory_holds_are_refused() {
        let told = |negatives| {
            let loss = TrainingLoss { kind: LossKind::Bce, negatives, calibration: 0.75 };
            loss.validate().err().map(|error| error.to_string())
        };
        assert_eq!(told(MOST_NEGATIVES), None);
        let expected = format!("negatives = {}: must be at most 65536", MOST_NEGATIVES + 1);
        assert_eq!(told(MOST_NEGATIVES + 1), Some(expected));
    }

    /// The lists of a step hold every item as often as any other, or once more; few sequences have a list each, of other items.
    #[test]
    fn shared_lists_cut_the_catalogue_into_pieces() {
        for (catalogue, sequences, lists) in
            [(10_000, 256, 128), (1_000, 64, 32), (10_000, 8, 8), (30, 64, 32)]
        {
            let loss = TrainingLoss { kind: LossKind::SampledSoftmax, negatives: 100, calibration: 0.75 };
            let mut generator = ChaCha8Rng::seed_from_u64(1);
            let negatives = loss.shared(sequences, catalogue, &mut generator).unwrap();
            assert_eq!(negatives.lists(), lists, "{catalogue} items, {sequences} sequences");
            assert_eq!(negatives.list_of(sequences - 1, 0), lists - 1);
            let mut counts = vec![0; catalogue];
            for list in 0..lists {
                negatives.list(list).iter().for_each(|&item| counts[item as usize] += 1);
                let expected = (100.0 / catalogue as f32).ln();
                assert!(negatives.log_expected(list).iter().all(|log| (log - expected).abs() < 1e-6));
            }
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{catalogue} items: {least} to {most} times");
            let other = loss.shared(sequences, catalogue, &mut generator).unwrap();
            assert_ne!(negatives, other, "every step draws anew");
        }
    }

    #[test]
    fn negatives_of_bce_are_outside_their_sequence() {
        let negatives = draw(LossKind::Bce, 50).unwrap();
        for row in 0..3 {
            assert!(negatives.list(row).iter().all(|item| !(0..=3).contains(item)));
        }
        assert!(negatives.list(3).iter().all(|item| !(8..=9).contains(item)));
        // A catalogue that the sequence holds whole: any item, and no endless search.
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(outside(&batch(), 2, 4, &mut generator).len(), 8);
    }

    #[test]
    fn gbce_is_bce_without_calibration() {
        let negatives = draw(LossKind::Gbce, 3).unwrap();
        let power = |calibration| {
            let loss = TrainingLoss { kind: LossKind::Gbce, negatives: 3, calibration };
            match loss.over(Some(&negatives), 10) {
                Loss::Binary { power, .. } => power,
                other => panic!("{other:?}"),
            }
        };
        assert!((power(0.0) - 1.0).abs() < 1e-6);
        assert!((power(1.0) - 1.0 / 3.0).abs() < 1e-6);
    }
}
