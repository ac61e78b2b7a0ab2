//! Results as a Markdown report.

use std::fmt::Write;

use crate::analysis::Analysis;
use crate::bootstrap::Bootstrap;
use crate::chance::chance;
use crate::curve::convergence;
use crate::evaluation::{Evaluation, coverage_lines};
use crate::metrics::Metric;
use crate::part::Part;
use crate::protocol::Protocol;
use crate::published::{Published, Verdict};
use crate::questions;
use crate::ranks::ProtocolRanks;
use crate::ratings::rating_lines;
use crate::report_analysis::{analysis_footer, analysis_section};
use crate::results::ResultRow;
use crate::table::{Table, count, figure, short, signed};

/// The metrics of a protocol's table; those of `true` are shown with their interval. As many as fit a terminal.
pub(crate) const SHOWN: [(Metric, bool); 6] = [
    (Metric::Recall(1), false),
    (Metric::Recall(5), false),
    (Metric::Recall(10), true),
    (Metric::Ndcg(5), false),
    (Metric::Ndcg(10), true),
    (Metric::Mrr, false),
];

/// The titles of a table of metrics.
pub(crate) fn titles(shown: &[(Metric, bool)]) -> Vec<String> {
    std::iter::once("<model".to_owned()).chain(shown.iter().map(|(metric, _)| short(*metric))).collect()
}

/// [`report_with`] without an analysis.
pub fn report(
    rows: &[ResultRow],
    evaluations: &[Evaluation],
    published: &[Published],
    bootstrap: &Bootstrap,
) -> String {
    report_with(rows, evaluations, published, bootstrap, &Analysis::default())
}

/// A Markdown report (`report.md`) on `rows` as made by [`results_with`](crate::results_with) from the same
/// evaluations, published figures and bootstrap.
///
/// A section per data set, split and fit; in it a table per protocol with a row per model, below it the published
/// figures with difference and verdict, then what the analysis has. Tables fit a terminal of 110 columns. Titles say SYNTHETIC where the
/// data was generated. The row `(chance)` is what a random order of the candidates gets.
pub fn report_with(
    rows: &[ResultRow],
    evaluations: &[Evaluation],
    published: &[Published],
    bootstrap: &Bootstrap,
    analysis: &Analysis,
) -> String {
    let synthetic = evaluations.iter().any(|evaluation| evaluation.meta.synthetic);
    let mut text =
        format!("# Results{}\n", if synthetic { " (SYNTHETIC data, see the headings)" } else { "" });
    let mut done: Vec<Part<'_>> = Vec::new();
    for row in rows {
        let part = Part::of_row(row);
        if done.contains(&part) {
            continue;
        }
        done.push(part);
        let rows: Vec<&ResultRow> = rows.iter().filter(|row| Part::of_row(row) == part).collect();
        let evaluations: Vec<&Evaluation> =
            evaluations.iter().filter(|evaluation| Part::of(&evaluation.meta) == part).collect();
        section(&mut text, part, &rows, &evaluations, published);
        analysis_section(&mut text, part, analysis);
    }
    text.push_str(&footer(bootstrap, evaluations));
    text.push_str(analysis_footer(analysis));
    text.push_str(questions::footer(analysis));
    text
}

/// One data set, split and fit.
fn section(
    text: &mut String,
    part: Part<'_>,
    rows: &[&ResultRow],
    evaluations: &[&Evaluation],
    published: &[Published],
) {
    let meta = evaluations.first().map(|evaluation| &evaluation.meta);
    let synthetic = if meta.is_some_and(|meta| meta.synthetic) { "SYNTHETIC data: " } else { "" };
    let _ = writeln!(text, "\n## {synthetic}{}\n", part.title());
    if let Some(meta) = meta {
        let _ = writeln!(text, "Split {}, hash {}; {}.\n", meta.split, meta.split_hash, meta.users_line());
    }
    text.push_str(&runs(rows).to_string());
    for line in coverage_lines(evaluations).into_iter().chain(rating_lines(evaluations)) {
        let _ = writeln!(text, "\n{line}");
    }

    let speeds = convergence(evaluations);
    if !speeds.is_empty() {
        let _ = write!(text, "\n{speeds}");
    }

    let mut protocols: Vec<Protocol> = Vec::new();
    for row in rows {
        if !protocols.contains(&row.protocol) {
            protocols.push(row.protocol);
        }
    }
    let mut sources: Vec<String> = Vec::new();
    for protocol in protocols {
        let rows: Vec<&ResultRow> = rows.iter().copied().filter(|row| row.protocol == protocol).collect();
        let ranks = evaluations
            .iter()
            .flat_map(|evaluation| &evaluation.protocols)
            .find(|ranks| ranks.protocol == protocol);
        let _ = writeln!(text, "\n### {synthetic}{}, {}\n", part.dataset, describe(protocol, ranks));
        text.push_str(&figures(&rows, ranks).to_string());
        let beside = comparison(&rows, published, &mut sources);
        if !beside.is_empty() {
            let _ = write!(text, "\n{beside}");
        }
    }
    for (at, source) in sources.iter().enumerate() {
        let _ = writeln!(text, "{}[{}] {source}", if at == 0 { "\n" } else { "" }, at + 1);
    }
}

/// What each model cost.
fn runs(rows: &[&ResultRow]) -> Table {
    let mut table = Table::new(&["<model", "seeds", "seconds a seed"]);
    for row in first_of_each_model(rows) {
        table.row(vec![row.model.clone(), row.seeds.to_string(), seconds(row)]);
    }
    table
}

pub(crate) fn seconds(row: &ResultRow) -> String {
    if row.seconds < 10.0 { format!("{:.1}", row.seconds) } else { count(row.seconds.round() as usize) }
}

pub(crate) fn first_of_each_model<'a>(rows: &[&'a ResultRow]) -> Vec<&'a ResultRow> {
    let mut firsts: Vec<&ResultRow> = Vec::new();
    for row in rows {
        if !firsts.iter().any(|first| first.model == row.model) {
            firsts.push(row);
        }
    }
    firsts
}

pub(crate) fn describe(protocol: Protocol, ranks: Option<&ProtocolRanks>) -> String {
    let Some(ranks) = ranks else { return protocol.to_string() };
    let sum: f64 = ranks.candidates.iter().map(|&candidates| f64::from(candidates)).sum();
    let mean = (sum / ranks.candidates.len().max(1) as f64).round() as usize;
    let what = match protocol {
        Protocol::Full if ranks.exclude_seen => {
            format!("whole catalogue without the user's history ({} candidates on average)", count(mean))
        }
        Protocol::Full => format!("whole catalogue with the user's history ({} candidates)", count(mean)),
        Protocol::Uniform(negatives) => format!("{negatives} uniform negatives{}", fewer(negatives, ranks)),
        Protocol::Popularity(negatives) => {
            format!("{negatives} negatives by popularity{}", fewer(negatives, ranks))
        }
        Protocol::WithinGenre => {
            format!("items that share a genre with the target ({} candidates on average)", count(mean))
        }
    };
    format!("{protocol}: {what}")
}

fn fewer(negatives: usize, ranks: &ProtocolRanks) -> String {
    let short = ranks.candidates.iter().filter(|&&candidates| (candidates as usize) <= negatives).count();
    if short == 0 { String::new() } else { format!(" (fewer for {} users: all there are)", count(short)) }
}

/// A row per model, and what chance gets.
fn figures(rows: &[&ResultRow], ranks: Option<&ProtocolRanks>) -> Table {
    let titles = titles(&SHOWN);
    let mut table = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    for model in first_of_each_model(rows) {
        let mut cells = vec![model.model.clone()];
        for (metric, with_interval) in SHOWN {
            let row = rows.iter().find(|row| row.model == model.model && row.metric == metric);
            cells.push(match row {
                Some(row) if with_interval => interval(row),
                Some(row) => figure(row.value),
                None => String::new(),
            });
        }
        table.row(cells);
        if let Some(cells) = deviations(rows, model, &SHOWN) {
            table.row(cells);
        }
    }
    if let Some(ranks) = ranks {
        let expected = SHOWN.iter().map(|&(metric, _)| figure(chance(metric, &ranks.candidates)));
        table.row(std::iter::once("(chance)".to_owned()).chain(expected).collect());
    }
    table
}

/// How far the seeds of a model lie apart, as a row of cells; none with one seed.
pub(crate) fn deviations(
    rows: &[&ResultRow],
    model: &ResultRow,
    shown: &[(Metric, bool)],
) -> Option<Vec<String>> {
    model.seed_deviation?;
    let of = |metric| {
        let row = rows.iter().find(|row| row.model == model.model && row.metric == metric)?;
        row.seed_deviation.map(|deviation| format!("±{}", figure(deviation)))
    };
    let cells = shown.iter().map(|&(metric, _)| of(metric).unwrap_or_default());
    Some(std::iter::once(format!("(its {} seeds)", model.seeds)).chain(cells).collect())
}

pub(crate) fn interval(row: &ResultRow) -> String {
    format!("{} [{}, {}]", figure(row.value), figure(row.low), figure(row.high))
}

/// Our figures beside the published ones; sources are collected as numbered notes.
fn comparison(rows: &[&ResultRow], published: &[Published], sources: &mut Vec<String>) -> Table {
    let mut table =
        Table::new(&["<model", "<metric", "ours", "published", "difference", "<verdict", "<source"]);
    for row in rows {
        let same = |figure: &&Published| {
            figure.is_of(Part::of_row(row), &row.model, row.protocol) && figure.metric == row.metric
        };
        for theirs in published.iter().filter(same) {
            let note = theirs.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            let source = format!("{}{note}", theirs.source);
            let at = sources.iter().position(|known| *known == source).unwrap_or_else(|| {
                sources.push(source);
                sources.len() - 1
            });
            let dagger = if theirs.from_memory { "†" } else { "" };
            table.row(vec![
                row.model.clone(),
                short(row.metric),
                interval(row),
                format!("{}{dagger}", figure(theirs.value)),
                signed(row.value - theirs.value),
                Verdict::of(row.low, row.high, row.fit, theirs).to_string(),
                format!("[{}]", at + 1),
            ]);
        }
    }
    table
}

pub(crate) fn footer(bootstrap: &Bootstrap, evaluations: &[Evaluation]) -> String {
    let percent = bootstrap.confidence * 100.0;
    let mut sampled =
        evaluations.iter().flat_map(|run| &run.protocols).filter(|one| one.protocol.is_sampled());
    let seen =
        if sampled.all(|one| one.exclude_seen) { "never from the user's history" } else { "of all items" };
    let resamples = count(bootstrap.resamples);
    format!(
        "\n---\n\n\
         R = recall = hit rate, N = NDCG, MRR = mean reciprocal rank, of one held-out item a user.\n\
         A tie counts against the model: rank = 1 + the other candidates that score at least as high.\n\
         Sampled negatives are seeded per user, the same for all models, {seen};\n\
         by popularity means in proportion to the counts in training, without replacement.\n\
         In brackets: {percent:.0} % percentile bootstrap interval over users, {resamples} resamples; several seeds are\n\
         averaged for each user first, and ± is the standard deviation over them, which the interval leaves out.\n\
         (chance): the expected figure of a random order of the candidates.\n\
         Verdicts: \"agrees\" when the published figure is inside our interval. It says nothing about the spread of\n\
         the published figure. No verdict where it is of another fit, or quoted from memory (†).\n"
    )
}
