//! The end of a reproduction: everything in one comparison with the published figures.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    cloze::{Cloze, Tests},
    experiment::{Experiment, Published, Question},
    plan::{Configuration, Request},
    rows::{self, Finished},
};

/// What `cloze compare` writes.
const FILES: [&str; 4] = ["results.json", "analysis.json", "report.md", "report.html"];

/// Removes an earlier report, so that a run that ends early leaves none that looks like its own.
pub(crate) fn remove_old(output: &Path) -> Result<()> {
    for path in FILES.map(|name| output.join(name)) {
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Compares the finished rows; `problems` are the data sets and rows that the report has to explain instead.
///
/// # Errors
/// If there is nothing to compare, or the comparison fails or leaves a row out.
pub(crate) fn write(
    cloze: &Cloze,
    experiment: &Experiment,
    request: &Request,
    output: &Path,
    finished: &[Finished<'_>],
    problems: &[String],
) -> Result<()> {
    ensure!(!finished.is_empty(), "no row could be run\n{}", problems.join("\n"));
    let published = output.join("published.json");
    rows::write_json(&published, &figures(experiment, &request.datasets))?;
    let evaluations: Vec<PathBuf> = finished.iter().map(|row| row.evaluation.clone()).collect();
    let note = note(experiment, request.quick, problems);
    let title = title(experiment, request);
    let (asked, questions) = (output.join("questions.json"), questions(experiment, finished));
    rows::write_json(&asked, &questions)?;
    let tests = Tests { questions: (!questions.is_empty()).then_some(&asked), ..tests(experiment, finished) };
    cloze.compare(&evaluations, &published, &tests, (&title, &note), output)?;
    check(output, finished)?;
    eprintln!("report: {} and report.html beside it", output.join("report.md").display());
    Ok(())
}

/// The experiment's tests, of the rows that are there.
fn tests<'a>(experiment: &'a Experiment, finished: &[Finished<'_>]) -> Tests<'a> {
    let is_there = |name: &&str| finished.iter().any(|finished| finished.row.configuration.name == *name);
    Tests {
        baseline: experiment.baseline.as_deref().filter(is_there),
        order: experiment.order.iter().map(String::as_str).filter(is_there).collect(),
        questions: None,
    }
}

/// The experiment's questions, with the pairs that are there.
fn questions(experiment: &Experiment, finished: &[Finished<'_>]) -> Vec<Question> {
    let is_there = |name: &String| finished.iter().any(|finished| finished.row.configuration.name == *name);
    let with_pairs = |question: &Question| {
        let pairs = question.pairs.iter().filter(|(a, b)| is_there(a) && is_there(b)).cloned().collect();
        Question { pairs, ..question.clone() }
    };
    let all = experiment.questions.iter().map(with_pairs);
    all.filter(|question| !question.pairs.is_empty()).collect()
}

/// The published figures of the data sets that were run.
fn figures<'a>(experiment: &'a Experiment, datasets: &[String]) -> Vec<&'a Published> {
    experiment.published.iter().filter(|figure| datasets.contains(&figure.dataset)).collect()
}

fn title(experiment: &Experiment, request: &Request) -> String {
    let mut title = experiment.title.clone();
    if request.quick {
        title.push_str(" · quick settings");
    }
    if request.datasets.iter().any(|dataset| dataset == "synthetic") {
        title.push_str(" · with generated data");
    }
    title
}

/// The report's note: paragraphs in Markdown.
fn note(experiment: &Experiment, quick: bool, problems: &[String]) -> String {
    let mut paragraphs = vec![format!("Paper: {}", experiment.paper)];
    paragraphs.extend(experiment.claim.as_ref().map(|claim| format!("Claim: {}", claim.trim())));
    paragraphs.extend(experiment.note.as_ref().map(|note| note.trim().to_owned()));
    if quick {
        let text = "Quick settings: fewer data sets, fits or seeds than the whole experiment, and on generated data smaller models. \
                    The figures show that everything runs; they are not the experiment's result.";
        paragraphs.push(text.to_owned());
    }
    paragraphs.extend(problems.iter().cloned());
    paragraphs.join("\n\n")
}

/// Every finished row must be in the results: a row that got lost would go unnoticed in a long table.
fn check(output: &Path, finished: &[Finished<'_>]) -> Result<()> {
    let path = output.join(FILES[0]);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let results: Vec<Value> =
        serde_json::from_str(&text).with_context(|| format!("{} is no array of results", path.display()))?;
    let found: BTreeSet<_> = results
        .iter()
        .filter_map(|result| {
            let text = |key: &str| result[key].as_str();
            Some((text("dataset")?, text("split")?, text("fit")?, text("model")?))
        })
        .collect();
    for Finished { row, .. } in finished {
        let Configuration { dataset, split, fit, name, .. } = &row.configuration;
        ensure!(
            found.contains(&(dataset, split, fit, name)),
            "{} has no result of {name} on {dataset} ({split}, {fit})",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::experiment, *};

    const TEXT: &str = r#"
        title = "Tiny"
        paper = "Nobody 2020"
        claim = "a > b"
        datasets = ["ml-1m"]
        fits = ["train"]
        seeds = 1
        [[row]]
        model = "a"
        weight = 1
        [[published]]
        dataset = "ml-1m"
        model = "a"
        protocol = "full"
        metric = "recall@10"
        value = 0.2821
        source = "Somebody 2022, table 1"
        [[published]]
        dataset = "beauty"
        model = "a"
        protocol = "popularity-100"
        metric = "ndcg@10"
        value = 0.1862
        source = "Nobody 2020"
        from_memory = true
    "#;

    #[test]
    fn published_figures_are_written_for_the_data_sets_that_were_run() {
        let experiment = experiment::parse(TEXT).unwrap();
        let json = serde_json::to_value(figures(&experiment, &["ml-1m".to_owned()])).unwrap();
        let expected = serde_json::json!([{
            "dataset": "ml-1m", "model": "a", "protocol": "full", "metric": "recall@10", "value": 0.2821,
            "source": "Somebody 2022, table 1", "from_memory": false, "comparable": true
        }]);
        assert_eq!(json, expected);
        let json = serde_json::to_value(figures(&experiment, &["beauty".to_owned()])).unwrap();
        assert_eq!(json[0]["from_memory"], true);
    }

    #[test]
    fn a_report_says_when_it_is_quick_or_on_generated_data() {
        let experiment = experiment::parse(TEXT).unwrap();
        let datasets = vec!["synthetic".to_owned()];
        let (splits, fits) = (vec!["leave-one-out".to_owned()], vec!["train".to_owned()]);
        let request = Request {
            datasets,
            splits,
            without: Vec::new(),
            without_values: Vec::new(),
            fits,
            seeds: 0..1,
            quick: true,
        };
        assert_eq!(title(&experiment, &request), "Tiny · quick settings · with generated data");
        let note = note(&experiment, true, &["ml-1m: not run".to_owned()]);
        for part in ["Paper: Nobody 2020", "Claim: a > b", "Quick settings", "ml-1m: not run"] {
            assert!(note.contains(part), "{note}");
        }
    }
}
