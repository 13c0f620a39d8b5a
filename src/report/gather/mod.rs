//! Computes the answer from rows, one at a time.

pub(super) mod cell;
mod detail;
mod flow;
mod interval;
pub(super) mod job;

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use self::cell::{Cell, MOST_CELLS};
use self::detail::Details;
pub(super) use self::detail::FoundCalls;
use self::job::Jobs;
#[cfg(feature = "postgres")]
use self::job::ResultTally;
use super::answer::{EventFigures, GroupFigures, Report, Window};
use super::observe::{Observation, Questions};
use super::question::{Grouping, Question};

/// A row may be this much ahead of this clock: two right clocks differ a little.
pub(super) const CLOCKS: Duration = Duration::from_secs(1);

/// The counts so far.
///
/// A cell has the rows of one event type that have the same values to group by. Larger groups are several cells together, so
/// that no duration is kept twice.
#[derive(Debug)]
pub(super) struct Gather {
    grouping: Grouping,
    window: Window,
    period: Option<(Timestamp, Timestamp)>,
    cells: Vec<Cell>,
    most_cells: usize,
    index: HashMap<Vec<u8>, usize>,
    /// The key of the row at hand.
    key: Vec<u8>,
    jobs: Jobs,
    details: Option<Details>,
    unreadable: u64,
    later: u64,
    /// When the clock was last read.
    now: Timestamp,
    /// The last moment that is not later than now.
    last: Option<Timestamp>,
}

impl Gather {
    pub(super) fn new(question: &Question) -> Self {
        Self {
            grouping: question.grouping(),
            window: Window { since: question.since, until: question.until, first: None, last: None },
            period: None,
            cells: Vec::new(),
            most_cells: MOST_CELLS,
            index: HashMap::new(),
            key: Vec::new(),
            jobs: Jobs::new(question.jobs()),
            details: question.detail.then(Details::default),
            unreadable: 0,
            later: 0,
            now: Timestamp::now(),
            last: None,
        }
    }

    /// Counts a row of the source with this number.
    pub(super) fn row(&mut self, source: usize, row: &Observation<'_>) {
        if let Some(moment) = row.moment() {
            let (first, last) = self.period.unwrap_or((moment, moment));
            self.period = Some((first.min(moment), last.max(moment)));
        }
        self.unreadable += u64::from(!row.is_readable());
        // Nobody knows whether the window has it.
        if row.moment().is_none() && (self.window.since.is_some() || self.window.until.is_some()) {
            return;
        }
        let is_later = self.is_later(row.moment());
        self.later += u64::from(is_later);
        if !is_later {
            self.last = self.last.max(row.moment());
        }
        self.key.clear();
        row.write_key(&mut self.key);
        let cell = match self.index.get(&self.key) {
            Some(cell) => *cell,
            None => self.place_of_new(row),
        };
        if let Some(cell) = self.cells.get_mut(cell) {
            cell.add(row);
            cell.out_of_time += u64::from(is_later || row.moment().is_none());
        }
        self.jobs.row(row);
        if let Some(details) = &mut self.details {
            details.row(source, row);
        }
    }

    /// The clock is read again for a row that came while others were read.
    fn is_later(&mut self, moment: Option<Timestamp>) -> bool {
        let is_later = |now: Timestamp| moment.is_some_and(|moment| moment > now + CLOCKS);
        if is_later(self.now) {
            self.now = Timestamp::now();
        }
        is_later(self.now)
    }

    /// The window for the rows per hour. It ends at the last row that is not later than now: hours to come have no rows.
    fn window_of_rates(&self) -> Window {
        match self.later {
            0 => self.window,
            _ => Window { until: None, last: self.last.map(Into::into), ..self.window },
        }
    }

    /// The place of a new cell for the row. If there are too many cells, it is the place of all further groups.
    fn place_of_new(&mut self, row: &Observation<'_>) -> usize {
        let mut cell = Cell::new(row);
        if self.cells.len() >= self.most_cells {
            cell = Cell::of_others(row.event_type(), cell.places());
            self.key = cell.key();
        }
        let next = self.cells.len();
        let place = *self.index.entry(self.key.clone()).or_insert(next);
        if place == next {
            self.cells.push(cell);
        }
        place
    }

    /// Counts the losses of a row of `ledger.loss`.
    pub(super) fn loss(&mut self, row: &Observation<'_>) {
        if let Some(details) = &mut self.details {
            details.loss(row);
        }
    }

    /// The ids of the calls of a source that are still to be read as a whole.
    pub(super) fn incomplete(&self, source: usize) -> Vec<String> {
        self.details.as_ref().map(|details| details.incomplete(source)).unwrap_or_default()
    }

    pub(super) fn complete(&mut self, source: usize, found: &FoundCalls) {
        if let Some(details) = &mut self.details {
            details.complete(source, found);
        }
    }

    /// Adds the figures of rows that are rolled up, once for all rows that are in the same cell.
    #[cfg(feature = "postgres")]
    pub(super) fn rolled_cell(&mut self, cell: Cell) {
        self.jobs.rolled_events(cell.event_type(), cell.count);
        self.index.insert(cell.key(), self.cells.len());
        self.cells.push(cell);
    }

    #[cfg(feature = "postgres")]
    pub(super) fn rolled_jobs(&mut self, event_type: &str, result: Option<String>, tally: ResultTally) {
        self.jobs.rolled(event_type, result, tally);
    }

    /// Adds the number of unreadable rows among those that are rolled up, and the first and the last moment of all.
    #[cfg(feature = "postgres")]
    pub(super) fn rolled_rows(&mut self, unreadable: u64, period: Option<(Timestamp, Timestamp)>) {
        self.unreadable += unreadable;
        self.period = period;
        self.last = period.map(|(_, last)| last);
    }

    pub(super) fn report(mut self, questions: &Questions) -> Report {
        self.window.first = self.period.map(|(first, _)| first.into());
        self.window.last = self.period.map(|(_, last)| last.into());
        let window = self.window_of_rates();
        let mut by_event_type: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
        for cell in self.cells {
            by_event_type.entry(cell.event_type().to_owned()).or_default().push(cell);
        }
        let events = by_event_type.into_iter();
        let event = |(event_type, cells): (String, Vec<Cell>)| {
            let (figures, durations) = Cell::together(&cells).figures_and_durations(&window);
            let detail = self.details.as_mut();
            EventFigures {
                groups: groups(&self.grouping, questions, &event_type, cells, &window),
                figures,
                detail: detail.map(|details| details.figures(&event_type, &durations, self.period)),
                event_type,
            }
        };
        let mut events: Vec<_> = events.map(event).collect();
        events.sort_by_key(|event| Reverse(event.figures.calls));
        let (jobs, attempts) = self.jobs.figures();
        Report {
            window: self.window,
            events,
            jobs,
            attempts,
            unreadable: self.unreadable,
            later: self.later,
            losses: self.details.map(Details::into_losses),
            rollup: None,
        }
    }
}

fn groups(
    grouping: &Grouping,
    questions: &Questions,
    event_type: &str,
    cells: Vec<Cell>,
    window: &Window,
) -> Vec<GroupFigures> {
    match grouping {
        Grouping::Together(keys) => {
            let places: Vec<usize> = (0..keys.len()).collect();
            groups_by(questions, keys, &places, cells, window)
        }
        Grouping::Each(each) => {
            let keys = each.keys(event_type).iter().enumerate();
            let of = |(place, key): (usize, &String)| {
                groups_by(questions, std::slice::from_ref(key), &[place], &cells, window)
            };
            keys.flat_map(of).collect()
        }
    }
}

/// Groups cells by the values at these places. Cells of its own are dropped group by group, so that memory does not hold them
/// and all figures.
fn groups_by<C: Borrow<Cell>>(
    questions: &Questions,
    keys: &[String],
    places: &[usize],
    cells: impl IntoIterator<Item = C>,
    window: &Window,
) -> Vec<GroupFigures> {
    let mut grouped: BTreeMap<Vec<Option<String>>, Vec<C>> = BTreeMap::new();
    for cell in cells {
        let value = |place: &usize| cell.borrow().by(*place).and_then(|value| questions.label(*place, value));
        // Most groups have one cell, and a vector has room for four at first.
        let same = grouped.entry(places.iter().map(value).collect()).or_insert_with(|| Vec::with_capacity(1));
        same.push(cell);
    }
    let figures = |(values, cells): (Vec<_>, Vec<C>)| GroupFigures {
        by: keys.iter().cloned().zip(values).collect(),
        figures: Cell::together(cells.iter().map(Borrow::borrow)).figures(window),
    };
    // They are in the order of their values.
    let mut groups: Vec<_> = grouped.into_iter().map(figures).collect();
    if !places.first().is_some_and(|place| questions.is_time(*place)) {
        groups.sort_by_key(|group| Reverse(group.figures.calls));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::key::OTHER_GROUPS;
    use crate::store::read::{Asked, Reading};

    #[test]
    fn further_groups_are_one_group() {
        let question = Question::new().by("route").expect("a key");
        let questions = question.questions();
        let mut gather = Gather { most_cells: 3, ..Gather::new(&question) };
        let is_route = |asked: &Asked| matches!(asked, Asked::Key(key) if key.otherwise() == ["route"]);
        let asked = &questions.selection().asked;
        for route in ["a", "b", "a", "c", "d", "e", "d", "a", "a"] {
            let texts: Vec<_> = asked.iter().map(|asked| is_route(asked).then_some(route)).collect();
            let reading = Reading { created_at: None, event_type: "call", is_readable: true, texts: &texts };
            gather.row(0, &questions.observe(&reading));
        }
        let report = gather.report(&questions);
        let groups = report.events[0].groups.iter();
        let groups: Vec<_> =
            groups.map(|group| (group.by[0].1.clone().expect("a value"), group.figures.calls)).collect();
        let expected = [("a", 4), (OTHER_GROUPS, 3), ("b", 1), ("c", 1)];
        assert_eq!(groups, expected.map(|(value, calls)| (value.to_owned(), calls)));
        assert_eq!(report.events[0].figures.calls, 9);
    }
}
