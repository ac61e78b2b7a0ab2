//! What several models recommend to one user, beside each other.

use std::fmt::Write as _;

use super::answer::{Answer, HeldOut};
use crate::table::{Column, Table};
use crate::text::{WIDTH, wrap};

/// One column a model: its items with their genres and scores, then the rank of the held-out item.
pub(super) fn text(answers: &[Answer], user: Option<&str>) -> String {
    let Some(first) = answers.first() else { return String::new() };
    let mut text = wrap(&format!("{} for {}", first.data(), first.whom(user)), WIDTH).join("\n") + "\n";
    if let Some(held_out) = &first.held_out {
        let genres = first.genres_of(held_out.item).filter(|genres| !genres.is_empty());
        let genres = genres.map_or_else(String::new, |genres| format!(" · {genres}"));
        let line = format!("Held out: {}{genres}", first.named(held_out.item));
        text.push_str(&(wrap(&line, WIDTH).join("\n") + "\n"));
    }
    let names: Vec<String> = answers.iter().map(name).collect();
    let mut columns = vec![("rank", Column::Text)];
    columns.extend(names.iter().map(|name| (name.as_str(), Column::Wrapped)));
    let mut table = Table::new(&columns);
    let longest = answers.iter().map(|answer| answer.best.len()).max().unwrap_or(0);
    for place in 0..longest {
        let cells = answers.iter().map(|answer| cell(answer, place));
        table.row([(place + 1).to_string()].into_iter().chain(cells).collect::<Vec<_>>());
    }
    if first.held_out.is_some() {
        let place = |answer: &Answer| answer.held_out.as_ref().map_or_else(String::new, HeldOut::place);
        table.row(["held out".to_owned()].into_iter().chain(answers.iter().map(place)).collect::<Vec<_>>());
    }
    let _ = write!(text, "\n{}", table.render());
    for (answer, name) in answers.iter().zip(&names).filter(|(answer, _)| !answer.why.is_empty()) {
        let _ = write!(text, "\n{name}\n{}", answer.explained());
    }
    text
}

/// The model, and its folder, by which two of a kind are told apart.
fn name(answer: &Answer) -> String {
    let folder = answer.folder.path().file_name().map(|name| name.to_string_lossy().into_owned());
    match folder {
        Some(folder) if folder != answer.model => format!("{} ({folder})", answer.model),
        _ => answer.model.clone(),
    }
}

/// An item with its genres, how likely the learner answers it right where that was asked for, and its score.
fn cell(answer: &Answer, place: usize) -> String {
    let Some(&(item, score)) = answer.best.get(place) else { return String::new() };
    let genres = answer.genres_of(item).filter(|genres| !genres.is_empty());
    let genres = genres.map_or_else(String::new, |genres| format!(" · {genres}"));
    let held_out = answer.held_out.as_ref().is_some_and(|held_out| held_out.item == item);
    let mark = if held_out { " ← held out" } else { "" };
    let success = answer.success.as_ref().map(|success| format!(" · success {:.2}", success[item as usize]));
    format!("{}{genres}{} · {}{mark}", answer.named(item), success.unwrap_or_default(), figures(score))
}

/// A score with four significant figures: those of one model are counts, of another probabilities.
fn figures(score: f32) -> String {
    let whole = score.abs().max(1e-3).log10().floor() as i32;
    let decimals = usize::try_from(3 - whole).unwrap_or(0);
    format!("{score:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_any_size_have_four_figures() {
        let shown = [31_234.5, 313.0, -0.668, 0.009_71, 0.0].map(figures);
        assert_eq!(shown, ["31234", "313.0", "-0.6680", "0.009710", "0.000000"]);
    }
}
