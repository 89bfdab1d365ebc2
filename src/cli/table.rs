//! Tables of plain text: aligned columns, no boxes, notes under a row, never wider than the terminal where that can be helped.

use super::style::{Paint, Tone, one_line, wrap, wrap_cell};
use unicode_width::UnicodeWidthStr;

/// Which side of a column its cells keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Words. Such a column is narrowed when the table is too wide.
    Left,
    /// Numbers. Such a column is never narrowed.
    Right,
}

/// One cell: a text, already safe to show, and its tone.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell of any text. What could harm a terminal is escaped.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self::toned(Tone::Plain, text)
    }

    /// A cell with a tone.
    pub(super) fn toned(tone: Tone, text: impl AsRef<str>) -> Self {
        Self {
            text: one_line(text.as_ref()).into_owned(),
            tone,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

struct Row {
    cells: Vec<Cell>,
    notes: Vec<String>,
}

/// A table that is being put together.
pub(super) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Row>,
}

/// What stands between two columns.
const GAP: usize = 2;
/// How far a note is indented.
const INDENT: usize = 4;
/// A column of words is never made narrower than this.
const NARROWEST: usize = 10;

impl Table {
    /// A table with these columns. Without any title there is no heading.
    pub(super) fn new(columns: &[(&str, Align)]) -> Self {
        let columns = columns.iter().map(|(title, align)| ((*title).to_owned(), *align));
        Self {
            columns: columns.collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Cells that are left out stay empty.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut cells: Vec<Cell> = cells.into_iter().collect();
        cells.resize(self.columns.len(), Cell::default());
        self.rows.push(Row {
            cells,
            notes: Vec::new(),
        });
    }

    /// Adds a sentence under the last row.
    pub(super) fn note(&mut self, text: &str) {
        if let Some(row) = self.rows.last_mut() {
            row.notes.push(one_line(text).into_owned());
        }
    }

    /// The table as lines, each with its end.
    pub(super) fn render(&self, width: usize, paint: Paint) -> String {
        let widths = self.widths(width);
        let mut written = String::new();
        if self.columns.iter().any(|(title, _)| !title.is_empty()) {
            let titles = self.columns.iter().map(|(title, _)| Cell::toned(Tone::Strong, title));
            self.write_row(&titles.collect::<Vec<_>>(), &widths, paint, &mut written);
        }
        for row in &self.rows {
            self.write_row(&row.cells, &widths, paint, &mut written);
            for note in &row.notes {
                for line in wrap(note, width.saturating_sub(INDENT).max(NARROWEST)) {
                    written.push_str(&" ".repeat(INDENT));
                    written.push_str(&paint.paint(Tone::Faint, &line));
                    written.push('\n');
                }
            }
        }
        written
    }

    fn widths(&self, available: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row.cells[column].text.width());
                cells.max().unwrap_or(0).max(self.columns[column].0.width())
            })
            .collect();
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > available {
            let words = (0..widths.len()).filter(|&column| self.columns[column].1 == Align::Left);
            match words.max_by_key(|&column| widths[column]) {
                Some(widest) if widths[widest] > NARROWEST => widths[widest] -= 1,
                _ => break,
            }
        }
        widths
    }

    fn write_row(&self, cells: &[Cell], widths: &[usize], paint: Paint, written: &mut String) {
        let wrapped: Vec<Vec<String>> = cells
            .iter()
            .zip(widths)
            .map(|(cell, &width)| wrap_cell(&cell.text, width))
            .collect();
        for line in 0..wrapped.iter().map(Vec::len).max().unwrap_or(0) {
            // Padding is written only when something follows, so that no line ends in spaces.
            let mut pending = 0;
            for (column, parts) in wrapped.iter().enumerate() {
                let text = parts.get(line).map_or("", String::as_str);
                let padding = widths[column].saturating_sub(text.width());
                let (before, after) = match self.columns[column].1 {
                    Align::Left => (0, padding),
                    Align::Right => (padding, 0),
                };
                pending += before;
                if !text.is_empty() {
                    written.push_str(&" ".repeat(pending));
                    written.push_str(&paint.paint(cells[column].tone, text));
                    pending = 0;
                }
                pending += after + GAP;
            }
            written.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { colour: false };

    fn example() -> Table {
        let mut table = Table::new(&[("step", Align::Left), ("records", Align::Right), ("from", Align::Left)]);
        table.row(["trim-lines".into(), "12,345".into(), Cell::default()]);
        table.note("It stands here because it is listed here.");
        table.row([
            "acme-filters/min-words".into(),
            "7".into(),
            Cell::toned(Tone::Good, "acme-filters 1.2.0"),
        ]);
        table
    }

    #[test]
    fn columns_are_aligned_and_lines_end_without_spaces() {
        insta::assert_snapshot!(example().render(80, PLAIN), @r"
        step                    records  from
        trim-lines               12,345
            It stands here because it is listed here.
        acme-filters/min-words        7  acme-filters 1.2.0
        ");
        assert!(!example().render(80, PLAIN).lines().any(|line| line.ends_with(' ')));
    }

    #[test]
    fn columns_of_words_give_way_to_the_terminal() {
        let narrow = example().render(40, PLAIN);
        insta::assert_snapshot!(narrow, @r"
        step             records  from
        trim-lines        12,345
            It stands here because it is listed
            here.
        acme-filters/          7  acme-filters
        min-words                 1.2.0
        ");
        assert!(narrow.lines().all(|line| line.width() <= 40));
    }

    #[test]
    fn a_name_cannot_colour_the_terminal_or_forge_a_row() {
        let mut table = Table::new(&[("step", Align::Left)]);
        table.row(["evil\u{1b}[2J\nout 100".into()]);
        table.note("because\r\u{202e}of it");
        insta::assert_snapshot!(table.render(80, PLAIN), @r"
        step
        evil\u{1b}[2J\nout 100
            because\r\u{202e}of it
        ");
    }

    #[test]
    fn colour_does_not_disturb_the_columns() {
        let coloured = example().render(80, Paint { colour: true });
        let stripped = anstyle_free(&coloured);
        assert_eq!(stripped, example().render(80, PLAIN));
        assert_ne!(coloured, stripped);
    }

    fn anstyle_free(text: &str) -> String {
        let mut plain = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('\u{1b}') {
            plain.push_str(&rest[..start]);
            let end = rest[start..].find('m').expect("a colour ends with `m`");
            rest = &rest[start + end + 1..];
        }
        plain + rest
    }
}
