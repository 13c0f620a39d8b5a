//! Collects the rows of one side.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::mix;
use super::snapshot::Snapshot;
use super::tally::EventTally;
use crate::report::observe::{Observation, Questions};
use crate::report::stats::blocks::TimeBlocks;
use crate::store::read::Reading;

/// The rows of one side, as they are read.
pub(super) struct Collected<'a> {
    pub(super) side: Snapshot,
    tallies: BTreeMap<(String, Vec<Option<String>>), EventTally>,
    /// The first and the last moment, and the days with rows.
    days: BTreeMap<i64, (jiff::Timestamp, jiff::Timestamp)>,
    mix_keys: &'a [String],
    /// The number of the run that is read.
    pub(super) run: Option<i64>,
}

impl<'a> Collected<'a> {
    pub(super) fn new(side: Snapshot, mix_keys: &'a [String]) -> Self {
        Self { side, tallies: BTreeMap::new(), days: BTreeMap::new(), mix_keys, run: None }
    }

    /// A row that the selection asks for, or one that says how many others are missing.
    pub(super) fn take(&mut self, questions: &Questions, reading: &Reading<'_>) {
        let row = questions.observe(reading);
        if let Some(losses) = self.side.losses.as_mut().filter(|_| questions.selection().is_loss(reading)) {
            losses.add(row.cause(), row.lost());
        }
        if questions.selection().asks_for(reading) {
            self.add(questions, &row);
        }
    }

    fn add(&mut self, questions: &Questions, row: &Observation<'_>) {
        self.side.rows += 1;
        self.side.unreadable += u64::from(!row.is_readable());
        let Some(moment) = row.moment() else { return };
        let at = moment.as_microsecond();
        self.side.sketch.add(row, row.id());
        let day = self.days.entry(TimeBlocks::Days.block(at, at, at)).or_insert((moment, moment));
        *day = (day.0.min(moment), day.1.max(moment));
        let label =
            |(place, raw): (usize, Option<_>)| raw.and_then(|raw: Cow<'_, str>| questions.label(place, &raw));
        let mut values: Vec<_> = row.raw_by().enumerate().map(label).collect();
        let unit = row.unit();
        let mixed = values.split_off(values.len().saturating_sub(self.mix_keys.len()));
        let mix = self.side.mix.entry(row.event_type().to_owned()).or_default();
        let by = mix::by_keys(&self.side.filter.by, &values);
        let mixed =
            self.mix_keys.iter().zip(&mixed).filter_map(|(key, value)| Some((key, value.as_deref()?)));
        for (key, value) in by.chain(mixed) {
            mix::count(mix, key, value);
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

    pub(super) fn finish(self, runs: bool, short_window: bool) -> Snapshot {
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
