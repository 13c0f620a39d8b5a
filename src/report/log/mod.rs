//! Rows from the logs of a service, without a ledger: the rules say what a closed span would have become.

mod console;
mod fmt_json;
mod fmt_text;
mod input;
mod line;
mod older;
mod parents;
mod row;
mod spans;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use self::input::{Input, Next};
use self::line::Line;
use self::parents::Parents;
use self::row::Table;
use self::spans::Calls;
use crate::error::Error;
use crate::rules::Rules;
use crate::store::read::{ReadRow, Reading, RowSource, Selection};

const DAMAGED: &str = "the file cannot be read from here on: it is damaged or cut off";

/// The most lines that [`UnreadLines`] names.
const NAMED: usize = 3;

/// Logs, one after the other.
pub(crate) struct Logs {
    files: Vec<PathBuf>,
    calls: Calls,
    parents: Parents,
    unread: UnreadLines,
}

/// What could not be read of a log. `Display` gives the number of lines, and where and why for the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadLines {
    count: u64,
    alone: u64,
    /// File, line and why.
    first: Vec<(PathBuf, u64, &'static str)>,
}

impl Logs {
    /// `-` is stdin.
    pub(crate) fn new(files: Vec<PathBuf>, rules: &Rules) -> Self {
        Self { files, calls: Calls::new(rules), parents: Parents::default(), unread: UnreadLines::default() }
    }

    pub(crate) fn into_unread(self) -> UnreadLines {
        self.unread
    }

    /// A damaged file ends early, and counts as one line that cannot be read.
    fn read_file(&mut self, file: &Path, each: &mut dyn FnMut(&ReadRow)) -> Result<(), Error> {
        let raw = input::open(file).map_err(|error| {
            Error::config(format!("cannot read the log {}", file.display())).caused_by(error)
        })?;
        let Ok(mut input) = Input::new(raw) else {
            self.unread.add(file, 1, DAMAGED);
            return Ok(());
        };
        let (mut is_first, mut table) = (true, None::<Table>);
        loop {
            let number = input.number() + 1;
            let text = match input.next() {
                Ok(Some(Next::Line(text))) => text,
                Ok(Some(Next::Unreadable(why))) => {
                    self.unread.add(file, number, why);
                    continue;
                }
                Ok(None) => break,
                Err(_) => {
                    self.unread.add(file, number, DAMAGED);
                    break;
                }
            };
            if is_first && !text.trim().is_empty() {
                is_first = false;
                table = row::begins_csv(text).then(Table::default);
            }
            match &mut table {
                Some(table) => {
                    table.line(number, text, &mut |number, row| self.take(file, number, row, each))
                }
                None => self.line(file, number, text, each),
            }
        }
        if let Some(mut table) = table {
            table.finish(&mut |number, row| self.take(file, number, row, each));
        }
        Ok(())
    }

    fn line(&mut self, file: &Path, number: u64, text: &str, each: &mut dyn FnMut(&ReadRow)) {
        match line::read(text) {
            Ok(Line::Rows(rows)) => rows.into_iter().for_each(|row| each(&self.calls.completed(row))),
            // JSON alone leaves open which spans are around one that closes.
            Ok(line) if text.trim_start().starts_with('{') => {
                self.calls.take(self.parents.complete(line), each)
            }
            Ok(line) => self.calls.take(line, each),
            Err(why) => self.unread.add(file, number, why),
        }
    }

    fn take(
        &mut self,
        file: &Path,
        number: u64,
        row: Result<ReadRow, &'static str>,
        each: &mut dyn FnMut(&ReadRow),
    ) {
        match row {
            Ok(row) => each(&self.calls.completed(row)),
            Err(why) => self.unread.add(file, number, why),
        }
    }
}

impl RowSource for Logs {
    fn passes_whole_rows(&self) -> bool {
        true
    }

    async fn read(
        &mut self,
        selection: &Selection,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> Result<(), Error> {
        for file in self.files.clone() {
            self.read_file(&file, &mut |row| selection.offer(row, each))?;
        }
        self.calls.finish(&mut |row| selection.offer(row, each));
        self.unread.alone = self.calls.alone();
        Ok(())
    }
}

impl UnreadLines {
    /// How many lines could not be read.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many rows may lack fields of the spans around them, because JSON lines name no span around them.
    pub fn rows_alone(&self) -> u64 {
        self.alone
    }

    /// Whether everything could be read.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.alone == 0
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.count += other.count;
        self.alone += other.alone;
        self.first.extend(other.first);
        self.first.truncate(NAMED);
    }

    fn add(&mut self, file: &Path, number: u64, why: &'static str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push((file.to_owned(), number, why));
        }
    }
}

impl fmt::Display for UnreadLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: u64, of: &str| if n == 1 { format!("1 {of}") } else { format!("{n} {of}s") };
        if self.count > 0 || self.alone == 0 {
            write!(f, "{} cannot be read", number(self.count, "line"))?;
        }
        for (file, number, why) in &self.first {
            write!(f, "; {}:{number}: {why}", file.display())?;
        }
        if self.alone > 0 {
            let separator = if self.count > 0 { "; " } else { "" };
            write!(
                f,
                "{separator}{} may lack fields that a rule inherits: where their spans close, JSON names no span \
                 around them (an event within each call does, and so does the text format)",
                number(self.alone, "row")
            )?;
        }
        Ok(())
    }
}
