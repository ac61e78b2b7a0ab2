//! What a model recommends, as text and as JSON.

use std::fmt::Write as _;

use cloze_eval::{Explanation, Quotation};
use cloze_train::ModelFolder;
use serde_json::{Value, json};

use crate::neighbours::Near;
use crate::table::{Column, Table};
use crate::text::{WIDTH, count, wrap};

/// How many items of the history are shown.
const SHOWN: usize = 5;
/// How many items of the history that explain a recommendation are shown.
const REASONS: usize = 3;

const WHY: &str = "\
Why: what each term adds to the item's lead over the mean item, and what that lead loses when the history lacks an item.";

const WRITTEN: &str = "\
Reviews: the sentence of the user's that is nearest to what others wrote of the item, and the sentence of theirs that is \
nearest to what the user wrote (cosine of the text model's vectors).";

/// The recommendations, with what they are based on.
pub(super) struct Answer {
    pub(super) model: String,
    pub(super) folder: ModelFolder,
    pub(super) history: Vec<u32>,
    pub(super) best: Vec<(u32, f32)>,
    /// Of each of the best items, where it was asked for.
    pub(super) why: Vec<Explanation>,
    /// What else the model has to say of each of them, where it was asked for.
    pub(super) remarks: Vec<String>,
    /// What was written that speaks for each of the best items, where it was asked for and the model reads.
    pub(super) quotations: Vec<Vec<Quotation>>,
    /// The users who are nearest, where they were asked for and the model can tell.
    pub(super) near: Option<Near>,
    /// Of all items, where the data were read and have some.
    pub(super) genres: Option<Vec<Vec<String>>>,
    /// How likely the learner answers each exercise right, where it was asked for.
    pub(super) success: Option<Vec<f32>>,
    /// Where it was asked for.
    pub(super) held_out: Option<HeldOut>,
}

/// The test item of the user.
pub(super) struct HeldOut {
    pub(super) item: u32,
    /// Its rank among the candidates; none if it is not one.
    pub(super) rank: Option<usize>,
    pub(super) candidates: usize,
}

impl HeldOut {
    /// Its place among the candidates: behind those with the same score, as in an evaluation.
    pub(super) fn among(candidates: &[(u32, f32)], item: u32) -> Self {
        let own = candidates.iter().find(|(other, _)| *other == item).map(|(_, score)| *score);
        let rank = own.map(|own| candidates.iter().filter(|(_, score)| *score >= own).count());
        Self { item, rank, candidates: candidates.len() }
    }

    pub(super) fn place(&self) -> String {
        match self.rank {
            Some(rank) => format!("rank {} of {}", count(rank), count(self.candidates)),
            None => "no candidate: the user had it before, or the model or what was asked for excludes it"
                .to_owned(),
        }
    }
}

/// Decimals that show the largest of these numbers with three digits, at least two: scores of some models are all small.
fn digits(numbers: impl Iterator<Item = f32>) -> usize {
    const MOST: i32 = 6;
    let largest = numbers.map(f32::abs).filter(|size| size.is_finite()).fold(0.0, f32::max);
    if largest > 0.0 { (2 - largest.log10().floor() as i32).clamp(2, MOST) as usize } else { 2 }
}

impl Answer {
    pub(super) fn text(&self, user: Option<&str>) -> String {
        let mut text = wrap(&self.basis(user), WIDTH).join("\n") + "\n\n";
        if self.best.is_empty() {
            text.push_str(
                "Nothing to recommend: every item is in the history, or excluded by the model or by what was asked for.\n",
            );
        } else {
            text.push_str(&self.ranked());
        }
        if let Some(held_out) = &self.held_out {
            let line = format!("The held-out item, {}: {}.", self.named(held_out.item), held_out.place());
            let _ = writeln!(text, "\n{}", wrap(&line, WIDTH).join("\n"));
        }
        text + &self.explained()
    }

    /// The table of the best items.
    fn ranked(&self) -> String {
        let mut columns = vec![("rank", Column::Number), ("item", Column::Wrapped)];
        columns.extend(self.genres.as_ref().map(|_| ("genres", Column::Wrapped)));
        columns.extend(self.success.as_ref().map(|_| ("success", Column::Number)));
        columns.push(("score", Column::Number));
        let mut table = Table::new(&columns);
        for (rank, &(item, score)) in (1_usize..).zip(&self.best) {
            let mut cells = vec![rank.to_string(), self.named(item)];
            cells.extend(self.genres_of(item));
            cells.extend(self.success.as_ref().map(|success| format!("{:.2}", success[item as usize])));
            cells.push(format!("{score:.4}"));
            table.row(cells);
        }
        table.render()
    }

    /// Why these items, where it was asked for.
    pub(super) fn explained(&self) -> String {
        let mut text = String::new();
        if !self.why.is_empty() {
            text.push_str(&self.reasons());
        }
        if self.quotations.iter().any(|list| !list.is_empty()) {
            text.push_str(&self.quoted());
        }
        text
    }

    fn reasons(&self) -> String {
        let mut columns =
            vec![("rank", Column::Number), ("terms", Column::Text), ("because of", Column::Wrapped)];
        columns.extend(self.near.as_ref().map(|_| ("near", Column::Number)));
        columns.extend(self.remarks.first().map(|_| ("remarks", Column::Wrapped)));
        let mut table = Table::new(&columns);
        let digits = digits(self.why.iter().flat_map(|why| {
            why.parts.iter().map(|(_, lift)| *lift).chain(why.because.iter().map(|(_, lost)| *lost))
        }));
        for (rank, why) in (1..).zip(&self.why) {
            let rank: usize = rank;
            let terms: Vec<String> =
                why.parts.iter().map(|(name, lift)| format!("{name} {lift:+.digits$}")).collect();
            // What speaks against an item does not explain that it is here.
            let for_it = why.because.iter().filter(|(_, lost)| *lost > 0.0).take(REASONS);
            let because: Vec<String> =
                for_it.map(|&(item, lost)| format!("{} {lost:+.digits$}", self.named(item))).collect();
            let or = |list: &[String], none: &str| {
                if list.is_empty() { none.to_owned() } else { list.join(", ") }
            };
            let mut cells = vec![rank.to_string(), or(&terms, "-"), or(&because, "nothing in the history")];
            cells.extend(self.near.as_ref().map(|near| near.who_had(why.item).count().to_string()));
            cells.extend(self.remarks.get(rank - 1).cloned());
            table.row(cells);
        }
        let near = self.near.as_ref().map_or_else(String::new, |near| format!(" {}", near.legend()));
        format!("\n{}\n\n{}", wrap(&format!("{WHY}{near}"), WIDTH).join("\n"), table.render())
    }

    /// A table of what was written.
    fn quoted(&self) -> String {
        let mut table = Table::new(&[
            ("rank", Column::Number),
            ("who", Column::Text),
            ("wrote", Column::Wrapped),
            ("nearness", Column::Number),
        ]);
        for (rank, list) in (1..).zip(&self.quotations) {
            let rank: usize = rank;
            for quotation in list {
                let (who, wrote) = if quotation.own {
                    ("the user", format!("{} (of {})", quotation.text, self.named(quotation.about)))
                } else {
                    ("others", quotation.text.clone())
                };
                let nearness = format!("{:.2}", quotation.similarity);
                table.row(vec![rank.to_string(), who.to_owned(), wrote, nearness]);
            }
        }
        format!("\n{}\n\n{}", wrap(WRITTEN, WIDTH).join("\n"), table.render())
    }

    /// One sentence: which model, for whom, from which items.
    fn basis(&self, user: Option<&str>) -> String {
        format!("{} ({}) for {}", self.model, self.data(), self.whom(user))
    }

    /// The name of the data.
    pub(super) fn data(&self) -> String {
        let trained_on = &self.folder.card.trained_on;
        let synthetic = if trained_on.synthetic { ", generated data" } else { "" };
        format!("{}{synthetic}", trained_on.dataset)
    }

    /// For whom, from which items.
    pub(super) fn whom(&self, user: Option<&str>) -> String {
        let whom = user.map_or_else(|| "a typed history".to_owned(), |user| format!("user {user}"));
        let last: Vec<String> = self.history[self.history.len().saturating_sub(SHOWN)..]
            .iter()
            .map(|&item| self.named(item))
            .collect();
        let of = match self.history.len() {
            0 => "no item".to_owned(),
            1 => format!("1 item: {}", last.join("; ")),
            n if n <= SHOWN => format!("{n} items: {}", last.join("; ")),
            n => format!("{} items, the last of them: {}", count(n), last.join("; ")),
        };
        format!("{whom}, based on {of}")
    }

    /// The genres of an item in one line, where the data have any.
    pub(super) fn genres_of(&self, item: u32) -> Option<String> {
        let genres = self.genres.as_ref()?.get(item as usize);
        Some(genres.map_or_else(String::new, |genres| genres.join(", ")))
    }

    /// `title (id)`, or the id alone.
    pub(super) fn named(&self, item: u32) -> String {
        let items = &self.folder.vocabularies.items;
        match (items.title(item), items.id(item)) {
            (Some(title), Some(id)) => format!("{title} ({id})"),
            _ => items.label(item),
        }
    }

    pub(super) fn json(&self, user: Option<&str>) -> Value {
        let items = &self.folder.vocabularies.items;
        let history: Vec<Value> = self
            .history
            .iter()
            .map(|&item| json!({ "id": items.id(item), "title": items.title(item) }))
            .collect();
        let best: Vec<Value> = (1..)
            .zip(&self.best)
            .map(|(rank, &(item, score))| {
                let rank: usize = rank;
                let mut line =
                    json!({ "rank": rank, "id": items.id(item), "title": items.title(item), "score": score });
                if let Some(genres) = &self.genres {
                    line["genres"] = json!(genres.get(item as usize));
                }
                if let Some(success) = &self.success {
                    line["success"] = json!(success.get(item as usize));
                }
                if let Some(list) = self.quotations.get(rank - 1) {
                    let quoted = |quotation: &Quotation| {
                        json!({
                            "about": items.id(quotation.about), "own": quotation.own, "text": quotation.text,
                            "similarity": quotation.similarity,
                        })
                    };
                    line["quotations"] = list.iter().map(quoted).collect();
                }
                if let Some(why) = self.why.get(rank - 1) {
                    let lost = |&(item, lost): &(u32, f32)| json!({ "id": items.id(item), "lift": lost });
                    line["terms"] =
                        why.parts.iter().map(|(name, lift)| ((*name).to_owned(), json!(lift))).collect();
                    line["because"] = why.because.iter().map(lost).collect();
                    if let Some(near) = &self.near {
                        line["near"] = near.who_had(item).collect();
                    }
                }
                line
            })
            .collect();
        let trained_on = &self.folder.card.trained_on;
        let mut answer = json!({
            "model": self.model,
            "dataset": trained_on.dataset,
            "user": user,
            "history": history,
            "recommendations": best,
        });
        if let Some(HeldOut { item, rank, candidates }) = self.held_out {
            answer["held_out"] = json!({
                "id": items.id(item), "title": items.title(item), "rank": rank, "candidates": candidates,
            });
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn small_scores_are_shown_with_as_many_digits_as_they_need() {
        for (numbers, decimals) in [
            (&[12.0, -0.001][..], 2),
            (&[0.5, f32::NAN], 3),
            (&[-0.0123, 0.002], 4),
            (&[1e-12], 6),
            (&[0.0], 2),
            (&[], 2),
        ] {
            assert_eq!(digits(numbers.iter().copied()), decimals, "{numbers:?}");
        }
    }
}
