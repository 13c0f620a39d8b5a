//! The details of an event type: durations by size and by time, versions, and single calls.

mod by_time;
mod calls;
mod histogram;
mod steps;
mod versions;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use self::calls::{TopCalls, columns};
use self::steps::Steps;
use self::versions::Versions;
use crate::report::detail::{Detail, ListedCall, Losses};
use crate::report::observe::{Observation, Whole};
use crate::report::samples::Sorted;

/// The counts so far.
#[derive(Debug, Default)]
pub(super) struct Details {
    of: HashMap<String, DetailTally>,
    losses: Losses,
}

#[derive(Debug, Default)]
struct DetailTally {
    steps: Steps,
    versions: Versions,
    slowest: TopCalls,
    failed: TopCalls,
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

    /// Adds the columns and contexts of the calls of a database.
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
        let (versions, deploys) = tally.versions.figures();
        Detail {
            histogram: histogram::histogram(sorted),
            over_time: window.map(|window| tally.steps.figures(window)).unwrap_or_default(),
            versions,
            deploys,
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
        self.versions.add(row);
        self.slowest.by_duration(source, row);
        if row.success() == Some(false) {
            self.failed.by_time(source, row);
        }
    }
}
