//! The table above all sections: one row for each, which leads there.

use std::fmt::Write;

use crate::html::tables::{close, open};
use crate::html::{anchor, escape};
use crate::metrics::Metric;
use crate::part::Part;
use crate::protocol::Protocol;
use crate::results::ResultRow;
use crate::table::figure;

/// NDCG@10 of every model in every section; nothing where there is one section only.
pub(super) fn overview(page: &mut String, parts: &[Part<'_>], rows: &[ResultRow]) {
    let full = rows.iter().find(|row| row.protocol == Protocol::Full);
    let Some(protocol) = full.or(rows.first()).map(|row| row.protocol).filter(|_| parts.len() > 1) else {
        return;
    };
    let rows: Vec<&ResultRow> =
        rows.iter().filter(|row| row.protocol == protocol && row.metric == Metric::Ndcg(10)).collect();
    let mut models: Vec<&str> = Vec::new();
    for row in &rows {
        if !models.contains(&row.model.as_str()) {
            models.push(&row.model);
        }
    }
    page.push_str("<nav>\n");
    let titles: Vec<&str> =
        ["<data set", "<split", "<fit on"].into_iter().chain(models.iter().copied()).collect();
    open(page, &format!("NDCG@10 under {protocol}; the best of a row in bold"), &titles);
    for part in parts {
        let (place, dataset) = (anchor(&part.title()), escape(part.dataset));
        let _ = write!(page, "<tr><th scope=\"row\"><a href=\"#{place}\">{dataset}</a></th>");
        let _ = write!(
            page,
            "<td class=\"text\">{}</td><td class=\"text\">{}</td>",
            escape(part.split),
            part.fit
        );
        let of = |model: &str| rows.iter().find(|row| row.model == model && Part::of_row(row) == *part);
        let values: Vec<Option<f64>> = models.iter().map(|model| of(model).map(|row| row.value)).collect();
        let best = values.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        for value in values {
            let cell = match value {
                Some(value) if value >= best => format!("<span class=\"top\">{}</span>", figure(value)),
                Some(value) => figure(value),
                None => "-".to_owned(),
            };
            let _ = write!(page, "<td>{cell}</td>");
        }
        page.push_str("</tr>\n");
    }
    close(page);
    page.push_str("</nav>\n");
}
