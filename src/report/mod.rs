//! Questions to the ledger, and their answers: typed, as text, as Markdown, as JSON.
//!
//! The figures are computed here, from rows read one at a time, so that they are the same for every database.
//! Percentiles are exact: a report keeps some 40 bytes for each planner call.

mod answer;
mod escape;
mod gather;
mod keys;
mod render;
mod samples;
mod table;

use std::time::SystemTime;

pub use self::answer::{Attempts, AttemptsBar, Baseline, CallGroup, Calls, JobGroup, Reason, Share, Spread};
use self::gather::Gather;
use crate::error::Error;
use crate::store::open;
use crate::store::read::Selection;

/// How planner calls and jobs have gone, from the rows of `auto_assign.quote` and `auto_assign.summary` whose
/// `created_at` is not before `since`.
///
/// Needs a tokio runtime with I/O and time, and the right to `SELECT`. Nothing is written.
///
/// # Errors
/// When the URL cannot be read ([`Error::is_config`]), when the database or its table cannot be
/// ([`Error::is_database`]), or when it does not answer ([`Error::is_timeout`]).
///
/// ```no_run
/// # async fn print() -> Result<(), tracing_ledger::Error> {
/// let baseline = tracing_ledger::report::baseline("postgres://db.example.com/app", None).await?;
/// println!("{baseline}");
/// # Ok(())
/// # }
/// ```
pub async fn baseline(url: &str, since: Option<SystemTime>) -> Result<Baseline, Error> {
    let selection = Selection { event_types: vec![keys::QUOTE, keys::SUMMARY], since };
    let mut gather = Gather::default();
    open(url, false)?.read(&selection, |row| gather.row(row)).await?;
    Ok(gather.baseline(since))
}
