//! Counts rows into the figures of their hours.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{definition, histogram};
use crate::report::gather::cell::Cell;
use crate::report::key::hours;
use crate::report::observe::{By, Observation, Questions};
use crate::report::question::JobRule;
use crate::report::samples::Samples;
use crate::store::rolled::{HourTotal, RolledCell};

/// The figures of some hours so far.
pub(super) struct HourTally<'a> {
    questions: &'a Questions,
    by: Vec<By>,
    jobs: &'a [JobRule],
    hours: &'a BTreeSet<i64>,
    cells: HashMap<Vec<u8>, HourCell>,
    /// The key of the row at hand.
    key: Vec<u8>,
}

struct HourCell {
    hour: i64,
    cell: Cell,
    unreadable: u64,
    first: Option<Timestamp>,
    job: Option<JobPart>,
}

#[derive(Default)]
struct JobPart {
    result: Option<String>,
    attempts: Samples,
    within_ms: f64,
    total_ms: f64,
    timed: u64,
}

/// The figures that have no column of their own.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct RollupDetails {
    #[serde(default)]
    pub(super) sources: Vec<String>,
    #[serde(default)]
    pub(super) outcomes: BTreeMap<String, u64>,
    /// Category, code and calls.
    #[serde(default)]
    pub(super) reasons: Vec<(Option<String>, Option<String>, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) job: Option<JobDetails>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct JobDetails {
    /// Each number of calls within a job, and the jobs that have it.
    pub(super) attempts: Vec<(f64, u64)>,
    /// Of jobs that have both times.
    pub(super) within_ms: f64,
    pub(super) total_ms: f64,
    pub(super) timed: u64,
}

impl<'a> HourTally<'a> {
    /// Rows of other hours do not count.
    pub(super) fn new(questions: &'a Questions, jobs: &'a [JobRule], hours: &'a BTreeSet<i64>) -> Self {
        let by = questions.grouped_by();
        Self { questions, by, jobs, hours, cells: HashMap::new(), key: Vec::new() }
    }

    pub(super) fn row(&mut self, row: &Observation<'_>) {
        let Some(moment) = row.moment() else { return };
        let hour = hours(moment);
        if !self.hours.contains(&hour) {
            return;
        }
        let is_job = self.jobs.iter().any(|job| job.is_job(row.event_type()));
        self.key.clear();
        self.key.extend_from_slice(&hour.to_le_bytes());
        row.write_key(&mut self.key);
        if let Some(result) = row.result().filter(|_| is_job) {
            self.key.push(1);
            self.key.extend_from_slice(result.as_bytes());
        }
        if !self.cells.contains_key(&self.key) {
            self.cells.insert(self.key.clone(), HourCell::new(hour, row, is_job));
        }
        if let Some(cell) = self.cells.get_mut(&self.key) {
            cell.add(row, moment);
        }
    }

    /// The rows of each hour.
    pub(super) fn rows(&self) -> BTreeMap<i64, i64> {
        let mut rows = BTreeMap::new();
        for cell in self.cells.values() {
            *rows.entry(cell.hour).or_default() += cell.cell.count as i64;
        }
        rows
    }

    /// Those of these hours that have at least the calls of each event type, and from as early to as late.
    pub(super) fn holding(&self, totals: &[HourTotal]) -> BTreeSet<i64> {
        let mut found: HashMap<(i64, &str), HourTotal> = HashMap::new();
        for HourCell { hour, cell, first, .. } in self.cells.values() {
            let total = found.entry((*hour, cell.event_type())).or_default();
            total.calls += cell.count as i64;
            let ends =
                first.zip(cell.last).map(|(first, last)| (first.as_microsecond(), last.as_microsecond()));
            let both = total.ends.into_iter().chain(ends);
            total.ends = both.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        }
        let is_held = |total: &HourTotal| {
            let found = found.get(&(total.hour, total.event_type.as_str()));
            found.is_some_and(|found| {
                let spans = |(one, other): ((i64, i64), (i64, i64))| one.0 <= other.0 && one.1 >= other.1;
                found.calls >= total.calls && found.ends.zip(total.ends).is_some_and(spans)
            })
        };
        let lacking: BTreeSet<i64> = totals.iter().filter(|one| !is_held(one)).map(|one| one.hour).collect();
        totals.iter().map(|one| one.hour).filter(|hour| !lacking.contains(hour)).collect()
    }

    /// The figures of the hours for which this holds.
    pub(super) fn into_cells(self, takes: impl Fn(i64) -> bool) -> Vec<RolledCell> {
        let cells = self.cells.into_values().filter(|cell| takes(cell.hour));
        let mut definitions: HashMap<String, String> = HashMap::new();
        let cells = cells.map(|cell| {
            let event_type = cell.cell.event_type();
            let definition = match definitions.get(event_type) {
                Some(definition) => definition.clone(),
                None => {
                    let definition = definition::definition(self.questions, event_type);
                    definitions.insert(event_type.to_owned(), definition.clone());
                    definition
                }
            };
            cell.rolled(&self.by, definition)
        });
        cells.collect()
    }
}

impl HourCell {
    fn new(hour: i64, row: &Observation<'_>, is_job: bool) -> Self {
        let result = row.result().map(str::to_owned);
        let job = is_job.then(|| JobPart { result, ..JobPart::default() });
        Self { hour, cell: Cell::new(row), unreadable: 0, first: None, job }
    }

    fn add(&mut self, row: &Observation<'_>, moment: Timestamp) {
        self.cell.add(row);
        self.unreadable += u64::from(!row.is_readable());
        self.first = Some(self.first.map_or(moment, |first| first.min(moment)));
        let Some(job) = &mut self.job else { return };
        job.attempts.take(row.attempts());
        if let (Some(within), Some(total)) = (row.within_ms(), row.duration_ms()) {
            job.within_ms += within;
            job.total_ms += total;
            job.timed += 1;
        }
    }

    fn rolled(self, by: &[By], definition: String) -> RolledCell {
        let Self { hour, cell, unreadable, first, job } = self;
        let mut groups = BTreeMap::new();
        for (place, by) in by.iter().enumerate() {
            if let Some(key) = definition::group(by, cell.event_type()) {
                groups.insert(key, cell.by(place).map(str::to_owned));
            }
        }
        let (result, job) = job.map_or((None, None), |job| (job.result.clone(), Some(job.details())));
        let reasons =
            cell.reasons.iter().map(|((category, code), count)| (category.clone(), code.clone(), *count));
        let details =
            RollupDetails { reasons: reasons.collect(), sources: cell.sources, outcomes: cell.outcomes, job };
        let durations = cell.durations.into_sorted();
        let timed = durations.n();
        RolledCell {
            hour,
            event_type: cell.event_type,
            groups: json(&groups),
            result,
            definition,
            calls: cell.count as i64,
            succeeded: cell.succeeded as i64,
            failed: cell.failed as i64,
            unreadable: unreadable as i64,
            first: first.map(Timestamp::as_microsecond),
            last: cell.last.map(Timestamp::as_microsecond),
            timed: timed as i64,
            duration_sum_ms: (timed > 0).then(|| durations.sum()),
            duration_max_ms: durations.max(),
            durations: histogram::encode(durations.bars()),
            units: histogram::encode_units(&cell.blocks.by_unit()),
            details: json(&details),
        }
    }
}

impl JobPart {
    fn details(self) -> JobDetails {
        let Self { attempts, within_ms, total_ms, timed, .. } = self;
        JobDetails { attempts: attempts.into_sorted().bars().collect(), within_ms, total_ms, timed }
    }
}

/// Serialising cannot fail: every key is a string.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
