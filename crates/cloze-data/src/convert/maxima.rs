//! The most points of a question, which results of ILIAS do not say: what the totals prove.

use std::collections::HashMap;

/// One pass: its questions with the points reached, and the most points of all together.
pub(super) struct Total<'a> {
    pub(super) questions: Vec<(&'a str, f64)>,
    pub(super) most: f64,
}

/// What is known of a question's most points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Maximum {
    /// The most that anybody reached.
    pub(super) seen: f64,
    /// The maximum, if it was given or the totals prove it.
    pub(super) proven: Option<f64>,
}

/// No question has a maximum below what somebody reached. So where the most points seen add up to the most of a pass, each of them
/// is a maximum; and where all but one of a pass are known, the last is what they leave.
pub(super) fn prove<'a>(
    seen: impl Iterator<Item = (&'a str, f64)>,
    totals: &[Total<'a>],
    given: impl Fn(&str) -> Option<f64>,
) -> HashMap<&'a str, Maximum> {
    let mut maxima: HashMap<&str, Maximum> = HashMap::new();
    for (question, points) in seen {
        let proven = given(question);
        let maximum = maxima.entry(question).or_insert(Maximum { seen: points, proven });
        maximum.seen = maximum.seen.max(points);
    }
    // Each round but the last proves at least one of finitely many.
    while totals.iter().filter(|total| learn(&mut maxima, total)).count() > 0 {}
    maxima
}

/// Whether the total of a pass proves a maximum that was not known.
fn learn<'a>(maxima: &mut HashMap<&'a str, Maximum>, total: &Total<'a>) -> bool {
    let of = |question: &str| maxima.get(question).copied();
    let all: Vec<Maximum> = total.questions.iter().filter_map(|(question, _)| of(question)).collect();
    let open = all.iter().filter(|maximum| maximum.proven.is_none()).count();
    if open == 0 {
        return false;
    }
    let sum: f64 = all.iter().map(|maximum| maximum.proven.unwrap_or(maximum.seen)).sum();
    let rest = total.most - sum;
    let slack = 1e-6 * total.most.abs().max(1.0);
    // Below zero the totals contradict the points: they prove nothing.
    if rest.abs() > slack && (open > 1 || rest < 0.0) {
        return false;
    }
    let more = if rest.abs() > slack { rest } else { 0.0 };
    for (question, _) in &total.questions {
        if let Some(maximum) = maxima.get_mut(question) {
            maximum.proven.get_or_insert(maximum.seen + more);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{Total, prove};

    fn proven<'a>(totals: &[Total<'a>], given: impl Fn(&str) -> Option<f64>) -> Vec<(&'a str, Option<f64>)> {
        let seen = totals.iter().flat_map(|total| total.questions.iter().copied());
        let mut all: Vec<_> =
            prove(seen, totals, given).into_iter().map(|(name, maximum)| (name, maximum.proven)).collect();
        all.sort_by_key(|one| one.0);
        all
    }

    #[test]
    fn points_that_add_up_to_the_total_are_maxima() {
        let one = Total { questions: vec![("a", 1.0), ("b", 0.5)], most: 3.0 };
        let two = Total { questions: vec![("a", 0.0), ("b", 2.0)], most: 3.0 };
        assert_eq!(proven(&[one, two], |_| None), [("a", Some(1.0)), ("b", Some(2.0))]);
    }

    #[test]
    fn one_unknown_maximum_is_what_the_others_leave() {
        let one = Total { questions: vec![("a", 1.0), ("b", 2.0)], most: 3.0 };
        let two = Total { questions: vec![("b", 0.0), ("c", 1.0)], most: 6.0 };
        assert_eq!(proven(&[two, one], |_| None), [("a", Some(1.0)), ("b", Some(2.0)), ("c", Some(4.0))]);
    }

    #[test]
    fn what_is_not_proven_stays_open_unless_it_is_given() {
        let total = || Total { questions: vec![("a", 1.0), ("b", 1.0), ("c", 1.0)], most: 6.0 };
        assert_eq!(proven(&[total()], |_| None), [("a", None), ("b", None), ("c", None)]);
        let given = |name: &str| ["a", "b"].contains(&name).then_some(2.0);
        assert_eq!(proven(&[total()], given), [("a", Some(2.0)), ("b", Some(2.0)), ("c", Some(2.0))]);
        let less = Total { questions: vec![("a", 3.0)], most: 2.0 };
        assert_eq!(proven(&[less], |_| None), [("a", None)]);
    }
}
