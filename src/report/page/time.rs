//! One event type over time: percentiles, and calls by outcome.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::chart::{
    Axis, BLUE, Chart, GREY, INK, Ink, OLIVE, ORANGE, PLOT, RED, Scale, TEAL, Tick, VIOLET, bars,
    duration_label, seconds, stairs, steps, time_ticks, x_labels,
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
const NO_OUTCOME: &str = "no outcome";
/// Labels that are closer would touch.
const LABEL_HEIGHT: f64 = 13.0;
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
        let (y, edges, desc) = self.durations_axis()?;
        let chart = Chart {
            title: &format!("Median, p95 and p99 of the duration of {} over time", self.event_type),
            desc: &desc,
            id: &format!("{}d", self.id),
            height: HEIGHT,
            legend: &LEVELS.map(|(name, _, ink)| (name, ink)),
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
            let (y, edges) = Scale::log_outward([lo, hi], [HEIGHT, 0.0]);
            (y, edges.into())
        } else {
            (Scale::linear([0.0, hi], [HEIGHT, 0.0]), Vec::new())
        };
        let axis = if is_log { "logarithmic axis; " } else { "" };
        let most = duration_label(hi);
        Some((
            y,
            edges,
            format!("{} steps of time; {axis}p99 of a step is at most {most}.", self.steps().len()),
        ))
    }

    pub(super) fn percentiles_name(&self) -> &'static str {
        match self.durations_axis() {
            Some((_, edges, _)) if !edges.is_empty() => "Duration over time (log scale)",
            _ => "Duration over time",
        }
    }

    /// An event has no outcome and no success of its own.
    pub(super) fn outcomes_name(&self) -> &'static str {
        let has = |step: &TimeStep| !step.outcomes.is_empty() || step.success.rate.is_some();
        if self.steps().iter().any(has) { "Success and outcomes over time" } else { "Rows over time" }
    }

    /// The share that succeeded above bars of the outcomes.
    pub(super) fn outcomes(&self) -> Markup {
        let parts = self.parts();
        let has_success = self.steps().iter().any(|step| step.success.rate.is_some());
        let most = self.steps().iter().map(|step| step.calls).max().unwrap_or_default().max(1);
        let y = Scale::linear([0.0, most as f64], [HEIGHT, if has_success { BARS_TOP } else { 4.0 }]);
        let rate = Scale::linear([0.0, 1.0], [SUCCESS_HEIGHT, 2.0]);
        let success = Ink::line(INK, 1.6, None);
        let mut legend = if has_success { vec![("success", success)] } else { Vec::new() };
        // Events have no outcome at all.
        let named = parts.iter().filter(|part| has_success || part.name != NO_OUTCOME);
        legend.extend(named.map(|part| (part.name.as_str(), part.ink)));
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
            @for (place, part) in parts.iter().enumerate() { (part.ink.draw(&part.on(&parts[..place], &y))) }
            (self.deploy_lines())
            (success.draw_over_time(&line))
        };
        chart.draw(&axes, &plot)
    }

    /// The parts of the bars, from the bottom to the top.
    fn parts(&self) -> Vec<Part> {
        let names = self.outcome_names();
        let count = |step: &TimeStep, name: &str| step.outcomes.get(name).copied().unwrap_or_default();
        let counts = |of: &dyn Fn(&TimeStep) -> u64| self.steps().iter().map(of).collect::<Vec<_>>();
        let mut parts = Vec::new();
        for name in &names {
            if *name == "ok" {
                // A call may return and have no success.
                let silent = |step: &TimeStep| failures_that_returned(step).min(count(step, name));
                parts.push(Part::new("ok", BLUE, counts(&|step| count(step, name) - silent(step))));
                parts.push(Part::new("ok, no success", OLIVE, counts(&silent)));
            } else {
                parts.push(Part::new(
                    &cut(name, 20),
                    outcome_colour(name),
                    counts(&|step| count(step, name)),
                ));
            }
        }
        let without = |step: &TimeStep| step.calls.saturating_sub(step.outcomes.values().sum());
        parts.push(Part::new(NO_OUTCOME, GREY, counts(&without)));
        parts.retain(|part| part.counts.iter().any(|count| *count > 0));
        parts
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
        columns.push(Column::figure("durations", "/duration_ms/n"));
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

/// The rows of one colour.
struct Part {
    name: String,
    ink: Ink,
    /// Of each step.
    counts: Vec<u64>,
}

impl Part {
    fn new(name: &str, colour: &'static str, counts: Vec<u64>) -> Self {
        Self { name: name.to_owned(), ink: Ink::area(colour), counts }
    }

    /// The path of its bars, on those of the parts below.
    fn on(&self, below: &[Self], y: &Scale) -> String {
        let each = self.counts.iter().enumerate().map(|(step, count)| {
            let below: u64 = below.iter().map(|other| other.counts[step]).sum();
            [below + count, below].map(|height| y.at(height as f64))
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
}

/// The calls without success that neither an error nor another outcome explains.
fn failures_that_returned(step: &TimeStep) -> u64 {
    let succeeded =
        step.success.rate.map_or(step.success.n, |rate| (rate * step.success.n as f64).round() as u64);
    let others = step.outcomes.iter().filter(|(name, _)| !matches!(name.as_str(), "ok" | "unknown"));
    let without = step.calls.saturating_sub(step.outcomes.values().sum());
    let explained = others.map(|(_, count)| count).sum::<u64>() + without;
    step.success.n.saturating_sub(succeeded).saturating_sub(explained)
}

/// Each has a contrast of 3 to 1 with a light and with a dark page.
fn outcome_colour(name: &str) -> &'static str {
    match name {
        "ok" => BLUE,
        "error" => ORANGE,
        "panic" => RED,
        "cancelled" => TEAL,
        _ => VIOLET,
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
        let colours = [BLUE, ORANGE, RED, TEAL, VIOLET, GREY, OLIVE];
        for (name, paper) in colours.into_iter().flat_map(|name| [(name, "#ffffff"), (name, "#14171c")]) {
            let (bar, paper) = (channels(name), channels(paper));
            let [bar, paper] = [luminance(&bar), luminance(&paper)].map(|light| light + 0.05);
            assert!(bar.max(paper) / bar.min(paper) >= 3.0, "{name}: {bar} and {paper}");
        }
    }
}
