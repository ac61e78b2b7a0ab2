//! The search behind the default options, on validation items only, full ranking:
//! `cargo run --release -p cloze-cf --example tune -- ml-1m`.
//!
//! Models are fitted on the training part and asked for each user's validation item after the training history. Test
//! items are not touched. A second argument names one model. A line for each setting: recall@10, ndcg@10, the setting.

use cloze_cf::{Ease, EaseOptions, ItemKnn, ItemKnnOptions, PopularityRecent, PopularityRecentOptions};
use cloze_data::{DataOptions, LeaveOneOut, Sequences, Silent, load};
use cloze_eval::{Cases, EvaluationOptions, Metric, Protocol, Recommender, evaluate};

type Failure = Box<dyn std::error::Error>;

const DECAYS: [f64; 7] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6];

fn main() -> Result<(), Failure> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "synthetic".to_owned());
    let data = load(&name, &DataOptions::default(), &mut Silent)?;
    let split = LeaveOneOut::new(&data.sequences)?;
    let held_out = (0_u32..).zip(&split.validation);
    let (users, targets): (Vec<u32>, Vec<u32>) =
        held_out.filter_map(|(user, item)| item.map(|item| (user, item))).unzip();
    let histories = users.iter().map(|&user| split.train.get(user as usize)).collect();
    let items = data.items.len();
    let cases = Cases::new(users, histories, targets, split.train.counts(items))?;
    let search = Search { train: &split.train, items, cases };
    let model = std::env::args().nth(2);
    let wanted = |name: &str| model.as_deref().is_none_or(|model| model == name);
    if wanted("popularity-recent") {
        search.popularity()?;
    }
    if wanted("item-knn") {
        search.item_knn()?;
    }
    if wanted("ease") {
        search.ease()?;
    }
    Ok(())
}

struct Search<'a> {
    train: &'a Sequences,
    items: usize,
    cases: Cases<'a>,
}

impl Search<'_> {
    fn popularity(&self) -> Result<(), Failure> {
        for window in [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0] {
            let options = PopularityRecentOptions { window };
            let mut model = PopularityRecent::fit(self.train, self.items, &options)?;
            self.show(&mut model, &format!("window {window}"))?;
        }
        Ok(())
    }

    fn item_knn(&self) -> Result<(), Failure> {
        for neighbours in [20, 50, 100, 200, 500] {
            for shrinkage in [0.0, 10.0, 50.0, 200.0] {
                let options = ItemKnnOptions { neighbours, shrinkage, ..ItemKnnOptions::default() };
                let mut model = ItemKnn::fit(self.train, self.items, &options)?;
                for decay in DECAYS {
                    model = model.with_decay(decay)?;
                    let setting = format!("neighbours {neighbours} shrinkage {shrinkage} decay {decay}");
                    self.show(&mut model, &setting)?;
                }
            }
        }
        Ok(())
    }

    fn ease(&self) -> Result<(), Failure> {
        for training_decay in [1.0, 0.99, 0.95, 0.8] {
            for lambda in [20.0, 50.0, 100.0, 200.0, 300.0, 500.0, 1000.0, 2000.0] {
                let options = EaseOptions { lambda, training_decay, ..EaseOptions::default() };
                let mut model = Ease::fit(self.train, self.items, &options)?;
                for decay in DECAYS {
                    model = model.with_decay(decay)?;
                    let setting = format!("lambda {lambda} training-decay {training_decay} decay {decay}");
                    self.show(&mut model, &setting)?;
                }
            }
        }
        Ok(())
    }

    #[allow(clippy::print_stdout, reason = "the result of the example")]
    fn show(&self, model: &mut dyn Recommender, setting: &str) -> Result<(), Failure> {
        let options = EvaluationOptions { protocols: vec![Protocol::Full], ..EvaluationOptions::default() };
        let ranks = &evaluate(model, &self.cases, &options, &mut |_, _| {})?[0];
        let (recall, ndcg) = (ranks.mean(Metric::Recall(10)), ranks.mean(Metric::Ndcg(10)));
        println!("{recall:.4} {ndcg:.4} {} {setting}", model.name());
        Ok(())
    }
}
