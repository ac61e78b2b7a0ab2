//! The bars of one protocol.

use std::fmt::Write;

use crate::comparison::Comparison;
use crate::html::svg::{Bar, Point, bars, differences};
use crate::html::{Section, escape};
use crate::metrics::Metric;
use crate::protocol::Protocol;

impl Section<'_> {
    /// Recall@10 and NDCG@10 side by side.
    pub(super) fn plots(&self, page: &mut String, protocol: Protocol) {
        page.push_str("<div class=\"plots\">\n");
        for (metric, name) in [(Metric::Ndcg(10), "NDCG@10"), (Metric::Recall(10), "Recall@10")] {
            let of_plot = self.rows.iter().filter(|row| row.protocol == protocol && row.metric == metric);
            let all: Vec<Bar<'_>> = of_plot
                .map(|row| Bar {
                    label: &row.model,
                    series: self.series(&row.model),
                    point: Point { value: row.value, low: row.low, high: row.high },
                    published: self
                        .figures_of(row)
                        .map(|it| (it.value, it.from_memory || !it.is_comparable(row.fit)))
                        .collect(),
                })
                .collect();
            let marked = all.iter().any(|bar| !bar.published.is_empty());
            let key = if marked { " <span class=\"soft\">◇ published</span>" } else { "" };
            let title = format!("{name} on {}, {protocol}", self.part.dataset);
            let _ = writeln!(
                page,
                "<figure><figcaption>{}{key}</figcaption>{}</figure>",
                escape(name),
                bars(&title, &all)
            );
        }
        page.push_str("</div>\n");
    }

    /// What each model has more or less than the baseline: of an ablation, what the change costs.
    pub(super) fn differences_plot(&self, page: &mut String, rows: &[&Comparison]) {
        let Some(first) = rows.first() else { return };
        let all: Vec<Bar<'_>> = rows
            .iter()
            .map(|row| Bar {
                label: &row.model,
                series: self.series(&row.model),
                point: Point { value: row.difference, low: row.low, high: row.high },
                published: Vec::new(),
            })
            .collect();
        let caption = format!("Difference of NDCG@10 from {}", first.baseline);
        let title = format!("{caption} on {}, {}", self.part.dataset, first.protocol);
        let _ = writeln!(
            page,
            "<div class=\"plots\"><figure><figcaption>{}</figcaption>{}</figure></div>",
            escape(&caption),
            differences(&title, &all)
        );
    }
}
