//! The words of a page that is made up: event types without a section, and versions.

use super::fit::without_contexts;
use super::tests::{event, example, moment};
use super::*;
use crate::report::detail::{Deploy, Detail, VersionRows};

const HOUR: u64 = 3_600;

/// The text that a reader sees.
fn text(html: &str) -> String {
    html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect()
}

#[test]
fn an_event_type_without_a_section_has_no_link_and_no_option_and_its_row_says_so() {
    let mut report = example();
    report.events.extend((0..30).map(|number| event(&format!("other.{number}"), 1000, 5.0, 50)));
    let html = page(&report, None);
    let sections = html.matches("<section id=event-").count();
    assert!((1..33).contains(&sections), "{sections}");
    assert_eq!(html.matches("<a href=#event-").count(), sections);
    for number in 0..33 {
        let has_section = html.contains(&format!("<section id=event-{number} "));
        assert_eq!(html.contains(&format!("<a href=#event-{number}>")), has_section, "{number}");
        let name = &report.events[number].event_type;
        assert_eq!(html.contains(&format!("<option value={name}>")), has_section, "{name}");
    }
    assert_eq!(html.matches("<br><small>no section</small>").count(), 33 - sections);
    assert!(without_contexts(&html) <= 150_000);
}

fn rows(version: &str, first: u64, last: u64) -> VersionRows {
    VersionRows { version: version.to_owned(), first: moment(first), last: moment(last), calls: 2000 }
}

fn deploy(at: u64, from: &str, to: &str) -> Deploy {
    Deploy { at: moment(at), from: from.to_owned(), to: to.to_owned() }
}

fn of(versions: Vec<VersionRows>, deploys: Vec<Deploy>) -> String {
    let mut report = example();
    report.events.truncate(1);
    report.events[0].detail =
        report.events[0].detail.take().map(|detail| Detail { versions, deploys, ..detail });
    page(&report, None)
}

#[test]
fn a_deploy_that_takes_hours_says_when_both_versions_made_rows() {
    let slow = vec![rows("1.9", 0, 60 * HOUR), rows("2.0", 40 * HOUR, 160 * HOUR)];
    let text_of = |versions, deploys| text(&of(versions, deploys));
    let shown = text_of(slow, vec![deploy(50 * HOUR, "1.9", "2.0")]);
    let moments = [50, 60, 40].map(|hour| short_moment(moment(hour * HOUR)));
    let [at, until, since] = &moments;
    let sentence = format!("Version 1.9, 2.0 from {at} (most rows; 1.9 until {until}, 2.0 since {since}).");
    assert!(shown.contains(&sentence), "{sentence}");
    // One after the other, and a version that comes back.
    let quick = vec![rows("1.9", 0, 50 * HOUR - 1), rows("2.0", 50 * HOUR, 160 * HOUR)];
    assert!(!text_of(quick, vec![deploy(50 * HOUR, "1.9", "2.0")]).contains("most rows"));
    let back = vec![rows("1.9", 0, 160 * HOUR), rows("2.0", 50 * HOUR, 60 * HOUR)];
    let deploys = vec![deploy(50 * HOUR, "1.9", "2.0"), deploy(60 * HOUR, "2.0", "1.9")];
    assert!(!text_of(back, deploys).contains("most rows"));
    // None takes over.
    let canary = vec![rows("1.9", 0, 160 * HOUR), rows("2.0", 40 * HOUR, 150 * HOUR)];
    let sentence = format!("Versions side by side: 1.9 from {}", short_moment(moment(0)));
    assert!(text_of(canary, Vec::new()).contains(&sentence));
}

/// The width of the chart is as many units as there are steps of time.
#[test]
fn the_line_of_a_deploy_is_where_its_step_begins() {
    let steps = example().events[0].detail.as_ref().map_or(0, |detail| detail.over_time.len());
    assert!(steps > 20);
    for step in [7, 11, 20] {
        let detail = example().events.remove(0).detail.expect("an example has details");
        let at = Deploy { at: detail.over_time[step].from, from: "a".to_owned(), to: "b".to_owned() };
        let html = of(Vec::new(), vec![at]);
        assert_eq!(html.matches(&format!("M{step},0V158")).count(), 2, "step {step} of {steps}");
    }
}

#[test]
fn many_deploys_are_ticks_at_the_top_of_a_chart() {
    for (count, length) in [(20, "158"), (21, "8")] {
        let deploys = (1..=count).map(|hour| deploy(hour * HOUR, "a", "b")).collect();
        let html = of(Vec::new(), deploys);
        let lines = html.matches(&format!(",0V{length}M")).count();
        assert!(lines >= 19, "{count} deploys: {lines} lines");
    }
}
