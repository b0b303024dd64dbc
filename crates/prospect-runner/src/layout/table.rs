//! Aligned tables that are not wider than a terminal.

/// The space between two columns.
const GAP: usize = 2;

/// Rows under a header, with two spaces between columns. The first column is aligned to the left, the others
/// to the right. If the table is wider than `width`, the words of the header are stacked. If it is still too
/// wide, the columns without room follow below in a second table, which repeats the first column.
pub(crate) fn aligned(rows: &[Vec<String>], width: Option<usize>) -> String {
    let one = Table::of(rows, false);
    // With a single column there is nothing to move below.
    let is_too_wide = |width: &usize| one.width() > *width && one.widths.len() > 1;
    let Some(width) = width.filter(is_too_wide) else { return one.text() };
    let stacked = Table::of(rows, true);
    let mut tables = Vec::new();
    let (mut begin, columns) = (1, stacked.widths.len());
    while begin < columns {
        let mut end = begin + 1;
        while end < columns && stacked.width_of(begin..=end) <= width {
            end += 1;
        }
        tables.push(stacked.part(begin..end).text());
        begin = end;
    }
    tables.join("\n\n")
}

/// The lines of cells, beginning with the header, and the width of every column.
struct Table {
    lines: Vec<Vec<String>>,
    widths: Vec<usize>,
}

impl Table {
    /// If `stacks` is true, the header has as many lines as its longest cell has words.
    fn of(rows: &[Vec<String>], stacks: bool) -> Self {
        let mut lines = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            match number == 0 && stacks {
                true => lines.extend(stacked(row)),
                false => lines.push(row.clone()),
            }
        }
        let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        Self { lines, widths }
    }

    fn width(&self) -> usize {
        self.width_of(1..=self.widths.len().saturating_sub(1))
    }

    /// The width of a table of the first column and these columns.
    fn width_of(&self, columns: std::ops::RangeInclusive<usize>) -> usize {
        let others = self.widths.get(columns).unwrap_or_default();
        self.widths.first().map_or(0, |first| first + others.iter().map(|width| GAP + width).sum::<usize>())
    }

    /// The table of the first column and these columns.
    fn part(&self, columns: std::ops::Range<usize>) -> Self {
        let take = |line: &Vec<String>| {
            line.first().into_iter().chain(line.get(columns.clone()).unwrap_or_default()).cloned().collect()
        };
        let lines: Vec<Vec<String>> = self.lines.iter().map(take).collect();
        // A line of the stacked header may be empty for these columns.
        let is_blank = |line: &Vec<String>| line.iter().all(String::is_empty);
        Self::of(&lines.into_iter().filter(|line| !is_blank(line)).collect::<Vec<_>>(), false)
    }

    fn text(&self) -> String {
        let line = |row: &Vec<String>| {
            let cells =
                row.iter().zip(&self.widths).enumerate().map(|(column, (cell, &width))| match column {
                    0 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// The cells of a header with their words stacked. The last words are in the last line.
fn stacked(header: &[String]) -> Vec<Vec<String>> {
    let words: Vec<Vec<&str>> = header.iter().map(|cell| cell.split_whitespace().collect()).collect();
    let height = words.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let word = |words: &Vec<&str>, line: usize| {
        let above = height - words.len();
        line.checked_sub(above).and_then(|at| words.get(at)).map(|word| (*word).to_owned())
    };
    (0..height)
        .map(|line| words.iter().map(|words| word(words, line).unwrap_or_default()).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect()
    }

    #[test]
    fn columns_align_whatever_their_width() {
        let table = rows(&[&["strategy", "F1"], &["drop_all", "0.5"], &["x", "12.25"]]);
        assert_eq!(aligned(&table, None), "strategy     F1\ndrop_all    0.5\nx         12.25");
        assert_eq!(aligned(&[], None), "");
        assert_eq!(aligned(&[], Some(20)), "");
    }

    #[test]
    fn a_narrow_terminal_has_the_words_of_the_header_under_each_other() {
        let table = rows(&[&["stage", "median ms", "times the floor"], &["decode", "1.25", "3.5"]]);
        let expected = [
            "                times",
            "        median    the",
            "stage       ms  floor",
            "decode    1.25    3.5",
        ];
        assert_eq!(aligned(&table, Some(32)), expected.join("\n"));
    }

    #[test]
    fn what_has_no_room_stands_below_beside_the_first_column() {
        let table =
            rows(&[&["strategy", "F1", "95% interval", "delay"], &["drop_all", "0.5", "0.4..0.6", "1.25"]]);
        let expected = [
            "                    95%",
            "strategy   F1  interval",
            "drop_all  0.5  0.4..0.6",
            "",
            "strategy  delay",
            "drop_all   1.25",
        ];
        assert_eq!(aligned(&table, Some(24)), expected.join("\n"));
        // Every line fits at every width.
        for width in 20..60 {
            let shown = aligned(&table, Some(width));
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}: {shown}");
        }
    }
}
