//! Bars of time: how much of it is in each account.

use fratmae_observe::{Lost, Snapshot};
use fratmae_telemetry::{Account, Accounts};
use ratatui::{
    Frame,
    layout::Rect,
    style::Color,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{Paint, headed, words};

/// Draws where the time of all workers went: a bar, and what its parts are.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, paint: Paint) {
    let accounts = &snapshot.accounts;
    let block = headed(heading(snapshot), paint);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let mut lines = vec![line(accounts, inside.width, paint)];
    lines.extend(legend(accounts, inside.width.into(), paint));
    frame.render_widget(Paragraph::new(lines), inside);
}

fn heading(snapshot: &Snapshot) -> String {
    let total = snapshot.accounts.total();
    let Lost {
        rewind,
        partial,
        silent,
    } = snapshot.lost;
    let lost = rewind.saturating_add(partial).saturating_add(silent);
    let kept = snapshot.accounts.productive().saturating_sub(lost);
    if total == 0 {
        return "time of workers: none is known ".to_owned();
    }
    let mut text = format!(
        "time of workers: {}, goodput {:.1} %",
        words::long(total as f64 / 1e9),
        percent(kept, total)
    );
    if lost > 0 {
        text.push_str(&format!(", lost {:.1} %", percent(lost, total)));
    }
    let capacity = snapshot.capacity;
    if capacity.missing_ns > 0 {
        let asked = capacity.present_ns.saturating_add(capacity.missing_ns);
        let there = percent(capacity.present_ns, asked);
        text.push_str(&format!(", availability {there:.1} %"));
    }
    text.push(' ');
    text
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// A bar of so many columns. Its parts differ in colour, or in their letter where there are no colours.
pub(super) fn line(accounts: &Accounts, width: u16, paint: Paint) -> Line<'static> {
    let total = accounts.total();
    if total == 0 || width == 0 {
        return Line::default();
    }
    // Each part ends at its share of the columns, so that rounding moves no other.
    let ends = accounts.iter().scan(0_u128, |sum, (account, time)| {
        *sum += u128::from(time);
        Some((
            account,
            (*sum * u128::from(width) / u128::from(total)) as usize,
        ))
    });
    let mut drawn = 0;
    let parts = ends.map(|(account, end)| {
        let columns = end.saturating_sub(std::mem::replace(&mut drawn, end));
        Span::styled(
            mark(account, paint).repeat(columns),
            paint.of(colour(account)),
        )
    });
    Line::from(
        parts
            .filter(|part| !part.content.is_empty())
            .collect::<Vec<_>>(),
    )
}

/// The accounts in the bar, the largest first, as many as two rows hold.
fn legend(accounts: &Accounts, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let total = accounts.total();
    let mut parts: Vec<_> = accounts.iter().filter(|(_, time)| *time > 0).collect();
    parts.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    let mut lines = vec![Line::default()];
    for (account, time) in parts {
        let share = percent(time, total);
        let text = format!(" {} {share:.1} %  ", account.name());
        let line = lines.last_mut();
        if line.is_some_and(|line| line.width() + text.len() >= width) {
            lines.push(Line::default());
        }
        if let Some(line) = lines.last_mut() {
            line.push_span(Span::styled(
                mark(account, paint),
                paint.of(colour(account)),
            ));
            line.push_span(Span::raw(text));
        }
    }
    lines.truncate(2);
    lines
}

fn mark(account: Account, paint: Paint) -> &'static str {
    match (paint.colour, account) {
        (true, _) => "█",
        (false, Account::Start) => "S",
        (false, Account::Join) => "j",
        (false, Account::Restore) => "R",
        (false, Account::Load) => "l",
        (false, Account::Forward) => "f",
        (false, Account::Backward) => "b",
        (false, Account::Optimizer) => "o",
        (false, Account::Transfer) => "t",
        (false, Account::Wait) => "w",
        (false, Account::Checkpoint) => "c",
        (false, Account::Regroup) => "r",
        (false, Account::Standby) => "s",
        (false, Account::Drain) => "d",
    }
}

/// What moves weights is green to blue, what waits yellow, what a failure costs red.
const fn colour(account: Account) -> Color {
    match account {
        Account::Forward => Color::Green,
        Account::Backward => Color::LightGreen,
        Account::Optimizer => Color::Cyan,
        Account::Transfer => Color::Blue,
        Account::Load => Color::Magenta,
        Account::Wait => Color::Yellow,
        Account::Checkpoint => Color::LightMagenta,
        Account::Restore => Color::LightRed,
        Account::Regroup => Color::Red,
        Account::Start | Account::Join => Color::Gray,
        Account::Standby | Account::Drain => Color::DarkGray,
    }
}
