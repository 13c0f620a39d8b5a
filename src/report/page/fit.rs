//! Chooses how much of each event type a page shows, so that it stays small enough for an email.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped};

use super::calls::fair_share;
use super::event::{Section, both_sides};
use super::groups::lists;
use super::lean::lean;
use crate::report::answer::{EventFigures, Report};
use crate::report::compare::overlay::Overlay;

/// The bytes of a page. Contexts do not count.
const MOST: usize = 149_500;
/// Kept free for event types with their figures alone.
const SHORT: usize = 3_000;

/// How many rows of a kind each section may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Of the table below each chart.
    pub(super) rows: usize,
    pub(super) groups: usize,
    pub(super) calls: usize,
    /// An event type with fewer durations has no charts of them: they are in its list of calls.
    pub(super) durations: u64,
}

impl Room {
    const LEAST: Self = Self { rows: 4, groups: 3, calls: 2, durations: 20 };
    /// Rows of tables are the first to go, as the charts show them too.
    const ROWS: [usize; 9] = [200, 64, 40, 28, 20, 14, 10, 8, 6];

    /// From the largest to the smallest: with all charts, then without those of few durations.
    fn all(report: &Report) -> [Vec<Self>; 2] {
        let lists = report.events.iter().map(lists).sum::<usize>().max(1);
        let (groups, calls) = ((48 / lists).min(16), fair_share(report));
        let all_charts = Self::ROWS.map(|rows| Self { rows, groups, calls, durations: 0 });
        let divided = |(rows, by, quarters): (usize, usize, usize)| Self {
            rows,
            groups: (groups / by).max(Self::LEAST.groups),
            calls: calls * quarters / 4,
            ..Self::LEAST
        };
        let fewer = [(14, 1, 4), (6, 1, 4), (6, 2, 4), (6, 4, 4), (4, 4, 4), (4, 4, 3), (4, 4, 2), (4, 4, 1)]
            .map(divided);
        [all_charts.into(), fewer.into()]
    }
}

/// The sections that fit, by the place of their event types; those that only a comparison has follow.
#[derive(Default)]
pub(super) struct Fit {
    pub(super) sections: BTreeMap<usize, Markup>,
    /// How many event types have none.
    pub(super) left_out: usize,
    size: usize,
}

impl Fit {
    /// All in full, else with less of everything, else some with their figures alone. `used` bytes are taken already.
    pub(super) fn of(report: &Report, overlays: &[Overlay], used: usize) -> Self {
        let with = |room: Room| Section { report, overlays, room };
        let draw = |room: &Room| Self::complete(&with(*room), used);
        let complete = Room::all(report).iter().find_map(|rooms| largest(rooms, draw));
        complete.unwrap_or_else(|| Self::shortened(&with(Room::LEAST), used))
    }

    /// `None` as soon as a section does not fit.
    fn complete(section: &Section<'_>, used: usize) -> Option<Self> {
        let mut fit = Self { size: used, ..Self::default() };
        for (number, event) in in_order(section.report) {
            fit.has(number, section.full(number, event), MOST - SHORT).then_some(())?;
        }
        for (number, drawn) in alone(section) {
            fit.has(number, drawn, MOST).then_some(())?;
        }
        Some(fit)
    }

    fn shortened(section: &Section<'_>, used: usize) -> Self {
        let mut fit = Self { size: used, ..Self::default() };
        for (number, event) in in_order(section.report) {
            let has_full = fit.has(number, section.full(number, event), MOST - SHORT);
            let is_left_out = !has_full && !fit.has(number, Section::short(number, event), MOST);
            fit.left_out += usize::from(is_left_out);
        }
        for (number, drawn) in alone(section) {
            fit.left_out += usize::from(!fit.has(number, drawn, MOST));
        }
        fit
    }

    /// Takes the section if it ends below so many bytes.
    fn has(&mut self, number: usize, section: Markup, most: usize) -> bool {
        let section = lean(&section.0);
        let size = self.size + without_contexts(&section);
        let fits = size <= most;
        if fits {
            self.size = size;
            self.sections.insert(number, PreEscaped(section));
        }
        fits
    }
}

/// The first drawing that fits. Each room is smaller than the one before, so a binary search finds it.
fn largest<T, R>(rooms: &[T], draw: impl Fn(&T) -> Option<R>) -> Option<R> {
    let (first, rest) = rooms.split_first()?;
    if let Some(drawn) = draw(first) {
        return Some(drawn);
    }
    let mut best = draw(rest.last()?)?;
    // The first one that fits is at `low` or later; that at `high` fits.
    let (mut low, mut high) = (0, rest.len() - 1);
    while low < high {
        let middle = usize::midpoint(low, high);
        match draw(&rest[middle]) {
            Some(drawn) => (best, high) = (drawn, middle),
            None => low = middle + 1,
        }
    }
    Some(best)
}

/// The event types that only the comparison has, after those of the report.
fn alone(section: &Section<'_>) -> impl Iterator<Item = (usize, Markup)> {
    let Section { report, overlays, .. } = section;
    let alone =
        overlays.iter().enumerate().filter(|(_, overlay)| report.event(&overlay.event_type).is_none());
    alone.map(|(place, overlay)| {
        (report.events.len() + place, section.both_alone(overlay, &both_sides(place, overlay)))
    })
}

/// Those with jobs and attempts first: they tell most, although other rows may be more frequent.
fn in_order(report: &Report) -> Vec<(usize, &EventFigures)> {
    let is_plain = |event: &EventFigures| {
        let has_jobs = report.jobs.iter().any(|job| job.event_type == event.event_type);
        !has_jobs && !report.attempts.contains_key(&event.event_type)
    };
    let mut order: Vec<_> = report.events.iter().enumerate().collect();
    order.sort_by_key(|(_, event)| is_plain(event));
    order
}

/// The bytes outside `pre`.
pub(super) fn without_contexts(html: &str) -> usize {
    let contexts = html.split("<pre>").skip(1).filter_map(|rest| rest.split_once("</pre>"));
    html.len() - contexts.map(|(context, _)| context.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::largest;

    #[test]
    fn the_largest_that_fits_is_found_by_a_few_tries() {
        let rooms = [100, 90, 80, 70, 60, 50, 40, 30, 20];
        for most in [5, 20, 29, 30, 55, 85, 90, 99, 100, 200] {
            let tries = Cell::new(0);
            let draw = |room: &i32| {
                tries.set(tries.get() + 1);
                (*room <= most).then_some(*room)
            };
            assert_eq!(largest(&rooms, draw), rooms.into_iter().find(|room| *room <= most), "{most}");
            assert!(tries.get() <= 5, "{} tries", tries.get());
        }
    }
}
