//! How much of each event type a page shows, so that it stays small enough for an email.

use std::collections::BTreeMap;

use maud::Markup;

use super::calls::fair_share;
use super::data::Kept;
use super::event::Section;
use super::groups::lists;
use super::show::in_script;
use crate::report::answer::{EventFigures, Report};
use crate::report::compare::overlay::Overlay;

/// Event types are shown in full until the body has so many bytes. Contexts do not count.
const MOST_FULL: usize = 120_000;
/// And with their figures alone until it has so many.
const MOST_SHORT: usize = 123_000;

/// How many rows of a kind each section may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) time_rows: usize,
    pub(super) bucket_rows: usize,
    pub(super) groups: usize,
    pub(super) calls: usize,
}

impl Room {
    const LEAST: Self = Self { time_rows: 6, bucket_rows: 6, groups: 3, calls: 2 };

    pub(super) fn of(report: &Report) -> Self {
        let share = |all: usize, parts: usize, most: usize| (all / parts.max(1)).min(most);
        let events = report.events.len();
        Self {
            time_rows: share(160, events, 48),
            bucket_rows: share(160, events, 40),
            groups: share(48, report.events.iter().map(lists).sum(), 16),
            calls: fair_share(report),
        }
        .at_least(Self::LEAST)
    }

    /// Rows of tables are the first to go, as the charts show them too.
    fn divided(self, rows: usize, others: usize) -> Self {
        let divided = Self {
            time_rows: self.time_rows / rows,
            bucket_rows: self.bucket_rows / rows,
            groups: self.groups / others,
            calls: self.calls / others,
        };
        divided.at_least(Self::LEAST)
    }

    fn at_least(self, least: Self) -> Self {
        Self {
            time_rows: self.time_rows.max(least.time_rows),
            bucket_rows: self.bucket_rows.max(least.bucket_rows),
            groups: self.groups.max(least.groups),
            calls: self.calls,
        }
    }
}

/// The sections that fit, by the place of their event types.
#[derive(Default)]
pub(super) struct Fit {
    pub(super) sections: BTreeMap<usize, Markup>,
    /// The data of their charts.
    pub(super) kept: Kept,
    size: usize,
    /// Whether none is shortened or missing.
    all: bool,
}

impl Fit {
    /// All in full, else with less of everything, else some with their figures alone. `used` bytes are taken already.
    pub(super) fn of(report: &Report, overlays: &[Overlay], used: usize) -> Self {
        let most = Room::of(report);
        let fit = |room| Self::with_room(&Section { report, overlays, room }, used);
        let rooms = [(1, 1), (2, 1), (4, 1), (8, 2), (8, 4)].into_iter();
        let rooms = rooms.map(|(rows, others)| most.divided(rows, others));
        rooms.map(fit).find(|fit| fit.all).unwrap_or_else(|| fit(Room::LEAST))
    }

    fn with_room(section: &Section<'_>, used: usize) -> Self {
        let mut fit = Self { size: used, all: true, ..Self::default() };
        for (number, event) in in_order(section.report) {
            let mut kept = Kept::new();
            let full = section.full(number, event, &mut kept);
            let size = without_contexts(&full.0) + in_script(&kept).len();
            if fit.size + size <= MOST_FULL {
                fit.size += size;
                fit.kept.append(&mut kept);
                fit.sections.insert(number, full);
                continue;
            }
            fit.all = false;
            if fit.size <= MOST_SHORT {
                let short = Section::short(number, event);
                fit.size += short.0.len();
                fit.sections.insert(number, short);
            }
        }
        fit
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
