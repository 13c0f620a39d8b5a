//! How much of each event type a page shows, so that it stays small enough for an email.

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
    const LEAST: Self = Self { rows: 6, groups: 3, calls: 2, durations: 20 };
    /// Rows of tables are the first to go, as the charts show them too.
    const ROWS: [usize; 9] = [200, 64, 40, 28, 20, 14, 10, 8, 6];

    /// From the largest to the smallest.
    fn all(report: &Report) -> impl Iterator<Item = Self> {
        let lists = report.events.iter().map(lists).sum::<usize>().max(1);
        let (groups, calls) = ((48 / lists).min(16), fair_share(report));
        let all_charts = move |rows| Self { rows, groups, calls, durations: 0 };
        let divided = move |rows, by: usize| Self {
            rows,
            groups: (groups / by).max(Self::LEAST.groups),
            calls: calls / by,
            ..Self::LEAST
        };
        let fewer = [(14, 1), (6, 1), (6, 2), (6, 4)].map(|(rows, by)| divided(rows, by));
        Self::ROWS.into_iter().map(all_charts).chain(fewer).chain([Self::LEAST])
    }
}

/// The sections that fit, by the place of their event types; those that only a comparison has follow.
#[derive(Default)]
pub(super) struct Fit {
    pub(super) sections: BTreeMap<usize, Markup>,
    /// How many event types have none.
    pub(super) left_out: usize,
    size: usize,
    /// Whether none is shortened or missing.
    all: bool,
}

impl Fit {
    /// All in full, else with less of everything, else some with their figures alone. `used` bytes are taken already.
    pub(super) fn of(report: &Report, overlays: &[Overlay], used: usize) -> Self {
        let mut fit = Self::default();
        for room in Room::all(report) {
            fit = Self::with_room(&Section { report, overlays, room }, used);
            if fit.all {
                break;
            }
        }
        fit
    }

    fn with_room(section: &Section<'_>, used: usize) -> Self {
        let mut fit = Self { size: used, all: true, ..Self::default() };
        let Section { report, overlays, .. } = section;
        for (number, event) in in_order(report) {
            if !fit.has(number, section.full(number, event), MOST - SHORT) {
                fit.all = false;
                fit.left_out += usize::from(!fit.has(number, Section::short(number, event), MOST));
            }
        }
        let alone = |overlay: &&Overlay| report.event(&overlay.event_type).is_none();
        for (place, overlay) in overlays.iter().enumerate().filter(|(_, overlay)| alone(overlay)) {
            let drawn = section.both_alone(overlay, &both_sides(place, overlay));
            if !fit.has(report.events.len() + place, drawn, MOST) {
                (fit.all, fit.left_out) = (false, fit.left_out + 1);
            }
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
