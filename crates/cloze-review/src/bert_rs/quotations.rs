//! Sentences of reviews that speak for an item.

use cloze_data::Vocabulary;
use cloze_eval::{ModelError, Query, Quotation};
use unicode_segmentation::UnicodeSegmentation as _;

use super::options::TextOptions;
use crate::embeddings::Embeddings;
use crate::error::ReviewError;
use crate::reviews::Reviews;
use crate::text_model::TextModel;

/// Characters of a sentence that says something.
const SHORTEST: usize = 12;
/// Sentences of a review that are looked at.
const SENTENCES: usize = 40;
/// Reviews whose sentences are looked at: those that are nearest as a whole. Of some items there are thousands.
const REVIEWS: usize = 20;

/// The reviews with their reader, opened when somebody asks.
pub(super) struct Library {
    reviews: Reviews,
    model: TextModel,
    kept: Embeddings,
}

/// A sentence with the item that it is about.
struct Sentence<'a> {
    about: u32,
    text: &'a str,
}

impl Library {
    pub(super) fn open(
        text: &TextOptions,
        users: &Vocabulary,
        items: &Vocabulary,
    ) -> Result<Self, ModelError> {
        let reviews = Reviews::read(&text.reviews, text.columns()?.as_ref(), users, items)?;
        let model = TextModel::open(&text.text_model, text.pooling, text.text_length, text.text_precision)?;
        let kept = Embeddings::open_usual(&model)?;
        Ok(Self { reviews, model, kept })
    }

    /// For each item what the user wrote, of items of the history, that is nearest to what is written about it; and what others
    /// wrote about it that is nearest to what the user wrote. Never the user's own review of the item.
    pub(super) fn quotations(
        &mut self,
        query: &Query<'_>,
        items: &[u32],
    ) -> Result<Vec<Vec<Quotation>>, ReviewError> {
        let own: Vec<usize> = self
            .pairs()
            .filter(|(_, (user, item))| Some(*user) == query.user && query.history.contains(item))
            .map(|(number, _)| number)
            .collect();
        let taste = self.sum(&own)?;
        let mut all = Vec::with_capacity(items.len());
        for &item in items {
            let of_own: Vec<usize> =
                own.iter().copied().filter(|&number| self.about(number) != item).collect();
            let others: Vec<usize> = self
                .pairs()
                .filter(|(_, (user, about))| *about == item && Some(*user) != query.user)
                .map(|(number, _)| number)
                .collect();
            let profile = self.sum(&others)?;
            let mut found = Vec::new();
            for (numbers, profile, own) in [(&of_own, &profile, true), (&others, &taste, false)] {
                let nearest = self.nearest(numbers, profile)?;
                found.extend(nearest.map(|(about, text, similarity)| Quotation {
                    about,
                    own,
                    text,
                    similarity,
                }));
            }
            all.push(found);
        }
        Ok(all)
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, (u32, u32))> + '_ {
        self.reviews.pairs().iter().copied().enumerate()
    }

    fn about(&self, review: usize) -> u32 {
        self.reviews.pairs()[review].1
    }

    /// Vectors of reviews.
    fn vectors(&mut self, numbers: &[usize]) -> Result<Vec<f32>, ReviewError> {
        let texts: Vec<&str> = numbers.iter().map(|&number| &*self.reviews.texts()[number]).collect();
        self.kept.of(&texts, &mut self.model, &mut |_, _| {})
    }

    /// The sum of the reviews' vectors, whose direction is that of their mean.
    fn sum(&mut self, numbers: &[usize]) -> Result<Vec<f32>, ReviewError> {
        let vectors = self.vectors(numbers)?;
        let mut sum = vec![0.0; self.model.width()];
        for vector in vectors.chunks_exact(sum.len()) {
            sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
        }
        Ok(sum)
    }

    /// The reviews that are nearest to a profile, as many as their sentences are looked at of.
    fn nearest_reviews(&mut self, numbers: &[usize], profile: &[f32]) -> Result<Vec<usize>, ReviewError> {
        if numbers.len() <= REVIEWS {
            return Ok(numbers.to_vec());
        }
        let vectors = self.vectors(numbers)?;
        let similarities = vectors.chunks_exact(profile.len()).map(|vector| cosine(vector, profile));
        let mut order: Vec<(f32, usize)> = similarities.zip(numbers.iter().copied()).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(order.into_iter().take(REVIEWS).map(|(_, number)| number).collect())
    }

    /// The sentence that is nearest to a profile, of those of these reviews that are nearest to it.
    fn nearest(
        &mut self,
        numbers: &[usize],
        profile: &[f32],
    ) -> Result<Option<(u32, String, f32)>, ReviewError> {
        if profile.iter().all(|value| *value == 0.0) {
            return Ok(None);
        }
        let numbers = self.nearest_reviews(numbers, profile)?;
        let sentences: Vec<Sentence<'_>> = numbers
            .iter()
            .flat_map(|&number| {
                let about = self.reviews.pairs()[number].1;
                sentences(&self.reviews.texts()[number]).map(move |text| Sentence { about, text })
            })
            .collect();
        let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text).collect();
        let vectors = self.kept.of(&texts, &mut self.model, &mut |_, _| {})?;
        let similarities = vectors.chunks_exact(profile.len()).map(|vector| cosine(vector, profile));
        let best = sentences.iter().zip(similarities).max_by(|a, b| a.1.total_cmp(&b.1));
        Ok(best.map(|(sentence, similarity)| (sentence.about, sentence.text.to_owned(), similarity)))
    }
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let all = text.unicode_sentences().map(str::trim);
    all.filter(|sentence| sentence.chars().count() >= SHORTEST).take(SENTENCES)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_cut_where_they_end_and_short_ones_say_nothing() {
        let text = "Works with my 12.5 inch amp. Wow! The strings sound good, really.  It broke";
        let found: Vec<&str> = sentences(text).collect();
        assert_eq!(found, ["Works with my 12.5 inch amp.", "The strings sound good, really."]);
    }

    #[test]
    fn cosines() {
        assert_eq!(cosine(&[1.0, 0.0], &[2.0, 0.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 3.0]), 0.0);
        assert_eq!(cosine(&[0.0, 0.0], &[0.0, 3.0]), 0.0);
    }
}
