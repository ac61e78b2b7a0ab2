//! Lines over numbers: learning curves.

use std::fmt::Write;

use crate::html::svg::{WIDTH, colour, label, open, scale, ticks};
use crate::table::figure;

/// A line of a plot.
pub(super) struct Line<'a> {
    pub(super) label: &'a str,
    pub(super) colour: usize,
    /// x and y, by x.
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines over numbers from zero, on a scale of y that holds the values.
pub(super) fn lines(title: &str, all: &[Line<'_>]) -> String {
    const HEIGHT: f64 = 210.0;
    let (left, right) = (42.0, WIDTH - 16.0);
    let points = || all.iter().flat_map(|line| &line.points).filter(|(_, y)| y.is_finite());
    let extent = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)))
    };
    let (lowest, highest) = extent(&mut points().map(|point| point.1));
    // Losses lie close together far from zero, quality begins there.
    let from_zero = lowest < 0.5 * highest;
    let (step, top) = if from_zero { scale(highest) } else { (scale(highest - lowest).0, highest) };
    let base = if from_zero { 0.0 } else { (lowest / step).floor() * step };
    let top = base + ((top - base) / step - 1e-9).ceil().max(1.0) * step;
    let (x_step, x_top) = scale(extent(&mut points().map(|point| point.0)).1);
    let x = |value: f64| left + (right - left) * value / x_top;
    let y = |value: f64| 8.0 + HEIGHT * (1.0 - (value - base) / (top - base));

    let ends: Vec<String> = all
        .iter()
        .filter_map(|line| Some(format!("{} ends at {}", line.label, figure(line.points.last()?.1))))
        .collect();
    let mut svg = open(title, &ends.join("; "), HEIGHT + 32.0);
    for tick in ticks(step, top - base) {
        let at = y(base + tick);
        let class = if tick > 0.0 { "grid" } else { "zero" };
        let _ = write!(svg, r#"<line class="{class}" x1="{left}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/>"#);
        let (at, text) = (at + 4.0, label(base + tick, step));
        let _ = write!(
            svg,
            r#"<text class="axis" x="{:.1}" y="{at:.1}" text-anchor="end">{text}</text>"#,
            left - 6.0
        );
    }
    for tick in ticks(x_step, x_top) {
        let (at, text) = (x(tick), label(tick, x_step));
        let _ = write!(
            svg,
            r#"<text class="axis" x="{at:.1}" y="{:.1}" text-anchor="middle">{text}</text>"#,
            HEIGHT + 26.0
        );
    }
    for line in all {
        let finite = line.points.iter().filter(|(_, value)| value.is_finite());
        let places: Vec<String> =
            finite.map(|&(at, value)| format!("{:.1},{:.1}", x(at), y(value))).collect();
        let colour = colour(line.colour);
        let _ =
            write!(svg, r#"<polyline class="trend" style="stroke:{colour}" points="{}"/>"#, places.join(" "));
    }
    svg + "</svg>"
}
