//! PROSPECT's dialogue states: a tab-separated table of steps, substeps and actions.

use std::fmt::Write;
use std::path::Path;

use super::check::{Place, check_span};
use super::levels::{self, Level};
use super::{Annotations, AnnotationsError, Substep};

/// The columns that are read, in the order in which they are written.
const COLUMNS: [&str; 4] = ["type", "start_ts", "end_ts", "name"];
const TYPE: usize = 0;
const START: usize = 1;
const END: usize = 2;
const NAME: usize = 3;

pub(super) fn read(text: &str, path: &Path) -> Result<Annotations, AnnotationsError> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let mut lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let (number, header) =
        lines.next().ok_or_else(|| AnnotationsError::NoHeader { path: path.to_owned() })?;
    let header = Header::read(header, number, path)?;
    let rows = lines.map(|(number, line)| header.row(line, number, path));
    let mut annotations = Annotations::default();
    levels::put(&mut annotations, rows.collect::<Result<_, _>>()?);
    Ok(annotations)
}

/// The table of steps, substeps and actions. The table has no place for anything else.
pub(super) fn write(annotations: &Annotations) -> String {
    let mut table = COLUMNS.join("\t") + "\n";
    for (level, Substep { name, start, end }) in levels::rows(annotations) {
        let name = name.replace(is_separator, " ");
        // Writing into a string does not fail.
        let _ = writeln!(table, "{}\t{start}\t{end}\t{name}", level.word());
    }
    table
}

/// Whether a character cannot be in a name in the table.
pub(super) fn is_separator(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r')
}

/// The positions of the columns.
struct Header {
    cells: usize,
    columns: [usize; COLUMNS.len()],
}

impl Header {
    fn read(line: &str, number: usize, path: &Path) -> Result<Self, AnnotationsError> {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        let mut columns = [0; COLUMNS.len()];
        for (place, column) in columns.iter_mut().zip(COLUMNS) {
            let mut found = cells.iter().enumerate().filter(|(_, cell)| cell.eq_ignore_ascii_case(column));
            let missing = || AnnotationsError::MissingColumn { path: path.to_owned(), line: number, column };
            (*place, _) = found.next().ok_or_else(missing)?;
            if found.next().is_some() {
                return Err(AnnotationsError::RepeatedColumn { path: path.to_owned(), line: number, column });
            }
        }
        Ok(Self { cells: cells.len(), columns })
    }

    fn row(&self, line: &str, number: usize, path: &Path) -> Result<(Level, Substep), AnnotationsError> {
        let cells: Vec<&str> = line.split('\t').collect();
        if cells.len() != self.cells {
            return Err(AnnotationsError::Cells {
                path: path.to_owned(),
                line: number,
                found: cells.len(),
                expected: self.cells,
            });
        }
        let cell = |column: usize| cells[self.columns[column]];
        let seconds = |column: usize| {
            cell(column).trim().parse().map_err(|_| AnnotationsError::Number {
                path: path.to_owned(),
                line: number,
                column: COLUMNS[column],
                value: cell(column).to_owned(),
            })
        };
        let place = format!("line {number}");
        let level = Level::from_word(cell(TYPE), &place, path)?;
        let entry = Substep { name: cell(NAME).to_owned(), start: seconds(START)?, end: seconds(END)? };
        check_span(&entry, level, &Place::in_table(path, &place, [COLUMNS[START], COLUMNS[END]]))?;
        Ok((level, entry))
    }
}
