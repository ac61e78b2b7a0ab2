//! The learning curves of a page.

use std::fmt::Write;

use crate::curve::{CurvePoint, convergence, model_curves};
use crate::html::lines::{Line, lines};
use crate::html::svg::colour;
use crate::html::{Section, escape};

impl Section<'_> {
    /// Validation quality against steps and against seconds, and the loss: of models that learn by steps.
    pub(super) fn curves(&self, page: &mut String) {
        let curves = model_curves(&self.evaluations);
        if curves.is_empty() {
            return;
        }
        page.push_str("<h3>Learning curves, means over seeds</h3>\n<ul class=\"legend\">\n");
        for curve in &curves {
            let (colour, name) = (colour(self.series(curve.model)), escape(curve.model));
            let _ = writeln!(page, "<li><i style=\"background:{colour}\"></i>{name}</li>");
        }
        page.push_str("</ul>\n<div class=\"plots\">\n");
        let quality = |point: &CurvePoint| point.ndcg;
        let loss = |point: &CurvePoint| Some(point.loss);
        let steps = |point: &CurvePoint| point.step as f64;
        let mut plot = |title: &str,
                        unit: &str,
                        x: &dyn Fn(&CurvePoint) -> f64,
                        y: &dyn Fn(&CurvePoint) -> Option<f64>| {
            let all: Vec<Line<'_>> = curves
                .iter()
                .map(|curve| {
                    // What came before the last phase is in its seconds, and has other losses.
                    let last = curve.points.last().map(|point| &point.phase);
                    let of_last = curve.points.iter().filter(|point| Some(&point.phase) == last);
                    let points = of_last.filter_map(|point| Some((x(point), y(point)?))).collect();
                    Line { label: curve.model, colour: self.series(curve.model), points }
                })
                .filter(|line| !line.points.is_empty())
                .collect();
            if !all.is_empty() {
                let _ = writeln!(
                    page,
                    "<figure><figcaption>{title}</figcaption>{}<p class=\"soft\">{unit}</p></figure>",
                    lines(title, &all)
                );
            }
        };
        plot("Validation NDCG@10", "steps", &steps, &quality);
        plot("Validation NDCG@10", "seconds of training, all phases", &|point| point.seconds, &quality);
        plot("Training loss", "steps", &steps, &loss);
        page.push_str("</div>\n");
        let table = convergence(&self.evaluations);
        if !table.is_empty() {
            table.write_html(page, "How fast each came near its best");
        }
    }
}
