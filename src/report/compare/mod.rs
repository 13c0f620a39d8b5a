//! Baselines and comparisons, which say so where there is not enough data to decide.

mod collected;
pub(super) mod compared;
mod csv;
mod figure_keys;
pub(super) mod gate;
mod histogram;
mod mix;
mod mix_lines;
pub(super) mod overlay;
pub(super) mod reasons;
pub(super) mod render;
mod rows;
mod shown;
mod sketch;
pub(super) mod snapshot;
pub(super) mod tally;
pub(super) mod words;
mod worse_groups;

use std::path::Path;

use jiff::Timestamp;

use self::collected::Collected;
use self::compared::Compared;
use self::figure_keys::FigureKeys;
use self::gate::GateSpec;
use self::rows::{SideRows, distinct, distinct_logs, named, read_stdin_once, rows_in_common};
use self::snapshot::{Filter, Snapshot};
use super::answer::Report;
use super::log::Logs;
use super::observe::Questions;
use super::question::{Question, by_of, condition_of};
use super::stats::blocks::TimeBlocks;
use super::{report, report_of_logs};
use crate::error::Error;
use crate::rules::Rules;
use crate::store::read::{Condition, Reading, RowSource, Selection};
use crate::store::{TableName, open_distinct};

/// Makes baselines of rows and compares them.
///
/// A side of a comparison is written as on the command line: a file that holds [`Snapshot::to_json`], a window such as
/// `2026-11-01..2026-11-08` or `7d..`, a value such as `version=1.4`, or a log, of which `-` is the one on stdin.
///
/// ```no_run
/// # async fn compare() -> Result<(), tracing_ledger::Error> {
/// let compare = tracing_ledger::report::Compare::new().database_url("postgres://db.example.com/app");
/// let compared = compare.compare("14d..7d", "7d..", &["p95<=+10%"]).await?;
/// println!("{compared}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Compare {
    databases: Vec<String>,
    table: TableName,
    rules: Rules,
    filter: Filter,
    short_window: bool,
}

impl Compare {
    /// All event types of all rows, in one group each.
    pub fn new() -> Self {
        let rules = Rules::builtin();
        let table = TableName::default();
        Self { databases: Vec::new(), table, rules, filter: Filter::default(), short_window: false }
    }

    /// Adds a database. The rows of several are read as one.
    pub fn database_url(mut self, url: impl Into<String>) -> Self {
        self.databases.push(url.into());
        self
    }

    /// The table of the rows, as `TABLE` or `SCHEMA.TABLE`. Without it:
    /// [`Builder::DEFAULT_TABLE`](crate::Builder::DEFAULT_TABLE).
    ///
    /// # Errors
    /// When it is no name of a table ([`Error::is_config`]).
    pub fn table(mut self, name: &str) -> Result<Self, Error> {
        self.table = TableName::parse(name)?;
        Ok(self)
    }

    /// The rules that made the rows: they say which keys have the duration, the success and the attempts. By default these are
    /// the built-in rules.
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Adds an event type; without any, all count.
    pub fn event(mut self, event_type: impl Into<String>) -> Self {
        self.filter.events.push(event_type.into());
        self
    }

    /// Adds a column or a key of the context to group by, `hour` or `day`.
    pub fn by(mut self, key: impl Into<String>) -> Self {
        let key = key.into();
        if !self.filter.by.contains(&key) {
            self.filter.by.push(key);
        }
        self
    }

    /// Adds a condition for rows, such as `status>=500`.
    pub fn condition(mut self, condition: impl Into<String>) -> Self {
        self.filter.conditions.push(condition.into());
        self
    }

    /// Whether windows with fewer than six days decide by eight equal parts (`false`). They do not cover what differs
    /// from day to day.
    pub fn short_window(mut self, accept: bool) -> Self {
        self.short_window = accept;
        self
    }

    /// Compares two sides, and holds the gates against the change: `p95<=+10%`, `p95<=800ms`, `success>=-1pt`,
    /// `success>=99%`, `attempts.mean<=2.25`.
    ///
    /// A saved baseline brings its event types, groups and conditions, unless this has some.
    ///
    /// # Errors
    /// [`Error::is_config`] if a side has no rows, is no side, or has rows in common with the other one or other groups and
    /// conditions, and if a gate cannot be read or no event type has its metric. [`Error::is_database`] and [`Error::is_timeout`] if the
    /// database cannot be read.
    pub async fn compare(&self, before: &str, after: &str, gates: &[&str]) -> Result<Compared, Error> {
        let gates = specs(gates)?;
        read_stdin_once([before, after])?;
        let now = Timestamp::now();
        let [of_before, of_after] = [("before", before), ("after", after)].map(|(name, of)| {
            move |error: Error| error.reworded(|words| format!("the side {name}, {}: {words}", named(of)))
        });
        let first = SideRows::parse(before, now).map_err(of_before)?;
        let second = SideRows::parse(after, now).map_err(of_after)?;
        if first.overlaps(&second) {
            return Err(rows_in_common(before, after));
        }
        distinct_logs([&first, &second])?;
        // Where one side is saved, the other one is read as that one was.
        if matches!(second, SideRows::Saved(_)) && !matches!(first, SideRows::Saved(_)) {
            let after = self.side(after, second).await.map_err(of_after)?;
            let before = self.with_filter_of(&after).side(before, first).await.map_err(of_before)?;
            return compared(before, after, &gates);
        }
        let before = self.side(before, first).await.map_err(of_before)?;
        let after = self.with_filter_of(&before).side(after, second).await.map_err(of_after)?;
        compared(before, after, &gates)
    }

    /// The same for an experiment: each side is a list of runs, and each run a side. A run is a block, so runs of both
    /// sides should alternate. At least five a side decide.
    ///
    /// # Errors
    /// As [`Compare::compare`].
    pub async fn compare_runs(&self, sides: [&[&str]; 2], gates: &[&str]) -> Result<Compared, Error> {
        let gates = specs(gates)?;
        let mut rows = distinct(&sides.concat())?;
        let after = rows.split_off(sides[0].len());
        let before = self.side_of_runs(sides[0], &rows).await?;
        let after = self.side_of_runs(sides[1], &after).await?;
        compared(before, after, &gates)
    }

    /// The figures of one side, to compare or to save.
    ///
    /// # Errors
    /// As [`Compare::compare`].
    pub async fn snapshot(&self, rows: &str) -> Result<Snapshot, Error> {
        self.side(rows, SideRows::parse(rows, Timestamp::now())?).await
    }

    /// The figures of several runs as one side, each a block.
    ///
    /// # Errors
    /// As [`Compare::compare`], and if a run is a saved baseline or overlaps another one.
    pub async fn runs(&self, runs: &[&str]) -> Result<Snapshot, Error> {
        self.side_of_runs(runs, &distinct(runs)?).await
    }

    async fn side(&self, of: &str, rows: SideRows) -> Result<Snapshot, Error> {
        let side = match rows {
            SideRows::Saved(path) => Snapshot::from_json(
                &std::fs::read_to_string(path)
                    .map_err(|error| Error::config("the file cannot be read").caused_by(error))?,
            )?,
            read => self.read(of, &[read], false).await?,
        };
        self.check(side)
    }

    async fn side_of_runs(&self, runs: &[&str], rows: &[SideRows]) -> Result<Snapshot, Error> {
        self.check(self.read(&runs.join(","), rows, true).await?)
    }

    /// The rows of one side of a comparison, in detail, for a [`page`](super::page) that has both. `None` for a saved baseline,
    /// which has no rows, and for stdin, which can be read only once.
    ///
    /// # Errors
    /// As [`report`](super::report()).
    pub async fn rows(&self, side: &str, compared: &Compared) -> Result<Option<Report>, Error> {
        let Self { filter, databases, .. } = self.with_filter_of(&compared.before);
        let mut question = filter.events.iter().fold(Question::new(), Question::event).detail(true);
        question = question.rules(self.rules.clone());
        question.table = self.table.clone();
        for key in &filter.by {
            question = question.by(key)?;
        }
        for condition in &filter.conditions {
            question = question.condition(condition)?;
        }
        match SideRows::parse(side, Timestamp::now())? {
            SideRows::Saved(_) => return Ok(None),
            SideRows::Log(path) if !path.is_file() => return Ok(None),
            SideRows::Log(path) => return Ok(Some(report_of_logs(&question, &[path]).await?.0)),
            SideRows::Having(value) => question = question.condition(&value)?,
            SideRows::Window(since, until) => (question.since, question.until) = (since, until),
        }
        Ok(Some(report(&question, &databases).await?))
    }

    fn with_filter_of(&self, other: &Snapshot) -> Self {
        let own = self.filter != Filter::default();
        let filter = if own { self.filter.clone() } else { other.filter.clone() };
        Self { filter, ..self.clone() }
    }

    fn check(&self, side: Snapshot) -> Result<Snapshot, Error> {
        if side.rows == 0 && side.is_log {
            return Err(Error::config(no_rows_in(&side)));
        }
        if side.rows == 0 {
            return Err(Error::config(
                "there are no rows: check the window or value, --event, --where, and the database",
            ));
        }
        if side.first.is_empty() {
            return Err(Error::config(format!(
                "none of the {} rows has a time that can be read, so nothing tells days apart: write the log or the column \
                 created_at with dates",
                side.rows
            )));
        }
        let has = |name: &String| side.events.iter().any(|event| event.event_type == *name);
        match self.filter.events.iter().find(|name| !has(name)) {
            Some(name) => Err(Error::config(format!(
                "there are no rows of the event type {}: check --event",
                named(name)
            ))),
            None => Ok(side),
        }
    }

    async fn read(&self, of: &str, runs: &[SideRows], experiment: bool) -> Result<Snapshot, Error> {
        if self.databases.is_empty() && runs.iter().any(|rows| !matches!(rows, SideRows::Log(_))) {
            return Err(Error::config("no database is named: use --database-url or DATABASE_URL"));
        }
        let mut mix_keys = mix::keys(&self.rules);
        mix_keys.retain(|key| !self.filter.by.contains(key));
        let side = Snapshot::empty(of, self.filter.clone(), TimeBlocks::Days);
        let mut collected = Collected::new(side, &mix_keys);
        let mut has_judged = false;
        for (number, rows) in (0..).zip(runs) {
            collected.run = experiment.then_some(number);
            let known = collected.side.rows;
            has_judged |= self.read_rows(rows, &mut collected).await?;
            if experiment && collected.side.rows == known {
                let run = named(of.split(',').nth(number as usize).unwrap_or_default());
                return Err(Error::config(format!(
                    "the run {run} has no rows: check it, --event and --where"
                )));
            }
        }
        let mut side = collected.finish(experiment, self.short_window);
        let questions = Questions::new(&self.rules, Selection::default());
        let event_types = side.events.iter().filter(|event| event.by.is_empty());
        let keys = FigureKeys::new(
            &questions,
            has_judged.then_some(&self.rules),
            event_types.map(|event| event.event_type.as_str()),
        );
        side.keys = Some(keys);
        Ok(side)
    }

    /// Returns whether the rules judged the success of the rows.
    async fn read_rows(&self, rows: &SideRows, collected: &mut Collected<'_>) -> Result<bool, Error> {
        let questions = self.questions(rows, collected.mix_keys)?.detailed(false);
        if !matches!(rows, SideRows::Having(_)) {
            collected.side.losses.get_or_insert_default();
        }
        let each = &mut |reading: &Reading<'_>| collected.take(&questions, reading);
        if let SideRows::Log(path) = rows {
            let mut log = Logs::new(vec![path.clone()], &self.rules);
            log.read(questions.selection(), each).await?;
            let has_judged = log.has_judged();
            collected.side.unread.extend(log.into_unread());
            collected.side.is_log = true;
            return Ok(has_judged);
        }
        for mut source in open_distinct(&self.databases, &self.table).await? {
            source.read(questions.selection(), each).await?;
        }
        Ok(false)
    }

    fn questions(&self, rows: &SideRows, mix_keys: &[String]) -> Result<Questions, Error> {
        let events = &self.filter.events;
        let event_types = (!events.is_empty()).then(|| events.clone());
        let mut selection = Selection { event_types, ..Selection::default() };
        let mut conditions = self.filter.conditions.clone();
        match rows {
            SideRows::Window(since, until) => (selection.since, selection.until) = (*since, *until),
            SideRows::Having(value) => conditions.push(value.clone()),
            SideRows::Log(_) => {}
            SideRows::Saved(_) => return Err(Error::config("a run is a saved baseline: name its rows")),
        }
        for text in conditions {
            let (asked, comparison, value) = condition_of(&text)?;
            selection.conditions.push(Condition { asked: selection.asked.len(), comparison, value });
            selection.asked.push(asked);
        }
        let by = self.filter.by.iter().chain(mix_keys).map(|key| by_of(key));
        Ok(Questions::new(&self.rules, selection).by(by.collect::<Result<Vec<_>, _>>()?))
    }
}

fn no_rows_in(side: &Snapshot) -> String {
    let unread = &side.unread;
    let unread = if unread.count() > 0 { format!(", and {unread}") } else { String::new() };
    let is_file = Path::new(&side.of).is_file();
    let no_file = if is_file { "" } else { "; a baseline is read from a file, and not from a pipe" };
    format!(
        "a log has no rows{unread}: check --event and --where, and that the log has lines of spans that close \
         (.with_span_events(FmtSpan::CLOSE) of the fmt layer){no_file}"
    )
}

fn specs(gates: &[&str]) -> Result<Vec<GateSpec>, Error> {
    gates.iter().map(|gate| GateSpec::parse(gate)).collect()
}

fn compared(before: Snapshot, after: Snapshot, gates: &[GateSpec]) -> Result<Compared, Error> {
    if before.filter != after.filter {
        return Err(Error::config(format!(
            "the sides have other event types, groups or conditions (before: {}; after: {}): save the baseline with the \
             same --event, --by and --where",
            before.filter, after.filter
        )));
    }
    figure_keys::check(&before, &after)?;
    check_blocks(&before, &after)?;
    if before.sketch.has_rows_of(&after.sketch) || before.is_log_of(&after) {
        return Err(rows_in_common(&before.of, &after.of));
    }
    Compared::new(before, after, gates)
}

/// Runs of one day do not show how days differ, and runs one after the other do not tell the code from the time.
fn check_blocks(before: &Snapshot, after: &Snapshot) -> Result<(), Error> {
    let are_runs = [before, after].map(|side| side.blocks == TimeBlocks::Runs);
    if are_runs[0] != are_runs[1] {
        let runs = named(if are_runs[0] { &before.of } else { &after.of });
        return Err(Error::config(format!(
            "{runs} is a side of runs, and the other side has none, so nothing says how days differ: compare runs with runs \
             (--runs), or save windows of days"
        )));
    }
    let is_before = |one: &Snapshot, other: &Snapshot| !one.last.is_empty() && one.last < other.first;
    if are_runs[0] && (is_before(before, after) || is_before(after, before)) {
        return Err(Error::config(
            "all runs of one side are before those of the other, so a change with time looks like one of the code: let the runs \
             of both sides alternate",
        ));
    }
    Ok(())
}

impl Default for Compare {
    fn default() -> Self {
        Self::new()
    }
}
