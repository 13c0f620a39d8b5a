//! Rolls hours up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;

use super::tally::HourTally;
use super::{Rollup, definition, moment};
use crate::error::Error;
use crate::report::key::hours;
use crate::report::observe::Questions;
use crate::report::question::JobRule;
use crate::store::read::{Reading, RowSource, Selection};
use crate::store::rolled::{Coverage, FiguresChange, HourChange, HourState, Making};
use crate::store::{RollupTables, open_rollup, open_to_read};

/// Rows that are read for one transaction, unless one hour has more.
const BATCH_ROWS: i64 = 500_000;
/// Hours that are written in one transaction.
const BATCH_HOURS: usize = 24;

/// The hours that a run of [`Rollup`] has rolled up.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RolledHours {
    /// The hours that were rolled up, or rolled up again.
    pub hours: u64,
    /// Their rows.
    pub rows: u64,
    /// The lines that hold their figures.
    pub lines: u64,
    /// Hours whose rows are gone, wholly or in part, since they were last looked at. They keep their figures.
    pub kept: u64,
    /// Hours that have more rows than when they were last looked at, and have lost others before. The late rows are in no
    /// figure, because they cannot be told from those that are left.
    pub undecided: u64,
    /// The hours before this moment are rolled up; `None` if none is.
    pub until: Option<SystemTime>,
}

impl Rollup {
    /// Rolls up the hours of this database that have changed. Each transaction has at most a day, so an interrupted run has
    /// done a part, and the next one goes on.
    ///
    /// It needs the right to `SELECT` from the table of the rows, and to `SELECT`, `INSERT`, `UPDATE` and `DELETE` in its own.
    ///
    /// # Errors
    /// [`Error::is_config`] if the URL is none of Postgres, the tables are missing, or hold a rollup by other rules or keys.
    /// [`Error::is_database`] if another run is at it, or the database cannot be used.
    pub async fn run(&self, url: &str) -> Result<RolledHours, Error> {
        let mut tables = open_rollup(url, &self.question.table, true).await?;
        self.prepare(&mut tables).await?;
        let questions = self.question.rollup_questions();
        let making = definition::making(&self.question, &questions, &self.keys);
        self.check(tables.making().await?, &making)?;
        let coverage = tables.coverage().await?;
        let since = self.first_hour(coverage, &mut tables).await?;
        let changed = in_order(tables.changed(since, self.rebuild).await?, coverage);
        let jobs = self.question.jobs();
        let mut run = Run { url, rollup: self, questions, jobs, making, done: RolledHours::default() };
        for batch in batches(&changed) {
            run.batch(&mut tables, batch).await?;
        }
        let until = tables.coverage().await?.and_then(|coverage| moment(coverage.until));
        Ok(RolledHours { until: until.map(SystemTime::from), ..run.done })
    }

    /// Whether the tables of the rollup are in this database.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn has_tables(&self, url: &str) -> Result<bool, Error> {
        open_rollup(url, &self.question.table, true).await?.are_there().await
    }

    async fn prepare(&self, tables: &mut RollupTables) -> Result<(), Error> {
        if tables.are_there().await? {
            return Ok(());
        }
        if self.create {
            return tables.create().await;
        }
        Err(Error::config(format!(
            "the tables of the rollup do not exist: run it with --create, which makes {}, or let an owner make them",
            self.names().join(" and ")
        )))
    }

    /// The names of the tables.
    fn names(&self) -> [String; 2] {
        ["_rollup", "_rollup_hours"].map(|end| format!("{}{end}", self.question.table))
    }

    fn check(&self, old: Option<Making>, new: &Making) -> Result<(), Error> {
        let Some(old) = old.filter(|old| old != new && !self.rebuild) else { return Ok(()) };
        let by = |keys: &str| {
            if keys.is_empty() { "without --by".to_owned() } else { format!("with --by {keys}") }
        };
        let made = match old.keys == new.keys {
            true => "by other rules, or by another version of this command".to_owned(),
            false => format!("{}, and this command is {}", by(&old.keys), by(&new.keys)),
        };
        Err(Error::config(format!(
            "the hours so far were rolled up {made}: repeat the options that they were rolled up with, or roll up again the \
             hours that have their rows by adding --rebuild"
        )))
    }

    /// The hours that are rolled up stay without a gap: a run begins no later than where the last one ended.
    async fn first_hour(
        &self,
        coverage: Option<Coverage>,
        tables: &mut RollupTables,
    ) -> Result<Option<i64>, Error> {
        let named = self.since.map(|since| Timestamp::try_from(since).map_or(i64::MIN, hours));
        let Some(coverage) = coverage else { return Ok(named.filter(|since| *since > i64::MIN)) };
        let since = match named {
            Some(since) => since,
            None if self.rebuild => coverage.from,
            None => tables.days_ago(Self::DEFAULT_DAYS.into()).await?,
        };
        Ok(Some(since.min(coverage.until)).filter(|since| *since > i64::MIN))
    }
}

struct Run<'a> {
    url: &'a str,
    rollup: &'a Rollup,
    questions: Questions,
    jobs: Vec<JobRule>,
    making: Making,
    done: RolledHours,
}

impl Run<'_> {
    /// Reads the rows of these hours, which lie next to each other, and replaces what has changed.
    async fn batch(&mut self, tables: &mut RollupTables, batch: &[(i64, i64)]) -> Result<(), Error> {
        let wanted: BTreeSet<i64> = batch.iter().map(|(hour, _)| *hour).collect();
        let (Some(from), Some(last)) = (wanted.first(), wanted.last()) else { return Ok(()) };
        tables.lock().await?;
        let states = tables.states(*from, last + 1).await?;
        let mut tally = HourTally::new(&self.questions, &self.jobs, &wanted);
        if batch.iter().any(|(_, rows)| *rows > 0) {
            let selection = Selection {
                since: moment(*from).map(SystemTime::from),
                until: moment(last + 1).map(SystemTime::from),
                ..self.questions.selection().clone()
            };
            let each = &mut |reading: &Reading<'_>| tally.row(&self.questions.observe(reading));
            open_to_read(self.url, &self.rollup.question.table)?.read(&selection, each).await?;
        }
        let rows = tally.rows();
        let live = |hour: &i64| rows.get(hour).copied().unwrap_or_default();
        let may_be_back = |(hour, state): (&i64, &HourState)| {
            state.live < state.rows && state.rows <= live(hour) && wanted.contains(hour)
        };
        let back = match states.iter().any(may_be_back) {
            true => tally.holding(&tables.totals(*from, last + 1).await?),
            false => BTreeSet::new(),
        };
        let change = |hour: &i64| {
            let (before, is_back) = (states.get(hour).copied(), back.contains(hour));
            self.done.change(*hour, live(hour), before, is_back, self.rollup.rebuild)
        };
        let changes: Vec<HourChange> = wanted.iter().filter_map(change).collect();
        let figures: BTreeMap<i64, FiguresChange> =
            changes.iter().map(|change| (change.hour, change.figures)).collect();
        let takes = |hour| figures.get(&hour).is_some_and(|figures| *figures != FiguresChange::Keep);
        let cells = tally.into_cells(takes);
        self.done.lines += cells.len() as u64;
        tables.put(&changes, &cells, &self.making).await?;
        tables.commit().await
    }
}

impl RolledHours {
    /// Late rows add to the rows of an hour, and a deletion takes from them: this tells one from the other. `is_back` says that
    /// the rows look like those of the figures, which counts only where none was left: late rows may look like deleted ones.
    fn change(
        &mut self,
        hour: i64,
        live: i64,
        before: Option<HourState>,
        is_back: bool,
        rebuild: bool,
    ) -> Option<HourChange> {
        let before = before.unwrap_or(HourState { rows: 0, live: 0 });
        let HourState { rows, live: was } = before;
        let figures = match before {
            _ if live == was && !rebuild => return None,
            // Every row of the figures is still there, or none was and all are back.
            _ if live >= rows && (was == rows || was == 0 && is_back) => FiguresChange::Replace,
            _ if was == 0 && live > 0 => FiguresChange::Add,
            _ => FiguresChange::Keep,
        };
        let taken = match figures {
            FiguresChange::Keep => 0,
            FiguresChange::Replace | FiguresChange::Add => live,
        };
        self.hours += u64::from(taken > 0);
        self.rows += u64::try_from(taken).unwrap_or_default();
        self.kept += u64::from(figures == FiguresChange::Keep && live <= was);
        self.undecided += u64::from(figures == FiguresChange::Keep && live > was);
        let state = match figures {
            // As many late rows as are gone must not make the hour look whole.
            FiguresChange::Keep => HourState { rows, live: live.min(rows - 1) },
            FiguresChange::Replace => HourState { rows: live, live },
            FiguresChange::Add => HourState { rows: rows + live, live },
        };
        Some(HourChange { hour, state, figures })
    }
}

/// First the hours from the first one that is rolled up, then the earlier ones backwards, so that an interrupted run leaves
/// no gap.
fn in_order(changed: Vec<(i64, i64)>, coverage: Option<Coverage>) -> Vec<(i64, i64)> {
    let from = coverage.map_or(i64::MIN, |coverage| coverage.from);
    let (before, mut all): (Vec<_>, Vec<_>) = changed.into_iter().partition(|(hour, _)| *hour < from);
    all.extend(before.into_iter().rev());
    all
}

/// Hours that lie so close together that the rows between them are few.
fn batches(changed: &[(i64, i64)]) -> Vec<&[(i64, i64)]> {
    let mut batches = Vec::new();
    let mut rest = changed;
    while let Some((first, others)) = rest.split_first() {
        let (mut last, mut rows) = *first;
        let mut count = 1;
        for (hour, more) in others.iter().take(BATCH_HOURS - 1) {
            rows += more;
            if (hour - last).abs() > 1 || rows > BATCH_ROWS {
                break;
            }
            last = *hour;
            count += 1;
        }
        let (batch, after) = rest.split_at(count);
        batches.push(batch);
        rest = after;
    }
    batches
}

impl fmt::Display for RolledHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hours, rows, lines, kept, undecided, .. } = self;
        let [rows, lines] = [(*rows, "row"), (*lines, "line")].map(count);
        write!(f, "Rolled up {rows} of {} into {lines}.", count((*hours, "hour")))?;
        if let Some(until) = self.until.and_then(|until| Timestamp::try_from(until).ok()) {
            write!(f, " The hours before {until} are rolled up.")?;
        }
        if *kept > 0 {
            write!(f, " Of {}, rows are gone: their figures stay.", count((*kept, "hour")))?;
        }
        if *undecided > 0 {
            let hours = count((*undecided, "hour"));
            write!(
                f,
                " In {hours}, late rows do not count, because earlier rows are gone. If all are back, delete the lines of the hour \
                 from both tables, and run rollup --since that hour."
            )?;
        }
        Ok(())
    }
}

fn count((number, of): (u64, &str)) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(rows: i64, was: i64, live: i64, rebuild: bool) -> Option<(FiguresChange, i64)> {
        let before = Some(HourState { rows, live: was });
        let change = RolledHours::default().change(7, live, before, false, rebuild)?;
        let most = if change.figures == FiguresChange::Keep { rows - 1 } else { live };
        assert_eq!(change.state.live, live.min(most));
        Some((change.figures, change.state.rows))
    }

    #[test]
    fn late_rows_are_told_from_deleted_ones() {
        use FiguresChange::{Add, Keep, Replace};
        assert_eq!(change(10, 10, 10, false), None, "unchanged");
        assert_eq!(change(10, 10, 12, false), Some((Replace, 12)), "late rows");
        assert_eq!(change(10, 10, 4, false), Some((Keep, 10)), "some are deleted");
        assert_eq!(change(10, 10, 0, false), Some((Keep, 10)), "all are deleted");
        assert_eq!(change(10, 0, 3, false), Some((Add, 13)), "late rows after the deletion");
        assert_eq!(change(13, 3, 0, false), Some((Keep, 13)), "and these are deleted too");
        assert_eq!(change(10, 4, 6, false), Some((Keep, 10)), "which rows are late?");
        assert_eq!(change(10, 9, 10, false), Some((Keep, 10)), "as many late rows as are gone");
        assert_eq!(change(10, 9, 11, false), Some((Keep, 10)), "more late rows than are gone");
        assert_eq!(change(10, 10, 10, true), Some((Replace, 10)), "rebuilt");
        assert_eq!(change(10, 0, 0, true), Some((Keep, 10)), "nothing to rebuild from");
        assert_eq!(change(10, 4, 4, true), Some((Keep, 10)), "too little to rebuild from");
        assert_eq!(
            RolledHours::default().change(7, 5, None, false, false).map(|change| change.figures),
            Some(Replace)
        );
        let alike =
            |was| RolledHours::default().change(7, 10, Some(HourState { rows: 10, live: was }), true, false);
        assert_eq!(
            alike(9).map(|change| change.figures),
            Some(Keep),
            "late rows look like those that are gone"
        );
        assert_eq!(alike(0).map(|change| change.figures), Some(Replace), "all are back");
    }

    #[test]
    fn a_batch_is_a_day_at_most_and_has_no_gap() {
        let hours: Vec<(i64, i64)> = (0..30).chain(40..42).map(|hour| (hour, 1)).collect();
        let lengths: Vec<usize> = batches(&hours).iter().map(|batch| batch.len()).collect();
        assert_eq!(lengths, [24, 6, 2]);
        let large = [(0, 400_000), (1, 100_000), (2, 1), (3, 600_000), (4, 1)];
        let lengths: Vec<usize> = batches(&large).iter().map(|batch| batch.len()).collect();
        assert_eq!(lengths, [2, 1, 1, 1]);
    }

    #[test]
    fn earlier_hours_are_rolled_up_backwards() {
        let coverage = Some(Coverage { from: 5, until: 8, at: 0 });
        let hours: Vec<i64> = in_order((2..10).map(|hour| (hour, 1)).collect(), coverage)
            .iter()
            .map(|(hour, _)| *hour)
            .collect();
        assert_eq!(hours, [5, 6, 7, 8, 9, 4, 3, 2]);
    }
}
