//! Draws a scene: from top to bottom the run, its loss, where its workers' time went, each worker, and what happened.

mod bar;
mod chart;
mod words;

use fratmae_dataset::printable;
use fratmae_observe::{RunState, Seat, WorkerView};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Cell, Clear, LineGauge, Paragraph, Row, Table},
};

use super::{
    scene::Scene,
    view::{self, List, View},
};
use crate::progress::shortened;

/// Below this score a rank is slow: it takes half as long again as the best.
const SLOW: f64 = 0.67;
/// From so many columns on a table of workers has their hosts and bars.
const WIDE: u16 = 110;

/// How things look where there are colours, and where there are none.
#[derive(Debug, Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn of(self, colour: Color) -> Style {
        match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    const fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    const fn aside(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What should be looked at.
    fn alarm(self) -> Style {
        self.of(Color::Red).add_modifier(Modifier::BOLD)
    }
}

/// Draws all of it, and tells the view how many rows there is room for.
pub(super) fn draw(frame: &mut Frame<'_>, scene: &Scene, view: &mut View, colour: bool) {
    let paint = Paint { colour };
    let all = frame.area();
    let more = all.height.saturating_sub(24);
    let [title, progress, figures, loss, time, workers, news, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(5 + more / 3),
        Constraint::Length(4),
        Constraint::Min(5),
        Constraint::Length(3 + more / 5),
        Constraint::Length(1),
    ])
    .areas(all);
    draw_title(frame, title, scene, paint);
    draw_progress(frame, progress, scene, paint);
    let line = words::figures(&scene.snapshot, figures.width.into());
    frame.render_widget(Paragraph::new(line), figures);
    chart::draw(frame, loss, scene, paint);
    bar::draw(frame, time, &scene.snapshot, paint);
    draw_workers(frame, workers, scene, view, paint);
    draw_news(frame, news, scene, view, paint);
    draw_foot(frame, foot, scene, view, paint);
    if view.shows_keys {
        draw_keys(frame, all, paint);
    }
}

/// Text from outside, without what would steer the terminal.
fn plain(text: &str) -> String {
    printable(text).into_owned()
}

/// A heading above a part, in a rule over its whole width.
fn headed(title: impl Into<Line<'static>>, paint: Paint) -> Block<'static> {
    let block = Block::new().borders(Borders::TOP);
    block.title(title.into()).border_style(paint.aside())
}

fn draw_title(frame: &mut Frame<'_>, area: Rect, scene: &Scene, paint: Paint) {
    let (state, colour) = match scene.snapshot.state {
        RunState::Waiting => ("waiting for workers", Color::Yellow),
        RunState::Training => ("training", Color::Green),
        RunState::Stopping => ("stopping", Color::Yellow),
        RunState::Finished => ("finished", Color::Green),
        RunState::Interrupted => ("interrupted", Color::Yellow),
        RunState::Failed => ("failed", Color::Red),
        RunState::Stopped => ("stopped", Color::Red),
    };
    let state = Span::styled(state, paint.of(colour).add_modifier(Modifier::BOLD));
    let room = usize::from(area.width).saturating_sub(state.width() + 2);
    let name = ending(&plain(&scene.snapshot.run), room);
    let gap = usize::from(area.width).saturating_sub(state.width() + Span::raw(&*name).width());
    let line = Line::from(vec![
        Span::styled(name, paint.heading()),
        Span::raw(" ".repeat(gap)),
        state,
    ]);
    frame.render_widget(Paragraph::new(line), area);
}

/// The end of a text in so many letters: it tells addresses apart.
fn ending(text: &str, room: usize) -> String {
    let letters = text.chars().count();
    match letters <= room {
        true => text.to_owned(),
        false => {
            let end = text.chars().skip(letters + 1 - room.max(1));
            std::iter::once('…').chain(end).collect()
        }
    }
}

fn draw_progress(frame: &mut Frame<'_>, area: Rect, scene: &Scene, paint: Paint) {
    let (step, last) = (scene.snapshot.step, scene.snapshot.last_step);
    let ratio = (step as f64 / last.max(1) as f64).clamp(0.0, 1.0);
    let gauge = LineGauge::default()
        .ratio(ratio)
        .label(format!("step {step} of {last} ({:.0} %)", 100.0 * ratio))
        .filled_symbol("█")
        .unfilled_symbol("░")
        .filled_style(paint.of(Color::Cyan))
        .unfilled_style(paint.aside());
    frame.render_widget(gauge, area);
}

fn draw_workers(frame: &mut Frame<'_>, area: Rect, scene: &Scene, view: &mut View, paint: Paint) {
    let title = list_title("workers", List::Workers, view, paint);
    let block = headed(title, paint);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    // One row is the header.
    let room = usize::from(inside.height.saturating_sub(1));
    let first = view.first(List::Workers, scene, room);
    let is_wide = area.width >= WIDE;
    let longest = |text: fn(&WorkerView) -> &str, most: usize| {
        let texts = scene
            .snapshot
            .workers
            .iter()
            .map(|it| plain(text(it)).chars().count());
        texts.max().unwrap_or(0).clamp(6, most) as u16
    };
    let mut widths = vec![
        Constraint::Length(7),
        Constraint::Length(longest(|worker| &worker.name, 24)),
        Constraint::Length(7),
        Constraint::Length(10),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(5),
    ];
    let mut header = vec!["rank", "worker", "step", "phase", "in it", "heard", "score"];
    if is_wide {
        widths.extend([
            Constraint::Length(longest(|it| &it.host, 30)),
            Constraint::Min(10),
        ]);
        header.extend(["host", "its time"]);
    }
    let used: u16 = 2 * 8 + longest(|it| &it.name, 24) + 43 + longest(|it| &it.host, 30);
    let bar_width = area.width.saturating_sub(used);
    let rows = view.workers(scene).skip(first).take(room);
    let rows = rows.map(|worker| worker_row(worker, is_wide.then_some(bar_width), paint));
    let table = Table::new(rows, widths)
        .header(Row::new(header).style(paint.aside()))
        .column_spacing(2);
    frame.render_widget(table, inside);
}

fn worker_row(worker: &WorkerView, bar_width: Option<u16>, paint: Paint) -> Row<'static> {
    let place = match (worker.seat, worker.rank) {
        (Seat::Member, Some(rank)) => rank.to_string(),
        (Seat::Member, None) => "-".to_owned(),
        (Seat::Standby, _) => "standby".to_owned(),
        (Seat::Leaving, _) => "leaving".to_owned(),
    };
    let score = worker.relative_score;
    let is_slow = score.is_some_and(|score| score < SLOW);
    let score = score.map_or_else(|| "-".to_owned(), |score| format!("{score:.2}"));
    let style = if is_slow { paint.alarm() } else { Style::new() };
    // No coordinator says what it does.
    let is_heard = !worker.phase.is_empty();
    let heard = |text: String| if is_heard { text } else { "-".to_owned() };
    let mut cells = vec![
        Cell::from(place),
        Cell::from(shortened(&plain(&worker.name), 24)),
        Cell::from(worker.step.to_string()),
        Cell::from(heard(plain(&worker.phase))),
        Cell::from(heard(words::brief(worker.still_ms))),
        Cell::from(heard(words::brief(worker.silent_ms))),
        Cell::from(Span::styled(score, style)),
    ];
    if let Some(width) = bar_width {
        cells.push(Cell::from(shortened(&plain(&worker.host), 30)));
        cells.push(Cell::from(bar::line(&worker.accounts, width, paint)));
    }
    Row::new(cells)
}

fn draw_news(frame: &mut Frame<'_>, area: Rect, scene: &Scene, view: &mut View, paint: Paint) {
    let block = headed(list_title("events", List::News, view, paint), paint);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let room = usize::from(inside.height);
    let first = view.first(List::News, scene, room);
    let width = usize::from(inside.width);
    let mut lines: Vec<Line<'_>> = Vec::new();
    for urgent in scene.trouble.iter().chain(&scene.findings) {
        let text = shortened(&plain(urgent), width);
        lines.push(Line::styled(text, paint.alarm()));
    }
    let news = view.news(scene).skip(first).take(room);
    lines.extend(news.map(|line| Line::raw(shortened(&plain(line), width))));
    if lines.is_empty() {
        lines.push(Line::styled("nothing to report", paint.aside()));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

/// A list's name, marked where arrows move in it.
fn list_title(name: &'static str, list: List, view: &View, paint: Paint) -> Line<'static> {
    match view.list == list {
        true => Line::styled(format!("▸ {name} "), paint.heading()),
        false => Line::raw(format!("{name} ")),
    }
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, scene: &Scene, view: &View, paint: Paint) {
    let mut parts = vec![Span::styled(
        "q end  ? keys  space hold  / filter  Tab list  ↑↓ move",
        paint.aside(),
    )];
    if view.is_typing || !view.filter.is_empty() {
        let cursor = if view.is_typing { "▏" } else { "" };
        let text = format!("  filter: {}{cursor}", plain(&view.filter));
        parts.push(Span::styled(text, paint.heading()));
    }
    if view.is_paused() {
        parts.push(Span::styled(
            "  HELD",
            paint.of(Color::Yellow).add_modifier(Modifier::BOLD),
        ));
    }
    let mut line = Line::from(parts);
    let time = words::time(scene.snapshot.unix_ms);
    let room = usize::from(area.width).saturating_sub(line.width());
    if room > time.len() {
        line.push_span(Span::styled(format!("{time:>room$}"), paint.aside()));
    }
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_keys(frame: &mut Frame<'_>, all: Rect, paint: Paint) {
    let rows = view::KEYS.map(|(keys, what)| Line::from(format!(" {keys:<14}{what}")));
    let (width, height) = (54, rows.len() as u16 + 2);
    let area = Rect {
        x: all.width.saturating_sub(width) / 2,
        y: all.height.saturating_sub(height) / 2,
        width: width.min(all.width),
        height: height.min(all.height),
    };
    let block = Block::bordered().title(Line::styled(" keys ", paint.heading()));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(rows.to_vec()).block(block), area);
}

#[cfg(test)]
mod tests;
