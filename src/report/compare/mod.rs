//! Baselines, and comparisons that know when they cannot tell.

pub(super) mod compared;
mod csv;
pub(super) mod gate;
mod histogram;
mod mix;
pub(super) mod overlay;
pub(super) mod render;
mod rows;
pub(super) mod snapshot;
pub(super) mod tally;

use std::borrow::Cow;
use std::collections::BTreeMap;

use self::compared::Compared;
use self::gate::GateSpec;
use self::rows::{Rows, STDIN};
use self::snapshot::{Filter, Snapshot};
use self::tally::EventTally;
use super::answer::Report;
use super::log::{Logs, UnreadLines};
use super::observe::{Observation, Questions, by_event_type};
use super::question::{Question, by_of, condition_of};
use super::stats::blocks::TimeBlocks;
use super::{report, report_of_logs};
use crate::error::Error;
use crate::rules::Rules;
use crate::store::read::{Condition, Reading, RowSource, Selection};
use crate::store::{TableName, open_all};

/// Makes baselines of rows and compares them.
///
/// A side of a comparison is written as on the command line: a file that holds [`Snapshot::to_json`], a window such as
/// `2026-11-01..2026-11-08` or `7d..`, a value such as `version=1.4`, or a log, of which `-` is the one on stdin.
///
/// ```no_run
/// # async fn compare() -> Result<(), tracing_ledger::Error> {
/// let compare = tracing_ledger::report::Compare::new().database_url("postgres://db.example.com/app");
/// let compared = compare.compare("14d..7d", "7d..", &["p95<=+10%".to_owned()]).await?;
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

/// What has been read of one side so far.
struct Collected<'a> {
    side: Snapshot,
    tallies: BTreeMap<(String, Vec<Option<String>>), EventTally>,
    /// The first and the last moment, and the days with rows.
    days: BTreeMap<i64, (jiff::Timestamp, jiff::Timestamp)>,
    mix_keys: &'a [String],
    run: Option<i64>,
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

    /// Which key is the duration, the success and the attempts; the built-in rules by default.
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
        self.filter.by.push(key.into());
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
    /// [`Error::is_config`] if a side has no rows, is no side, or has other groups and conditions than the other one, and
    /// if a gate cannot be read or no event type has its metric. [`Error::is_database`] and [`Error::is_timeout`] if the
    /// database cannot be read.
    pub async fn compare(&self, before: &str, after: &str, gates: &[String]) -> Result<Compared, Error> {
        let gates = specs(gates)?;
        read_stdin_once([before, after])?;
        let before = self.snapshot(before).await?;
        let after = self.with_filter_of(&before).snapshot(after).await?;
        compared(before, after, &gates)
    }

    /// The same for an experiment: each side is a list of runs, and each run a side. A run is a block, so runs of both
    /// sides should alternate. At least five a side decide.
    ///
    /// # Errors
    /// As [`Compare::compare`].
    pub async fn compare_runs(&self, sides: [&[String]; 2], gates: &[String]) -> Result<Compared, Error> {
        let gates = specs(gates)?;
        read_stdin_once(sides.into_iter().flatten().map(String::as_str))?;
        let before = self.runs(sides[0]).await?;
        let after = self.runs(sides[1]).await?;
        compared(before, after, &gates)
    }

    /// The figures of one side, to compare or to save.
    ///
    /// # Errors
    /// As [`Compare::compare`].
    pub async fn snapshot(&self, rows: &str) -> Result<Snapshot, Error> {
        let side = match Rows::parse(rows)? {
            Rows::Saved(path) => Snapshot::from_json(
                &std::fs::read_to_string(path)
                    .map_err(|error| Error::config("the file of a side cannot be read").caused_by(error))?,
            )?,
            read => self.read(rows, &[read], false).await?,
        };
        self.check(side)
    }

    /// The figures of several runs as one side, each a block.
    ///
    /// # Errors
    /// As [`Compare::compare`], and if a run is a saved baseline.
    pub async fn runs(&self, runs: &[String]) -> Result<Snapshot, Error> {
        let parsed = runs.iter().map(|run| Rows::parse(run)).collect::<Result<Vec<_>, _>>()?;
        read_stdin_once(runs.iter().map(String::as_str))?;
        let side = self.read(&runs.join(","), &parsed, true).await?;
        self.check(side)
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
        match Rows::parse(side)? {
            Rows::Saved(_) => return Ok(None),
            Rows::Log(_) if side == STDIN => return Ok(None),
            Rows::Log(path) => return Ok(Some(report_of_logs(&question, &[path]).await?.0)),
            Rows::Having(value) => question = question.condition(&value)?,
            Rows::Window(since, until) => (question.since, question.until) = (since, until),
        }
        Ok(Some(report(&question, &databases).await?))
    }

    fn with_filter_of(&self, before: &Snapshot) -> Self {
        let own = self.filter != Filter::default();
        let filter = if own { self.filter.clone() } else { before.filter.clone() };
        Self { filter, ..self.clone() }
    }

    fn check(&self, side: Snapshot) -> Result<Snapshot, Error> {
        if side.rows == 0 && side.is_log {
            return Err(Error::config(no_rows_in(&side.unread)));
        }
        if side.rows == 0 {
            return Err(Error::config(
                "a side has no rows: check its window or value, --event, --where, and the database",
            ));
        }
        let has = |name: &String| side.events.iter().any(|event| event.event_type == *name);
        match self.filter.events.iter().find(|name| !has(name)) {
            Some(_) => Err(Error::config("a side has no rows of an event type that --event names")),
            None => Ok(side),
        }
    }

    async fn read(&self, of: &str, runs: &[Rows], experiment: bool) -> Result<Snapshot, Error> {
        if self.databases.is_empty() && runs.iter().any(|rows| !matches!(rows, Rows::Log(_))) {
            return Err(Error::config("no database is named: use --database-url or DATABASE_URL"));
        }
        let mix_keys = mix::keys(&self.rules);
        let mut collected = Collected {
            side: Snapshot::empty(of, self.filter.clone(), TimeBlocks::Days),
            tallies: BTreeMap::new(),
            days: BTreeMap::new(),
            mix_keys: &mix_keys,
            run: None,
        };
        for (number, rows) in (0..).zip(runs) {
            collected.run = experiment.then_some(number);
            let questions = self.questions(rows, &mix_keys)?;
            let each = &mut |reading: &Reading<'_>| collected.add(&questions, &questions.observe(reading));
            if let Rows::Log(path) = rows {
                let mut log = Logs::new(vec![path.clone()], &self.rules);
                log.read(questions.selection(), each).await?;
                collected.side.unread.extend(log.into_unread());
                collected.side.is_log = true;
                continue;
            }
            for mut source in open_all(&self.databases, &self.table)? {
                source.read(questions.selection(), each).await?;
            }
        }
        Ok(collected.finish(experiment, self.short_window))
    }

    fn questions(&self, rows: &Rows, mix_keys: &[String]) -> Result<Questions, Error> {
        let events = &self.filter.events;
        let event_types = (!events.is_empty()).then(|| events.clone());
        let mut selection = Selection { event_types, ..Selection::default() };
        let mut conditions = self.filter.conditions.clone();
        match rows {
            Rows::Window(since, until) => (selection.since, selection.until) = (*since, *until),
            Rows::Having(value) => conditions.push(value.clone()),
            Rows::Log(_) => {}
            Rows::Saved(_) => return Err(Error::config("a run is a saved baseline: name its rows")),
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

/// What comes from a pipe can be read only once.
fn read_stdin_once<'a>(sides: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    if sides.into_iter().filter(|side| *side == STDIN).count() > 1 {
        return Err(Error::config(
            "stdin can be read only once: write - for one side, and name a file for the other",
        ));
    }
    Ok(())
}

fn no_rows_in(unread: &UnreadLines) -> String {
    let unread = if unread.count() > 0 { format!(", and {unread}") } else { String::new() };
    format!(
        "a log has no rows{unread}: check --event and --where, and that the log has lines of spans that close \
         (.with_span_events(FmtSpan::CLOSE) of the fmt layer)"
    )
}

fn specs(gates: &[String]) -> Result<Vec<GateSpec>, Error> {
    gates.iter().map(|gate| GateSpec::parse(gate)).collect()
}

fn compared(before: Snapshot, after: Snapshot, gates: &[GateSpec]) -> Result<Compared, Error> {
    if before.filter != after.filter {
        return Err(Error::config(
            "the sides have other event types, groups or conditions: save the baseline with the same --event, --by \
             and --where",
        ));
    }
    Compared::new(before, after, gates)
}

impl Default for Compare {
    fn default() -> Self {
        Self::new()
    }
}

impl Collected<'_> {
    fn add(&mut self, questions: &Questions, row: &Observation<'_>) {
        self.side.rows += 1;
        let Some(moment) = row.moment() else {
            self.side.unreadable += 1;
            return;
        };
        let at = moment.as_microsecond();
        let day = self.days.entry(TimeBlocks::Days.block(at, at, at)).or_insert((moment, moment));
        *day = (day.0.min(moment), day.1.max(moment));
        let label =
            |(place, raw): (usize, Option<_>)| raw.and_then(|raw: Cow<'_, str>| questions.label(place, &raw));
        let mut values: Vec<_> = row.raw_by().enumerate().map(label).collect();
        let unit = row.unit(self.side.rows);
        let mixed = values.split_off(values.len().saturating_sub(self.mix_keys.len()));
        let mix = self.side.mix.entry(row.event_type().to_owned()).or_default();
        for (key, value) in self.mix_keys.iter().zip(mixed) {
            let Some(value) = value else { continue };
            *mix.entry(key.clone()).or_default().entry(value).or_default() += 1;
        }
        let group = values;
        let at = self.run.unwrap_or(at);
        let mut add =
            |by| self.tallies.entry((row.event_type().to_owned(), by)).or_default().add(row, at, unit);
        if !group.is_empty() {
            add(group);
        }
        add(Vec::new());
    }

    fn finish(self, runs: bool, short_window: bool) -> Snapshot {
        let mut side = self.side;
        let few_days = self.days.len() < TimeBlocks::Days.least() as usize;
        side.blocks = match () {
            () if runs => TimeBlocks::Runs,
            () if short_window && few_days => TimeBlocks::Parts,
            () => TimeBlocks::Days,
        };
        let text =
            |moment: Option<jiff::Timestamp>| moment.map(|moment| format!("{moment:.0}")).unwrap_or_default();
        side.first = text(self.days.values().map(|day| day.0).min());
        side.last = text(self.days.values().map(|day| day.1).max());
        let blocks = side.blocks;
        side.events = self
            .tallies
            .into_iter()
            .map(|((event_type, by), tally)| tally.figures(event_type, by, blocks))
            .collect();
        side
    }
}
