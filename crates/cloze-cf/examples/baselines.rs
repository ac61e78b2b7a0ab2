//! Both baselines on a data set, leave-one-out: `cargo run --release -p cloze-cf --example baselines -- ml-100k`.

use std::time::Instant;

use cloze_cf::{ItemKnn, ItemKnnOptions, Popularity, PopularityOptions};
use cloze_data::{DataOptions, Dataset, LeaveOneOut, Silent, load};
use cloze_eval::{
    Bootstrap, Cases, Evaluation, EvaluationOptions, Fit, Meta, Recommender, Target, evaluate, report,
    results,
};

type Failure = Box<dyn std::error::Error>;

#[allow(clippy::print_stdout, reason = "the result of the example")]
fn main() -> Result<(), Failure> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "synthetic".to_owned());
    let data = load(&name, &DataOptions::default(), &mut Silent)?;
    let split = LeaveOneOut::new(&data.sequences)?;
    let histories = split.train_and_validation();
    let (mut users, mut targets) = (Vec::new(), Vec::new());
    for (user, item) in (0_u32..).zip(&split.test) {
        if let Some(item) = item {
            users.push(user);
            targets.push(*item);
        }
    }
    let seen = users.iter().map(|&user| histories.get(user as usize)).collect();
    let items = data.items.len();
    let cases = Cases::new(users, seen, targets, split.train.counts(items))?;

    let begin = Instant::now();
    let mut popularity = Popularity::fit(&split.train, items, &PopularityOptions {})?;
    let mut evaluations = vec![measure(&mut popularity, &cases, &data, &split, begin)?];
    let begin = Instant::now();
    let mut knn = ItemKnn::fit(&split.train, items, &ItemKnnOptions::default())?;
    evaluations.push(measure(&mut knn, &cases, &data, &split, begin)?);

    let rows = results(&evaluations, &[])?;
    println!("{}", report(&rows, &evaluations, &[], &Bootstrap::default()));
    Ok(())
}

fn measure(
    model: &mut dyn Recommender,
    cases: &Cases<'_>,
    data: &Dataset,
    split: &LeaveOneOut,
    begin: Instant,
) -> Result<Evaluation, Failure> {
    let protocols = evaluate(model, cases, &EvaluationOptions::default(), &mut |_, _| {})?;
    let meta = Meta {
        dataset: data.name.clone(),
        synthetic: data.synthetic,
        split: "leave-one-out".to_owned(),
        target: Target::Test,
        split_hash: split.hash(),
        fit: Fit::Train,
        model: model.name(),
        seed: 0,
        seconds: begin.elapsed().as_secs_f64(),
        users: cases.len(),
    };
    Ok(Evaluation { meta, protocols })
}
