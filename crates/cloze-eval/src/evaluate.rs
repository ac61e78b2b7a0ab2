//! Scoring all users once and ranking their targets under every protocol.

use rayon::prelude::*;

use crate::candidates::NegativeSampler;
use crate::cases::Cases;
use crate::error::EvalError;
use crate::lists::{Counter, ItemDistances, ListStatistics, ListValues};
use crate::marks::Marks;
use crate::protocol::Protocol;
use crate::ranking::{Candidates, Case, Place, Ranker};
use crate::ranks::ProtocolRanks;
use crate::recommender::{Query, Recommender};

/// How to evaluate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationOptions {
    /// The candidate protocols; default [`Protocol::STANDARD`].
    pub protocols: Vec<Protocol>,
    /// Seed of the candidates; default 0. Keep it the same for all models and all their seeds: [`results`]
    /// refuses to compare evaluations whose candidates differ.
    ///
    /// [`results`]: crate::results
    pub seed: u64,
    /// Users scored at a time; default 256. Memory is 4 bytes times batch times catalogue. Has no effect on
    /// ranks, unless the model's own arithmetic depends on it.
    pub batch: usize,
    /// Whether items of the history are no candidates, under any protocol; default true. A target that the user had before is then
    /// an error: if it alone of all seen items stood among the candidates, whoever knows the history would find it.
    pub exclude_seen: bool,
    /// Whether histories are parts of the users' own; default false. A model that knows its users by heart is then not told who asks,
    /// unless it [joins the user with the history](Recommender::joins_user_and_history): it would answer from the whole.
    pub partial_histories: bool,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        Self {
            protocols: Protocol::STANDARD.to_vec(),
            seed: 0,
            batch: 256,
            exclude_seen: true,
            partial_histories: false,
        }
    }
}

impl EvaluationOptions {
    fn check(&self) -> Result<(), EvalError> {
        let refuse = |option, problem: String| Err(EvalError::Option { option, problem });
        if self.batch == 0 {
            return refuse("batch", "must be at least 1".to_owned());
        }
        if self.protocols.is_empty() {
            return refuse("protocols", "must name at least one protocol".to_owned());
        }
        for (at, protocol) in self.protocols.iter().enumerate() {
            if self.protocols[..at].contains(protocol) {
                return refuse("protocols", format!("{protocol} is named twice"));
            }
            if matches!(protocol, Protocol::Uniform(0) | Protocol::Popularity(0)) {
                return refuse("protocols", format!("{protocol} asks for no negatives"));
            }
        }
        Ok(())
    }
}

/// Ranks the target of every user under every protocol of the options, in their order.
///
/// The model scores the whole catalogue once per user; all protocols share those scores. The rank is
/// 1 + the number of other candidates that score at least as high as the target, so ties count against the
/// model and a constant scorer comes last. `progress` is told (users done, users in all) after each batch.
///
/// Every score of an item outside the history (of any item, without `exclude_seen`) must be a number or
/// negative infinity, whichever protocols are asked for.
///
/// # Errors
/// [`EvalError::Option`], [`EvalError::CatalogueMismatch`], [`EvalError::Model`], [`EvalError::BadScore`], or with `exclude_seen`
/// [`EvalError::RepeatedTarget`]: see [`Cases::without_repeats`].
pub fn evaluate(
    model: &mut dyn Recommender,
    cases: &Cases<'_>,
    options: &EvaluationOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<ProtocolRanks>, EvalError> {
    evaluate_with(model, cases, options, None, progress)
}

/// [`evaluate`], and with `distances` also the intra-list distance of the full ranking's lists.
///
/// No list is kept: beyond a batch, memory is a rank per user and protocol, and counters the size of the
/// catalogue.
///
/// # Errors
/// As [`evaluate`]; [`EvalError::CatalogueMismatch`] also when `distances` are those of another catalogue.
pub fn evaluate_with(
    model: &mut dyn Recommender,
    cases: &Cases<'_>,
    options: &EvaluationOptions,
    distances: Option<&ItemDistances>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<ProtocolRanks>, EvalError> {
    evaluate_lists(model, cases, options, distances, &mut |_| {}, progress)
}

/// [`evaluate_with`], and `each` is told every user's top-10 list of the full ranking, best first, in the order of
/// [`Cases::users`]: empty for a user without one, and for all without [`Protocol::Full`]. What is kept of them is the caller's.
///
/// # Errors
/// As [`evaluate_with`].
pub fn evaluate_lists(
    model: &mut dyn Recommender,
    cases: &Cases<'_>,
    options: &EvaluationOptions,
    distances: Option<&ItemDistances>,
    each: &mut dyn FnMut(&[u32]),
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<ProtocolRanks>, EvalError> {
    options.check()?;
    let name = model.name();
    check_catalogue(&name, model.catalogue(), cases)?;
    if let Some(distances) = distances {
        check_catalogue(&format!("distance by {}", distances.name()), distances.catalogue(), cases)?;
    }
    let candidates = options.protocols.iter().map(|&protocol| candidates(protocol, options.seed, cases));
    let candidates: Vec<Candidates<'_>> = candidates.collect::<Result<_, _>>()?;
    let lists = options.protocols.contains(&Protocol::Full);
    let ranker = Ranker { model: &name, candidates: &candidates, exclude_seen: options.exclude_seen, lists };

    let told = !options.partial_histories || model.joins_user_and_history();
    let catalogue = cases.catalogue();
    let mut counter = Counter::new(cases.popularity(), distances, cases.categories());
    let width = candidates.len();
    let mut places = vec![Place::default(); cases.len() * width];
    let mut lists = Vec::with_capacity(options.batch.min(cases.len()));
    let mut scores = vec![0.0; options.batch.min(cases.len()) * catalogue];
    for start in (0..cases.len()).step_by(options.batch) {
        let end = cases.len().min(start + options.batch);
        let queries: Vec<Query<'_>> = (start..end)
            .map(|case| Query { user: told.then(|| cases.users()[case]), history: cases.histories()[case] })
            .collect();
        let rows = &mut scores[..queries.len() * catalogue];
        rows.fill(f32::NAN); // a place that the model forgets must not keep the last batch's score
        model.score(&queries, rows).map_err(|source| EvalError::Model { model: name.clone(), source })?;
        let places = &mut places[start * width..end * width];
        rank_batch(&ranker, &counter, cases, start..end, rows, places, &mut lists);
        for list in lists.drain(..) {
            let list = list?;
            each(list.items());
            counter.add(&list);
        }
        progress(end, cases.len());
    }
    Ok(by_protocol(&places, counter.finish().as_ref(), cases, options))
}

fn candidates<'a>(protocol: Protocol, seed: u64, cases: &Cases<'a>) -> Result<Candidates<'a>, EvalError> {
    if protocol == Protocol::WithinGenre {
        let problem =
            "within-genre needs data whose items have genres: cloze prepare --items FILE --genres COLUMN";
        let missing = || EvalError::Option { option: "protocols", problem: problem.to_owned() };
        return cases.categories().map(Candidates::Kin).ok_or_else(missing);
    }
    let sampler = NegativeSampler::new(protocol, seed, cases.popularity());
    Ok(sampler.map_or(Candidates::All, Candidates::Drawn))
}

pub(crate) fn check_catalogue(name: &str, model_items: usize, cases: &Cases<'_>) -> Result<(), EvalError> {
    let data_items = cases.catalogue();
    if model_items == data_items {
        return Ok(());
    }
    Err(EvalError::CatalogueMismatch { model: name.to_owned(), model_items, data_items })
}

/// Ranks a scored batch in parallel into `places` and `lists`, which is emptied first. Nothing is allocated for a user.
fn rank_batch(
    ranker: &Ranker<'_>,
    counter: &Counter<'_>,
    cases: &Cases<'_>,
    batch: std::ops::Range<usize>,
    scores: &[f32],
    places: &mut [Place],
    lists: &mut Vec<Result<ListValues, EvalError>>,
) {
    /// Users that share the marks of a thread, which are as many as there are items.
    const TOGETHER: usize = 16;
    let catalogue = cases.catalogue();
    batch
        .into_par_iter()
        .with_min_len(TOGETHER)
        .zip(scores.par_chunks_exact(catalogue))
        .zip(places.par_chunks_exact_mut(ranker.candidates.len()))
        .map_init(
            || (Marks::new(catalogue), Vec::new()),
            |(marks, shares), ((case, row), places)| {
                let (user, target) = (cases.users()[case], cases.targets()[case]);
                let case = Case { user, history: cases.histories()[case], target };
                if let Some(categories) = cases.categories() {
                    categories.shares(case.history, shares);
                }
                ranker.rank(marks, case, row, places).map(|list| counter.values(list, shares))
            },
        )
        .collect_into_vec(lists);
}

fn by_protocol(
    places: &[Place],
    lists: Option<&ListStatistics>,
    cases: &Cases<'_>,
    options: &EvaluationOptions,
) -> Vec<ProtocolRanks> {
    let width = options.protocols.len();
    let column = |at: usize, field: fn(&Place) -> u32| {
        places.chunks_exact(width).map(|user| field(&user[at])).collect()
    };
    let familiarities = familiarities(cases);
    let one = |(at, &protocol): (usize, &Protocol)| ProtocolRanks {
        protocol,
        candidate_seed: options.seed,
        exclude_seen: options.exclude_seen,
        users: cases.users().to_vec(),
        targets: cases.targets().to_vec(),
        candidates: column(at, |place| place.candidates),
        ranks: column(at, |place| place.rank),
        target_counts: cases.targets().iter().map(|&item| cases.popularity()[item as usize]).collect(),
        history_lengths: cases.histories().iter().map(|history| history.len() as u32).collect(),
        target_familiarities: familiarities.clone(),
        difficulties: Vec::new(),
        lists: lists.filter(|_| protocol == Protocol::Full).cloned(),
    };
    options.protocols.iter().enumerate().map(one).collect()
}

/// The users' familiarity with their targets, in percent.
fn familiarities(cases: &Cases<'_>) -> Vec<Option<u32>> {
    let Some(categories) = cases.categories() else { return Vec::new() };
    let mut shares = Vec::new();
    let percent = |(history, &target): (&&[u32], &u32)| {
        categories.shares(history, &mut shares);
        categories.familiarity(&shares, target).map(|share| (100.0 * share).round() as u32)
    };
    cases.histories().iter().zip(cases.targets()).map(percent).collect()
}
