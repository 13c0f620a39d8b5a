//! Answers from the rows of the ledger: typed, as text, as Markdown, as JSON and as CSV.
//!
//! Rows are read one at a time and the figures are computed here, so that they are the same for every database.
//! Percentiles are exact. Memory grows with the groups, the bookings, and the durations that differ.

mod answer;
mod compare;
mod csv;
mod detail;
mod escape;
mod gather;
mod grid;
mod hash;
mod key;
mod keys;
mod live;
mod log;
mod observe;
mod older;
mod packed;
mod page;
mod preferred;
mod progress;
mod question;
mod render;
#[cfg(feature = "postgres")]
mod rollup;
mod samples;
mod stats;
mod story;
mod why;

use std::path::Path;

pub use self::answer::{
    Attempts, AttemptsBar, EventFigures, Figures, FlowFigures, GroupFigures, Intervals, JobAttempts,
    JobFigures, Reason, Report, ResultFigures, RolledUp, Share, Spread, Window,
};
pub use self::compare::{Compare, compared::Compared, snapshot::Snapshot};
pub use self::detail::{Deploy, Detail, DurationBar, ListedCall, Losses, TimeStep, VersionRows};
use self::gather::{FoundCalls, Gather};
pub use self::live::{Live, LiveFailure, LiveView};
use self::log::Logs;
pub use self::log::UnreadLines;
use self::observe::Questions;
pub use self::page::{page, served_page};
pub use self::progress::Progress;
pub use self::question::Question;
#[cfg(feature = "postgres")]
pub use self::rollup::{RolledHours, Rollup};
pub use self::stats::gates::GateResult;
pub use self::story::{Ending, RowKind, Story, StoryRow, Wait, story, story_of_logs};
use crate::error::Error;
use crate::store::read::{Reading, RowSource, Selection};
use crate::store::{TableName, open_distinct};

/// Counts, success rates, percentiles and reasons of the rows in these databases, which are read as one.
///
/// It needs a tokio runtime with I/O and time, and the right to `SELECT`. It writes nothing.
///
/// # Errors
/// [`Error::is_config`] if a URL cannot be parsed, names a database whose feature is not built in, or is given twice.
/// [`Error::is_database`] if a database or its table cannot be read. [`Error::is_timeout`] if a database does not
/// answer.
///
/// ```no_run
/// use tracing_ledger::report::{Question, report};
///
/// # async fn print() -> Result<(), tracing_ledger::Error> {
/// let answer = report(&Question::new().event("http.request").by("route")?, &["postgres://db.example.com/app"]).await?;
/// println!("{answer}");
/// # Ok(())
/// # }
/// ```
pub async fn report<U: AsRef<str>>(question: &Question, urls: &[U]) -> Result<Report, Error> {
    // A rollup has tables of its own, and its URLs are checked alike.
    let mut sources = open_distinct(urls, &question.table).await?;
    #[cfg(feature = "postgres")]
    if question.rollup {
        return rollup::report(question, urls).await;
    }
    read(question, &mut sources).await
}

/// The same from the logs of a service without a ledger, as the rules would have recorded it. `-` is stdin.
///
/// Reads lines of JSON and of text from the `fmt` layer of tracing-subscriber with `FmtSpan::CLOSE`, rows that were
/// exported as CSV or as one JSON object per line, and console lines of a job. Each file may be packed by gzip or zstd.
///
/// # Errors
/// [`Error::is_config`] if a file cannot be read or unpacked. A line that cannot be read is no error.
pub async fn report_of_logs<P: AsRef<Path>>(
    question: &Question,
    files: &[P],
) -> Result<(Report, UnreadLines), Error> {
    let files = files.iter().map(|file| file.as_ref().to_owned()).collect();
    let mut logs = [Logs::new(files, &question.known_rules())];
    let report = read(question, &mut logs).await?;
    let [logs] = logs;
    Ok((report, logs.into_unread()))
}

/// The report on all rows of these sources together.
pub(crate) async fn read(question: &Question, sources: &mut [impl RowSource]) -> Result<Report, Error> {
    let questions = question.questions();
    let progress = question.progress.clone().unwrap_or_default();
    if question.progress.is_some() {
        progress.expect(expected(&questions, sources).await?);
    }
    let mut gather = Gather::new(question);
    for (number, source) in sources.iter_mut().enumerate() {
        let mut questions = questions.clone();
        if question.detail {
            questions = questions.detailed(source.passes_whole_rows());
        }
        let each = &mut |reading: &Reading<'_>| {
            progress.add_row();
            let row = questions.observe(reading);
            if questions.selection().is_loss(reading) {
                gather.loss(&row);
            }
            if questions.selection().asks_for(reading) {
                gather.row(number, &row);
            }
        };
        source.read(questions.selection(), each).await?;
        complete(&mut gather, &questions, number, source).await?;
    }
    Ok(gather.report(&questions))
}

/// About how many rows are selected; 0 if a source cannot tell.
async fn expected(questions: &Questions, sources: &mut [impl RowSource]) -> Result<u64, Error> {
    let mut sum = 0;
    for source in sources {
        match source.expected(questions.selection()).await? {
            Some(rows) => sum += rows,
            None => return Ok(0),
        }
    }
    Ok(sum)
}

/// Reads the calls that are shown one by one as a whole, if the source has not done so yet.
async fn complete(
    gather: &mut Gather,
    questions: &Questions,
    number: usize,
    source: &mut impl RowSource,
) -> Result<(), Error> {
    let ids = gather.incomplete(number);
    if ids.is_empty() {
        return Ok(());
    }
    let questions = questions.whole(ids);
    let mut found = FoundCalls::default();
    let each = &mut |reading: &Reading<'_>| {
        let row = questions.observe(reading);
        if let (Some(id), Some(whole)) = (row.id(), row.whole()) {
            found.add(id, &whole);
        }
    };
    source.read(questions.selection(), each).await?;
    gather.complete(number, &found);
    Ok(())
}

/// The event types in this table of these databases, most frequent first, with their numbers of rows. The table is written
/// as `TABLE` or `SCHEMA.TABLE`.
///
/// # Errors
/// As [`report`], and when `table` is no name of a table ([`Error::is_config`]).
pub async fn event_types<U: AsRef<str>>(table: &str, urls: &[U]) -> Result<Vec<(String, u64)>, Error> {
    let table = TableName::parse(table)?;
    let mut counts = std::collections::BTreeMap::<String, u64>::new();
    for mut source in open_distinct(urls, &table).await? {
        let each = &mut |reading: &Reading<'_>| match counts.get_mut(reading.event_type) {
            Some(count) => *count += 1,
            None => _ = counts.insert(reading.event_type.to_owned(), 1),
        };
        source.read(&Selection::default(), each).await?;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(counts)
}
