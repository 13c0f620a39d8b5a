//! What only a page shows of an event type: durations by size and by time, versions, and single calls.

mod calls;
mod histogram;
mod steps;

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use jiff::Timestamp;

use self::calls::{TopCalls, columns};
use self::steps::Steps;
use crate::report::detail::{Detail, ListedCall, Losses, VersionRows};
use crate::report::observe::{Observation, Whole};
use crate::report::samples::Sorted;

/// More versions of one event type are counted together: a version may be any text.
const MOST_VERSIONS: usize = 200;
const OTHER_VERSIONS: &str = "(other versions)";

/// The counts so far.
#[derive(Debug, Default)]
pub(super) struct Details {
    of: HashMap<String, DetailTally>,
    losses: Losses,
}

#[derive(Debug, Default)]
struct DetailTally {
    steps: Steps,
    versions: BTreeMap<String, VersionTally>,
    slowest: TopCalls,
    failed: TopCalls,
}

#[derive(Debug, Default)]
struct VersionTally {
    period: Option<(Timestamp, Timestamp)>,
    calls: u64,
}

impl Details {
    /// Counts a row of the database with this number.
    pub(super) fn row(&mut self, source: usize, row: &Observation<'_>) {
        match self.of.get_mut(row.event_type()) {
            Some(tally) => tally.add(source, row),
            None => self.of.entry(row.event_type().to_owned()).or_default().add(source, row),
        }
    }

    /// Counts a row of `ledger.loss`.
    pub(super) fn loss(&mut self, row: &Observation<'_>) {
        self.losses.add(row.cause(), row.lost());
    }

    /// The ids of the calls of a database that are still to be read as a whole.
    pub(super) fn incomplete(&self, source: usize) -> Vec<String> {
        let lists = self.of.values().flat_map(|tally| [&tally.slowest, &tally.failed]);
        let mut ids: Vec<String> = lists.flat_map(|list| list.incomplete(source)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Adds what was read of the calls of a database.
    pub(super) fn complete(&mut self, source: usize, found: &FoundCalls) {
        for tally in self.of.values_mut() {
            tally.slowest.complete(source, &found.0);
            tally.failed.complete(source, &found.0);
        }
    }

    /// `sorted` has the durations of all rows, `window` the first moment and the last of the whole report.
    pub(super) fn figures(
        &mut self,
        event_type: &str,
        sorted: &Sorted,
        window: Option<(Timestamp, Timestamp)>,
    ) -> Detail {
        let tally = self.of.remove(event_type).unwrap_or_default();
        Detail {
            histogram: histogram::histogram(sorted),
            over_time: window.map(|window| tally.steps.figures(window)).unwrap_or_default(),
            versions: versions(tally.versions),
            slowest: tally.slowest.into_list(),
            failed: tally.failed.into_list(),
        }
    }

    pub(super) fn into_losses(self) -> Losses {
        self.losses
    }
}

/// Rows that were read as a whole, by their ids.
#[derive(Debug, Default)]
pub(in crate::report) struct FoundCalls(BTreeMap<String, ListedCall>);

impl FoundCalls {
    pub(in crate::report) fn add(&mut self, id: &str, whole: &Whole<'_>) {
        self.0.insert(id.to_owned(), columns(whole));
    }
}

impl DetailTally {
    fn add(&mut self, source: usize, row: &Observation<'_>) {
        self.steps.add(row);
        if let Some(version) = row.version() {
            self.version(version, row.moment());
        }
        self.slowest.by_duration(source, row);
        if row.success() == Some(false) {
            self.failed.by_time(source, row);
        }
    }

    fn version(&mut self, version: &str, moment: Option<Timestamp>) {
        match self.versions.get_mut(version) {
            Some(tally) => tally.add(moment),
            None => {
                let version = if self.versions.len() < MOST_VERSIONS { version } else { OTHER_VERSIONS };
                self.versions.entry(version.to_owned()).or_default().add(moment);
            }
        }
    }
}

impl VersionTally {
    fn add(&mut self, moment: Option<Timestamp>) {
        self.calls += 1;
        if let Some(moment) = moment {
            let (first, last) = self.period.unwrap_or((moment, moment));
            self.period = Some((first.min(moment), last.max(moment)));
        }
    }
}

fn versions(versions: BTreeMap<String, VersionTally>) -> Vec<VersionRows> {
    let rows = versions.into_iter().map(|(version, tally)| VersionRows {
        version,
        first: tally.period.map(|(first, _)| SystemTime::from(first)),
        last: tally.period.map(|(_, last)| SystemTime::from(last)),
        calls: tally.calls,
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|version| version.first);
    rows
}
