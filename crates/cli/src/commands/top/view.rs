//! What somebody wants to see of a scene, and the keys that say so.

use ratatui::termion::event::Key;

use super::scene::Scene;
use fratmae_observe::WorkerView;

/// Rows that a page up or down goes on by.
const PAGE: usize = 10;

/// The keys, for those who ask.
pub(super) const KEYS: [(&str, &str); 8] = [
    ("q, Ctrl-C", "end"),
    ("?", "these keys, and back"),
    ("space", "hold the picture still, and go on"),
    ("Tab", "from workers to events, and back"),
    ("↑ ↓, k j", "a row up or down"),
    ("PgUp PgDn", "ten rows up or down"),
    ("g G", "the first or the last row"),
    ("/", "only rows with a text; Esc: all rows"),
];

/// The list that arrows move in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum List {
    #[default]
    Workers,
    News,
}

/// What a key leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Draw,
    End,
}

/// How somebody looks at a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) list: List,
    pub(super) filter: String,
    pub(super) is_typing: bool,
    pub(super) shows_keys: bool,
    is_paused: bool,
    /// The first row of each list that is shown, and how many are.
    first: [usize; 2],
    shown: [usize; 2],
}

impl View {
    pub(super) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Does what a key says.
    pub(super) fn press(&mut self, key: Key, scene: &Scene) -> Next {
        match key {
            Key::Ctrl('c') => return Next::End,
            key if self.is_typing => self.write(key),
            Key::Char('q') => return Next::End,
            _ if self.shows_keys => self.shows_keys = false,
            Key::Char('?') => self.shows_keys = true,
            Key::Char(' ') => self.is_paused = !self.is_paused,
            Key::Char('/') => self.is_typing = true,
            Key::Esc => self.filter.clear(),
            Key::Char('\t' | 'h' | 'l') | Key::BackTab | Key::Left | Key::Right => self.turn(),
            key => self.scroll(key),
        }
        self.fit(scene);
        Next::Draw
    }

    /// Keeps both lists within what there is.
    pub(super) fn fit(&mut self, scene: &Scene) {
        let rows = [self.workers(scene).count(), self.news(scene).count()];
        let lists = self.first.iter_mut().zip(self.shown).zip(rows);
        for ((first, shown), rows) in lists {
            *first = (*first).min(rows.saturating_sub(shown));
        }
    }

    /// The workers to be shown.
    pub(super) fn workers<'a>(&self, scene: &'a Scene) -> impl Iterator<Item = &'a WorkerView> {
        scene.snapshot.workers.iter().filter(|worker| {
            [&worker.name, &worker.host, &worker.phase]
                .into_iter()
                .any(|text| self.takes(text))
        })
    }

    /// The events to be shown.
    pub(super) fn news<'a>(&self, scene: &'a Scene) -> impl Iterator<Item = &'a String> {
        scene.news.iter().filter(|line| self.takes(line))
    }

    /// The first row to show of a list that there is room for so many rows of.
    pub(super) fn first(&mut self, list: List, scene: &Scene, room: usize) -> usize {
        self.shown[list as usize] = room;
        self.fit(scene);
        self.first[list as usize]
    }

    fn takes(&self, text: &str) -> bool {
        let filter = self.filter.to_lowercase();
        text.to_lowercase().contains(&filter)
    }

    fn write(&mut self, key: Key) {
        match key {
            Key::Char('\n') => self.is_typing = false,
            Key::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            Key::Backspace => drop(self.filter.pop()),
            Key::Char(letter) => self.filter.push(letter),
            _ => {}
        }
    }

    fn turn(&mut self) {
        self.list = match self.list {
            List::Workers => List::News,
            List::News => List::Workers,
        };
    }

    fn scroll(&mut self, key: Key) {
        let first = &mut self.first[self.list as usize];
        *first = match key {
            Key::Up | Key::Char('k') => first.saturating_sub(1),
            Key::Down | Key::Char('j') => first.saturating_add(1),
            Key::PageUp => first.saturating_sub(PAGE),
            Key::PageDown => first.saturating_add(PAGE),
            Key::Home | Key::Char('g') => 0,
            Key::End | Key::Char('G') => usize::MAX,
            _ => *first,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_observe::Snapshot;

    fn scene() -> Scene {
        let worker = |number| WorkerView {
            name: format!("node-{number}"),
            ..WorkerView::default()
        };
        Scene {
            snapshot: Snapshot {
                workers: (0..30).map(worker).collect(),
                ..Snapshot::default()
            },
            news: vec!["node-3 is gone".to_owned()],
            ..Scene::default()
        }
    }

    fn press(view: &mut View, keys: &[Key]) -> Next {
        let mut next = Next::Draw;
        for key in keys {
            next = view.press(*key, &scene());
        }
        next
    }

    fn letters(text: &str) -> Vec<Key> {
        text.chars().map(Key::Char).collect()
    }

    #[test]
    fn q_and_control_c_end_it_but_a_filter_may_have_a_q() {
        let mut view = View::default();
        assert_eq!(press(&mut view, &letters("/q")), Next::Draw);
        assert_eq!(view.filter, "q");
        assert_eq!(
            press(&mut view, &[Key::Char('\n'), Key::Char('q')]),
            Next::End
        );
        press(&mut view, &letters("/"));
        assert!(view.is_typing);
        assert_eq!(press(&mut view, &[Key::Ctrl('c')]), Next::End);
    }

    #[test]
    fn a_filter_leaves_the_rows_that_have_its_text() {
        let mut view = View::default();
        press(&mut view, &letters("/Node-2"));
        assert_eq!(view.workers(&scene()).count(), 11);
        assert_eq!(view.news(&scene()).count(), 0);
        press(&mut view, &[Key::Esc]);
        assert_eq!(view.workers(&scene()).count(), 30);
    }

    #[test]
    fn no_key_leads_beyond_the_rows() {
        let mut view = View::default();
        let first = |view: &mut View, list| view.first(list, &scene(), 8);
        assert_eq!(first(&mut view, List::Workers), 0);
        press(&mut view, &letters("Gj"));
        assert_eq!(first(&mut view, List::Workers), 22);
        press(&mut view, &letters("k"));
        assert_eq!(first(&mut view, List::Workers), 21);
        press(&mut view, &letters("g"));
        press(&mut view, &[Key::Up, Key::PageDown]);
        assert_eq!(first(&mut view, List::Workers), 10);
        press(&mut view, &[Key::Char('\t'), Key::PageDown]);
        assert_eq!(first(&mut view, List::News), 0);
        assert_eq!(first(&mut view, List::Workers), 10);
    }

    #[test]
    fn space_holds_the_picture_and_a_question_mark_shows_the_keys() {
        let mut view = View::default();
        press(&mut view, &letters(" ?"));
        assert!(view.is_paused() && view.shows_keys);
        press(&mut view, &letters("x "));
        assert!(!view.is_paused() && !view.shows_keys);
    }
}
