//! Caser's network against the formulas, against finite differences of them, and against PyTorch.

use super::network::{Network, PAD, Pass};
use super::reference::Reference;
use super::windows::{Batch, Windows};
use super::worker::Workers;
use super::{CaserActivation, CaserOptions, Scorer};
use crate::LossKind;
use cloze_data::Sequences;
use cloze_encoder::dropout::Dropout;
use cloze_encoder::{Loss, Negatives, Sharing};
use cloze_eval::{Query, Recommender};
use cloze_testkit::compare::{assert_close, norm};
use cloze_testkit::golden::Golden;
use cloze_testkit::splitmix::SplitMix;
use proptest::prelude::*;
use std::num::NonZeroUsize;

const ITEMS: usize = 7;
const USERS: usize = 3;

fn small() -> CaserOptions {
    CaserOptions {
        hidden: 4,
        max_length: 3,
        targets: 2,
        horizontal: 4,
        vertical: 2,
        dropout: 0.0,
        ..CaserOptions::default()
    }
}

/// A network in which nothing is 0, where a wrong gradient could hide.
fn network(options: &CaserOptions, seed: u64) -> Network {
    let mut network = Network::new(options, ITEMS, USERS, seed).unwrap();
    let mut draw = SplitMix::new(seed);
    network.values_mut().iter_mut().for_each(|value| *value = (2.0 * draw.unit() - 1.0) as f32);
    network
}

/// Full and short windows; with two targets, one, and the same twice.
fn batch() -> Batch {
    Batch {
        inputs: vec![0, 1, 2, PAD, 3, 4, PAD, PAD, 5, 6, 6, 0, 2, 5, 1],
        users: vec![0, 1, 2, 1, 0],
        targets: vec![3, 4, 5, 6, 0, 1, 1, 2],
        ends: vec![0, 2, 3, 5, 7, 8],
    }
}

/// Lists with a target of their own among them.
fn negatives(sharing: Sharing, lists: usize) -> Negatives {
    let ids: Vec<u32> = (0..lists * 3).map(|i| (i * 5 + i / 3) as u32 % ITEMS as u32).collect();
    let logs = ids.iter().map(|&id| -0.3 - 0.1 * id as f32).collect();
    Negatives::new(sharing, 3, ids, if sharing == Sharing::Row { Vec::new() } else { logs }).unwrap()
}

/// Loss and gradient of the batch; the number of threads is the machine's.
fn learn(network: &Network, batch: &Batch, loss: &Loss<'_>, dropout: Option<&Dropout>) -> (f64, Vec<f32>) {
    let mut workers = Workers::new();
    let loss = workers.learn(network, batch, loss, dropout, 0.0);
    (loss, workers.gradient().to_vec())
}

/// Fourth-order central differences in double precision.
fn differences(reference: &mut Reference<'_>, batch: &Batch, loss: &Loss<'_>) -> Vec<f32> {
    const STEP: f64 = 1e-5;
    let mut found = Vec::new();
    for i in 0..reference.values.len() {
        let value = reference.values[i];
        let [far, near, next, beyond] = [-2.0, -1.0, 1.0, 2.0].map(|steps| {
            reference.values[i] = value + steps * STEP;
            reference.loss(batch, loss)
        });
        reference.values[i] = value;
        found.push(((8.0 * (next - near) - (beyond - far)) / (12.0 * STEP)) as f32);
    }
    found
}

#[track_caller]
fn check(options: &CaserOptions, loss: &Loss<'_>, dropout: Option<Dropout>) {
    let (network, batch) = (network(options, 5), batch());
    let (found, gradient) = learn(&network, &batch, loss, dropout.as_ref());
    let mut reference = Reference::new(&network, options, dropout);
    let expected = reference.loss(&batch, loss);
    assert!((found / expected - 1.0).abs() < 1e-6, "{loss:?}: loss {found}, {expected} expected");
    let expected = differences(&mut reference, &batch, loss);
    for array in network.layout().arrays() {
        let range = array.range.clone();
        assert!(norm(&expected[range.clone()]) > 0.0, "{} gets no gradient: {options:?}", array.name);
        // Single precision; the differences are better than that.
        let what = format!("{loss:?}: {}", array.name);
        assert_close(&what, &gradient[range.clone()], &expected[range], 5e-6);
    }
}

#[test]
fn gradients_of_every_loss_agree_with_finite_differences() {
    let own = negatives(Sharing::Row, 8);
    let [shared, alone] = [(2, 3), (1, 5)]
        .map(|(windows, lists)| negatives(Sharing::Sequences(NonZeroUsize::new(windows).unwrap()), lists));
    for loss in [
        Loss::Softmax,
        Loss::SampledSoftmax(&shared),
        Loss::SampledSoftmax(&alone),
        Loss::SampledSoftmax(&own),
        Loss::Binary { negatives: &shared, power: 1.0 },
        Loss::Binary { negatives: &own, power: 1.0 },
        Loss::Binary { negatives: &own, power: 0.3 },
    ] {
        check(&small(), &loss, None);
        check(&small(), &loss, Some(Dropout::new(0.4, 3, 9)));
    }
}

#[test]
fn gradients_of_every_form_agree_with_finite_differences() {
    use CaserActivation::{Identity, Relu, Sigmoid, Tanh};
    for (filter_activation, activation) in
        [(Tanh, Identity), (Sigmoid, Tanh), (Identity, Sigmoid), (Relu, Tanh)]
    {
        check(&CaserOptions { filter_activation, activation, ..small() }, &Loss::Softmax, None);
    }
    check(&CaserOptions { users: false, ..small() }, &Loss::Softmax, None);
    check(&CaserOptions { horizontal: 0, ..small() }, &Loss::Softmax, None);
    check(&CaserOptions { vertical: 0, ..small() }, &Loss::Softmax, None);
}

#[test]
fn a_block_at_a_time_is_the_whole_batch() {
    let (network, small) = (network(&small(), 5), batch());
    let copies = 70;
    let mut large = Batch { inputs: vec![], users: vec![], targets: vec![], ends: vec![0] };
    for copy in 0..copies {
        large.inputs.extend(&small.inputs);
        large.users.extend(&small.users);
        large.targets.extend(&small.targets);
        large.ends.extend(small.ends[1..].iter().map(|end| end + copy * 8));
    }
    let (one, gradient) = learn(&network, &small, &Loss::Softmax, None);
    let (all, sum) = learn(&network, &large, &Loss::Softmax, None);
    assert!((all / one - 1.0).abs() < 1e-6);
    assert_close("gradient", &sum, &gradient, 1e-6);
}

#[test]
fn the_penalty_is_a_part_of_the_gradient() {
    let (network, batch) = (network(&small(), 5), batch());
    let (_, plain) = learn(&network, &batch, &Loss::Softmax, None);
    let mut workers = Workers::new();
    workers.learn(&network, &batch, &Loss::Softmax, None, 0.25);
    let expected: Vec<f32> = plain.iter().zip(network.values()).map(|(g, value)| g + 0.25 * value).collect();
    assert_close("gradient", workers.gradient(), &expected, 1e-6);
}

/// Every row of every table and every filter learns from the batches that the model makes itself.
#[test]
fn every_parameter_gets_a_gradient() {
    let lists = vec![vec![0, 1, 2, 3, 4, 5, 6, 1], vec![6, 2, 0, 4], vec![5, 3], vec![3, 1, 6, 5, 2]];
    let sequences = Sequences::from_lists(&lists, None).unwrap();
    for loss in [LossKind::Softmax, LossKind::SampledSoftmax, LossKind::Bce, LossKind::Gbce] {
        for (edges, users) in [(true, true), (false, true), (true, false)] {
            let options =
                CaserOptions { loss, edges, users, batch: 32, dropout: 0.2, negatives: 4, ..small() };
            let network = Network::new(&options, ITEMS, lists.len(), 1).unwrap();
            let mut windows = Windows::new(&sequences, ITEMS, &options, 1).unwrap();
            let mut sum = vec![0.0; network.values().len()];
            for step in 0..8 {
                let batch = windows.batch(step);
                let negatives = windows.negatives(step, &batch).unwrap();
                let dropout = Dropout::new(options.dropout, 1, step);
                let loss = windows.loss(negatives.as_ref());
                let (_, gradient) = learn(&network, &batch, &loss, Some(&dropout));
                sum.iter_mut().zip(gradient).for_each(|(sum, g): (&mut f32, f32)| *sum += g.abs());
            }
            for array in network.layout().arrays() {
                let values = &sum[array.range.clone()];
                for (row, values) in values.chunks(values.len() / array.shape[0]).enumerate() {
                    assert!(norm(values) > 0.0, "row {row} of {} has no gradient: {options:?}", array.name);
                }
            }
        }
    }
}

fn scores(network: &Network, history: &[u32], user: Option<u32>) -> Vec<f32> {
    let mut scores = vec![f32::NAN; ITEMS];
    Scorer(network).score(&[Query { user, history }], &mut scores).unwrap();
    scores
}

proptest! {
    /// Only the last L items count, and their order does.
    #[test]
    fn the_last_items_in_their_order_are_all_that_counts(
        before in prop::collection::vec(0..ITEMS as u32, 0..9),
        last in prop::collection::vec(0..ITEMS as u32, 3),
        user in prop::option::of(0..USERS as u32),
    ) {
        let options = CaserOptions { activation: CaserActivation::Tanh, ..small() };
        let network = network(&options, 5);
        let found = scores(&network, &last, user);
        prop_assert_eq!(&scores(&network, &[before, last.clone()].concat(), user), &found);
        let turned: Vec<u32> = last.iter().rev().copied().collect();
        prop_assert_eq!(scores(&network, &turned, user) == found, turned == last);
    }

    /// Scores are the formula's, whoever else is asked about in the same call, and the sum of their parts.
    #[test]
    fn scores_are_those_of_the_formulas(
        histories in prop::collection::vec(prop::collection::vec(0..ITEMS as u32, 0..6), 1..150),
    ) {
        let options = small();
        let network = network(&options, 5);
        let reference = Reference::new(&network, &options, None);
        let user = |place: usize| (place % USERS) as u32;
        let queries: Vec<Query<'_>> = histories
            .iter()
            .enumerate()
            .map(|(place, history)| Query { user: Some(user(place)), history })
            .collect();
        let mut found = vec![f32::NAN; queries.len() * ITEMS];
        Scorer(&network).score(&queries, &mut found).unwrap();
        for (place, (query, found)) in queries.iter().zip(found.chunks(ITEMS)).enumerate() {
            let mut window = Vec::new();
            super::push_window(&mut window, query.history, 3);
            let expected: Vec<f32> =
                reference.scores(&window, 0, user(place)).into_iter().map(|score| score as f32).collect();
            assert_close("scores", found, &expected, 1e-6);
            let parts = network.parts(query).unwrap();
            let sum: Vec<f32> =
                (0..ITEMS).map(|item| parts.iter().map(|(_, scores)| scores[item]).sum()).collect();
            assert_close("parts", &sum, found, 1e-6);
        }
    }
}

#[test]
fn who_has_no_vector_gets_the_mean_of_everybodys_scores() {
    let network = network(&small(), 5);
    let all: Vec<Vec<f32>> = (0..USERS as u32).map(|user| scores(&network, &[1, 4], Some(user))).collect();
    let mean: Vec<f32> =
        (0..ITEMS).map(|item| all.iter().map(|scores| scores[item]).sum::<f32>() / USERS as f32).collect();
    assert_close("scores", &scores(&network, &[1, 4], None), &mean, 1e-6);
    assert_ne!(all[0], all[1]);
    let mut unwritten = vec![f32::NAN; ITEMS];
    let query = Query { user: Some(USERS as u32), history: &[1] };
    let error = Scorer(&network).score(&[query], &mut unwritten).unwrap_err().to_string();
    assert!(error.contains("user 3"), "{error}");
}

#[test]
fn who_learned_nothing_gets_the_mean_vector() {
    let mut network = network(&small(), 5);
    let (first, last) = (network.user(0).to_vec(), network.user(2).to_vec());
    network.settle(|user| user != 1);
    let mean: Vec<f32> = first.iter().zip(&last).map(|(a, b)| f32::midpoint(*a, *b)).collect();
    assert_close("vector", network.user(1), &mean, 1e-6);
    assert_eq!((network.user(0), network.user(2)), (&first[..], &last[..]));
}

/// PyTorch's convolutions, pooling, losses and gradients: `tests/golden/caser.py` made the files.
#[test]
fn everything_agrees_with_pytorch() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    for (name, golden) in Golden::all(folder) {
        let [items, users, hidden, max_length, horizontal, vertical, tanh] =
            golden.ids("shape").try_into().map(|sizes: [u32; 7]| sizes.map(|size| size as usize)).unwrap();
        let activation = if tanh == 1 { CaserActivation::Tanh } else { CaserActivation::Relu };
        let options = CaserOptions {
            hidden,
            max_length,
            horizontal,
            vertical,
            users: users > 0,
            filter_activation: activation,
            activation,
            ..CaserOptions::default()
        };
        let mut network = Network::empty(&options, items, users).unwrap();
        let arrays = network.layout().arrays().to_vec();
        network.load(arrays.iter().flat_map(|array| golden.floats(&array.name)).collect()).unwrap();
        let id = |id: u32| if id == items as u32 { PAD } else { id };
        let batch = Batch {
            inputs: golden.ids("batch.inputs").into_iter().map(id).collect(),
            users: golden.ids("batch.users"),
            targets: golden.ids("batch.targets"),
            ends: golden.ids("batch.ends"),
        };
        let people: Vec<&[f32]> = batch.users.iter().map(|&user| network.user(user)).collect();
        let mut pass = Pass::default();
        network.forward(&batch.inputs, &people, None, &mut pass);
        let z: Vec<f32> =
            pass.joint().chunks(network.shape().joint()).flat_map(|joint| joint[..hidden].to_vec()).collect();
        assert_close(&format!("{name}: z"), &z, &golden.floats("expected.z"), 1e-6);
        let mut scores = vec![f32::NAN; batch.users.len() * items];
        network.scores(pass.joint(), &mut scores);
        assert_close(&format!("{name}: scores"), &scores, &golden.floats("expected.scores"), 1e-6);
        let lists = golden.ids("batch.negatives");
        let negatives =
            Negatives::new(Sharing::Row, lists.len() / batch.targets.len(), lists, Vec::new()).unwrap();
        for (kind, loss) in
            [("softmax", Loss::Softmax), ("bce", Loss::Binary { negatives: &negatives, power: 1.0 })]
        {
            let (found, gradient) = learn(&network, &batch, &loss, None);
            let expected = golden.floats(&format!("expected.{kind}"));
            assert_close(&format!("{name}: {kind}"), &[found as f32], &expected, 1e-6);
            for array in &arrays {
                let expected = golden.floats(&format!("gradient.{kind}.{}", array.name));
                let what = format!("{name}: {kind}: {}", array.name);
                assert_close(&what, &gradient[array.range.clone()], &expected, 2e-6);
            }
        }
    }
}
