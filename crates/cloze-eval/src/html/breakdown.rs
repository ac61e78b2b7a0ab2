//! Plots by popularity and familiarity of the target and by length of the history.

use std::fmt::Write;

use crate::breakdown::{BreakdownRow, Factor};
use crate::html::svg::{Point, Series, colour, trends};
use crate::html::{Section, escape};
use crate::metrics::Metric;
use crate::report_analysis::{bucket_name, buckets_of, main_protocol};
use crate::table::count;

impl Section<'_> {
    pub(super) fn breakdowns(&self, page: &mut String) {
        let all: Vec<&BreakdownRow> = self
            .analysis
            .breakdowns
            .iter()
            .filter(|row| self.part.has(&row.dataset, &row.split, row.fit))
            .filter(|row| row.metric == Metric::Ndcg(10))
            .collect();
        let Some(protocol) = main_protocol(&all) else { return };
        let rows: Vec<&BreakdownRow> = all.into_iter().filter(|row| row.protocol == protocol).collect();
        let _ = writeln!(
            page,
            "<h3>Where the figures come from: NDCG@10, {protocol}</h3>\n<ul class=\"legend\">"
        );
        for (at, model) in self.models.iter().enumerate() {
            let _ = writeln!(page, "<li><i style=\"background:{}\"></i>{}</li>", colour(at), escape(model));
        }
        page.push_str("</ul>\n<div class=\"plots\">\n");
        for by in Factor::ALL {
            self.breakdown(page, by, &rows);
        }
        page.push_str("</div>\n");
    }

    fn breakdown(&self, page: &mut String, by: Factor, rows: &[&BreakdownRow]) {
        let buckets = buckets_of(rows, by);
        if buckets.is_empty() {
            return;
        }
        let names: Vec<String> = buckets.iter().map(|&(from, to, _)| bucket_name(by, from, to)).collect();
        let point = |model: &str, from: u64, to: u64| {
            let same =
                |row: &&&BreakdownRow| row.model == model && row.by == by && (row.from, row.to) == (from, to);
            let found = rows.iter().find(same)?;
            Some(Point { value: found.value, low: found.low, high: found.high })
        };
        let series: Vec<Series<'_>> = self
            .models
            .iter()
            .enumerate()
            .map(|(at, &model)| Series {
                label: model,
                colour: at,
                points: buckets.iter().map(|&(from, to, _)| point(model, from, to)).collect(),
            })
            .collect();
        let unit = match by {
            Factor::TargetPopularity => "interactions of the target in training",
            Factor::HistoryLength => "items in the user's history",
            Factor::TargetFamiliarity => "% of the history in the target's categories, mean over these",
        };
        let users: Vec<String> =
            names.iter().zip(&buckets).map(|(name, bucket)| format!("{name}: {}", count(bucket.2))).collect();
        let _ = writeln!(
            page,
            "<figure><figcaption>By {by}</figcaption>{}<p class=\"soft\">{unit}; users {}</p></figure>",
            trends(&format!("NDCG@10 by {by}"), &names, &series),
            users.join(", ")
        );
    }
}
