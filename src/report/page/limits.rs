//! The limits of a page, in sentences that follow from its figures.

use maud::{Markup, html};

use super::show::foreign;
use crate::report::answer::{EventFigures, Report, moment_text};
use crate::report::compare::compared::Compared;
use crate::report::render::unreadable_rows;
use crate::report::stats::contrast::Judgement;

/// From fewer values a p99 is close to the maximum.
const FEW_FOR_P99: u64 = 100;
/// From fewer values a p95 is close to the maximum.
const FEW_FOR_P95: u64 = 20;

pub(super) fn limits(report: Option<&Report>, compared: Option<&Compared>) -> Markup {
    let mut sentences = report.map(|report| of_report(report, compared.is_some())).unwrap_or_default();
    sentences.extend(compared.map(|compared| of_comparison(compared, report)).unwrap_or_default());
    if compared.is_none() {
        sentences.push(
            "Whether a change helped: ask tracing-ledger compare BEFORE AFTER --format html, of two windows or versions."
                .to_owned(),
        );
    }
    sentences
        .push("It has the calls that a rule names, and nothing on other calls or on the machine.".to_owned());
    sentences.push(
        "It shows when figures changed, and not why: the cause is in the code, the load or the data."
            .to_owned(),
    );
    html! {
        section.notes #limits {
            h2 { "What this page cannot tell" }
            ul { @for sentence in sentences { li { (sentence) } } }
        }
    }
}

fn of_report(report: &Report, is_compared: bool) -> Vec<String> {
    let mut sentences: Vec<String> = report.rollup.iter().map(ToString::to_string).collect();
    sentences.extend(unreadable_rows(report.unreadable));
    sentences.extend(one_day(report));
    sentences.extend(few(report, FEW_FOR_P99, "p99"));
    sentences.extend(few(report, FEW_FOR_P95, "p95"));
    sentences.extend(listed(
        report,
        "No duration is known",
        |event| event.figures.duration_ms.n == 0,
        "name its key with `duration` in the rule of the event type",
    ));
    sentences.extend(listed(
        report,
        "Success is not known for all rows",
        |event| event.figures.success.n < event.figures.calls,
        "the shares are those of the rows that say it",
    ));
    sentences.extend(listed(
        report,
        "Some durations are below 0",
        |event| {
            let detail = event.detail.as_ref();
            detail.and_then(|detail| detail.histogram.first()).is_some_and(|bar| bar.from < 0.0)
        },
        "a clock went back while a call ran, or the key has no duration; they count as they are",
    ));
    sentences.extend(of_steps(report, is_compared));
    sentences
}

/// About the steps of time.
fn of_steps(report: &Report, is_compared: bool) -> Vec<String> {
    let mut sentences = Vec::new();
    let details = || report.events.iter().filter_map(|event| event.detail.as_ref());
    if !is_compared && details().next().is_some() && details().all(|detail| detail.deploys.is_empty()) {
        sentences.push(
            "No deploy is marked: the rows have no version, or no other one takes over. Add it with common fields."
                .to_owned(),
        );
    }
    if details().any(|detail| detail.over_time.iter().any(|step| step.approximate)) {
        sentences.push(
            "The percentiles of the steps of time are within 0.4 % of the exact ones. All others are exact."
                .to_owned(),
        );
    }
    sentences
}

fn one_day(report: &Report) -> Option<String> {
    let [first, last] = [report.window.first, report.window.last].map(moment_text);
    let (first, last) = (first?, last?);
    let day = first.get(..10)?;
    last.starts_with(day)
        .then(|| format!("All rows are of one day, {day} (UTC): how days differ does not show."))
}

fn few(report: &Report, least: u64, level: &str) -> Option<String> {
    let is_few = |event: &EventFigures| (1..least).contains(&event.figures.duration_ms.n);
    listed(
        report,
        &format!("The {level} rests on fewer than {least} durations"),
        is_few,
        "it is close to the maximum and rests on a few calls",
    )
}

/// One sentence that names the event types for which something holds.
fn listed(report: &Report, what: &str, holds: impl Fn(&EventFigures) -> bool, why: &str) -> Option<String> {
    const MOST_NAMES: usize = 5;
    let names: Vec<_> =
        report.events.iter().filter(|event| holds(event)).map(|event| foreign(&event.event_type)).collect();
    let more = match names.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = names[..names.len().min(MOST_NAMES)].join(", ");
    (!names.is_empty()).then(|| format!("{what} ({shown}{more}): {why}."))
}

/// A report has the rows of the side after.
fn of_comparison(compared: &Compared, report: Option<&Report>) -> Vec<String> {
    let mut sentences = undecided(compared);
    let over_time = match report {
        Some(_) => {
            "Charts over time have the rows of the side after alone, so they show no change between the sides."
        }
        None => {
            "The side after has no rows here, so the page has no charts over time, groups and calls: these are in a page of rows."
        }
    };
    sentences.push(over_time.to_owned());
    let unknown = [("before", &compared.before), ("after", &compared.after)];
    let unknown: Vec<_> =
        unknown.into_iter().filter(|(_, side)| side.losses.is_none()).map(|(name, _)| name).collect();
    if !unknown.is_empty() {
        sentences.push(format!(
            "The rows lost on the side {} are not known: they have no values, so a side that is a value cannot count them.",
            unknown.join(" and the side ")
        ));
    }
    sentences
}

fn undecided(compared: &Compared) -> Vec<String> {
    let totals = compared.pairs.iter().filter(|pair| pair.by.is_empty());
    let undecided: Vec<_> = totals.filter(|pair| pair.judgement() == Judgement::NotEnoughData).collect();
    if undecided.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{} figures are not decided: there are too few values, days, parts or runs, a value is not above 0 and has no \
         ratio, the success of too many calls is not known, or the side before differs from itself.",
        undecided.len()
    )]
}
