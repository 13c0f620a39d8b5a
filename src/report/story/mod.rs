//! Everything the ledger knows of one booking, trace, job or call, in order.

mod answer;
mod around;
mod build;
mod find;
mod found;
mod logs;
pub(super) mod text;
mod timed;
mod waits;

use std::path::Path;

pub use self::answer::{Ending, RowKind, Story, StoryRow, Wait};
use self::find::Named;
use self::logs::FreshLogs;
use super::log::UnreadLines;
use super::question::Question;
use crate::error::Error;
use crate::store::open_distinct;
use crate::store::read::RowSource;

/// The story of an id in these databases, which are read as one.
///
/// `id` names a booking, a restaurant, a row, a trace or a span; or `KEY=VALUE` with a key of the context, which may
/// have dots into nested objects. The grouping of the question does not count. The story of a row or a booking has the rows of the booking, in all flows, and those of its traces that name no booking. A row without a booking leads to its
/// trace. The story of a span has the rows of that span and of all spans within it.
///
/// It needs a tokio runtime with I/O and time, and the right to `SELECT`. It writes nothing.
///
/// # Errors
/// As [`report`](super::report()), and [`Error::is_config`] for an empty id.
///
/// ```no_run
/// use tracing_ledger::report::{Question, story};
///
/// # async fn print() -> Result<(), tracing_ledger::Error> {
/// let url = "postgres://db.example.com/app";
/// let story = story("019a5c1e-7a3b-7c60-8f21-2f5d1c9b8a10", &Question::new(), &[url]).await?;
/// println!("{story}");
/// # Ok(())
/// # }
/// ```
pub async fn story<U: AsRef<str>>(id: &str, question: &Question, urls: &[U]) -> Result<Story, Error> {
    tell(id, question, &mut open_distinct(urls, &question.table).await?).await
}

/// The same from the logs of a service, which [`report_of_logs`](super::report_of_logs) describes. Rows that were made from
/// lines have no id.
///
/// # Errors
/// [`Error::is_config`] if a file cannot be read or unpacked, for an empty id, and for stdin where the id leads to other
/// ids: it can be read only once.
pub async fn story_of_logs<P: AsRef<Path>>(
    id: &str,
    question: &Question,
    files: &[P],
) -> Result<(Story, UnreadLines), Error> {
    let files = files.iter().map(|file| file.as_ref().to_owned()).collect();
    let mut logs = [FreshLogs::new(files, question.known_rules())];
    let story = tell(id, question, &mut logs).await?;
    let [logs] = logs;
    Ok((story, logs.unread))
}

async fn tell(id: &str, question: &Question, sources: &mut [impl RowSource]) -> Result<Story, Error> {
    let named = Named::parse(id)?;
    let rows = find::find(question, &named, sources).await?;
    Ok(build::build(question, id, &named, rows))
}
