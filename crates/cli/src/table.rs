//! Aligned text tables. It knows columns, not what stands in them.

use std::fmt;

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
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table; a column whose name ends in `#` holds numbers (the mark is not shown).
    pub(crate) fn new(columns: &[&str]) -> Self {
        let side = |name: &&str| match name.ends_with('#') {
            true => Side::Right,
            false => Side::Left,
        };
        let header = columns
            .iter()
            .map(|name| name.trim_end_matches('#').to_owned());
        Self {
            sides: columns.iter().map(side).collect(),
            rows: vec![header.collect()],
        }
    }

    /// Adds a row; cells beyond the columns are not shown, missing ones are empty.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.sides.len())
            .map(|column| self.width(column))
            .collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (side, width)) in self.sides.iter().zip(&widths).enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                line.push_str(if column == 0 { "" } else { "  " });
                line.push_str(&match side {
                    Side::Left => format!("{cell:<width$}"),
                    Side::Right => format!("{cell:>width$}"),
                });
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
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
    fn missing_cells_are_empty_and_no_line_ends_in_spaces() {
        let mut table = Table::new(&["a", "b"]);
        table.row(vec!["1".into()]);
        assert_eq!(table.to_string(), "a  b\n1\n");
    }
}
