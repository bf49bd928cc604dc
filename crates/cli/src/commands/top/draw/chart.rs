//! The curve of the loss.

use ratatui::{
    Frame,
    layout::Rect,
    style::Color,
    symbols::Marker,
    widgets::{Axis, Chart, Dataset, GraphType},
};

use super::{Paint, headed, words};
use crate::commands::top::scene::Scene;

/// Draws the loss over steps; the heading has the newest values.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene, paint: Paint) {
    let heading = words::losses(&scene.snapshot.metrics, area.width.into());
    let block = headed(heading, paint);
    // A column of braille has two dots.
    let points = thinned(&scene.losses, 2 * usize::from(area.width));
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        frame.render_widget(block, area);
        return;
    };
    let values = || points.iter().map(|(_, loss)| *loss);
    let least = values().fold(f64::INFINITY, f64::min);
    let most = values().fold(f64::NEG_INFINITY, f64::max);
    // A curve that is flat has some room around it.
    let room = ((most - least) * 0.05)
        .max(most.abs() * 1e-3)
        .max(f64::MIN_POSITIVE);
    let curve = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(paint.of(Color::Cyan))
        .data(&points);
    let chart = Chart::new(vec![curve])
        .block(block)
        .x_axis(Axis::default().bounds([first.0, last.0.max(first.0 + 1.0)]))
        .y_axis(
            Axis::default()
                .bounds([least - room, most + room])
                .labels([words::short(least), words::short(most)])
                .style(paint.aside()),
        )
        .legend_position(None);
    frame.render_widget(chart, area);
}

/// Means of at most so many runs of points that follow each other.
fn thinned(losses: &[(u64, f64)], most: usize) -> Vec<(f64, f64)> {
    let size = losses.len().div_ceil(most.max(1)).max(1);
    let mean = |points: &[(u64, f64)]| {
        let count = points.len() as f64;
        let step = points.iter().map(|(step, _)| *step as f64).sum::<f64>();
        let loss = points.iter().map(|(_, loss)| *loss).sum::<f64>();
        (step / count, loss / count)
    };
    losses.chunks(size).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_becomes_means_and_a_short_one_stays() {
        let losses: Vec<(u64, f64)> = (1..=1_000).map(|step| (step, step as f64)).collect();
        let points = thinned(&losses, 100);
        assert_eq!(points.len(), 100);
        assert_eq!(points[0], (5.5, 5.5));
        assert_eq!(
            thinned(&losses[..3], 100),
            [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
        );
        assert!(thinned(&[], 100).is_empty());
    }
}
