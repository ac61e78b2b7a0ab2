//! iALS against what its solution has to meet, and at its limits.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use cloze_cf::{CfError, Ials, IalsOptions, IalsSolver, Popularity};
use cloze_data::Sequences;
use cloze_eval::{Query, Recommender};
use cloze_train::{Model, Reporter};
use common::{assert_close, assert_helped, four_by_four, scores, sequences, written};

const ITEMS: usize = 12;

fn options(epochs: u64) -> IalsOptions {
    IalsOptions {
        hidden: 5,
        epochs,
        lambda: 0.05,
        frequency_exponent: 0.7,
        solver: IalsSolver::Exact,
        ..IalsOptions::default()
    }
}

fn fit(train: &Sequences, items: usize, options: &IalsOptions, seed: u64) -> Result<Ials, CfError> {
    Ials::fit(train, items, options, seed, &mut Reporter::quiet())
}

const SOLVERS: [IalsSolver; 2] = [IalsSolver::Exact, IalsSolver::ConjugateGradient];

/// Two groups of users with their own halves of the items; repeated items count once.
fn groups() -> Sequences {
    let lists: Vec<Vec<u32>> = (0..40_u32)
        .map(|user| (0..5).map(|step| (user % 2) * 6 + (user / 2 + step * step) % 6).collect())
        .collect();
    Sequences::from_lists(&lists, None).unwrap()
}

fn has(train: &Sequences, user: usize, item: usize) -> bool {
    train.get(user).contains(&(item as u32))
}

/// The loss as it is defined, from users' and items' vectors.
fn loss(train: &Sequences, users: &[Vec<f64>], items: &[Vec<f64>], o: &IalsOptions) -> f64 {
    let mut sum = 0.0;
    for (user, w) in users.iter().enumerate() {
        for (item, h) in items.iter().enumerate() {
            let score: f64 = w.iter().zip(h).map(|(a, b)| a * b).sum();
            sum += o.unobserved_weight * score * score;
            if has(train, user, item) {
                sum += (1.0 - score).powi(2);
            }
        }
    }
    let weight = |had: usize, others: usize| {
        o.lambda * (had as f64 + o.unobserved_weight * others as f64).powf(o.frequency_exponent)
    };
    let norm = |vector: &[f64]| vector.iter().map(|value| value * value).sum::<f64>();
    for (user, w) in users.iter().enumerate() {
        let had = (0..items.len()).filter(|item| has(train, user, *item)).count();
        sum += weight(had, items.len()) * norm(w);
    }
    for (item, h) in items.iter().enumerate() {
        let had = (0..users.len()).filter(|user| has(train, *user, item)).count();
        sum += weight(had, users.len()) * norm(h);
    }
    sum
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

fn vectors(model: &Ials, train: &Sequences) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let users = train.iter().map(|history| wide(&model.user_vector(history).unwrap())).collect();
    (users, model.item_vectors().chunks_exact(5).map(wide).collect())
}

#[test]
fn no_change_of_a_users_vector_lowers_the_loss() {
    let (train, options) = (groups(), options(3));
    let model = fit(&train, ITEMS, &options, 1).unwrap();
    let (users, items) = vectors(&model, &train);
    let best = loss(&train, &users, &items, &options);
    for user in [0, 1, 7] {
        for place in 0..5 {
            let changed = |by: f64| {
                let mut users = users.clone();
                users[user][place] += by;
                loss(&train, &users, &items, &options)
            };
            let slope = (changed(1e-4) - changed(-1e-4)) / 2e-4;
            assert!(slope.abs() < 1e-4, "user {user}, {place}: slope {slope}");
            assert!(changed(1e-2) > best && changed(-1e-2) > best);
        }
    }
}

#[test]
fn more_epochs_never_raise_the_loss() {
    let train = groups();
    for solver in SOLVERS {
        let mut before = f64::INFINITY;
        for epochs in 1..6 {
            let options = IalsOptions { solver, solver_steps: 1, ..options(epochs) };
            let now = fitted_loss(&train, &options);
            assert!(now <= before * (1.0 + 1e-6), "{solver:?}, epoch {epochs}: {now} after {before}");
            before = now;
        }
    }
}

fn fitted_loss(train: &Sequences, options: &IalsOptions) -> f64 {
    let model = fit(train, ITEMS, options, 1).unwrap();
    let (users, items) = vectors(&model, train);
    loss(train, &users, &items, options)
}

#[test]
fn steps_of_conjugate_gradients_come_to_the_exact_solution() {
    let train = groups();
    let exact = fitted_loss(&train, &options(30));
    let with_steps = IalsOptions { solver: IalsSolver::ConjugateGradient, ..options(30) };
    let found = fitted_loss(&train, &with_steps);
    assert!((found / exact - 1.0).abs() < 1e-4, "{found}, exactly {exact}");
    // As many steps as unknowns are the exact solution of each epoch.
    let one = fitted_loss(&train, &options(1));
    let found = fitted_loss(&train, &IalsOptions { solver_steps: 5, epochs: 1, ..with_steps });
    assert!((found / one - 1.0).abs() < 1e-4, "{found}, exactly {one}");
}

#[test]
fn users_get_the_items_of_their_group_whatever_the_seed() {
    let train = groups();
    for seed in 0..3 {
        let mut model = fit(&train, ITEMS, &options(8), seed).unwrap();
        let row = scores(&mut model, &[0, 1]);
        let (own, other) = row.split_at(6);
        let lowest = own.iter().copied().fold(f32::INFINITY, f32::min);
        assert!(other.iter().all(|score| *score < lowest), "seed {seed}: {row:?}");
    }
    assert_ne!(fit(&train, ITEMS, &options(1), 0).unwrap(), fit(&train, ITEMS, &options(1), 1).unwrap());
}

#[test]
fn who_and_what_has_nothing_in_training_changes_nothing() {
    let train = groups();
    let mut lists: Vec<Vec<u32>> = train.iter().map(<[u32]>::to_vec).collect();
    for place in [0, 7, 20, lists.len()] {
        lists.insert(place, Vec::new());
    }
    let with_others = Sequences::from_lists(&lists, None).unwrap();
    for solver in SOLVERS {
        let options = IalsOptions { solver, ..options(3) };
        let model = fit(&train, ITEMS, &options, 1).unwrap();
        let same = fit(&with_others, ITEMS, &options, 1).unwrap();
        assert_eq!(same.item_vectors(), model.item_vectors(), "{solver:?}");
        let larger = fit(&train, ITEMS + 30, &options, 1).unwrap();
        let (known, others) = larger.item_vectors().split_at(model.item_vectors().len());
        assert_close(known, &wide(model.item_vectors()));
        assert!(others.iter().all(|value| *value == 0.0), "{solver:?}");
        let user = |model: &Ials| model.user_vector(&[0, 1]).unwrap();
        assert_close(&user(&larger), &wide(&user(&model)));
    }
}

#[test]
fn one_thread_finds_the_same_bits_as_two() {
    let train = groups();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // Wide ones too: from some hundred on a library's decompositions use all threads.
        pool.install(|| {
            SOLVERS
                .map(|solver| fit(&train, ITEMS, &IalsOptions { solver, ..options(3) }, 1).unwrap())
                .into_iter()
                .chain([fit(
                    &train,
                    ITEMS,
                    &IalsOptions { hidden: 320, solver: IalsSolver::ConjugateGradient, ..options(1) },
                    1,
                )
                .unwrap()])
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(with(1), with(2));
}

#[test]
fn repeated_items_and_an_empty_history() {
    let mut model = fit(&four_by_four(), 4, &options(2), 1).unwrap();
    assert_eq!(scores(&mut model, &[2, 0, 2]), scores(&mut model, &[0, 2]));
    assert_close(&scores(&mut model, &[]), &[4.0, 2.0, 2.0, 1.0]);
    for solver in SOLVERS {
        let mut with_new = fit(&four_by_four(), 5, &IalsOptions { solver, ..options(2) }, 1).unwrap();
        assert_close(&scores(&mut with_new, &[4]), &[4.0, 2.0, 2.0, 1.0, 0.0]);
    }
    assert_eq!(fit(&sequences(&[]), 0, &options(1), 1).unwrap().catalogue(), 0);
}

#[test]
fn what_cannot_be_is_refused() {
    for (broken, word) in [
        (IalsOptions { hidden: 0, ..options(1) }, "hidden"),
        (IalsOptions { hidden: 5000, ..options(1) }, "hidden"),
        (options(0), "epochs"),
        (IalsOptions { unobserved_weight: 0.0, ..options(1) }, "unobserved-weight"),
        (IalsOptions { lambda: f64::NAN, ..options(1) }, "lambda"),
        (IalsOptions { initial_scale: -1.0, ..options(1) }, "initial-scale"),
        (IalsOptions { solver_steps: 0, ..options(1) }, "solver-steps"),
        (IalsOptions { frequency_exponent: 1.5, ..options(1) }, "frequency-exponent"),
    ] {
        let error = fit(&four_by_four(), 4, &broken, 1).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let singular = IalsOptions { lambda: 1e-30, unobserved_weight: 1e-30, initial_scale: 1e18, ..options(1) };
    assert!(matches!(fit(&groups(), ITEMS, &singular, 1), Err(CfError::Singular { .. })));
    let singular = IalsOptions { solver: IalsSolver::ConjugateGradient, initial_scale: 1e30, ..singular };
    assert!(fit(&groups(), ITEMS, &singular, 1).is_err());
    let empty = IalsOptions { solver: IalsSolver::ConjugateGradient, ..options(1) };
    assert_eq!(fit(&sequences(&[]), 0, &empty, 1).unwrap().catalogue(), 0);
    let error = fit(&four_by_four(), 3, &options(1), 1).unwrap_err();
    assert!(matches!(error, CfError::ItemOutOfRange { item: 3, catalogue: 3 }));
    let mut model = fit(&four_by_four(), 4, &options(1), 1).unwrap();
    assert!(model.score(&[Query { user: None, history: &[4] }], &mut [0.0; 4]).is_err());
    assert!(serde_json::from_str::<IalsOptions>(r#"{"lamda": 7}"#).is_err());
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let model = fit(&four_by_four(), 4, &options(2), 1).unwrap();
    let opened = written(&model, 4, &folder.path().join("ials"));
    assert_eq!(Ials::load(&opened).unwrap(), model);
    assert!(Popularity::load(&opened).is_err(), "another model");
}

#[test]
fn every_option_has_its_line_of_help() {
    assert_helped::<Ials>();
}
