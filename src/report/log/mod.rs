//! Rows from the logs of a service without a ledger: the rules turn each closed span into the row that it would have had.

mod console;
mod context;
mod dialect;
mod fmt_json;
mod fmt_text;
mod input;
mod judge;
mod line;
mod moment;
mod numbers;
mod older;
mod pairs;
mod parents;
mod reports;
mod row;
pub(super) mod same;
mod spans;
#[cfg(test)]
mod tests;
mod wrapped;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use self::dialect::Dialect;
use self::input::{Input, NextLine};
use self::line::LogLine;
use self::parents::Parents;
use self::row::CsvTable;
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
    /// The ids of exported rows, which may be in several files.
    ids: HashSet<u128>,
    /// Whether a span closed, and the rules judged it. Rows that were exported were judged before.
    has_judged: bool,
    unread: UnreadLines,
}

/// The lines of a log that could not be read, or only with an assumption. `Display` gives their number, and place and reason
/// of the first ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadLines {
    count: u64,
    alone: u64,
    doubtful: u64,
    uncollected: u64,
    repeated: u64,
    assumes_utc: bool,
    /// File, line and why.
    first: Vec<(PathBuf, u64, &'static str)>,
}

impl Logs {
    /// `-` is stdin.
    pub(crate) fn new(files: Vec<PathBuf>, rules: &Rules) -> Self {
        let (calls, parents) = (Calls::new(rules), Parents::default());
        Self { files, calls, parents, ids: HashSet::new(), has_judged: false, unread: UnreadLines::default() }
    }

    pub(crate) fn has_judged(&self) -> bool {
        self.has_judged
    }

    pub(crate) fn into_unread(self) -> UnreadLines {
        self.unread
    }

    /// A damaged file ends early, and counts as one line that cannot be read.
    fn read_file(&mut self, file: &Path, each: &mut dyn FnMut(&ReadRow)) -> Result<(), Error> {
        let raw = input::open(file).map_err(|error| {
            Error::config(format!("cannot read the log {}", file.display())).caused_by(error)
        })?;
        match Input::new(raw) {
            Ok(input) => self.lines(file, input, each),
            Err(_) => self.unread.add(file, 1, DAMAGED),
        }
        Ok(())
    }

    fn lines(&mut self, file: &Path, mut input: Input, each: &mut dyn FnMut(&ReadRow)) {
        let mut dialect = Dialect::of(input.head());
        let (mut is_first, mut table) = (true, None::<CsvTable>);
        loop {
            let number = input.number() + 1;
            let text = match input.next() {
                Ok(Some(NextLine::Line(text))) => text,
                Ok(Some(NextLine::Unreadable(why))) => {
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
                table = row::begins_csv(text);
            }
            match &mut table {
                Some(table) => {
                    table.line(number, text, &mut |number, row| self.take(file, number, row, each))
                }
                None => self.line(file, number, text, &mut dialect, each),
            }
        }
        self.unread.assumes_utc |= dialect.assumes_utc;
        if let Some(mut table) = table {
            table.finish(&mut |number, row| self.take(file, number, row, each));
        }
    }

    fn line(
        &mut self,
        file: &Path,
        number: u64,
        text: &str,
        dialect: &mut Dialect,
        each: &mut dyn FnMut(&ReadRow),
    ) {
        let read = line::read(text, dialect);
        self.has_judged |= read.as_ref().is_ok_and(|(line, _)| line.closes());
        match read {
            Ok((LogLine::Rows(rows), _)) => rows.into_iter().for_each(|row| self.pass(row, each)),
            // JSON alone leaves open which spans are around one that closes.
            Ok((line, true)) => self.calls.take(self.parents.complete(line), each),
            Ok((line, false)) => self.calls.take(line, each),
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
            Ok(row) => self.pass(row, each),
            Err(why) => self.unread.add(file, number, why),
        }
    }

    /// Passes on a row that was exported, unless it was there before.
    fn pass(&mut self, row: ReadRow, each: &mut dyn FnMut(&ReadRow)) {
        let id = row.id.as_deref().and_then(|id| Uuid::try_parse(id).ok());
        if id.is_none_or(|id| self.ids.insert(id.as_u128())) {
            each(&self.calls.completed(row));
        } else {
            self.unread.repeated += 1;
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
        same::refuse_twice(&self.files)?;
        for file in self.files.clone() {
            self.read_file(&file, &mut |row| selection.offer(row, each))?;
        }
        self.calls.finish(&mut |row| selection.offer(row, each));
        self.unread.alone = self.calls.alone();
        self.unread.doubtful = self.calls.doubtful();
        self.unread.uncollected = self.calls.uncollected();
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

    /// How many calls count as failed by an event whose text has `key=` in it: it may be an event with several fields.
    pub fn rows_doubtful(&self) -> u64 {
        self.doubtful
    }

    /// How many calls no span has collected, though a rule says so.
    pub fn rows_uncollected(&self) -> u64 {
        self.uncollected
    }

    /// How many exported rows were left out, because a row with the same id was there before.
    pub fn rows_repeated(&self) -> u64 {
        self.repeated
    }

    /// Whether times had no zone, and count as UTC.
    pub fn assumes_utc(&self) -> bool {
        self.assumes_utc
    }

    /// Whether everything could be read, with no assumption.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.count += other.count;
        self.alone += other.alone;
        self.doubtful += other.doubtful;
        self.uncollected += other.uncollected;
        self.repeated += other.repeated;
        self.assumes_utc |= other.assumes_utc;
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
        let mut parts = Vec::new();
        if self.count > 0 || self.is_empty() {
            parts.push(format!("{} cannot be read", number(self.count, "line")));
        }
        parts.extend(
            self.first.iter().map(|(file, number, why)| format!("{}:{number}: {why}", file.display())),
        );
        if self.alone > 0 {
            parts.push(format!(
                "{} may lack fields that a rule inherits: where their spans close, JSON names no span around them (an \
                 event within each call does, and so does the text format)",
                number(self.alone, "row")
            ));
        }
        if self.doubtful > 0 {
            parts.push(format!(
                "{} failed by `error=…` with `key=` in the text, which may be an event of the service with several fields \
                 (JSON tells them apart)",
                number(self.doubtful, "call")
            ));
        }
        if self.uncollected > 0 {
            let count = if self.uncollected == 1 { "counts" } else { "count" };
            parts.push(format!(
                "{} {count} for no span that collects them: it does not close in the log, or has recorded a field again",
                number(self.uncollected, "call")
            ));
        }
        if self.repeated > 0 {
            let count = if self.repeated == 1 { "counts" } else { "count" };
            parts.push(format!(
                "{} with an id that was there before {count} once",
                number(self.repeated, "row")
            ));
        }
        if self.assumes_utc {
            parts.push("times without a zone count as UTC".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}
