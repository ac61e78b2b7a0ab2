//! Plots as inline SVG, each with a title and its values in words for readers who do not see it.

use std::fmt::Write;

use crate::html::escape;
use crate::table::{figure, signed};

/// Number of colours in the style sheet; further series take them again.
const COLOURS: usize = 8;
pub(super) const WIDTH: f64 = 520.0;
/// Width of a letter of a name, about.
const LETTER: f64 = 6.6;
/// Height of a bar with the space around it.
const ROW: f64 = 30.0;

/// The colour of a series as a CSS value.
pub(super) fn colour(series: usize) -> String {
    format!("var(--s{})", series % COLOURS)
}

/// A mean with its interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// A model's bar; a published figure is a diamond, dashed where it gives no verdict.
pub(super) struct Bar<'a> {
    pub(super) label: &'a str,
    pub(super) series: usize,
    pub(super) point: Point,
    pub(super) published: Vec<(f64, bool)>,
}

/// Horizontal bars from zero with intervals.
pub(super) fn bars(title: &str, bars: &[Bar<'_>]) -> String {
    let longest = bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
    let left = (longest as f64 * LETTER + 12.0).min(WIDTH * 0.42);
    let right = WIDTH - 52.0;
    let highest = bars
        .iter()
        .flat_map(|bar| bar.published.iter().map(|mark| mark.0).chain([bar.point.high, bar.point.value]));
    let (step, top) = scale(highest.fold(0.0, f64::max));
    let x = |value: f64| left + (right - left) * (value / top).clamp(0.0, 1.0);
    let bottom = ROW * bars.len() as f64 + 4.0;

    let mut svg = open(title, &in_words(bars, figure), bottom + 20.0);
    for tick in ticks(step, top) {
        let at = x(tick);
        let _ = write!(svg, r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="0" y2="{bottom:.1}"/>"#);
        let _ = write!(
            svg,
            r#"<text class="axis" x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            bottom + 15.0,
            label(tick, step)
        );
    }
    for (row, bar) in bars.iter().enumerate() {
        let middle = ROW * row as f64 + ROW / 2.0 + 2.0;
        bar_row(&mut svg, bar, middle, left, &x);
    }
    let _ =
        write!(svg, r#"<line class="zero" x1="{left:.1}" x2="{left:.1}" y1="0" y2="{bottom:.1}"/></svg>"#);
    svg
}

/// Horizontal bars to either side of zero, with intervals.
pub(super) fn differences(title: &str, bars: &[Bar<'_>]) -> String {
    let longest = bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
    let left = (longest as f64 * LETTER + 12.0).min(WIDTH * 0.42);
    let right = WIDTH - 12.0;
    let ends = |bar: &Bar<'_>| [bar.point.low, bar.point.high, bar.point.value];
    let reach = |sign: f64| bars.iter().flat_map(ends).map(|end| sign * end).fold(0.0, f64::max);
    // One step for both sides; a side on which nothing stands has no place.
    let (step, _) = scale(reach(1.0).max(reach(-1.0)));
    let [below, above] = [-1.0, 1.0].map(|sign| (reach(sign) / step - 1e-9).ceil().max(0.0) * step);
    let x = |value: f64| left + (right - left) * (value + below) / (below + above).max(step);
    let bottom = ROW * bars.len() as f64 + 4.0;

    let mut svg = open(title, &in_words(bars, signed), bottom + 20.0);
    for tick in ticks(step, below).skip(1).map(|tick| -tick).chain(ticks(step, above)) {
        let (at, sign) = (x(tick), if tick < 0.0 { "−" } else { "" });
        let class = if tick == 0.0 { "zero" } else { "grid" };
        let _ = write!(svg, r#"<line class="{class}" x1="{at:.1}" x2="{at:.1}" y1="0" y2="{bottom:.1}"/>"#);
        let _ = write!(
            svg,
            r#"<text class="axis" x="{at:.1}" y="{:.1}" text-anchor="middle">{sign}{}</text>"#,
            bottom + 15.0,
            label(tick.abs(), step)
        );
    }
    for (row, bar) in bars.iter().enumerate() {
        let middle = ROW * row as f64 + ROW / 2.0 + 2.0;
        let Point { value, low, high } = bar.point;
        name(&mut svg, bar.label, left, middle);
        rectangle(&mut svg, (x(value.min(0.0)), x(value.max(0.0))), middle, bar.series);
        whisker(&mut svg, "whisker", "", x(low), x(high), middle);
    }
    svg.push_str("</svg>");
    svg
}

/// A bar's name, left of where it begins.
fn name(svg: &mut String, label: &str, left: f64, middle: f64) {
    // What has just room is not to be cut by rounding.
    let limit = ((left - 12.0) / LETTER + 1e-6).floor().max(4.0) as usize;
    let _ = write!(
        svg,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
        left - 8.0,
        middle + 4.0,
        escape(&shortened(label, limit))
    );
}

fn rectangle(svg: &mut String, (from, to): (f64, f64), middle: f64, series: usize) {
    let _ = write!(
        svg,
        r#"<rect x="{from:.1}" y="{:.1}" width="{:.1}" height="18" rx="2" style="fill:{}"/>"#,
        middle - 9.0,
        (to - from).max(0.5),
        colour(series)
    );
}

fn bar_row(svg: &mut String, bar: &Bar<'_>, middle: f64, left: f64, x: &dyn Fn(f64) -> f64) {
    let Point { value, low, high } = bar.point;
    name(svg, bar.label, left, middle);
    rectangle(svg, (left, x(value)), middle, bar.series);
    whisker(svg, "whisker", "", x(low), x(high), middle);
    for &(figure, doubt) in &bar.published {
        let (at, class) = (x(figure), if doubt { "mark doubt" } else { "mark" });
        let _ = write!(svg, r#"<path class="{class}" d="M{at:.1} {:.1}l6 6l-6 6l-6 -6z"/>"#, middle - 6.0);
    }
    let ends = bar.published.iter().map(|&(figure, _)| x(figure) + 6.0);
    let end = ends.fold(x(high.max(value)), f64::max);
    let _ = write!(svg, r#"<text x="{:.1}" y="{:.1}">{}</text>"#, end + 6.0, middle + 4.0, figure(value));
}

fn whisker(svg: &mut String, class: &str, style: &str, from: f64, to: f64, y: f64) {
    let _ = write!(
        svg,
        r#"<path class="{class}"{style} d="M{from:.1} {y:.1}H{to:.1}M{from:.1} {a:.1}V{b:.1}M{to:.1} {a:.1}V{b:.1}"/>"#,
        a = y - 4.0,
        b = y + 4.0
    );
}

/// A model's figures, one per bucket.
pub(super) struct Series<'a> {
    pub(super) label: &'a str,
    pub(super) colour: usize,
    pub(super) points: Vec<Option<Point>>,
}

/// Points with intervals over buckets, joined by lines; series are set apart so that intervals do not cover
/// each other.
pub(super) fn trends(title: &str, buckets: &[String], series: &[Series<'_>]) -> String {
    const HEIGHT: f64 = 210.0;
    let (left, right) = (42.0, WIDTH - 8.0);
    let highest = series.iter().flat_map(|one| one.points.iter().flatten()).map(|point| point.high);
    let (step, top) = scale(highest.fold(0.0, f64::max));
    let y = |value: f64| 8.0 + HEIGHT * (1.0 - (value / top).clamp(0.0, 1.0));
    let slot = (right - left) / buckets.len().max(1) as f64;
    let apart = (slot * 0.6 / series.len().max(1) as f64).min(14.0);
    let x = |bucket: usize, at: usize| {
        left + slot * (bucket as f64 + 0.5) + apart * (at as f64 - (series.len() as f64 - 1.0) / 2.0)
    };

    let mut svg = open(title, &trends_in_words(buckets, series), HEIGHT + 32.0);
    for tick in ticks(step, top) {
        let at = y(tick);
        let class = if tick > 0.0 { "grid" } else { "zero" };
        let _ = write!(svg, r#"<line class="{class}" x1="{left}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/>"#);
        let _ = write!(
            svg,
            r#"<text class="axis" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            left - 6.0,
            at + 4.0,
            label(tick, step)
        );
    }
    for (bucket, name) in buckets.iter().enumerate() {
        let at = left + slot * (bucket as f64 + 0.5);
        let text = escape(name);
        let _ = write!(
            svg,
            r#"<text class="axis" x="{at:.1}" y="{:.1}" text-anchor="middle">{text}</text>"#,
            HEIGHT + 26.0
        );
    }
    for (at, one) in series.iter().enumerate() {
        let known = one.points.iter().enumerate().filter_map(|(bucket, point)| Some((bucket, (*point)?)));
        let places: Vec<(f64, Point)> = known.map(|(bucket, point)| (x(bucket, at), point)).collect();
        trend(&mut svg, &places, one.colour, &y);
    }
    svg + "</svg>"
}

fn trend(svg: &mut String, places: &[(f64, Point)], series: usize, y: &dyn Fn(f64) -> f64) {
    let line: Vec<String> = places.iter().map(|(x, point)| format!("{x:.1},{:.1}", y(point.value))).collect();
    let colour = colour(series);
    let _ = write!(svg, r#"<polyline class="trend" style="stroke:{colour}" points="{}"/>"#, line.join(" "));
    for (x, point) in places {
        let (low, high) = (y(point.low), y(point.high));
        let _ = write!(svg, r#"<path class="thin" style="stroke:{colour}" d="M{x:.1} {low:.1}V{high:.1}"/>"#);
        let _ =
            write!(svg, r#"<circle cx="{x:.1}" cy="{:.1}" r="4" style="fill:{colour}"/>"#, y(point.value));
    }
}

pub(super) fn open(title: &str, description: &str, height: f64) -> String {
    let (title, description) = (escape(title), escape(description));
    format!(
        r#"<svg viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{title}"><title>{title}</title><desc>{description}</desc>"#
    )
}

fn in_words(bars: &[Bar<'_>], figure: fn(f64) -> String) -> String {
    let one = |bar: &Bar<'_>| {
        let published: Vec<String> =
            bar.published.iter().map(|mark| format!(", published {}", figure(mark.0))).collect();
        let published = published.concat();
        let Point { value, low, high } = bar.point;
        format!("{} {} ({} to {}){published}", bar.label, figure(value), figure(low), figure(high))
    };
    bars.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn trends_in_words(buckets: &[String], series: &[Series<'_>]) -> String {
    let one = |series: &Series<'_>| {
        let known = buckets.iter().zip(&series.points).filter_map(|(name, point)| Some((name, (*point)?)));
        let values: Vec<String> =
            known.map(|(name, point)| format!("{name}: {}", figure(point.value))).collect();
        format!("{}: {}", series.label, values.join(", "))
    };
    series.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A round step of about a quarter of the largest value, and the multiple of it above that value.
pub(super) fn scale(largest: f64) -> (f64, f64) {
    if largest <= 0.0 || !largest.is_finite() {
        return (0.25, 1.0);
    }
    let rough = largest / 4.0;
    let unit = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * unit).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * unit);
    (step, (largest / step - 1e-9).ceil().max(1.0) * step)
}

pub(super) fn ticks(step: f64, top: f64) -> impl Iterator<Item = f64> {
    (0..=(top / step).round() as u32).map(move |at| f64::from(at) * step)
}

/// A tick with as many decimals as its step has.
pub(super) fn label(tick: f64, step: f64) -> String {
    let exact = |decimals: &usize| {
        let scaled = step * 10.0_f64.powi(*decimals as i32);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    };
    let decimals = (0..6).find(exact).unwrap_or(6);
    let text = format!("{tick:.decimals$}");
    text.strip_prefix('0').filter(|rest| rest.starts_with('.')).map_or(text.clone(), str::to_owned)
}

fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_on_a_round_number_above_the_values() {
        for (largest, step, top) in
            [(0.13, 0.05, 0.15), (0.2, 0.05, 0.2), (0.0091, 0.0025, 0.01), (0.0, 0.25, 1.0)]
        {
            let found = scale(largest);
            assert!((found.0 - step).abs() < 1e-12 && (found.1 - top).abs() < 1e-12, "{largest}: {found:?}");
        }
        assert_eq!(
            [(0.05, 0.05), (0.0, 0.05), (0.0025, 0.0025), (1.0, 0.5)].map(|(t, s)| label(t, s)),
            [".05", ".00", ".0025", "1.0"]
        );
    }

    #[test]
    fn names_that_fit_are_not_cut() {
        for letters in 4..30 {
            let label = "m".repeat(letters);
            let point = Point { value: 0.1, low: 0.08, high: 0.12 };
            let svg = bars("NDCG@10", &[Bar { label: &label, series: 0, point, published: Vec::new() }]);
            assert!(svg.contains(&format!(">{label}</text>")), "{letters} letters: {svg}");
        }
    }

    #[test]
    fn a_plot_says_its_values_in_words_and_escapes_names() {
        let point = Point { value: 0.1, low: 0.08, high: 0.12 };
        let bar = Bar { label: "a<b & \"c\"", series: 0, point, published: vec![(0.11, false)] };
        let svg = bars("NDCG@10", &[bar]);
        assert!(
            svg.contains("<desc>a&lt;b &amp; &quot;c&quot; .1000 (.0800 to .1200), published .1100</desc>"),
            "{svg}"
        );
        assert!(!svg.contains("a<b"));
    }
}
