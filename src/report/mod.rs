//! Answers from the rows of the ledger: typed, as text, as Markdown and as JSON.
//!
//! Rows are read one at a time and the figures are computed here, so that they are the same for every database.
//! Percentiles are exact: a report keeps some 40 bytes for each planner call.

mod answer;
mod compare;
mod escape;
mod gather;
mod grid;
mod keys;
#[expect(dead_code, reason = "the report on any event reads the rest")]
mod observe;
mod render;
mod samples;
mod stats;

use std::time::SystemTime;

pub use self::answer::{Attempts, AttemptsBar, Baseline, CallGroup, Calls, JobGroup, Reason, Share, Spread};
pub use self::compare::{Compare, compared::Compared, snapshot::Snapshot};
use self::gather::Gather;
use self::observe::{By, Questions};
pub use self::stats::gates::GateResult;
use crate::error::Error;
use crate::rules::Rules;
use crate::store::open_to_read;
use crate::store::read::{Asked, Choice, Reading, RowSource, Selection};

/// Counts, success rates, percentiles and reasons of planner calls and jobs, from the rows of `auto_assign.quote` and
/// `auto_assign.summary` whose `created_at` is not before `since`.
///
/// It needs a tokio runtime with I/O and time, and the right to `SELECT`. It writes nothing.
///
/// # Errors
/// [`Error::is_config`] if the URL cannot be parsed, or names a database whose feature is not built in.
/// [`Error::is_database`] if the database or its table cannot be read. [`Error::is_timeout`] if the database does not
/// answer.
///
/// ```no_run
/// # async fn print() -> Result<(), tracing_ledger::Error> {
/// let baseline = tracing_ledger::report::baseline("postgres://db.example.com/app", None).await?;
/// println!("{baseline}");
/// # Ok(())
/// # }
/// ```
pub async fn baseline(url: &str, since: Option<SystemTime>) -> Result<Baseline, Error> {
    let event_types = Some(vec![keys::QUOTE.to_owned(), keys::SUMMARY.to_owned()]);
    let selection = Selection { event_types, since, ..Selection::default() };
    let by = [keys::FLOW, keys::TRIGGER, keys::PLANNER_STRATEGY]
        .map(|key| By::Text(Asked::Key(Choice::always(key))));
    let questions = Questions::new(&Rules::builtin(), selection).by(by);
    let mut gather = Gather::default();
    let each = &mut |reading: &Reading<'_>| gather.row(&questions.observe(reading));
    open_to_read(url)?.read(questions.selection(), each).await?;
    Ok(gather.baseline(since))
}
