//! Puts the figures of hours together, as far as they are asked for.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use jiff::Timestamp;

use super::definition;
use super::histogram::{self, Histogram};
use super::tally::{JobDetails, RollupDetails};
use crate::error::Error;
use crate::report::gather::Gather;
use crate::report::gather::cell::{Cell, MOST_CELLS};
use crate::report::gather::job::ResultTally;
use crate::report::observe::{By, Questions};
use crate::report::samples::{Samples, ordered, value};
use crate::store::read::Reading;
use crate::store::rolled::RolledCell;

/// In microseconds.
const HOUR: i64 = 3_600_000_000;

/// The figures so far.
pub(super) struct Merge<'a> {
    questions: &'a Questions,
    by: Vec<By>,
    kinds: HashMap<String, MergedGroup>,
    totals: Vec<Total>,
    /// The places of totals.
    index: HashMap<Vec<u8>, usize>,
    jobs: BTreeMap<(String, Option<String>), JobTotal>,
    unreadable: u64,
    period: Option<(Timestamp, Timestamp)>,
    unfit: Unfit,
    key: String,
}

/// An event type and the values of a group, parsed once.
struct MergedGroup {
    definition: String,
    /// A key that is asked for and not rolled up.
    missing: Option<String>,
    /// Whether the conditions hold.
    is_selected: bool,
    /// In the order of the places; hours and days have none.
    values: Vec<Option<String>>,
    /// If rows are not grouped by hour or day.
    total: Option<usize>,
}

#[derive(Default)]
struct Total {
    cell: Cell,
    durations: Histogram,
    max: Option<f64>,
}

#[derive(Default)]
struct JobTotal {
    count: u64,
    attempts: BTreeMap<u64, u64>,
    durations: Histogram,
    max: Option<f64>,
    times: JobDetails,
}

/// Figures that cannot answer the question, by event type and reason, each with its last hour.
#[derive(Default)]
struct Unfit(BTreeMap<(String, Why), i64>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    OtherRules,
    NoKey(String),
}

impl<'a> Merge<'a> {
    pub(super) fn new(questions: &'a Questions) -> Self {
        Self {
            by: questions.grouped_by(),
            questions,
            kinds: HashMap::new(),
            totals: Vec::new(),
            index: HashMap::new(),
            jobs: BTreeMap::new(),
            unreadable: 0,
            period: None,
            unfit: Unfit::default(),
            key: String::new(),
        }
    }

    pub(super) fn add(&mut self, rolled: &RolledCell) -> Result<(), Error> {
        self.key.clear();
        self.key.push_str(&rolled.event_type);
        self.key.push('\0');
        self.key.push_str(&rolled.groups);
        if !self.kinds.contains_key(&self.key) {
            let kind = self.kind(rolled)?;
            self.kinds.insert(self.key.clone(), kind);
        }
        let Some(kind) = self.kinds.get_mut(&self.key) else { return Ok(()) };
        if kind.definition != rolled.definition {
            self.unfit.note(rolled, Why::OtherRules);
            return Ok(());
        }
        if let Some(key) = &kind.missing {
            self.unfit.note(rolled, Why::NoKey(key.clone()));
            return Ok(());
        }
        if !kind.is_selected {
            return Ok(());
        }
        let place = kind.total.unwrap_or_else(|| {
            let (place, is_of_all_hours) = total(&self.by, kind, rolled, &mut self.index, &mut self.totals);
            kind.total = Some(place).filter(|_| is_of_all_hours);
            place
        });
        let mut details: RollupDetails =
            serde_json::from_str(&rolled.details).map_err(|_| damaged(rolled.hour))?;
        let job = details.job.take();
        if let Some(total) = self.totals.get_mut(place) {
            total.add(rolled, details).ok_or_else(|| damaged(rolled.hour))?;
        }
        if let Some(job) = job {
            let total = self.jobs.entry((rolled.event_type.clone(), rolled.result.clone())).or_default();
            total.add(rolled, job).ok_or_else(|| damaged(rolled.hour))?;
        }
        self.unreadable += count(rolled.unreadable).ok_or_else(|| damaged(rolled.hour))?;
        self.lengthen_period(rolled)
    }

    fn lengthen_period(&mut self, rolled: &RolledCell) -> Result<(), Error> {
        let Some((first, last)) = rolled.first.zip(rolled.last) else { return Ok(()) };
        let moment = |at| Timestamp::from_microsecond(at).map_err(|_| damaged(rolled.hour));
        let (first, last) = (moment(first)?, moment(last)?);
        let (from, to) = self.period.unwrap_or((first, last));
        self.period = Some((from.min(first), to.max(last)));
        Ok(())
    }

    fn kind(&self, rolled: &RolledCell) -> Result<MergedGroup, Error> {
        let event_type = rolled.event_type.as_str();
        let groups: BTreeMap<String, Option<String>> =
            serde_json::from_str(&rolled.groups).map_err(|_| damaged(rolled.hour))?;
        let mut missing = None;
        let mut value = |key: Option<String>| {
            let key = key?;
            match groups.get(&key) {
                Some(value) => value.clone(),
                None if key == "event_type" => Some(event_type.to_owned()),
                None => {
                    missing = Some(key);
                    None
                }
            }
        };
        let values = self.by.iter().map(|by| value(definition::group(by, event_type))).collect();
        let selection = self.questions.selection();
        let mut texts = vec![None; selection.asked.len()];
        for condition in &selection.conditions {
            if let (Some(text), Some(asked)) =
                (texts.get_mut(condition.asked), selection.asked.get(condition.asked))
            {
                *text = value(definition::key(asked, event_type));
            }
        }
        let texts: Vec<_> = texts.iter().map(Option::as_deref).collect();
        let reading = Reading { created_at: None, event_type, is_readable: true, texts: &texts };
        Ok(MergedGroup {
            definition: definition::definition(self.questions, event_type),
            missing,
            is_selected: selection.holds(&reading),
            values,
            total: None,
        })
    }

    /// Passes everything on, unless some figures are not those that are asked for.
    ///
    /// `keys` are those of `--by` that the rollup was made with.
    pub(super) fn into(self, gather: &mut Gather, keys: &str) -> Result<(), Error> {
        self.unfit.check(keys)?;
        for total in self.totals {
            let mut cell = total.cell;
            cell.durations = total.durations.samples(total.max);
            gather.rolled_cell(cell);
        }
        for ((event_type, result), total) in self.jobs {
            gather.rolled_jobs(&event_type, result, total.tally());
        }
        gather.rolled_rows(self.unreadable, self.period);
        Ok(())
    }
}

/// The place of the total that these figures belong to, and whether those of other hours do too.
fn total(
    by: &[By],
    kind: &MergedGroup,
    rolled: &RolledCell,
    index: &mut HashMap<Vec<u8>, usize>,
    totals: &mut Vec<Total>,
) -> (usize, bool) {
    let mut is_of_all_hours = true;
    let mut values = Vec::with_capacity(by.len());
    for (by, value) in by.iter().zip(&kind.values) {
        is_of_all_hours &= matches!(by, By::Text(_));
        values.push(match by {
            By::Hour => Some(rolled.hour.to_string()),
            By::Day => Some(rolled.hour.div_euclid(24).to_string()),
            By::Text(_) => value.clone(),
        });
    }
    let mut cell = Cell::of(&rolled.event_type, values);
    if totals.len() >= MOST_CELLS && !index.contains_key(&cell.key()) {
        cell = Cell::of_others(&rolled.event_type, by.len());
    }
    let place = *index.entry(cell.key()).or_insert_with(|| {
        totals.push(Total { cell, ..Total::default() });
        totals.len() - 1
    });
    (place, is_of_all_hours)
}

impl Total {
    fn add(&mut self, rolled: &RolledCell, details: RollupDetails) -> Option<()> {
        let Self { cell, durations, max } = self;
        cell.count += count(rolled.calls)?;
        cell.succeeded += count(rolled.succeeded)?;
        cell.failed += count(rolled.failed)?;
        cell.last = cell.last.max(rolled.last.map(Timestamp::from_microsecond).transpose().ok()?);
        details.sources.iter().for_each(|source| cell.source(source));
        for (outcome, count) in details.outcomes {
            cell.outcome(&outcome, count);
        }
        for (category, code, count) in details.reasons {
            cell.reason((category, code), count);
        }
        *max = greater(*max, rolled.duration_max_ms);
        let time = cell.blocks.place(rolled.hour * HOUR);
        histogram::units(&rolled.units, |place, count| cell.blocks.add_counted(place, time, count))?;
        durations.merge(&rolled.durations)
    }
}

impl JobTotal {
    fn add(&mut self, rolled: &RolledCell, job: JobDetails) -> Option<()> {
        self.count += count(rolled.calls)?;
        for (attempts, jobs) in job.attempts {
            *self.attempts.entry(ordered(attempts)).or_default() += jobs;
        }
        self.times.within_ms += job.within_ms;
        self.times.total_ms += job.total_ms;
        self.times.timed += job.timed;
        self.max = greater(self.max, rolled.duration_max_ms);
        self.durations.merge(&rolled.durations)
    }

    fn tally(self) -> ResultTally {
        let attempts = self.attempts.into_iter().map(|(attempts, jobs)| (value(attempts), jobs));
        ResultTally {
            count: self.count,
            attempts: Samples::of_counts(attempts),
            durations: self.durations.samples(self.max),
            within_ms: self.times.within_ms,
            total_ms: self.times.total_ms,
            timed: self.times.timed,
        }
    }
}

impl Unfit {
    fn note(&mut self, rolled: &RolledCell, why: Why) {
        let last = self.0.entry((rolled.event_type.clone(), why)).or_insert(rolled.hour);
        *last = rolled.hour.max(*last);
    }

    fn check(&self, keys: &str) -> Result<(), Error> {
        let latest = self.0.iter().max_by_key(|(_, last)| **last);
        let Some(((event_type, why), last)) = latest else { return Ok(()) };
        let after = super::hour_text(last + 1);
        let mut message = format!("the rollup of {}, before {after}, ", event_type.escape_debug());
        // Writing to a String cannot fail.
        match why {
            Why::OtherRules => message.push_str(
                "was made by other rules or another version of this command: give the rules of the rollup (--rules)",
            ),
            Why::NoKey(key) => {
                write!(message, "has no key {}: ask for others", key.escape_debug()).unwrap_or_default()
            }
        }
        write!(
            message,
            ", begin the report there (--since {after}), leave out --rollup, or roll up again the hours that have their \
             rows: tracing-ledger rollup --rebuild"
        )
        .ok();
        if let Why::NoKey(key) = why {
            // A rebuild without the other keys would lose them.
            let mut keys: Vec<_> = keys.split(',').filter(|key| !key.is_empty()).collect();
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
            write!(message, " --by {}", keys.join(",").escape_debug()).ok();
        } else {
            message.push_str(" with --by and --rules as before");
        }
        Err(Error::config(message))
    }
}

fn greater(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

/// `None` if it is negative.
fn count(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

fn damaged(hour: i64) -> Error {
    let hour = super::hour_text(hour);
    Error::database(format!(
        "the rollup of {hour} cannot be read, because something else has changed it: delete the lines of that hour from both \
         of its tables, and run tracing-ledger rollup --since {hour}"
    ))
}
