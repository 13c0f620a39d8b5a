//! One event type over time: each call in a part of a bar, by its success and its outcome.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::chart::{
    BLUE, BROWN, Chart, GREEN, GREY, INK, Ink, ORANGE, PINK, RED, Scale, Tick, VIOLET, YELLOW, bars, stairs,
};
use super::show::{Shown, cut, step};
use super::table::{HtmlCell, HtmlColumn, HtmlTable};
use super::time::{HEIGHT, OverTime, PART, TIME};
use crate::outcome::Outcome;
use crate::report::detail::TimeStep;

const OK: &str = Outcome::Ok.as_str();
/// Above the bars.
const SUCCESS_HEIGHT: f64 = 36.0;
const BARS_TOP: f64 = 52.0;
/// Of the share that succeeded, which is none of the parts.
const SUCCESS: Ink = Ink::line(INK, 1.6, None);
/// Each part has one of its own. All have a contrast of 3 to 1 with a light and with a dark page.
pub(super) const COLOURS: [&str; 9] = [BLUE, ORANGE, RED, VIOLET, YELLOW, GREEN, PINK, BROWN, GREY];
/// The rarest parts of a chart with more are one.
const OTHERS: &str = "all others";

/// Whether a row succeeded, as far as it is known. Failures are on top of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RowSuccess {
    Succeeded,
    Unknown,
    Failed,
}

/// The rows of a part have this success and this outcome.
type PartKind<'a> = (RowSuccess, &'a str);

/// A part of each bar.
struct Part<'a> {
    name: String,
    ink: Ink,
    /// The part of all other outcomes has several.
    kinds: Vec<PartKind<'a>>,
}

impl RowSuccess {
    const ALL: [Self; 3] = [Self::Succeeded, Self::Unknown, Self::Failed];

    fn rows(self, step: &TimeStep) -> &BTreeMap<String, u64> {
        match self {
            Self::Succeeded => &step.succeeded,
            Self::Unknown => &step.unknown,
            Self::Failed => &step.failed,
        }
    }

    /// In the JSON.
    fn key(self) -> &'static str {
        match self {
            Self::Succeeded => "/succeeded",
            Self::Unknown => "/unknown",
            Self::Failed => "/failed",
        }
    }
}

fn count(step: &TimeStep, (success, outcome): PartKind<'_>) -> u64 {
    success.rows(step).get(outcome).copied().unwrap_or_default()
}

impl Part<'_> {
    fn calls(&self, step: &TimeStep) -> u64 {
        self.kinds.iter().map(|kind| count(step, *kind)).sum()
    }

    fn column(&self) -> HtmlColumn {
        match self.kinds[..] {
            [(success, outcome)] => HtmlColumn::figure(&self.name, success.key().to_owned() + &step(outcome)),
            _ => HtmlColumn::derived(&self.name),
        }
    }

    fn cell(&self, step: &TimeStep) -> HtmlCell {
        let calls = self.calls(step);
        let is_in_json = self.kinds.len() == 1 && calls > 0;
        if is_in_json { HtmlCell::Figure(Shown::count(calls)) } else { HtmlCell::Derived(calls.to_string()) }
    }
}

/// The parts of the bars from the bottom to the top.
fn parts(steps: &[TimeStep]) -> Vec<Part<'_>> {
    let mut sums: BTreeMap<PartKind<'_>, u64> = BTreeMap::new();
    for success in RowSuccess::ALL {
        let each = steps.iter().flat_map(|step| success.rows(step)).filter(|(_, count)| **count > 0);
        each.for_each(|(outcome, count)| *sums.entry((success, outcome)).or_default() += count);
    }
    let mut kinds: Vec<PartKind<'_>> = sums.keys().copied().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(sums[kind]));
    let most = if kinds.len() > COLOURS.len() { COLOURS.len() - 1 } else { kinds.len() };
    let others = kinds.split_off(most);
    kinds.sort_by_key(|(success, outcome)| {
        (*success, *outcome != OK, *outcome != Outcome::Error.as_str(), *outcome)
    });
    let mut parts: Vec<Part<'_>> = Vec::new();
    for kind in kinds {
        let ink = Ink::area(colour(kind, &parts));
        parts.push(Part { name: name(kind, &sums), ink, kinds: vec![kind] });
    }
    if !others.is_empty() {
        let ink = Ink::area(free(&parts));
        parts.push(Part { name: OTHERS.to_owned(), ink, kinds: others });
    }
    parts
}

/// The name says whether the calls succeeded if their outcome alone does not.
fn name((success, outcome): PartKind<'_>, sums: &BTreeMap<PartKind<'_>, u64>) -> String {
    let has_several =
        RowSuccess::ALL.iter().filter(|other| sums.contains_key(&(**other, outcome))).count() > 1;
    let shown = cut(outcome, 20);
    let has_outcomes = sums.keys().any(|(_, other)| *other != TimeStep::NO_OUTCOME);
    let none = if has_outcomes { ", no outcome" } else { "" };
    match (success, outcome) {
        (RowSuccess::Succeeded, TimeStep::NO_OUTCOME) => format!("success{none}"),
        (RowSuccess::Failed, TimeStep::NO_OUTCOME) => format!("no success{none}"),
        (RowSuccess::Unknown, TimeStep::NO_OUTCOME) => "no outcome".to_owned(),
        (RowSuccess::Succeeded, OK) => shown,
        (RowSuccess::Failed, OK) => format!("{shown}, no success"),
        _ if !has_several => shown,
        (RowSuccess::Succeeded, _) => format!("{shown}, success"),
        (RowSuccess::Failed, _) => format!("{shown}, no success"),
        (RowSuccess::Unknown, _) => format!("{shown}, success unknown"),
    }
}

/// The usual one, unless a part has it already.
fn colour((success, outcome): PartKind<'_>, parts: &[Part<'_>]) -> &'static str {
    let usual = match (success, outcome) {
        (RowSuccess::Failed, OK | TimeStep::NO_OUTCOME) => YELLOW,
        (RowSuccess::Unknown, TimeStep::NO_OUTCOME) => GREY,
        (_, OK | TimeStep::NO_OUTCOME) => BLUE,
        _ => match Outcome::from_word(outcome) {
            Some(Outcome::Error) => ORANGE,
            Some(Outcome::Panic) => RED,
            Some(Outcome::Cancelled) => VIOLET,
            Some(Outcome::Ok | Outcome::Unknown) | None => return free(parts),
        },
    };
    if parts.iter().any(|part| part.ink.colour == usual) { free(parts) } else { usual }
}

/// The last that no part has: the first ones have usual meanings.
fn free(parts: &[Part<'_>]) -> &'static str {
    let is_free = |colour: &&&str| parts.iter().all(|part| part.ink.colour != **colour);
    COLOURS[5..].iter().chain(&COLOURS[..5]).find(is_free).copied().unwrap_or(GREY)
}

impl OverTime<'_> {
    /// An event has no outcome and no success of its own.
    pub(super) fn outcomes_name(&self) -> &'static str {
        let has = |step: &TimeStep| !step.outcomes.is_empty() || step.success.rate.is_some();
        if self.steps().iter().any(has) { "Success and outcomes over time" } else { "Rows over time" }
    }

    /// The share that succeeded above bars of all calls.
    pub(super) fn outcomes(&self) -> Markup {
        let parts = parts(self.steps());
        let has_success = self.steps().iter().any(|step| step.success.rate.is_some());
        let most = self.steps().iter().map(|step| step.calls).max().unwrap_or_default().max(1);
        let y = Scale::linear([0.0, most as f64], [HEIGHT, if has_success { BARS_TOP } else { 4.0 }]);
        let rate = Scale::linear([0.0, 1.0], [SUCCESS_HEIGHT, 2.0]);
        let legend: Vec<_> = self.outcomes_legend(&parts, has_success);
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
        let shares = self.steps().iter().map(|step| step.success.rate.map(|share| rate.at(share)));
        let plot = html! {
            @for (place, part) in parts.iter().enumerate() { (self.bars(&parts[..place], part, &y)) }
            (self.deploy_lines())
            (self.line(&shares.collect::<Vec<_>>(), SUCCESS))
        };
        chart.draw(&axes, &plot)
    }

    fn outcomes_legend<'a>(&self, parts: &'a [Part<'_>], has_success: bool) -> Vec<(&'a str, Ink)> {
        let line = has_success.then_some(("share with success", SUCCESS));
        let part = self.has_parts().then_some((PART, Ink::outline(INK)));
        line.into_iter().chain(parts.iter().map(|part| (part.name.as_str(), part.ink))).chain(part).collect()
    }

    /// The bars of one part, on those of the parts below. A step that the window has in part has an outline.
    fn bars(&self, below: &[Part<'_>], part: &Part<'_>, y: &Scale) -> Markup {
        let each = self.steps().iter().map(|step| {
            let bottom: u64 = below.iter().map(|part| part.calls(step)).sum();
            [bottom + part.calls(step), bottom].map(|height| y.at(height as f64))
        });
        let each: Vec<[f64; 2]> = each.collect();
        let flat = |(number, [top, bottom]): (usize, &[f64; 2])| {
            [if self.is_part(number) { *bottom } else { *top }, *bottom]
        };
        let whole: Vec<[f64; 2]> = each.iter().enumerate().map(flat).collect();
        let side_by_side =
            |(number, [top, bottom]): (usize, &[f64; 2])| [number as f64, number as f64 + 1.0, *top, *bottom];
        let in_part = each.iter().enumerate().filter(|(number, _)| self.is_part(*number)).map(side_by_side);
        // Few bars take fewer bytes if each is drawn alone.
        let (alone, together) = (bars(whole.iter().enumerate().map(side_by_side)), stairs(&whole));
        let filled = if alone.len() < together.len() { alone } else { together };
        html! {
            (part.ink.draw(&filled))
            (Ink::outline(part.ink.colour).draw_over_time(&bars(in_part)))
        }
    }

    /// The outcomes of the last steps with rows, at most so many.
    pub(super) fn outcomes_table(&self, most: usize) -> HtmlTable {
        let parts = parts(self.steps());
        let mut columns =
            vec![HtmlColumn::figure("calls", "/calls"), HtmlColumn::figure("success", "/success/rate")];
        columns.extend(parts.iter().map(Part::column));
        let cells = |step: &TimeStep| {
            let mut cells = vec![
                HtmlCell::Figure(Shown::count(step.calls)),
                HtmlCell::Figure(Shown::share(&step.success)),
            ];
            cells.extend(parts.iter().map(|part| part.cell(step)));
            cells
        };
        self.table("outcomes", most, columns, |step| step.calls > 0, cells)
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
        for (name, paper) in COLOURS.into_iter().flat_map(|colour| [(colour, "#ffffff"), (colour, "#14171c")])
        {
            let (bar, paper) = (channels(name), channels(paper));
            let [bar, paper] = [luminance(&bar), luminance(&paper)].map(|light| light + 0.05);
            assert!(bar.max(paper) / bar.min(paper) >= 3.0, "{name}: {bar} and {paper}");
        }
    }
}
