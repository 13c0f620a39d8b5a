//! Collects the rows of one side.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::mix;
use super::snapshot::Snapshot;
use super::tally::EventTally;
use crate::report::gather::cell::MOST_CELLS;
use crate::report::observe::{Observation, Questions};
use crate::report::stats::blocks::TimeBlocks;
use crate::store::read::Reading;

/// The rows of one side, as they are read.
pub(super) struct Collected<'a> {
    pub(super) side: Snapshot,
    /// Of the rows of each event type.
    totals: BTreeMap<String, EventTally>,
    groups: BTreeMap<(String, Vec<Option<String>>), EventTally>,
    /// The first and the last moment.
    period: Option<(Timestamp, Timestamp)>,
    pub(super) mix_keys: &'a [String],
    /// The number of the run that is read.
    pub(super) run: Option<i64>,
}

impl<'a> Collected<'a> {
    pub(super) fn new(side: Snapshot, mix_keys: &'a [String]) -> Self {
        Self { side, totals: BTreeMap::new(), groups: BTreeMap::new(), period: None, mix_keys, run: None }
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
        let (first, last) = self.period.unwrap_or((moment, moment));
        self.period = Some((first.min(moment), last.max(moment)));
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
        let at = self.run.unwrap_or(at);
        self.totals.entry(row.event_type().to_owned()).or_default().add(row, at, unit);
        if !values.is_empty() {
            self.group((row.event_type().to_owned(), values), |tally| tally.add(row, at, unit));
        }
    }

    /// Counts a row of a group. The two sides would have different rows in a group of all others, so it has none.
    fn group(&mut self, key: (String, Vec<Option<String>>), count: impl FnOnce(&mut EventTally)) {
        let is_full = self.groups.len() >= MOST_CELLS;
        match self.groups.get_mut(&key) {
            Some(tally) => count(tally),
            None if is_full => self.side.ungrouped += 1,
            None => count(self.groups.entry(key).or_default()),
        }
    }

    pub(super) fn finish(self, runs: bool, short_window: bool) -> Snapshot {
        let mut side = self.side;
        let few_days = || self.totals.values().all(|tally| tally.days() < TimeBlocks::Days.least() as usize);
        side.blocks = match () {
            () if runs => TimeBlocks::Runs,
            () if short_window && few_days() => TimeBlocks::Parts,
            () => TimeBlocks::Days,
        };
        if let Some((first, last)) = self.period {
            (side.first, side.last) = (format!("{first:.0}"), format!("{last:.0}"));
        }
        let blocks = side.blocks;
        let totals = self.totals.into_iter().map(|(event_type, tally)| ((event_type, Vec::new()), tally));
        let all = totals.chain(self.groups);
        side.events = all.map(|((event_type, by), tally)| tally.figures(event_type, by, blocks)).collect();
        side
    }
}

#[cfg(test)]
mod tests {
    use super::super::snapshot::{Filter, Snapshot};
    use super::*;
    use crate::report::observe::By;
    use crate::rules::Rules;
    use crate::store::read::{Asked, Choice, Selection};

    #[test]
    fn groups_and_values_of_the_mix_have_a_bound() {
        let key = Asked::Key(Choice::always("path"));
        let mut questions = Questions::new(&Rules::builtin(), Selection::default());
        let place = questions.place(key.clone());
        let questions = questions.by([By::Text(key)]);
        let filter = Filter { by: vec!["path".to_owned()], ..Filter::default() };
        let mut collected = Collected::new(Snapshot::empty("..", filter, TimeBlocks::Days), &[]);
        for number in (0..MOST_CELLS + 3).chain(0..2) {
            let path = number.to_string();
            let mut texts = vec![None; questions.selection().asked.len()];
            texts[place] = Some(path.as_str());
            let created_at = Some(Timestamp::UNIX_EPOCH);
            collected
                .take(&questions, &Reading { created_at, event_type: "a", is_readable: true, texts: &texts });
        }
        let all = MOST_CELLS as u64 + 5;
        assert_eq!(
            (collected.groups.len(), collected.side.ungrouped, collected.side.rows),
            (MOST_CELLS, 3, all)
        );
        let mix = &collected.side.mix["a"]["path"];
        assert_eq!((mix.len(), mix["(other groups)"], mix["1"]), (MOST_CELLS + 1, 3, 2));
    }
}
