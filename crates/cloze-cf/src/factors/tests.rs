use super::chunk::{Chunk, Part, People};
use super::*;
use cloze_encoder::Philox;
use cloze_train::{Reporter, TrainedOn};

const USERS: usize = 4;
const ITEMS: usize = 6;

fn options<K: Kind>(loss: FactorLoss) -> FactorOptions {
    FactorOptions {
        hidden: 5,
        mlp_hidden: 3,
        item_bias: true,
        loss,
        initial_scale: 0.7,
        l2: 0.0,
        mlp_l2: 0.0,
        ..K::defaults()
    }
}

/// Something of every pair, another thing of observed ones.
#[derive(Debug)]
struct Given;

const GIVEN: usize = 11;

impl PairContent for Given {
    fn width(&self) -> usize {
        GIVEN
    }

    fn of_group(&self, user: u32, items: &[u32], step: u64, vectors: &mut [f32]) {
        for (place, (&item, vector)) in items.iter().zip(vectors.chunks_exact_mut(GIVEN)).enumerate() {
            let mut drawn = Philox::new(step + u64::from(place == 0), user << 16 | item);
            vector.fill_with(|| 0.4 * drawn.normal_pair()[0] as f32);
        }
    }

    fn of_items(&self, user: u32, first: u32, vectors: &mut [f32]) {
        for (item, vector) in (first..).zip(vectors.chunks_exact_mut(GIVEN)) {
            self.of_group(user, &[item], 0, vector);
        }
    }
}

/// A network in which no gradient is zero by accident, and no layer close to where its slope changes.
fn network<K: Kind>(loss: FactorLoss, content: Option<Arc<dyn PairContent>>) -> Network {
    let layers = if K::MLP { vec![7, 4] } else { Vec::new() };
    let shape =
        Shape::of::<K>(&FactorOptions { layers, ..options::<K>(loss) }, USERS, ITEMS, content.as_deref());
    let network = Network::new(shape, |layout| layout.initialize(0.7, 3));
    let mut network = Network { content, ..network };
    for (place, value) in network.values.iter_mut().enumerate() {
        *value += 0.05 * ((place % 11) as f32 - 5.0);
    }
    network
}

const PEOPLE: [u32; 3] = [2, 0, 2];
const THINGS: [u32; 9] = [1, 3, 5, 0, 2, 1, 4, 1, 0];

/// Mean loss of three groups of three.
fn loss_of(network: &Network, loss: FactorLoss, chunk: &mut Chunk) -> f64 {
    let people = People::of(network);
    let part = Part { users: &PEOPLE, items: &THINGS, ratings: &[4.0, 1.5, 3.0], step: 0 };
    network.forward(people, part, chunk);
    network.backward(people, part, loss, PEOPLE.len(), chunk);
    chunk.loss / PEOPLE.len() as f64
}

/// The gradient of all parameters, added up from what the chunk has for each use.
fn gradient(network: &Network, chunk: &Chunk) -> Vec<f32> {
    let (layout, shape) = (&network.layout, &network.shape);
    let mut sum = vec![0.0; layout.len];
    let mut add = |table: &layout::Table, id: u32, factor: f32, values: &[f32]| {
        let start = table.range.start + id as usize * table.width;
        products::add_scaled(&mut sum[start..start + table.width], factor, values);
    };
    for (group, &user) in PEOPLE.iter().enumerate() {
        let group = group as u32;
        if shape.hidden > 0 {
            add(&layout.product_users, user, 1.0, network::row(&chunk.product_users, group, shape.hidden));
        }
        if !shape.layers.is_empty() {
            add(&layout.mlp_users, user, 1.0, network::row(&chunk.mlp_users, group, shape.mlp_hidden));
        }
        if shape.content > 0 {
            add(&layout.content_users, user, 1.0, network::row(&chunk.content_users, group, shape.content));
        }
    }
    for (pair, &item) in THINGS.iter().enumerate() {
        let slope = chunk.slopes[pair];
        if shape.hidden > 0 {
            let weighted = network::row(&chunk.weighted, pair as u32 / 3, shape.hidden);
            add(&layout.product_items, item, slope, weighted);
        }
        if !shape.layers.is_empty() {
            let of_item = network::row(&chunk.mlp_items, pair as u32, shape.mlp_hidden);
            add(&layout.mlp_items, item, 1.0, of_item);
        }
        if shape.content > 0 {
            let of_item = network::row(&chunk.content, pair as u32, shape.content);
            add(&layout.content_items, item, 1.0, of_item);
        }
        add(&layout.item_bias, item, slope, &[1.0]);
        if shape.user_bias {
            add(&layout.user_bias, PEOPLE[pair / 3], slope, &[1.0]);
        }
    }
    sum[layout.dense.clone()].copy_from_slice(&chunk.dense);
    sum
}

fn check_gradient<K: Kind>(loss: FactorLoss, content: Option<Arc<dyn PairContent>>) {
    let (mut network, mut chunk) = (network::<K>(loss, content), Chunk::default());
    loss_of(&network, loss, &mut chunk);
    let found = gradient(&network, &chunk);
    let (mut difference, mut norm) = (0.0, 0.0);
    for (place, &found) in found.iter().enumerate() {
        let (value, step) = (network.values[place], 2e-3);
        network.values[place] = value + step;
        let above = loss_of(&network, loss, &mut chunk);
        network.values[place] = value - step;
        let below = loss_of(&network, loss, &mut chunk);
        network.values[place] = value;
        let expected = (above - below) / f64::from(2.0 * step);
        difference += (f64::from(found) - expected).powi(2);
        norm += expected * expected;
    }
    let error = (difference / norm).sqrt();
    assert!(error < 2e-3, "{} with {loss:?}: relative norm of the difference {error:.1e}", K::NAME);
    for array in &network.layout.arrays {
        let used = found[array.range.clone()].iter().any(|g| *g != 0.0);
        assert!(used, "{} with {loss:?}: {} gets no gradient", K::NAME, array.name);
    }
}

#[test]
fn gradients_are_those_of_finite_differences_and_every_parameter_has_one() {
    for loss in [FactorLoss::Log, FactorLoss::Bpr, FactorLoss::SampledSoftmax, FactorLoss::Squared] {
        check_gradient::<MfKind>(loss, None);
        check_gradient::<GmfKind>(loss, None);
        check_gradient::<MlpKind>(loss, None);
        check_gradient::<NeuMfKind>(loss, None);
        check_gradient::<GmfKind>(loss, Some(Arc::new(Given)));
        check_gradient::<NeuMfKind>(loss, Some(Arc::new(Given)));
    }
}

/// Two models that start from the same vectors learn alike, and their sum is worth less.
#[test]
fn parts_that_are_trained_apart_start_from_different_vectors() {
    let options = FactorOptions { mlp_hidden: 5, layers: vec![4], ..options::<NeuMfKind>(FactorLoss::Log) };
    let shape = Shape::of::<NeuMfKind>(&options, USERS, ITEMS, None);
    let values = |shape: &Shape| {
        let layout = Layout::new(shape);
        let values = layout.initialize(1.0, 3);
        let table = |table: &layout::Table| values[table.range.clone()].to_vec();
        let tables = [&layout.product_users, &layout.product_items, &layout.mlp_users, &layout.mlp_items];
        tables.map(table)
    };
    let [users, items, ..] = values(&shape.product());
    let [.., mlp_users, mlp_items] = values(&shape.mlp());
    assert_eq!(values(&shape), [users.clone(), items.clone(), mlp_users.clone(), mlp_items.clone()]);
    let all = [users, items, mlp_users, mlp_items].concat();
    let distinct: std::collections::BTreeSet<u32> = all.iter().map(|value| value.to_bits()).collect();
    assert_eq!(distinct.len(), 2 * 5 * (USERS + ITEMS));
}

fn origin() -> TrainedOn {
    let [dataset, split, split_hash, fit] = ["groups", "leave-one-out", "0", "train"].map(str::to_owned);
    TrainedOn { dataset, synthetic: true, split, split_hash, fit, user_share: 1.0 }
}

/// Two groups of users with 8 items each, of which every user has 6; the seventh is held out for validation.
fn groups() -> (Sequences, Vec<Option<u32>>) {
    let user = |user: u32| (0..6).map(|n| (user + n) % 8 + 8 * (user % 2)).collect::<Vec<u32>>();
    let held = |user: u32| Some((user + 6) % 8 + 8 * (user % 2));
    (
        Sequences::from_lists(&(0..48).map(user).collect::<Vec<_>>(), None).unwrap(),
        (0..48).map(held).collect(),
    )
}

fn fitted<K: Kind>(sequences: &Sequences, held: &[Option<u32>]) -> Factors<K> {
    let origin = origin();
    let data = TrainingData { validation: Some(held), ..TrainingData::new(sequences, 16, &origin) };
    let options =
        FactorOptions { epochs: 30, batch: 32, hidden: 8, learning_rate: 0.02, l2: 0.01, ..K::defaults() };
    let mut reporter = Reporter::quiet();
    Factors::<K>::fit(&data, &options.into(), &mut Run::new(5, &mut reporter)).unwrap()
}

/// Share of the pairs of an item of the first group and one of the second in which the first is before the other.
fn ordered<K: Kind>(model: &mut Factors<K>, query: &Query<'_>) -> f64 {
    let mut scores = vec![f32::NAN; 16];
    model.score(&[*query], &mut scores).unwrap();
    let (first, second) = scores.split_at(8);
    let right = first.iter().map(|score| second.iter().filter(|other| score > other).count()).sum::<usize>();
    right as f64 / 64.0
}

fn check_learning<K: Kind>() {
    let (sequences, held) = groups();
    let mut model = fitted::<K>(&sequences, &held);
    let known = Query { user: Some(0), history: sequences.get(0) };
    let share = ordered(&mut model, &known);
    assert!(share > 0.999, "{}: {share} of the pairs for a user of training", K::NAME);
    let newcomer = Query { user: None, history: &[1, 4, 5, 6, 2] };
    let share = ordered(&mut model, &newcomer);
    assert!(share > 0.9, "{}: {share} of the pairs for a user who was not in training", K::NAME);

    let mut scores = vec![0.0; 16];
    model.score(&[newcomer], &mut scores).unwrap();
    let mut sum = vec![0.0; 16];
    for (_, part) in model.parts(&newcomer).unwrap() {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    assert!(scores.iter().zip(&sum).all(|(score, sum)| (score - sum).abs() < 1e-4), "{}", K::NAME);

    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let again = alone.install(|| fitted::<K>(&sequences, &held));
    assert!(model == again, "{}: other bits on one thread", K::NAME);
}

#[test]
fn taste_is_learned_of_users_in_training_and_of_others() {
    check_learning::<MfKind>();
    check_learning::<BprKind>();
    check_learning::<GmfKind>();
    check_learning::<MlpKind>();
    check_learning::<NeuMfKind>();
}

#[test]
fn a_user_without_items_is_a_newcomer() {
    let lists: Vec<Vec<u32>> = vec![vec![0, 1, 2], Vec::new(), vec![3, 4]];
    let sequences = Sequences::from_lists(&lists, None).unwrap();
    let mut model = fitted::<MfKind>(&sequences, &[None, None, None]);
    let mut scores = vec![0.0; 32];
    let history = [0, 1];
    let known = Query { user: Some(1), history: &history };
    model.score(&[known, Query { user: None, history: &history }], &mut scores).unwrap();
    assert_eq!(scores[..16], scores[16..]);
}

#[test]
fn what_cannot_be_is_refused() {
    let sequences = Sequences::from_lists(&[vec![0, 1], vec![0, 1]], None).unwrap();
    let origin = origin();
    let data = TrainingData::new(&sequences, 2, &origin);
    let mut reporter = Reporter::quiet();
    let mut fails = |options: FactorOptions| {
        let error = NeuMf::fit(&data, &options.into(), &mut Run::new(5, &mut reporter)).unwrap_err();
        error.to_string()
    };
    let usual = NeuMfKind::defaults();
    assert!(fails(usual.clone()).contains("no user with an item and another item that the user has not"));
    assert!(fails(FactorOptions { layers: vec![], ..usual.clone() }).contains("layers = []"));
    assert!(fails(FactorOptions { negatives: 0, ..usual.clone() }).contains("negatives = 0"));
    assert!(fails(FactorOptions { l2: -1.0, ..usual.clone() }).contains("l2 = -1"));
    assert!(fails(FactorOptions { hidden: 1 << 50, ..usual.clone() }).contains("hidden"));
    // With 64 for the layers' vectors it would be 0 again.
    let wrapping = FactorOptions { hidden: usize::MAX - 63, ..usual };
    assert!(fails(wrapping).contains("hidden = 18446744073709551552"));
    let unknown = serde_json::from_str::<KindOptions<MfKind>>(r#"{"layers": [3]}"#).unwrap_err();
    assert!(unknown.to_string().contains("unknown field `layers`"), "{unknown}");
    let mut model = fitted::<GmfKind>(&groups().0, &groups().1);
    let error = model.score(&[Query { user: Some(48), history: &[] }], &mut [0.0; 16]).unwrap_err();
    assert!(error.to_string().contains("user 48: the model was trained with 48 users"), "{error}");
}

/// Users with all items but one, rated `3 + a + b` by what user and item are like.
fn rated() -> (Sequences, Vec<u32>, impl Fn(u32, u32) -> f32) {
    let rating = |user: u32, item: u32| 3.0 + (user % 3) as f32 - (item % 4) as f32 / 2.0;
    let items = move |user: u32| (0..16).filter(move |item| *item != user % 16);
    let lists: Vec<Vec<u32>> = (0..24).map(|user| items(user).collect()).collect();
    let ratings: Vec<f32> =
        (0..24).flat_map(|user| items(user).map(move |item| rating(user, item))).collect();
    let sequences = Sequences::from_lists(&lists, None).unwrap().with_ratings(Some(ratings)).unwrap();
    (sequences, (0..24).map(|user| user % 16).collect(), rating)
}

fn squared(sequences: &Sequences, options: FactorOptions) -> Result<Mf, TrainError> {
    let origin = origin();
    let data = TrainingData::new(sequences, 16, &origin);
    let options = FactorOptions { loss: FactorLoss::Squared, batch: 32, hidden: 4, ..options };
    Mf::fit(&data, &options.into(), &mut Run::new(5, &mut Reporter::quiet()))
}

#[test]
fn ratings_of_other_items_are_predicted() {
    let (sequences, others, rating) = rated();
    for item_bias in [true, false] {
        let options =
            FactorOptions { item_bias, epochs: 200, learning_rate: 0.02, l2: 1e-4, ..MfKind::defaults() };
        let mut model = squared(&sequences, options).unwrap();
        assert!(model.predicts_ratings());
        let mut scores = vec![f32::NAN; 16];
        let mut worst = 0.0_f32;
        for (user, &item) in others.iter().enumerate() {
            let query = Query { user: Some(user as u32), history: sequences.get(user) };
            model.score(&[query], &mut scores).unwrap();
            worst = worst.max((scores[item as usize] - rating(user as u32, item)).abs());
        }
        assert!(worst < 0.1, "item-bias {item_bias}: off by {worst}");
        // Of anybody else nothing is known but what people are like.
        let newcomer = Query { user: None, history: &[1, 2] };
        model.score(&[newcomer], &mut scores).unwrap();
        assert!((scores[0] - 4.0).abs() < 0.3, "item-bias {item_bias}: {}", scores[0]);
    }
}

#[test]
fn ratings_that_teach_nothing_are_errors() {
    let (sequences, ..) = rated();
    let without =
        Sequences::from_parts(sequences.offsets().clone(), sequences.values().clone(), None::<Vec<i64>>);
    let error = squared(&without.unwrap(), MfKind::defaults()).unwrap_err().to_string();
    assert!(error.contains("the data have none") && error.contains("--loss log"), "{error}");
    let constant = sequences.clone().with_ratings(Some(vec![4.0_f32; sequences.interactions()])).unwrap();
    let error = squared(&constant, MfKind::defaults()).unwrap_err().to_string();
    assert!(error.contains("all ratings are 4"), "{error}");
}
