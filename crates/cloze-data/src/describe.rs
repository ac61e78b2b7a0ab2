//! What a data set is like: sizes, distributions, and whether its order means anything.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::log::TimeUnit;
use crate::{Dataset, Sequences};

/// A data set in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Name of the data set.
    pub name: String,
    /// Number of users.
    pub users: u64,
    /// Number of items.
    pub items: u64,
    /// Number of interactions.
    pub interactions: u64,
    /// Interactions / (users × items); above 1 only with repeats.
    pub density: f64,
    /// Interactions of each user.
    pub lengths: Distribution,
    /// Interactions of each item.
    pub popularity: Distribution,
    /// Share of the interactions with the most popular tenth of the items.
    pub head_share: f64,
    /// Share of the interactions that repeat an earlier one of the same user with the same item.
    pub repeat_share: f64,
    /// The unit of the times; none without times.
    pub time_unit: Option<TimeUnit>,
    /// First and last time; none without times.
    pub time_range: Option<(i64, i64)>,
    /// Share of the interactions with the same time as the one before them in their sequence; none without times.
    pub tie_share: Option<f64>,
    /// Share of the users with 2 or more interactions of whom two have the same time: their order is the file's, not
    /// time's. 1 without times.
    pub arbitrary_order_share: f64,
    /// Share of the consecutive pairs (an item, then the next of the same user) that occur with another user too. Items
    /// at one time are shuffled first (seed 1): their order in the file, often that of a catalogue, is not time's.
    pub recurring_pairs: f64,
    /// The same with each user's sequence shuffled (seed 1): what co-occurrence alone gives.
    pub recurring_pairs_shuffled: f64,
    /// Interactions over time, in up to 24 equal spans; empty without times.
    pub timeline: Vec<Span>,
    /// Whether interactions have values: ratings, or right and wrong answers.
    pub values: bool,
    /// Items with a title.
    pub titled_items: u64,
    /// Number of distinct genres.
    pub genres: u64,
    /// Items with a text.
    pub items_with_text: u64,
    /// What a reader should know before using the data for sequential models, in sentences.
    pub warnings: Vec<String>,
}

/// How a count is spread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Smallest count.
    pub min: u64,
    /// First quartile: the smallest count that a quarter does not exceed.
    pub p25: u64,
    /// Median.
    pub p50: u64,
    /// Third quartile.
    pub p75: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest count.
    pub max: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// How many have a count in each range: powers of two, from the one of the smallest to the one of the largest.
    pub histogram: Vec<Bucket>,
}

/// A bar of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Smallest count of the range.
    pub from: u64,
    /// Largest count of the range.
    pub to: u64,
    /// How many lie in it.
    pub count: u64,
}

/// A bar of the interactions over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First time of the span, in the unit of the data.
    pub from: i64,
    /// Last time of the span.
    pub to: i64,
    /// Interactions in it.
    pub count: u64,
}

/// Describes a data set.
///
/// The measure of structure, `recurring_pairs`, is near its shuffled value where order says little (the next item is no
/// better told by the last one than by the set of all), and far above it where items follow on each other.
pub fn describe(dataset: &Dataset) -> Description {
    let sequences = &dataset.sequences;
    let (users, items) = (dataset.users.len(), dataset.items.len());
    let interactions = sequences.interactions();
    let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let lengths: Vec<u64> = sequences.iter().map(|items| items.len() as u64).collect();
    let mut popularity = sequences.counts(items);
    let (ties, tied_users) = ties(sequences);
    let several = lengths.iter().filter(|length| **length >= 2).count();
    let mut description = Description {
        name: dataset.name.clone(),
        users: users as u64,
        items: items as u64,
        interactions: interactions as u64,
        density: share(interactions, 1) / (users as f64 * items as f64).max(1.0),
        lengths: Distribution::of(lengths),
        popularity: Distribution::of(popularity.clone()),
        head_share: 0.0,
        repeat_share: share(repeats(sequences, items), interactions),
        time_unit: sequences.time_unit(),
        time_range: range(sequences),
        tie_share: sequences.has_times().then(|| share(ties, interactions)),
        arbitrary_order_share: if sequences.has_times() { share(tied_users, several) } else { 1.0 },
        recurring_pairs: recurring(sequences, Shuffled::Ties),
        recurring_pairs_shuffled: recurring(sequences, Shuffled::All),
        timeline: timeline(sequences),
        values: sequences.all_ratings().is_some(),
        titled_items: (0..items as u32).filter(|item| dataset.items.title(*item).is_some()).count() as u64,
        genres: dataset.details.distinct_genres().len() as u64,
        items_with_text: dataset.details.text.iter().flatten().flatten().count() as u64,
        warnings: Vec::new(),
    };
    popularity.sort_unstable_by(|a, b| b.cmp(a));
    let head: u64 = popularity.iter().take(items.div_ceil(10)).sum();
    description.head_share = share(head as usize, interactions);
    description.warnings = warnings(&description);
    description
}

impl Distribution {
    /// The distribution of counts; all zero without any.
    fn of(mut counts: Vec<u64>) -> Self {
        counts.sort_unstable();
        let last = counts.len().saturating_sub(1);
        // Nearest rank: the smallest count that a share of p does not exceed.
        let rank = |p: f64| ((p * counts.len() as f64).ceil() as usize).saturating_sub(1).min(last);
        let at = |p: f64| counts.get(rank(p)).copied().unwrap_or(0);
        let sum: u64 = counts.iter().sum();
        Self {
            min: at(0.0),
            p25: at(0.25),
            p50: at(0.5),
            p75: at(0.75),
            p90: at(0.9),
            p99: at(0.99),
            max: at(1.0),
            mean: if counts.is_empty() { 0.0 } else { sum as f64 / counts.len() as f64 },
            histogram: histogram(&counts),
        }
    }
}

/// Bars of powers of two: 0, 1, 2 to 3, 4 to 7, and so on.
fn histogram(sorted: &[u64]) -> Vec<Bucket> {
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let bar = |count: u64| count.checked_ilog2().map_or(0, |power| power + 1);
    let mut bars = Vec::new();
    for power in bar(*first)..=bar(*last) {
        let from = if power == 0 { 0 } else { 1_u64 << (power - 1) };
        let to = if power == 0 { 0 } else { from - 1 + from };
        let begin = sorted.partition_point(|count| *count < from);
        let end = sorted.partition_point(|count| *count <= to);
        bars.push(Bucket { from, to, count: (end - begin) as u64 });
    }
    bars
}

fn repeats(sequences: &Sequences, items: usize) -> usize {
    let mut met_by = vec![usize::MAX; items];
    let mut repeats = 0;
    for (user, sequence) in sequences.iter().enumerate() {
        for item in sequence {
            if let Some(last) = met_by.get_mut(*item as usize) {
                repeats += usize::from(std::mem::replace(last, user) == user);
            }
        }
    }
    repeats
}

/// Interactions at the time of the one before them, and users who have any.
fn ties(sequences: &Sequences) -> (usize, usize) {
    let tied =
        |user| sequences.times(user).map_or(0, |times| times.windows(2).filter(|t| t[0] == t[1]).count());
    (0..sequences.len()).map(tied).fold((0, 0), |(all, users), one| (all + one, users + usize::from(one > 0)))
}

fn range(sequences: &Sequences) -> Option<(i64, i64)> {
    let times = sequences.all_times()?;
    Some((*times.iter().min()?, *times.iter().max()?))
}

fn timeline(sequences: &Sequences) -> Vec<Span> {
    const SPANS: i128 = 24;
    let (Some((first, last)), Some(times)) = (range(sequences), sequences.all_times()) else {
        return Vec::new();
    };
    // In 128 bits: a range may be wider than 64 bits hold.
    let whole = i128::from(last) - i128::from(first) + 1;
    let spans = SPANS.min(whole);
    let edge = |span: i128| (i128::from(first) + whole * span / spans) as i64;
    let mut timeline: Vec<Span> = (0..spans)
        .map(|span| Span {
            from: edge(span),
            to: if span + 1 == spans { last } else { edge(span + 1) - 1 },
            count: 0,
        })
        .collect();
    for time in times {
        let span = timeline.partition_point(|span| span.to < *time);
        timeline[span].count += 1;
    }
    timeline
}

/// What is shuffled before pairs are counted.
#[derive(Clone, Copy, PartialEq)]
enum Shuffled {
    /// Items at one time, among themselves.
    Ties,
    /// All items of a user.
    All,
}

/// The share of consecutive pairs that another user has too.
fn recurring(sequences: &Sequences, what: Shuffled) -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut pairs: Vec<(u64, u32)> = Vec::with_capacity(sequences.interactions());
    let mut shuffled = Vec::new();
    for (user, items) in sequences.iter().enumerate() {
        shuffled.clear();
        shuffled.extend_from_slice(items);
        if what == Shuffled::All {
            shuffled.shuffle(&mut random);
        } else if let Some(times) = sequences.times(user) {
            let mut rest = shuffled.as_mut_slice();
            for same in times.chunk_by(|a, b| a == b) {
                let (tied, others) = rest.split_at_mut(same.len());
                tied.shuffle(&mut random);
                rest = others;
            }
        }
        let pair = |two: &[u32]| (u64::from(two[0]) << 32 | u64::from(two[1]), user as u32);
        pairs.extend(shuffled.windows(2).map(pair));
    }
    pairs.sort_unstable();
    let several = |same: &&[(u64, u32)]| same.first().map(|one| one.1) != same.last().map(|one| one.1);
    let common: usize = pairs.chunk_by(|a, b| a.0 == b.0).filter(several).map(<[_]>::len).sum();
    if pairs.is_empty() { 0.0 } else { common as f64 / pairs.len() as f64 }
}

fn warnings(data: &Description) -> Vec<String> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut warnings = Vec::new();
    if data.time_range.is_none() {
        warnings.push("There are no times: the order of the file is taken for the order of time.".to_owned());
    } else if data.arbitrary_order_share > 0.1 {
        warnings.push(format!(
            "{} of the users have interactions at equal times: their order is the file's, not time's.",
            percent(data.arbitrary_order_share)
        ));
    }
    let (real, shuffled) = (data.recurring_pairs, data.recurring_pairs_shuffled);
    if data.lengths.max >= 2 && real < 1.2 * shuffled + 0.001 {
        warnings.push(format!(
            "Little sequence structure: {} of consecutive pairs recur with other users, {} after shuffling. A model \
             without order may do as well.",
            percent(real),
            percent(shuffled)
        ));
    }
    if data.lengths.p50 < 5 {
        warnings.push(format!("Half of the users have at most {} interactions.", data.lengths.p50));
    }
    if data.repeat_share > 0.05 {
        warnings.push(format!(
            "{} of the interactions repeat an item of the same user: decide whether recommending it again is right.",
            percent(data.repeat_share)
        ));
    }
    if data.users < 2 || data.items < 2 {
        warnings.push(format!("{} users and {} items: nothing can be compared.", data.users, data.items));
    }
    warnings
}
