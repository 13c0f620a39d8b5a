//! Rollups: the figures of whole hours in tables beside the rows, and reports from them.

mod answer;
mod definition;
mod histogram;
mod merge;
mod run;
mod tally;

use std::time::SystemTime;

use jiff::Timestamp;

pub(super) use self::answer::report;
pub use self::run::RolledHours;
use super::question::Question;
use crate::error::Error;
use crate::rules::Rules;
use crate::store::rollup_schema;

/// Rolls up the rows of past hours: their figures by hour, event type and groups go to two tables beside the table of the rows.
///
/// Each run rolls up the hours that have become past since the last one, and those whose rows have become more. It keeps the
/// figures of hours whose rows are deleted. Only Postgres has rollups.
///
/// ```no_run
/// # async fn roll_up() -> Result<(), tracing_ledger::Error> {
/// use tracing_ledger::report::{Question, Rollup, report};
///
/// let url = "postgres://db.example.com/app";
/// Rollup::new().by("route")?.create(true).run(url).await?;
/// let answer = report(&Question::new().by("route")?.rollup(true), &[url]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rollup {
    question: Question,
    keys: Vec<String>,
    since: Option<SystemTime>,
    create: bool,
    rebuild: bool,
}

impl Rollup {
    /// A run looks at the hours of so many days before now for late rows, unless it is given a time.
    pub const DEFAULT_DAYS: u32 = 14;

    /// Groups as the [built-in rules](Rules::builtin) say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Groups by this key too, as [`Question::by`] does, beside those that the rules name.
    ///
    /// # Errors
    /// For an empty key, and for `hour` and `day`, which every rollup has.
    pub fn by(mut self, key: &str) -> Result<Self, Error> {
        if matches!(key, "hour" | "day") {
            return Err(Error::config("every rollup has hours and days: group by keys of the rows"));
        }
        self.question = self.question.by(key)?;
        self.keys.push(key.to_owned());
        Ok(self)
    }

    /// The rules that made the rows, as for [`Question::rules`].
    pub fn rules(mut self, rules: Rules) -> Self {
        self.question = self.question.rules(rules);
        self
    }

    /// The table of the rows. Those of the rollup have its name with `_rollup` and `_rollup_hours` after it.
    ///
    /// # Errors
    /// When it is no name of a table, or one that is too long for that ([`Error::is_config`]).
    pub fn table(mut self, name: &str) -> Result<Self, Error> {
        self.question = self.question.table(name)?;
        self.statements()?;
        Ok(self)
    }

    /// Looks at all hours from this moment on, instead of those of the last [`DEFAULT_DAYS`](Self::DEFAULT_DAYS).
    pub fn since(mut self, since: SystemTime) -> Self {
        self.since = Some(since);
        self
    }

    /// Whether to make the tables if they are not there (`false`).
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Whether to roll up all hours again that have their rows (`false`): for other rules or keys.
    pub fn rebuild(mut self, rebuild: bool) -> Self {
        self.rebuild = rebuild;
        self
    }

    /// The statements that make the tables.
    ///
    /// # Errors
    /// As [`table`](Self::table).
    pub fn statements(&self) -> Result<String, Error> {
        rollup_schema(&self.question.table)
    }
}

/// `2026-01-31T08:00:00Z`
fn hour_text(hour: i64) -> String {
    moment(hour).map_or_else(|| hour.to_string(), |moment| moment.to_string())
}

fn moment(hour: i64) -> Option<Timestamp> {
    Timestamp::from_second(hour.checked_mul(3600)?).ok()
}
