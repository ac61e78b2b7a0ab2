//! Learning curves as SVG: loss and validation NDCG@10 against steps, a row for each phase of the run.

use crate::progress::Record;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;

const WIDTH: u32 = 900;
const ROW: u32 = 260;
const LOSS: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const NDCG: RGBColor = RGBColor(0xc0, 0x50, 0x1e);

/// The curves of a run as one SVG document; without records an empty one.
pub(crate) fn svg(records: &[Record]) -> String {
    let mut text = String::new();
    let phases: Vec<&[Record]> = records.chunk_by(|a, b| a.phase == b.phase).collect();
    // Text that is drawn into a string has nothing to fail at, and a run does not end for want of a picture.
    if draw(&phases, &mut text).is_err() {
        text.clear();
    }
    text
}

fn draw(phases: &[&[Record]], text: &mut String) -> Result<(), Box<dyn Error>> {
    let height = ROW * phases.len().max(1) as u32;
    let root = SVGBackend::with_string(text, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    for (row, records) in root.split_evenly((phases.len().max(1), 1)).iter().zip(phases) {
        let phase = records.first().map_or("", |record| record.phase.as_str());
        let loss: Vec<(u64, f64)> = records.iter().map(|record| (record.step, record.loss)).collect();
        let ndcg: Vec<(u64, f64)> =
            records.iter().filter_map(|record| Some((record.step, record.validation_ndcg_10?))).collect();
        if ndcg.is_empty() {
            panel(row, &format!("{phase}: training loss"), &loss, LOSS, None)?;
            continue;
        }
        let (left, right) = row.split_horizontally(WIDTH / 2);
        panel(&left, &format!("{phase}: training loss"), &loss, LOSS, None)?;
        // The first of equals: what the loop keeps.
        let best = ndcg.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
        let named = best.map_or_else(String::new, |(step, value)| format!(", best {value:.4} at {step}"));
        panel(&right, &format!("{phase}: validation NDCG@10{named}"), &ndcg, NDCG, best)?;
    }
    root.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn panel(
    area: &Area<'_>,
    title: &str,
    points: &[(u64, f64)],
    colour: RGBColor,
    best: Option<(u64, f64)>,
) -> Result<(), Box<dyn Error>> {
    let points: Vec<(u64, f64)> = points.iter().copied().filter(|(_, y)| y.is_finite()).collect();
    let last = points.iter().map(|(step, _)| *step).max().unwrap_or(1);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .margin_right(28)
        .x_label_area_size(34)
        .y_label_area_size(56)
        .build_cartesian_2d(0..last.max(1), span(&points))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.4))
        .x_labels(6)
        .y_labels(6)
        .x_desc("steps")
        .label_style(("sans-serif", 12))
        .draw()?;
    chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
    if points.len() <= 40 {
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 2, colour.filled())))?;
    }
    chart.draw_series(best.map(|point| Circle::new(point, 5, colour.stroke_width(2))))?;
    Ok(())
}

/// The range of values with room around it, never empty.
fn span(points: &[(u64, f64)]) -> Range<f64> {
    let low = points.iter().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|(_, y)| *y).fold(f64::NEG_INFINITY, f64::max);
    if !low.is_finite() || !high.is_finite() {
        return 0.0..1.0;
    }
    let room = ((high - low) * 0.06).max(high.abs() * 0.01).max(1e-6);
    (low - room).max(if low >= 0.0 { 0.0 } else { f64::MIN })..high + room
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(phase: &str, step: u64, loss: f64, ndcg: Option<f64>) -> Record {
        Record {
            phase: phase.to_owned(),
            step,
            loss,
            learning_rate: 1e-3,
            gradient_norm: 1.0,
            validation_ndcg_10: ndcg,
            seconds: 0.0,
        }
    }

    #[test]
    fn every_phase_has_its_curves_and_the_best_step_is_named() {
        let records = [
            record("content", 50, 7.0, Some(0.01)),
            record("content", 100, 6.0, Some(0.04)),
            record("content", 150, 5.5, Some(0.03)),
            record("head", 50, 0.6, None),
        ];
        let text = svg(&records);
        for part in
            ["content: training loss", "content: validation NDCG@10", "best 0.0400 at 100", "head: training"]
        {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert!(!text.contains("head: validation"));
    }

    #[test]
    fn one_point_constant_values_and_broken_ones_are_drawn_too() {
        for records in [
            vec![],
            vec![record("a", 1, 0.0, None)],
            vec![record("a", 50, 2.0, Some(0.0)), record("a", 100, 2.0, Some(0.0))],
            vec![record("a", 50, f64::NAN, None), record("a", 100, f64::INFINITY, None)],
        ] {
            assert!(svg(&records).ends_with("</svg>\n"), "{records:?}");
        }
    }
}
