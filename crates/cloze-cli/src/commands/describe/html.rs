//! The description as one page, with plots as SVG: no script, nothing fetched.

use std::fmt::Write as _;

use super::plot::{Plot, plots};
use super::{Shown, quantiles};
use crate::text::count;

const STYLE: &str = include_str!("style.css");
const ROW: f64 = 22.0;
const LEFT: f64 = 150.0;
const WIDTH: f64 = 640.0;

/// The page.
pub(super) fn page(shown: &Shown) -> String {
    let data = &shown.data;
    let title = escape(&shown.heading());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    if shown.synthetic {
        page.push_str("<p class=\"warning\">Generated data, not real.</p>\n");
    }
    for warning in &data.warnings {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", escape(warning));
    }
    page.push_str("<table>\n");
    for (name, value) in &shown.facts {
        let _ = writeln!(page, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value));
    }
    page.push_str("</table>\n<table class=\"numbers\">\n<tr><th>interactions</th>");
    for title in ["min", "25 %", "median", "75 %", "90 %", "99 %", "max", "mean"] {
        let _ = write!(page, "<th>{title}</th>");
    }
    page.push_str("</tr>\n");
    for (name, of) in [("per user", &data.lengths), ("per item", &data.popularity)] {
        let _ = writeln!(page, "<tr><th>{name}</th><td>{}</td></tr>", quantiles(of).join("</td><td>"));
    }
    page.push_str("</table>\n");
    for plot in plots(data) {
        page.push_str(&figure(&plot));
    }
    let _ = writeln!(page, "<footer>cloze {}</footer>\n</body>\n</html>", env!("CARGO_PKG_VERSION"));
    page
}

/// Horizontal bars; the values stand in words too, for readers who do not see them.
fn figure(plot: &Plot) -> String {
    let height = ROW * plot.bars.len() as f64 + 6.0;
    let most = plot.bars.iter().map(|bar| bar.1).max().unwrap_or(0).max(1);
    let room = WIDTH - LEFT - 90.0;
    let words: Vec<_> =
        plot.bars.iter().map(|(name, value)| format!("{name}: {}", count(*value as usize))).collect();
    let mut figure = format!(
        "<figure><figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\
         <title>{}</title><desc>{} ({})</desc>\n",
        escape(plot.title),
        escape(plot.title),
        escape(&words.join("; ")),
        plot.unit
    );
    for (row, (name, value)) in plot.bars.iter().enumerate() {
        let (top, width) = (ROW * row as f64 + 3.0, room * *value as f64 / most as f64);
        let (base, left, end) = (top + 13.0, LEFT - 8.0, LEFT + width + 6.0);
        let _ = writeln!(
            figure,
            "<text x=\"{left}\" y=\"{base}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"17\" rx=\"2\"/>\
             <text x=\"{end:.1}\" y=\"{base}\">{}</text>",
            escape(name),
            count(*value as usize)
        );
    }
    figure + "</svg></figure>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
