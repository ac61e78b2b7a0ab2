//! Histograms: what they show, and how a terminal shows them.

use cloze_data::{Bucket, Description};

use super::time;
use crate::text::count;

/// Widest bar, in characters.
const BAR: usize = 50;
/// Eighths of a character.
const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A histogram.
pub(super) struct Plot {
    pub(super) title: &'static str,
    /// What is counted.
    pub(super) unit: &'static str,
    pub(super) bars: Vec<(String, u64)>,
}

/// The histograms of a data set.
pub(super) fn plots(data: &Description) -> Vec<Plot> {
    let range = |bucket: &Bucket| {
        let (from, to) = (count(bucket.from as usize), count(bucket.to as usize));
        (if bucket.from == bucket.to { from } else { format!("{from} to {to}") }, bucket.count)
    };
    let mut plots = vec![
        Plot {
            title: "Users by number of interactions",
            unit: "users",
            bars: data.lengths.histogram.iter().map(range).collect(),
        },
        Plot {
            title: "Items by number of interactions",
            unit: "items",
            bars: data.popularity.histogram.iter().map(range).collect(),
        },
    ];
    if !data.timeline.is_empty() {
        let bars = days(data.timeline.iter().map(|span| (time(data, span.from), span.count)).collect());
        plots.push(Plot { title: "Interactions over time, from", unit: "interactions", bars });
    }
    plots
}

/// Days without the time of day, where that is enough to tell them apart.
fn days(bars: Vec<(String, u64)>) -> Vec<(String, u64)> {
    let day = |name: &str| name.split(' ').next().unwrap_or_default().to_owned();
    if bars.windows(2).any(|pair| day(&pair[0].0) == day(&pair[1].0)) {
        return bars;
    }
    bars.into_iter().map(|(name, count)| (day(&name), count)).collect()
}

impl Plot {
    /// A line for each bar.
    pub(super) fn render(&self) -> String {
        let widest = |text: &dyn Fn(&(String, u64)) -> String| {
            self.bars.iter().map(|bar| text(bar).chars().count()).max().unwrap_or(0)
        };
        let number = |bar: &(String, u64)| count(bar.1 as usize);
        let (names, numbers) = (widest(&|bar| bar.0.clone()), widest(&number));
        let most = self.bars.iter().map(|bar| bar.1).max().unwrap_or(0).max(1);
        let mut text = format!("{}\n", self.title);
        for bar in &self.bars {
            let eighths = (bar.1 as f64 / most as f64 * (BAR * 8) as f64).round() as usize;
            // A bar that is not zero is seen.
            let eighths = if bar.1 > 0 { eighths.max(1) } else { 0 };
            let drawn = "█".repeat(eighths / 8) + PARTS[eighths % 8];
            let line = format!("  {:>names$}  {:>numbers$}  {drawn}", bar.0, number(bar));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Plot;

    #[test]
    fn bars_are_in_proportion_and_the_smallest_is_seen() {
        let bars = [("1", 1000), ("2", 500), ("3", 1), ("4", 0)];
        let bars = bars.map(|(name, count)| (name.to_owned(), count)).to_vec();
        let text = Plot { title: "T", unit: "users", bars }.render();
        let lengths: Vec<_> = text.lines().skip(1).map(|line| line.matches('█').count()).collect();
        assert_eq!(lengths, [50, 25, 0, 0]);
        assert!(text.contains("3      1  ▏\n") && text.ends_with("4      0\n"), "{text}");
    }
}
