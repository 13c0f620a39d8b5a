//! One event type over time: its steps, and the percentiles of durations.

use std::time::SystemTime;

use maud::{Markup, html};

use super::chart::{
    Axis, BLUE, Chart, GREY, INK, Ink, PLOT, Scale, Tick, dots, duration_label, seconds, steps, time_ticks,
    x_labels,
};
use super::show::{Days, Shown, cut, foreign};
use super::table::{HtmlCell, HtmlColumn, HtmlRow, HtmlTable};
use crate::report::answer::{Report, Spread, Window, moment_text};
use crate::report::detail::{Deploy, Detail, TimeStep};

pub(super) const HEIGHT: f64 = 158.0;
/// So that a point at the end of an axis is not cut.
const EDGE: f64 = 3.0;
/// A version's name may be a commit's hash.
const VERSION_LENGTH: usize = 12;
/// Labels that are closer would touch.
const LABEL_HEIGHT: f64 = 13.0;
/// Of the sentence that names them.
const MOST_DEPLOYS: usize = 12;
/// More deploys would hatch a chart: they are ticks at its top.
const MOST_LINES: usize = 20;
const TICK: f64 = 8.0;

/// The id of the axis of time. The script has the same.
pub(super) const TIME: &str = "time";

/// The percentiles, and how each is drawn.
type Level = (&'static str, fn(&Spread) -> Option<f64>, Ink);
const LEVELS: [Level; 3] = [
    ("median", |spread| spread.median, Ink::line(BLUE, 2.2, None)),
    ("p95", |spread| spread.p95, Ink::line(BLUE, 1.4, Some("5 3"))),
    ("p99", |spread| spread.p99, Ink::line(GREY, 1.4, Some("1.5 3"))),
];

/// The name of [`OverTime::is_part`] in a legend.
pub(super) const PART: &str = "part of a step";

/// An event type's steps of time, as its charts need them.
pub(super) struct OverTime<'a> {
    pub(super) event_type: String,
    pub(super) detail: &'a Detail,
    x: Scale,
    pub(super) axis: Axis,
    days: Days,
    /// The beginning of the charts' ids.
    pub(super) id: String,
    /// The steps that the window has in part.
    parts: Vec<usize>,
}

impl<'a> OverTime<'a> {
    /// `None` without steps.
    pub(super) fn new(report: &Report, number: usize, detail: &'a Detail) -> Option<Self> {
        let first = detail.over_time.first()?;
        let length = seconds(first.to)? - seconds(first.from)?;
        let first = seconds(first.from)?;
        let last = seconds(detail.over_time.last()?.to)?;
        let x = Scale::linear([first, last], [0.0, PLOT]);
        let axis = Axis::Time { first, length, steps: detail.over_time.len() as f64 };
        let event_type = foreign(&report.events.get(number)?.event_type);
        let parts = parts(&report.window, &detail.over_time);
        Some(Self { event_type, detail, x, axis, days: Days::of(report), id: format!("t{number}"), parts })
    }

    /// The axis of time, which all event types share.
    pub(super) fn labels(&self) -> Markup {
        x_labels(TIME, &time_ticks(&self.x, 5))
    }

    pub(super) fn steps(&self) -> &'a [TimeStep] {
        &self.detail.over_time
    }

    /// The moments at which another version took over.
    fn deploys(&self) -> Vec<Tick> {
        let mark = |second: f64, version: &str| {
            let short: String = version.chars().take(VERSION_LENGTH).collect();
            (self.x.at(second), cut(&short, VERSION_LENGTH))
        };
        let each = self.detail.deploys.iter();
        each.filter_map(|deploy| Some(mark(seconds(deploy.at)?, &deploy.to))).collect()
    }

    /// The deploys in words, as not all marks have room for theirs.
    pub(super) fn deploys_in_words(&self) -> Markup {
        let all = &self.detail.deploys;
        let left_out = all.len().saturating_sub(MOST_DEPLOYS);
        html! {
            @if let Some(first) = all.get(left_out) {
                p.soft data-at="/detail" {
                    "Version " (version(&first.from, &format!("/deploys/{left_out}/from")))
                    @for (place, deploy) in all.iter().enumerate().skip(left_out) {
                        ", " (version(&deploy.to, &format!("/deploys/{place}/to"))) " from "
                        (self.at(deploy.at, &format!("/deploys/{place}/at")))
                        (self.side_by_side(deploy))
                    }
                    "."
                    @if left_out > 0 { " The " (left_out) " changes before are in the JSON." }
                }
            } @else if self.detail.versions.len() > 1 {
                p.soft data-at="/detail" { "Versions side by side: " (self.versions()) "." }
            }
        }
    }

    fn at(&self, moment: Option<SystemTime>, key: &str) -> Markup {
        Shown::text(self.days.moment(moment), &moment_text(moment).unwrap_or_default()).at(key)
    }

    /// The rows of both versions around a deploy that takes its time: they stand on either side of its line.
    fn side_by_side(&self, deploy: &Deploy) -> Markup {
        let Deploy { at, from, to } = deploy;
        let of = |name: &str| self.detail.versions.iter().position(|rows| rows.version == name);
        // The rows of a version that comes back are around other deploys too.
        let is_once = |name: &str| {
            let begins = self.detail.deploys.iter().filter(|other| other.to == name).count();
            begins + usize::from(self.detail.deploys.first().is_some_and(|first| first.from == name)) == 1
        };
        let (Some(old), Some(new)) = (of(from), of(to)) else { return html! {} };
        let (last, first) = (self.detail.versions[old].last, self.detail.versions[new].first);
        let is_mixed = is_once(from) && is_once(to) && first < last && (last > *at || first < *at);
        html! {
            @if is_mixed {
                " (most rows; " (version(from, &format!("/versions/{old}/version"))) " until "
                (self.at(last, &format!("/versions/{old}/last"))) ", " (version(to, &format!("/versions/{new}/version")))
                " since " (self.at(first, &format!("/versions/{new}/first"))) ")"
            }
        }
    }

    fn versions(&self) -> Markup {
        let all = &self.detail.versions;
        html! {
            @for (place, rows) in all.iter().enumerate().take(MOST_DEPLOYS) {
                @if place > 0 { "; " }
                (version(&rows.version, &format!("/versions/{place}/version")))
                " from " (self.at(rows.first, &format!("/versions/{place}/first")))
                " to " (self.at(rows.last, &format!("/versions/{place}/last")))
                ", calls " (Shown::count(rows.calls).at(&format!("/versions/{place}/calls")))
            }
            @if all.len() > MOST_DEPLOYS { "; " (all.len() - MOST_DEPLOYS) " more are in the JSON" }
        }
    }

    pub(super) fn deploy_lines(&self) -> Markup {
        // It has the steps of the whole plot.
        let x = |x: f64| (x / PLOT * self.steps().len() as f64 * 100.0).round() / 100.0;
        let deploys = self.deploys();
        let length = if deploys.len() > MOST_LINES { TICK } else { HEIGHT };
        let lines: String = deploys.iter().map(|(at, _)| format!("M{} 0V{length}", x(*at))).collect();
        html! {
            @if !lines.is_empty() {
                path d=(lines) stroke="currentColor" stroke-opacity=".55" stroke-dasharray="2 3"
                    vector-effect="non-scaling-stroke" {}
            }
        }
    }

    /// `None` without durations.
    pub(super) fn percentiles(&self) -> Option<Markup> {
        let (y, edges, desc) = self.durations_axis()?;
        let heights = |of: fn(&Spread) -> Option<f64>| -> Vec<_> {
            self.steps().iter().map(|step| of(&step.duration_ms).map(|value| y.at(value))).collect()
        };
        let mut legend: Vec<_> = LEVELS.map(|(name, _, ink)| (name, ink)).into();
        let has_lone = !dots(&self.whole(&heights(LEVELS[0].1))).is_empty();
        let dot = match (has_lone, self.has_parts()) {
            (true, true) => "step alone or in part",
            (true, false) => "step alone",
            _ => PART,
        };
        if has_lone || self.has_parts() {
            legend.push((dot, Ink::line(INK, 1.6, None).dots()));
        }
        let chart = Chart {
            title: &format!("Median, p95 and p99 of the duration of {} over time", self.event_type),
            desc: &desc,
            id: &format!("{}d", self.id),
            height: HEIGHT,
            legend: &legend,
            axis: self.axis,
        };
        let mut ticks: Vec<Tick> =
            edges.into_iter().map(|value| (y.at(value), duration_label(value))).collect();
        for (at, label) in y.nice(5).into_iter().map(|value| (y.at(value), duration_label(value))) {
            if ticks.iter().all(|(other, _)| (at - other).abs() >= LABEL_HEIGHT) {
                ticks.push((at, label));
            }
        }
        let axes = html! {
            (chart.y_axis(&ticks)) (chart.x_axis_of(TIME)) (chart.marks(&self.deploys()))
        };
        let plot = html! {
            (self.deploy_lines())
            @for (_, of, ink) in LEVELS.iter().rev() { (self.line(&heights(*of), *ink)) }
        };
        Some(chart.draw(&axes, &plot))
    }

    /// The axis of durations, and the steps in words.
    fn durations_axis(&self) -> Option<(Scale, Vec<f64>, String)> {
        let steps = self.steps().iter();
        let all: Vec<f64> =
            steps.flat_map(|step| LEVELS.map(|(_, of, _)| of(&step.duration_ms))).flatten().collect();
        let (lo, hi) = all.iter().fold((f64::INFINITY, 0.0_f64), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
        if all.is_empty() {
            return None;
        }
        // A slow tail would press the median to the ground.
        let is_log = lo > 0.0 && hi / lo > 20.0;
        let (y, edges) = if is_log {
            let (y, edges) = Scale::log_outward([lo, hi], [HEIGHT - EDGE, EDGE]);
            (y, edges.into())
        } else {
            (Scale::linear([0.0, hi], [HEIGHT, EDGE]), Vec::new())
        };
        let axis = if is_log { "logarithmic axis; " } else { "" };
        let most = duration_label(hi);
        let desc = format!("{} steps of time; {axis}p99 of a step is at most {most}.", self.steps().len());
        Some((y, edges, desc))
    }

    pub(super) fn percentiles_name(&self) -> &'static str {
        match self.durations_axis() {
            Some((_, edges, _)) if !edges.is_empty() => "Duration over time (log scale)",
            _ => "Duration over time",
        }
    }

    /// A line through the steps that the window has as a whole, and dots for the others and for those without a neighbour.
    pub(super) fn line(&self, heights: &[Option<f64>], ink: Ink) -> Markup {
        let whole = self.whole(heights);
        let others: Vec<_> =
            heights.iter().zip(&whole).map(|(height, whole)| height.filter(|_| whole.is_none())).collect();
        html! {
            (ink.draw_over_time(&steps(&whole)))
            (ink.dots().draw_over_time(&(dots(&whole) + &dots(&others))))
        }
    }

    /// Without those of steps that the window has in part.
    fn whole(&self, heights: &[Option<f64>]) -> Vec<Option<f64>> {
        let each = heights.iter().enumerate();
        each.map(|(number, height)| height.filter(|_| !self.is_part(number))).collect()
    }

    /// Whether the window has less than nine tenths of the step: few rows there are no collapse.
    pub(super) fn is_part(&self, number: usize) -> bool {
        self.parts.contains(&number)
    }

    pub(super) fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    /// The percentiles of the last steps with durations, at most so many.
    pub(super) fn percentiles_table(&self, most: usize) -> HtmlTable {
        let mut columns: Vec<_> =
            LEVELS.map(|(name, ..)| HtmlColumn::figure(name, format!("/duration_ms/{name}"))).into();
        columns.push(HtmlColumn::figure("durations", "/duration_ms/n"));
        let cells = |step: &TimeStep| {
            let mut cells: Vec<_> =
                LEVELS.map(|(_, of, _)| HtmlCell::Figure(Shown::duration(of(&step.duration_ms)))).into();
            cells.push(HtmlCell::Figure(Shown::count(step.duration_ms.n)));
            cells
        };
        self.table("durations", most, columns, |step| step.duration_ms.n > 0, cells)
    }

    pub(super) fn table(
        &self,
        of: &str,
        most: usize,
        mut columns: Vec<HtmlColumn>,
        has: fn(&TimeStep) -> bool,
        cells: impl Fn(&TimeStep) -> Vec<HtmlCell>,
    ) -> HtmlTable {
        let all: Vec<_> = self.steps().iter().enumerate().filter(|(_, step)| has(step)).collect();
        let left_out = all.len().saturating_sub(most);
        let mut caption = format!("{of} of {} over time", self.event_type);
        if left_out > 0 {
            caption += &format!(" (the last {most} of {} steps; all are in the JSON)", all.len());
        }
        columns.insert(0, HtmlColumn::text("from (UTC)"));
        let row = |(number, step): (usize, &TimeStep)| {
            let mut cells = cells(step);
            let part = if self.is_part(number) { ", in part" } else { "" };
            cells.insert(0, HtmlCell::Text(self.days.moment(step.from) + part));
            HtmlRow { at: format!("/{number}"), cells }
        };
        let rows = all.into_iter().skip(left_out).map(row).collect();
        HtmlTable { caption, at: "/detail/over_time".to_owned(), columns, rows }
    }
}

fn version(text: &str, key: &str) -> Markup {
    Shown::text(cut(text, VERSION_LENGTH), text).at(key)
}

/// The first step and the last one, unless the window has nearly all of them. Without others there is nothing to compare them with.
fn parts(window: &Window, steps: &[TimeStep]) -> Vec<usize> {
    const NEARLY_ALL: f64 = 0.9;
    let [since, until] = [window.since.or(window.first), window.until.or(window.last)].map(seconds);
    let is_part = |number: &usize| {
        let step = &steps[*number];
        let (Some(from), Some(to)) = (seconds(step.from), seconds(step.to)) else { return false };
        let within = to.min(until.unwrap_or(to)) - from.max(since.unwrap_or(from));
        within < NEARLY_ALL * (to - from)
    };
    let mut parts = if steps.len() > 2 { vec![0, steps.len() - 1] } else { Vec::new() };
    parts.retain(is_part);
    parts
}
