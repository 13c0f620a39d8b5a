//! One event type over time: percentiles, and calls by outcome.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::chart::{
    Axis, BLUE, Chart, GREY, Ink, ORANGE, PLOT, RED, Scale, Tick, VIOLET, bars, duration_label, seconds,
    stairs, steps, time_ticks, x_labels,
};
use super::show::{Days, Shown, cut, foreign, step};
use super::table::{Cell, Column, Row, Table};
use crate::report::answer::{Report, Spread, moment_text};
use crate::report::detail::{Detail, TimeStep};

const HEIGHT: f64 = 158.0;
/// Above the bars.
const SUCCESS_HEIGHT: f64 = 36.0;
const BARS_TOP: f64 = 52.0;
/// A version's name may be a commit's hash.
const VERSION_LENGTH: usize = 12;
/// Of the sentence that names them.
const MOST_DEPLOYS: usize = 12;

/// The id of the axis of time. The script has the same.
const TIME: &str = "time";

/// The percentiles, and how each is drawn.
type Level = (&'static str, fn(&Spread) -> Option<f64>, Ink);
const LEVELS: [Level; 3] = [
    ("median", |spread| spread.median, Ink::line(BLUE, 2.2, None)),
    ("p95", |spread| spread.p95, Ink::line(BLUE, 1.4, Some("5 3"))),
    ("p99", |spread| spread.p99, Ink::line(GREY, 1.4, Some("1.5 3"))),
];

/// An event type's steps of time, as its charts need them.
pub(super) struct OverTime<'a> {
    event_type: String,
    detail: &'a Detail,
    x: Scale,
    axis: Axis,
    days: Days,
    /// The beginning of the charts' ids.
    id: String,
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
        Some(Self { event_type, detail, x, axis, days: Days::of(report), id: format!("t{number}") })
    }

    /// The axis of time, which all event types share.
    pub(super) fn labels(&self) -> Markup {
        x_labels(TIME, &time_ticks(&self.x, 5))
    }

    fn steps(&self) -> &'a [TimeStep] {
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
        let version = |text: &str, key: &str| Shown::text(cut(text, VERSION_LENGTH), text).at(key);
        html! {
            @if let Some(first) = all.get(left_out) {
                p.soft data-at="/detail/deploys" {
                    "Version " (version(&first.from, &format!("/{left_out}/from")))
                    @for (place, deploy) in all.iter().enumerate().skip(left_out) {
                        @let at = moment_text(deploy.at).unwrap_or_default();
                        ", " (version(&deploy.to, &format!("/{place}/to"))) " from "
                        (Shown::text(self.days.moment(deploy.at), &at).at(&format!("/{place}/at")))
                    }
                    "."
                    @if left_out > 0 { " The " (left_out) " changes before are in the JSON." }
                }
            }
        }
    }

    fn deploy_lines(&self) -> Markup {
        // It has the steps of the whole plot.
        let x = |x: f64| (x / PLOT * self.steps().len() as f64 * 100.0).round() / 100.0;
        let lines: String = self.deploys().iter().map(|(at, _)| format!("M{} 0V{HEIGHT}", x(*at))).collect();
        html! {
            @if !lines.is_empty() {
                path d=(lines) stroke="currentColor" stroke-opacity=".55" stroke-dasharray="2 3"
                    vector-effect="non-scaling-stroke" {}
            }
        }
    }

    /// `None` without durations.
    pub(super) fn percentiles(&self) -> Option<Markup> {
        let (y, desc) = self.durations_axis()?;
        let chart = Chart {
            title: &format!("Median, p95 and p99 of the duration of {} over time", self.event_type),
            desc: &desc,
            id: &format!("{}d", self.id),
            height: HEIGHT,
            legend: &LEVELS.map(|(name, _, ink)| (name, ink)),
            axis: self.axis,
        };
        let ticks: Vec<Tick> =
            y.nice(5).into_iter().map(|value| (y.at(value), duration_label(value))).collect();
        let axes = html! {
            (chart.y_axis(&ticks)) (chart.x_axis_of(TIME)) (chart.marks(&self.deploys()))
        };
        let path = |of: fn(&Spread) -> Option<f64>| {
            steps(self.steps().iter().map(|step| of(&step.duration_ms).map(|value| y.at(value))))
        };
        let plot = html! {
            (self.deploy_lines())
            @for (_, of, ink) in LEVELS.iter().rev() { (ink.draw_over_time(&path(*of))) }
        };
        Some(chart.draw(&axes, &plot))
    }

    /// The axis of durations, and the steps in words.
    fn durations_axis(&self) -> Option<(Scale, String)> {
        let steps = self.steps().iter();
        let all: Vec<f64> =
            steps.flat_map(|step| LEVELS.map(|(_, of, _)| of(&step.duration_ms))).flatten().collect();
        let (lo, hi) = all.iter().fold((f64::INFINITY, 0.0_f64), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
        if all.is_empty() {
            return None;
        }
        // A slow tail would press the median to the ground.
        let is_log = lo > 0.0 && hi / lo > 20.0;
        let y = if is_log {
            Scale::log([lo, hi], [HEIGHT, 0.0])
        } else {
            Scale::linear([0.0, hi], [HEIGHT, 0.0])
        };
        let axis = if is_log { "logarithmic axis; " } else { "" };
        let most = duration_label(hi);
        Some((y, format!("{} steps of time; {axis}p99 of a step is at most {most}.", self.steps().len())))
    }

    /// An event has no outcome and no success of its own.
    pub(super) fn outcomes_name(&self) -> &'static str {
        let has = |step: &TimeStep| !step.outcomes.is_empty() || step.success.rate.is_some();
        if self.steps().iter().any(has) { "Success and outcomes over time" } else { "Rows over time" }
    }

    /// The share that succeeded above bars of the outcomes.
    pub(super) fn outcomes(&self) -> Markup {
        let names = self.outcome_names();
        let has_success = self.steps().iter().any(|step| step.success.rate.is_some());
        let most = self.steps().iter().map(|step| step.calls).max().unwrap_or_default().max(1);
        let y = Scale::linear([0.0, most as f64], [HEIGHT, if has_success { BARS_TOP } else { 4.0 }]);
        let rate = Scale::linear([0.0, 1.0], [SUCCESS_HEIGHT, 2.0]);
        let success = Ink::line(BLUE, 1.8, None);
        let shown: Vec<_> = names.iter().map(|name| cut(name, 20)).collect();
        let mut legend = if has_success { vec![("success", success)] } else { Vec::new() };
        legend.extend(shown.iter().zip(&names).map(|(shown, name)| (shown.as_str(), outcome_ink(name))));
        let chart = Chart {
            title: &format!("{}: {}", self.outcomes_name(), self.event_type),
            desc: &format!("{} steps of time, at most {most} calls in one.", self.steps().len()),
            id: &format!("{}o", self.id),
            height: HEIGHT,
            legend: &legend,
            axis: self.axis,
        };
        let ticks = y.nice(3).into_iter().filter(|value| value.fract() == 0.0);
        let mut ticks: Vec<Tick> = ticks.map(|value| (y.at(value), value.to_string())).collect();
        if has_success {
            ticks.extend([0.0, 1.0].map(|share| (rate.at(share), format!("{}%", share * 100.0))));
        }
        let axes = html! { (chart.y_axis(&ticks)) (chart.x_axis_of(TIME)) };
        let line = steps(self.steps().iter().map(|step| step.success.rate.map(|share| rate.at(share))));
        let plot = html! {
            @for (place, name) in names.iter().enumerate() {
                (outcome_ink(name).draw(&self.stack(&names[..place], name, &y)))
            }
            @if names.is_empty() { (Ink::area(GREY).draw(&self.calls(&y))) }
            (self.deploy_lines())
            (success.draw_over_time(&line))
        };
        chart.draw(&axes, &plot)
    }

    /// Bars of all rows, for events without an outcome.
    fn calls(&self, y: &Scale) -> String {
        stairs(&self.steps().iter().map(|step| [y.at(step.calls as f64), HEIGHT]).collect::<Vec<_>>())
    }

    /// The bars of one outcome, on those of the outcomes before it.
    fn stack(&self, before: &[&str], name: &str, y: &Scale) -> String {
        let count = |step: &TimeStep, name: &str| step.outcomes.get(name).copied().unwrap_or_default();
        let each = self.steps().iter().map(|step| {
            let below: u64 = before.iter().map(|other| count(step, other)).sum();
            [below + count(step, name), below].map(|height| y.at(height as f64))
        });
        let each: Vec<_> = each.collect();
        let alone = (0..).zip(&each).map(|(place, [top, bottom])| {
            let left = f64::from(place);
            [left, left + 1.0, *top, *bottom]
        });
        // Few bars take fewer bytes if each is drawn alone.
        let (alone, together) = (bars(alone), stairs(&each));
        if alone.len() < together.len() { alone } else { together }
    }

    /// `ok` at the bottom, then `error`, then in the order of the alphabet.
    fn outcome_names(&self) -> Vec<&'a str> {
        let names = self.steps().iter().flat_map(|step| step.outcomes.keys().map(String::as_str));
        let mut names: Vec<_> = names.collect::<BTreeSet<_>>().into_iter().collect();
        names.sort_by_key(|name| (*name != "ok", *name != "error"));
        names
    }

    /// The percentiles of the last steps with durations, at most so many.
    pub(super) fn percentiles_table(&self, most: usize) -> Table {
        let mut columns: Vec<_> =
            LEVELS.map(|(name, ..)| Column::figure(name, format!("/duration_ms/{name}"))).into();
        columns.push(Column::figure("n", "/duration_ms/n"));
        let cells = |step: &TimeStep| {
            let mut cells: Vec<_> =
                LEVELS.map(|(_, of, _)| Cell::Figure(Shown::duration(of(&step.duration_ms)))).into();
            cells.push(Cell::Figure(Shown::count(step.duration_ms.n)));
            cells
        };
        self.table("durations", most, columns, |step| step.duration_ms.n > 0, cells)
    }

    /// The outcomes of the last steps with rows, at most so many.
    pub(super) fn outcomes_table(&self, most: usize) -> Table {
        let names = self.outcome_names();
        let mut columns = vec![Column::figure("calls", "/calls"), Column::figure("success", "/success/rate")];
        columns.extend(
            names.iter().map(|name| Column::figure(cut(name, 40), format!("/outcomes{}", step(name)))),
        );
        let cells = |step: &TimeStep| {
            let mut cells =
                vec![Cell::Figure(Shown::count(step.calls)), Cell::Figure(Shown::share(&step.success))];
            cells.extend(names.iter().map(|name| match step.outcomes.get(*name) {
                Some(count) => Cell::Figure(Shown::count(*count)),
                None => Cell::Derived("0".to_owned()),
            }));
            cells
        };
        self.table("outcomes", most, columns, |step| step.calls > 0, cells)
    }

    fn table(
        &self,
        of: &str,
        most: usize,
        mut columns: Vec<Column>,
        has: fn(&TimeStep) -> bool,
        cells: impl Fn(&TimeStep) -> Vec<Cell>,
    ) -> Table {
        let all: Vec<_> = self.steps().iter().enumerate().filter(|(_, step)| has(step)).collect();
        let left_out = all.len().saturating_sub(most);
        let mut caption = format!("{of} of {} over time", self.event_type);
        if left_out > 0 {
            caption += &format!(" (the last {most} of {} steps; all are in the JSON)", all.len());
        }
        columns.insert(0, Column::text("from (UTC)"));
        let row = |(number, step): (usize, &TimeStep)| {
            let mut cells = cells(step);
            cells.insert(0, Cell::Text(self.days.moment(step.from)));
            Row { at: format!("/{number}"), cells }
        };
        let rows = all.into_iter().skip(left_out).map(row).collect();
        Table { caption, at: "/detail/over_time".to_owned(), columns, rows }
    }
}

/// Each has a contrast of 3 to 1 with a light and with a dark page.
fn outcome_ink(name: &str) -> Ink {
    match name {
        "ok" => Ink::area(BLUE),
        "error" => Ink::area(ORANGE),
        "panic" => Ink::area(RED),
        "cancelled" => Ink::area(GREY),
        _ => Ink::area(VIOLET),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(colour: &str) -> Vec<f64> {
        let channel = |at: usize| u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour");
        [1, 3, 5].map(|at| f64::from(channel(at)) / 255.0).into()
    }

    /// As WCAG 2.2 has it.
    fn luminance(channels: &[f64]) -> f64 {
        let linear = |c: &f64| if *c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        channels.iter().map(linear).zip([0.2126, 0.7152, 0.0722]).map(|(c, weight)| c * weight).sum()
    }

    #[test]
    fn bars_are_seen_on_a_light_and_on_a_dark_page() {
        for (name, paper) in ["ok", "error", "panic", "cancelled", "unknown"]
            .into_iter()
            .flat_map(|name| [(name, "#ffffff"), (name, "#14171c")])
        {
            let (ink, paper) = (outcome_ink(name), channels(paper));
            let bar = channels(ink.colour);
            let [bar, paper] = [luminance(&bar), luminance(&paper)].map(|light| light + 0.05);
            assert!(bar.max(paper) / bar.min(paper) >= 3.0, "{name}: {bar} and {paper}");
        }
    }
}
