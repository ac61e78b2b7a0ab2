//! Difficulties in reports.

use crate::bootstrap::Interval;
use crate::difficulty::{DifficultyRow, TOLERANCE, Whose};
use crate::table::{Table, count, figure};

/// A table with what stands above and below it.
pub(crate) struct Shown {
    pub(crate) title: String,
    pub(crate) table: Table,
    pub(crate) note: String,
}

/// One for each model of success and target: figures by different ones are not comparable.
pub(crate) fn tables(rows: &[&DifficultyRow]) -> Vec<Shown> {
    let mut kinds: Vec<String> = Vec::new();
    for row in rows {
        let kind = row.by.shown();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let of = |kind: &String| -> Vec<&DifficultyRow> {
        rows.iter().copied().filter(|row| row.by.shown() == *kind).collect()
    };
    kinds.iter().filter_map(|kind| shown(&of(kind))).collect()
}

fn shown(rows: &[&DifficultyRow]) -> Option<Shown> {
    let first = rows.first()?;
    let within = format!("within {TOLERANCE}");
    let mut table = Table::new(&["<model", "mean p", "gap to target", within.as_str()]);
    let models = || rows.iter().filter(|row| row.of == Whose::List);
    for row in models() {
        table.row(cells(&row.model, row));
    }
    for (of, name) in [(Whose::Next, "taken next"), (Whose::Random, "random")] {
        let mut known: Vec<&DifficultyRow> = Vec::new();
        for &row in rows.iter().filter(|row| row.of == of) {
            // One line for all models, unless another has lists for other users, or other seeds.
            let same = |other: &&DifficultyRow| {
                (other.users, other.success, other.gap) == (row.users, row.success, row.gap)
            };
            if known.iter().any(same) {
                continue;
            }
            let label =
                if known.is_empty() { format!("({name})") } else { format!("({name}, {})", row.model) };
            table.row(cells(&label, row));
            known.push(row);
        }
    }
    let users: Vec<usize> = models().map(|row| row.users).collect();
    let (least, most) = (users.iter().min()?, users.iter().max()?);
    let users = if least == most { count(*most) } else { format!("{} to {}", count(*least), count(*most)) };
    let by = &first.by;
    Some(Shown {
        title: format!("Difficulty fit: target {}, by {} (fit on {})", by.target, by.model, by.fit),
        table,
        note: format!(
            "p: probability of a right answer, estimated by {} with the options\n{}.\n\
             Means over the top 10 of the whole catalogue, then over {users} users. gap = |p - target|: its mean is the\n\
             difficulty fit, lower is better. (taken next): the held-out exercise; (random): one drawn evenly from those that\n\
             a list may hold.",
            by.model, by.options
        ),
    })
}

fn cells(label: &str, row: &DifficultyRow) -> Vec<String> {
    let interval = |of: &Interval| format!("{} [{}, {}]", figure(of.value), figure(of.low), figure(of.high));
    vec![label.to_owned(), interval(&row.success), interval(&row.gap), interval(&row.inside)]
}
