//! Aligned text tables that fit a terminal. It knows columns, not what stands in them.

use std::fmt;

use unicode_width::UnicodeWidthStr as _;

use crate::progress::shortened;

/// As many characters as a digest has that is shortened for people.
const SHORTEST: usize = 12;
/// The narrowest column in which sentences can be read.
const WRAPPED: usize = 24;

/// On which side the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Gives a number with its word, as English writes it: `1 case`, `2 cases`.
pub(crate) fn counted(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    }
}

/// A table with a header: texts to the left, numbers to the right, two spaces between columns.
#[derive(Debug, Default)]
pub(crate) struct Table {
    sides: Vec<Side>,
    /// Which columns are left out where the table would be too wide.
    optional: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table. A column whose name ends in `#` holds numbers; one whose name ends in `?` is left out where the
    /// table would be too wide. The marks are not shown.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let side = |name: &&str| match name.trim_end_matches('?').ends_with('#') {
            true => Side::Right,
            false => Side::Left,
        };
        let header = columns
            .iter()
            .map(|name| name.trim_end_matches(['?', '#']).to_owned());
        Self {
            sides: columns.iter().map(side).collect(),
            optional: columns.iter().map(|name| name.ends_with('?')).collect(),
            rows: vec![header.collect()],
        }
    }

    /// Adds a row; cells beyond the columns are not shown, missing ones are empty.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table in rows of at most `columns` characters where that can be. A text in the last column continues below
    /// itself; other texts are cut with `…`, the longest first, but not below the length of a short digest. Numbers stay. Where even that is too wide, optional columns are left out,
    /// the last first.
    pub(crate) fn fitted(&self, columns: usize) -> String {
        let last = self.sides.len().saturating_sub(1);
        let least = |column: usize| {
            let bound = if column == last { WRAPPED } else { SHORTEST };
            match self.sides[column] {
                Side::Left => self.width(column).min(bound),
                Side::Right => self.width(column),
            }
        };
        let narrowest = (0..self.sides.len())
            .map(|column| least(column) + 2)
            .sum::<usize>();
        match self.optional.iter().rposition(|is_optional| *is_optional) {
            Some(column) if narrowest > columns + 2 => self.without(column).fitted(columns),
            _ => self.narrowed(columns),
        }
    }

    fn without(&self, column: usize) -> Self {
        let mut left = Self {
            sides: self.sides.clone(),
            optional: self.optional.clone(),
            rows: self.rows.clone(),
        };
        left.sides.remove(column);
        left.optional.remove(column);
        for row in &mut left.rows {
            if column < row.len() {
                row.remove(column);
            }
        }
        left
    }

    fn narrowed(&self, columns: usize) -> String {
        let mut widths = self.widths();
        let used = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * (widths.len().max(1) - 1);
        let last = widths.len().saturating_sub(1);
        while used(&widths) > columns {
            let is_text = |column: &usize| self.sides[*column] == Side::Left;
            let least = |column: usize| if column == last { WRAPPED } else { SHORTEST };
            let can = (0..widths.len())
                .filter(is_text)
                .filter(|&column| widths[column] > least(column));
            let Some(column) = can.max_by_key(|&column| widths[column]) else {
                break;
            };
            let over = used(&widths) - columns;
            widths[column] = widths[column].saturating_sub(over).max(least(column));
        }
        self.shown(&widths)
    }

    fn widths(&self) -> Vec<usize> {
        (0..self.sides.len())
            .map(|column| self.width(column))
            .collect()
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| columns_of(cell)).max().unwrap_or(0)
    }
}

fn columns_of(text: &str) -> usize {
    text.width()
}

impl Table {
    fn shown(&self, widths: &[usize]) -> String {
        let mut text = String::new();
        let last = widths.len().saturating_sub(1);
        let indent = widths[..last].iter().sum::<usize>() + 2 * last;
        for row in &self.rows {
            let mut line = String::new();
            let mut below = Vec::new();
            for (column, (side, &width)) in self.sides.iter().zip(widths).enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                let mut parts = match (column == last, side) {
                    (true, Side::Left) => wrapped(cell, width),
                    _ => vec![shortened(cell, width)],
                };
                let cell = parts.remove(0);
                below.extend(parts);
                line.push_str(if column == 0 { "" } else { "  " });
                let fill = " ".repeat(width.saturating_sub(columns_of(&cell)));
                line.push_str(&match side {
                    Side::Left => cell + &fill,
                    Side::Right => fill + &cell,
                });
            }
            for line in [line]
                .into_iter()
                .chain(below.iter().map(|part| " ".repeat(indent) + part))
            {
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
        text
    }
}

/// `text` in lines of at most `width` columns, parted between words where there are some; at least one line.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a line from the start");
        let gap = usize::from(!line.is_empty());
        if columns_of(line) + gap + columns_of(word) <= width {
            line.push_str(if gap == 1 { " " } else { "" });
            line.push_str(word);
            continue;
        }
        if gap == 1 {
            lines.push(String::new());
        }
        for character in word.chars() {
            let line = lines.last_mut().expect("there is a line from the start");
            if columns_of(line) + columns_of(character.encode_utf8(&mut [0; 4])) > width {
                lines.push(String::new());
            }
            lines
                .last_mut()
                .expect("there is a line from the start")
                .push(character);
        }
    }
    lines
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(&self.widths()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_texts_to_the_left() {
        let mut table = Table::new(&["case", "slices#", "axes"]);
        table.row(vec!["a".into(), "9".into(), "RAS".into()]);
        table.row(vec!["longer".into(), "1024".into(), "L".into()]);
        assert_eq!(
            table.to_string(),
            "case    slices  axes\na            9  RAS\nlonger    1024  L\n"
        );
    }

    #[test]
    fn optional_columns_are_left_out_where_the_table_is_too_wide() {
        let mut table = Table::new(&["case", "mm#?", "SUV max#", "HU max#?", "note"]);
        let cells = ["a", "4.00x4.00x4.00", "15.70", "1430", "sound"];
        table.row(cells.map(str::to_owned).to_vec());
        assert_eq!(table.fitted(200), table.to_string());
        assert_eq!(
            table.fitted(40),
            "case              mm  SUV max  note\na     4.00x4.00x4.00    15.70  sound\n"
        );
        assert_eq!(
            table.fitted(25),
            "case  SUV max  note\na       15.70  sound\n"
        );
        assert_eq!(table.fitted(1), table.fitted(25), "the rest stays");
    }

    #[test]
    fn a_table_fits_the_terminal_by_its_texts() {
        let mut table = Table::new(&["case", "why", "step#", "what to do"]);
        let digest = "abcdef0123456789".repeat(4);
        let advice = "install a newer driver, or an older toolkit";
        table.row(vec![digest, "short".into(), "1040".into(), advice.into()]);
        let fitted = table.fitted(60);
        assert_eq!(
            fitted,
            "case          why    step  what to do\n\
             abcdef01234…  short  1040  install a newer driver, or an\n\
             \x20                          older toolkit\n"
        );
        assert_eq!(table.fitted(200), table.to_string());
        for columns in [1, 30, 60, 90] {
            let text = table.fitted(columns);
            for word in advice.split(' ') {
                assert!(text.contains(word), "{columns}: {word} in\n{text}");
            }
        }
    }

    #[test]
    fn words_longer_than_a_line_are_parted() {
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("ab abcdefgh i", 4), ["ab", "abcd", "efgh", "i"]);
    }

    #[test]
    fn missing_cells_are_empty_and_no_line_ends_in_spaces() {
        let mut table = Table::new(&["a", "b"]);
        table.row(vec!["1".into()]);
        assert_eq!(table.to_string(), "a  b\n1\n");
    }
}
