//! The sum of content and linear models on users in two groups.

use super::choice::{Kept, multiples, quality as quality_of};
use super::linear::{ease_options, slit_options};
use super::*;
use crate::testing::stored;
use cloze_cf::{Ease, Slit, SlitOptions};
use cloze_data::Sequences;
use cloze_eval::Cases;
use cloze_sequential::Bert4RecOptions;
use cloze_train::{Reporter, TrainedOn, validation_cases};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const ITEMS: usize = 24;
const USERS: usize = 60;

/// Two groups of users, each with half of the items, and what they take next.
fn groups() -> (Sequences, Vec<Option<u32>>) {
    let item = |user: usize, step: usize| ((user % 2) * 12 + (user / 2 + step * 5) % 12) as u32;
    let lists: Vec<Vec<u32>> = (0..USERS).map(|user| (0..6).map(|step| item(user, step)).collect()).collect();
    let next = (0..USERS).map(|user| Some(item(user, 6))).collect();
    (Sequences::from_lists(&lists, None).unwrap(), next)
}

/// Untrained, and started so that it knows nothing of the items around a masked place.
fn tower() -> Tower {
    let initial_identity = 0.0;
    let options = Bert4RecOptions {
        hidden: 8,
        layers: 1,
        max_length: 8,
        initial_identity,
        ..Bert4RecOptions::default()
    };
    Tower::new(&options, ITEMS, 3).unwrap()
}

fn only_ease(alpha: Option<Vec<f64>>) -> HybridOptions {
    let slit_decays = Vec::new();
    HybridOptions { alpha, ease_decays: vec![1.0], slit_decays, lambda: 5.0, ..HybridOptions::default() }
}

fn fit(alpha: Option<f64>, validation: Option<&[Option<u32>]>, notes: &mut Vec<String>) -> Fusion {
    let (sequences, _) = groups();
    let origin = TrainedOn {
        dataset: "groups".to_owned(),
        synthetic: true,
        split: "leave-one-out".to_owned(),
        split_hash: "0".to_owned(),
        fit: "train".to_owned(),
        user_share: 1.0,
    };
    let data = TrainingData { validation, ..TrainingData::new(&sequences, ITEMS, &origin) };
    let alpha = alpha.map(|alpha| vec![alpha]);
    let options = only_ease(alpha);
    let mut reporter = Reporter::quiet();
    let fusion = Fusion::fit(&data, &options, &mut tower(), &mut Run::new(3, &mut reporter)).unwrap();
    notes.extend_from_slice(reporter.notes());
    fusion
}

fn scores(fusion: &Fusion, history: &[u32]) -> Vec<f32> {
    let mut scores = vec![f32::NAN; ITEMS];
    fusion.rank(&[history], &mut tower(), &mut scores).unwrap();
    scores
}

/// NDCG@10 of the items that users take next.
fn quality(fusion: &Fusion, next: &[Option<u32>]) -> f64 {
    let (sequences, _) = groups();
    let cases = validation_cases(&sequences, Some(next), ITEMS).unwrap().unwrap();
    qualities(fusion, cases, &[fusion.alpha().to_vec()])[0]
}

fn qualities(fusion: &Fusion, cases: Cases<'_>, candidates: &[Vec<f64>]) -> Vec<f64> {
    let mut tower = tower();
    let mut features = Kept::new(|part: &Cases<'_>| fusion.features(part.histories(), &mut tower), 1);
    quality_of(&[cases], candidates, &mut features).unwrap()
}

#[test]
fn without_weight_the_scores_are_the_towers_log_probabilities() {
    let scores = scores(&fit(Some(0.0), None, &mut Vec::new()), &[1, 2, 3]);
    let logits = tower().logits(&[&[1, 2, 3]]).unwrap();
    let sum: f32 = scores.iter().map(|score| score.exp()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "probabilities add up to {sum}");
    let shift = logits[0] - scores[0];
    assert!(scores.iter().zip(&logits).all(|(score, logit)| (logit - score - shift).abs() < 1e-5));
}

#[test]
fn the_weight_multiplies_what_ease_says() {
    let (none, some) = (fit(Some(0.0), None, &mut Vec::new()), fit(Some(3.0), None, &mut Vec::new()));
    let mut linear = vec![f32::NAN; ITEMS];
    some.linear.ease.as_ref().unwrap().raw_scores(&[1, 2, 3], &[1.0], &mut linear).unwrap();
    assert!(linear.iter().any(|score| *score > 0.0));
    let (without, with) = (scores(&none, &[1, 2, 3]), scores(&some, &[1, 2, 3]));
    for ((without, with), linear) in without.iter().zip(&with).zip(&linear) {
        assert!((with - without - 3.0 * linear).abs() < 1e-5);
    }
}

#[test]
fn the_terms_add_up_to_the_scores() {
    let fusion = fit(Some(3.0), None, &mut Vec::new());
    let terms = fusion.terms(&[1, 2, 3], &mut tower()).unwrap();
    let names: Vec<&str> = terms.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["content", "collaborative"]);
    for ((score, content), linear) in scores(&fusion, &[1, 2, 3]).iter().zip(&terms[0].1).zip(&terms[1].1) {
        assert!((score - content - linear).abs() < 1e-6);
    }
}

#[test]
fn validation_chooses_a_weight_where_ease_helps_and_none_where_it_misleads() {
    let (_, next) = groups();
    let chosen = fit(None, Some(&next), &mut Vec::new());
    assert!(chosen.alpha()[0] > 0.0, "users stay in their group, which EASE knows");
    assert!(quality(&chosen, &next) > quality(&fit(Some(0.0), None, &mut Vec::new()), &next));
    // An untrained tower is not sure of anything: the wrong group is as good as the right one.
    let other: Vec<Option<u32>> = next.iter().map(|item| item.map(|item| (item + 12) % 24)).collect();
    assert!(fit(None, Some(&other), &mut Vec::new()).alpha()[0] <= 0.0);
}

#[test]
fn few_validation_users_choose_nothing_and_that_is_said() {
    let (_, next) = groups();
    let first = |users: usize| -> Vec<Option<u32>> {
        next.iter().enumerate().map(|(user, item)| item.filter(|_| user < users)).collect()
    };
    for (users, said) in
        [(0, "no validation items"), (1, "a single validation item"), (29, "of 29 users are too few")]
    {
        let mut notes = Vec::new();
        assert_eq!(fit(None, Some(&first(users)), &mut notes).alpha(), only_ease(None).usual_alpha());
        assert!(notes.iter().any(|note| note.contains(said)), "{notes:?}");
    }
    let mut notes = Vec::new();
    fit(None, Some(&first(30)), &mut notes);
    assert!(!notes.iter().any(|note| note.contains("to choose alpha by")), "{notes:?}");
}

#[test]
fn no_multiple_of_the_chosen_weights_ranks_better() {
    let (sequences, next) = groups();
    let cases = validation_cases(&sequences, Some(&next), ITEMS).unwrap().unwrap();
    let chosen = fit(None, Some(&next), &mut Vec::new());
    let alpha = chosen.alpha()[0];
    let around: Vec<Vec<f64>> =
        [0.0, 0.25, 0.5, 1.0, 2.0, 4.0].iter().map(|share| vec![share * alpha]).collect();
    let found = qualities(&chosen, cases, &around);
    assert!(found.iter().all(|other| *other <= found[3]), "{found:?}");
}

#[test]
fn each_score_has_a_weight_of_its_own() {
    let (sequences, next) = groups();
    let options = HybridOptions {
        ease_decays: vec![1.0, 0.3],
        slit_decays: vec![0.6],
        alpha: Some(vec![2.0, 4.0, 8.0]),
        ..only_ease(None)
    };
    let ease = Ease::fit(&sequences, ITEMS, &ease_options(&options)).unwrap();
    let slit = Slit::fit(&sequences, ITEMS, &slit_options(&options)).unwrap();
    assert_eq!(
        Slit::fit(&sequences, ITEMS, &SlitOptions { lambda: 5.0, decay: 0.6, ..SlitOptions::default() })
            .unwrap(),
        slit
    );
    let mut added = vec![f32::NAN; 3 * ITEMS];
    ease.raw_scores(&[1, 2, 3], &[1.0, 0.3], &mut added[..2 * ITEMS]).unwrap();
    slit.raw_scores(&[1, 2, 3], &[0.6], &mut added[2 * ITEMS..]).unwrap();
    let linear = Linear::new(Some(ease), Some(slit), &options);
    let fusion = Fusion { linear, gate: false, alpha: options.usual_alpha() };
    let content = scores(&fit(Some(0.0), None, &mut Vec::new()), &[1, 2, 3]);
    for (item, score) in scores(&fusion, &[1, 2, 3]).iter().enumerate() {
        let row = |k: usize| added[k * ITEMS + item];
        let expected = content[item] + 2.0 * row(0) + 4.0 * row(1) + 8.0 * row(2);
        assert!((score - expected).abs() < 1e-5, "{item}: {score}, expected {expected}");
    }
    let mut reporter = Reporter::quiet();
    let cases = validation_cases(&sequences, Some(&next), ITEMS).unwrap().unwrap();
    let mut tower = tower();
    let mut run = Run::new(3, &mut reporter);
    let Choice { alpha, .. } = choose(&cases, fusion.alpha(), &Optional::default(), &mut run, |part| {
        fusion.features(part.histories(), &mut tower)
    })
    .unwrap();
    assert!(alpha[2] > alpha[0], "here an item follows on another: {alpha:?}");
}

/// In half of the cases what content and the first score rank first is taken; in the others the second is 1 for the item that is taken and for
/// a half of the catalogue, which makes it likelier and leaves it far from the top.
#[test]
fn a_score_that_makes_items_likelier_and_ranks_worse_is_left_out() {
    const ITEMS: usize = 300;
    const CASES: usize = 400;
    let mut generator = ChaCha8Rng::seed_from_u64(5);
    let (mut rows, mut targets) = (vec![0.0_f32; CASES * 3 * ITEMS], Vec::new());
    for (case, row) in rows.chunks_exact_mut(3 * ITEMS).enumerate() {
        row[..2 * ITEMS].fill_with(|| 5.0 * generator.random_range(-1.0..1.0_f32));
        row[2 * ITEMS..].fill_with(|| f32::from(u8::from(generator.random_bool(0.5))));
        let sum = |item: &usize| row[*item] + row[ITEMS + *item];
        let best = (0..ITEMS).max_by(|a, b| sum(a).total_cmp(&sum(b))).unwrap();
        let target = if case % 2 == 0 { best } else { generator.random_range(0..ITEMS) };
        if case % 2 == 1 {
            row[2 * ITEMS + target] = 1.0;
        }
        targets.push(target as u32);
    }
    let users: Vec<u32> = (0..CASES as u32).collect();
    let cases = Cases::new(users, vec![&[]; CASES], targets, vec![1; ITEMS]).unwrap();
    let choose = |groups: &[Vec<usize>]| {
        let of_part = |part: &Cases<'_>| {
            let row = |user: &u32| &rows[*user as usize * 3 * ITEMS..][..3 * ITEMS];
            Ok(part.users().iter().flat_map(row).copied().collect())
        };
        let optional = Optional { groups, ..Optional::default() };
        super::choose(&cases, &[1.0, 1.0], &optional, &mut Run::new(3, &mut Reporter::quiet()), of_part)
            .unwrap()
    };
    let (all, some) = (choose(&[]), choose(&[vec![0], vec![1]]));
    assert!(all.alpha[1] > 0.0, "{:?}", all.alpha);
    assert!(some.alpha[0] > 0.0 && some.alpha[1] == 0.0, "{:?}", some.alpha);
    assert!(some.quality > all.quality && all.quality > all.alone, "{} {}", some.quality, all.quality);
}

#[test]
fn a_gate_changes_all_weights_with_the_length_of_the_history() {
    let (sequences, next) = groups();
    let options = HybridOptions { gate: true, ..only_ease(Some(vec![3.0, 0.25, -0.5])) };
    options.validate().unwrap();
    let ease = || Ease::fit(&sequences, ITEMS, &ease_options(&options)).unwrap();
    let gated = |alpha: &[f64]| Fusion {
        linear: Linear::new(Some(ease()), None, &options),
        gate: true,
        alpha: alpha.to_vec(),
    };
    let plain = fit(Some(0.0), None, &mut Vec::new());
    for history in [&[1, 2, 3][..], &[1, 2, 3, 4, 5, 6, 7]] {
        let by = ((1 + history.len()) as f64 / 64.0).ln() as f32;
        let mut linear = vec![f32::NAN; ITEMS];
        ease().raw_scores(history, &[1.0], &mut linear).unwrap();
        let fusion = gated(&[3.0, 0.25, -0.5]);
        let terms = fusion.terms(history, &mut tower()).unwrap();
        let found = scores(&fusion, history);
        for (item, content) in scores(&plain, history).iter().enumerate() {
            let expected = [(1.0 + 0.25 * by) * content, (3.0 - 0.5 * by) * linear[item]];
            assert!((found[item] - expected[0] - expected[1]).abs() < 1e-5, "{item}: {found:?}");
            assert!(terms.iter().zip(expected).all(|((_, term), one)| (term[item] - one).abs() < 1e-5));
        }
    }
    let short =
        HybridOptions { alpha: Some(vec![3.0]), ..options.clone() }.validate().unwrap_err().to_string();
    assert!(short.contains("must have 3 weights") && short.contains("of the gate"), "{short}");

    // Histories of even users are long, and EASE is right about them alone.
    let lists: Vec<Vec<u32>> =
        (0..USERS).map(|user| sequences.get(user)[..if user % 2 == 0 { 6 } else { 2 }].to_vec()).collect();
    let aim = |(user, item): (usize, &Option<u32>)| {
        item.map(|item| if user % 2 == 0 { item } else { (item + 12) % 24 })
    };
    let next: Vec<Option<u32>> = next.iter().enumerate().map(aim).collect();
    let shorter = Sequences::from_lists(&lists, None).unwrap();
    let cases = validation_cases(&shorter, Some(&next), ITEMS).unwrap().unwrap();
    let (fusion, mut tower, mut reporter) = (gated(&[5.0, 0.0, 0.0]), tower(), Reporter::quiet());
    assert_eq!(fusion.groups(), [[0, 2]]);
    let optional = Optional { groups: &[], gate: fusion.gate_places() };
    let chosen = choose(&cases, fusion.alpha(), &optional, &mut Run::new(3, &mut reporter), |part| {
        fusion.features(part.histories(), &mut tower)
    })
    .unwrap();
    assert!(chosen.alpha[2] > 0.0, "the longer the history, the more of EASE: {:?}", chosen.alpha);
}

/// Cases of 40 items whose scores `row` gives, `[1 + added, items]`, and the items that are taken.
fn made(cases: usize, row: impl FnMut(usize) -> (Vec<f32>, u32)) -> (Vec<Vec<f32>>, Vec<u32>) {
    (0..cases).map(row).unzip()
}

/// What is chosen of such scores, with the notes.
fn chosen_of(
    (rows, targets): &(Vec<Vec<f32>>, Vec<u32>),
    start: &[f64],
    optional: &Optional<'_>,
) -> (Choice, Vec<String>) {
    let users: Vec<u32> = (0..targets.len() as u32).collect();
    let cases = Cases::new(users, vec![&[]; targets.len()], targets.clone(), vec![1; 40]).unwrap();
    let mut reporter = Reporter::quiet();
    let of_part =
        |part: &Cases<'_>| Ok(part.users().iter().flat_map(|user| &rows[*user as usize]).copied().collect());
    let choice = choose(&cases, start, optional, &mut Run::new(3, &mut reporter), of_part).unwrap();
    (choice, reporter.notes().to_vec())
}

/// Content that misleads has the least weight that there is, and the others are given in its units.
#[test]
fn weights_that_no_folder_could_have_are_no_candidates() {
    let alphas: Vec<Vec<f64>> = multiples(&[-2.0, 300.0], None).collect();
    assert_eq!(
        alphas,
        [[75_000.0], [150_000.0], [300_000.0], [600_000.0]],
        "four times as much is beyond a million"
    );
    for alpha in alphas {
        only_ease(Some(alpha)).validate().unwrap();
    }
}

#[test]
fn a_search_for_weights_that_did_not_end_is_noted() {
    let scores = made(100, |case| {
        let mut row = vec![0.0; 80];
        (row[case % 40], row[40 + (case + 1) % 40]) = (1.0, 1.0);
        (row, (case % 40) as u32)
    });
    let notes = |start| chosen_of(&scores, &[start], &Optional::default()).1;
    assert_eq!(notes(5.0), [""; 0]);
    let far = notes(1e9);
    assert!(far.len() == 1 && far[0].contains("1 of 1 sums not settled"), "{far:?}");
}

#[test]
fn more_of_what_is_added_leaves_contents_own_gate_as_it_is() {
    let alphas: Vec<Vec<f64>> = multiples(&[2.0, 6.0, -1.0, 4.0], Some(1)).collect();
    assert_eq!((alphas.len(), &alphas[2], &alphas[7]), (8, &vec![3.0, -0.5, 2.0], &vec![192.0, -0.5, 128.0]));
}

/// Long and short histories at random beside those of which the sum is right: what makes the former likelier ranks the latter worse.
#[test]
fn weights_with_a_gate_never_rank_worse_on_validation_items_than_without() {
    let mut generator = ChaCha8Rng::seed_from_u64(8);
    let scores = made(60, |case| {
        let gate = [-2.0, 0.0, 1.0][case % 3];
        let mut row: Vec<f32> = (0..80).map(|_| generator.random_range(-2.0..2.0)).collect();
        let sum = |item: &usize| row[*item] + row[40 + *item];
        let best = (0..40).max_by(|a, b| sum(a).total_cmp(&sum(b))).unwrap();
        let target = if case % 3 == 1 { best } else { generator.random_range(0..40) };
        if case % 3 == 2 {
            row[40 + target] = 2.0;
        }
        row.extend_from_within(..);
        row[80..].iter_mut().for_each(|score| *score *= gate);
        (row, target as u32)
    });
    let plain = (scores.0.iter().map(|row| row[..80].to_vec()).collect(), scores.1.clone());
    let without = chosen_of(&plain, &[1.0], &Optional::default()).0;
    let with = chosen_of(&scores, &[1.0, 0.0, 0.0], &Optional { groups: &[], gate: 1..3 }).0;
    assert!(with.quality >= without.quality, "{} with a gate, {} without", with.quality, without.quality);
}

#[test]
fn without_validation_items_the_usual_weight_is_taken_and_said() {
    let mut notes = Vec::new();
    assert_eq!(fit(None, None, &mut notes).alpha(), [5.0]);
    assert!(notes.len() == 1 && notes[0].contains("alpha"), "{notes:?}");
    assert_eq!(fit(None, Some(&[None; USERS]), &mut notes).alpha(), [5.0]);
}

#[test]
fn a_user_without_history_gets_the_towers_answer_and_a_strange_item_is_an_error() {
    let fusion = fit(Some(3.0), None, &mut Vec::new());
    assert_eq!(scores(&fusion, &[]), scores(&fit(Some(0.0), None, &mut Vec::new()), &[]));
    let mut row = vec![0.0; ITEMS];
    let error = fusion.rank(&[&[99]], &mut tower(), &mut row).unwrap_err().to_string();
    assert!(error.contains("99"), "{error}");
}

#[test]
fn a_folder_with_a_score_that_is_not_added_is_read_whole() {
    let (sequences, _) = groups();
    let options = only_ease(Some(vec![3.0]));
    let ease = Ease::fit(&sequences, ITEMS, &ease_options(&options)).unwrap();
    let slit = Slit::fit(&sequences, ITEMS, &slit_options(&options)).unwrap();
    let before = Linear::new(Some(ease), Some(slit), &options);
    let place = tempfile::tempdir().unwrap();
    let card = ("hybridbert4rec", serde_json::to_value(&options).unwrap());
    let path = stored(place.path(), card, &before.tensors(), USERS as u32, ITEMS as u32);
    let folder = ModelFolder::open(&path).unwrap();
    let fusion = Fusion::load(&folder, &options).unwrap();
    folder.check_all_read().unwrap();
    assert_eq!(scores(&fusion, &[1, 2, 3]), scores(&fit(Some(3.0), None, &mut Vec::new()), &[1, 2, 3]));
}
