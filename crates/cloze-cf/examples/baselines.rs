//! All baselines on a data set, leave-one-out: `cargo run --release -p cloze-cf --example baselines -- ml-100k`.

use std::time::Instant;

use cloze_cf::{Ease, EaseDecay, ItemKnn, ItemKnnDecay, Popularity, PopularityRecent};
use cloze_data::{DataOptions, Dataset, LeaveOneOut, Silent, load};
use cloze_eval::{
    Bootstrap, Cases, Evaluation, EvaluationOptions, Fit, Meta, Target, evaluate, report, results,
};
use cloze_train::{Model, Reporter, Run, TrainedOn, TrainingData};

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

    let setting = Setting { cases, data: &data, split: &split };
    let evaluations = [
        setting.measure::<Popularity>()?,
        setting.measure::<PopularityRecent>()?,
        setting.measure::<ItemKnn>()?,
        setting.measure::<ItemKnnDecay>()?,
        setting.measure::<Ease>()?,
        setting.measure::<EaseDecay>()?,
    ];
    let rows = results(&evaluations, &[])?;
    println!("{}", report(&rows, &evaluations, &[], &Bootstrap::default()));
    Ok(())
}

struct Setting<'a> {
    cases: Cases<'a>,
    data: &'a Dataset,
    split: &'a LeaveOneOut,
}

impl Setting<'_> {
    fn measure<M: Model>(&self) -> Result<Evaluation, Failure> {
        let begin = Instant::now();
        let mut model = self.fit::<M>()?;
        let protocols = evaluate(&mut model, &self.cases, &EvaluationOptions::default(), &mut |_, _| {})?;
        let meta = Meta {
            dataset: self.data.name.clone(),
            synthetic: self.data.synthetic,
            split: "leave-one-out".to_owned(),
            target: Target::Test,
            split_hash: self.split.hash(),
            fit: Fit::Train,
            model: model.name(),
            seed: 0,
            seconds: begin.elapsed().as_secs_f64(),
            users: self.cases.len(),
        };
        Ok(Evaluation { meta, protocols })
    }

    fn fit<M: Model>(&self) -> Result<M, Failure> {
        let origin = TrainedOn {
            dataset: self.data.name.clone(),
            synthetic: self.data.synthetic,
            split: "leave-one-out".to_owned(),
            split_hash: self.split.hash(),
            fit: "train".to_owned(),
        };
        let sequences = &self.split.train;
        let data =
            TrainingData { sequences, items: self.data.items.len(), origin: &origin, validation: None };
        Ok(M::fit(&data, &M::Options::default(), &mut Run::new(0, &mut Reporter::quiet()))?)
    }
}
