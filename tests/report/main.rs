//! The report: its figures, its texts, and the command that prints it.

#![expect(clippy::too_many_lines, reason = "the cases of a test are one table")]

#[cfg(feature = "cli")]
mod by_rules;
#[cfg(feature = "cli")]
mod command;
#[cfg(feature = "cli")]
mod compare;
mod detail;
mod figures;
mod foreign_rows;
mod groups;
mod jobs;
#[cfg(feature = "cli")]
mod later;
mod live;
#[cfg(feature = "cli")]
mod logs;
mod million;
mod pages;
#[cfg(feature = "cli")]
mod progress;
#[cfg(feature = "cli")]
mod rollup;
#[cfg(feature = "cli")]
mod schema;
#[cfg(feature = "cli")]
mod serve;
#[cfg(feature = "cli")]
mod story;
mod tables;
mod texts;
#[cfg(feature = "cli")]
mod watch;

use std::time::SystemTime;

use tracing_ledger::report::{Figures, Question, Report, report};

/// The report that the built-in rules ask for.
async fn report_since(url: &str, since: Option<SystemTime>) -> Report {
    let question = since.map_or(Question::new(), |since| Question::new().since(since));
    report(&question, &[url]).await.expect("a report")
}

/// All rows of `auto_assign.quote`.
fn quotes(report: &Report) -> &Figures {
    &report.event("auto_assign.quote").expect("there are such rows").figures
}

/// The number of rows of `auto_assign.quote`.
fn quote_count(report: &Report) -> u64 {
    report.event("auto_assign.quote").map_or(0, |event| event.figures.calls)
}
