//! The places at which charts draw figures: tables have the figures too, but a reader looks at the picture.

use std::collections::BTreeMap;

use super::chart::traced::{extent, paths};
use super::chart::{BLUE, ORANGE, YELLOW};
use super::outcomes::COLOURS;
use super::spread::{Bucket, Durations};
use super::tests::{event, moment};
use super::time::{HEIGHT, OverTime};
use super::verdict::{Scales, bar};
use super::*;
use crate::report::answer::{Share, Spread};
use crate::report::detail::{Detail, TimeStep};
use crate::report::stats::Interval;
use maud::PreEscaped;

const HOUR: u64 = 3_600;

fn by_outcome(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
    rows.iter().map(|(outcome, count)| ((*outcome).to_owned(), *count)).collect()
}

/// Rows that succeeded, that failed and of which it is unknown.
type DrawnRows<'a> = [&'a [(&'a str, u64)]; 3];

fn time_step(number: u64, rows: DrawnRows<'_>) -> TimeStep {
    let [succeeded, failed, unknown] = rows.map(|rows| rows.iter().map(|(_, count)| count).sum::<u64>());
    let n = succeeded + failed;
    let mut outcomes = BTreeMap::new();
    for (outcome, count) in rows.into_iter().flatten().filter(|(outcome, _)| *outcome != TimeStep::NO_OUTCOME)
    {
        *outcomes.entry((*outcome).to_owned()).or_default() += count;
    }
    let of = |ms: f64| (n > 0).then_some(ms * (number + 1) as f64);
    TimeStep {
        from: moment(number * HOUR),
        to: moment((number + 1) * HOUR),
        calls: n + unknown,
        success: Share::of(succeeded, n),
        outcomes,
        succeeded: by_outcome(rows[0]),
        failed: by_outcome(rows[1]),
        unknown: by_outcome(rows[2]),
        duration_ms: Spread { n, median: of(1.0), p95: of(2.0), p99: of(3.0), max: of(4.0), interval: None },
        approximate: false,
    }
}

/// One event type with these steps of an hour. The window ends so many seconds after its beginning.
fn report(steps: &[DrawnRows<'_>], until: u64) -> Report {
    let over_time = (0..).zip(steps).map(|(number, rows)| time_step(number, *rows)).collect();
    let mut event = event("orders.create", 1000, 5.0, 0);
    event.detail = event.detail.map(|detail| Detail { over_time, ..detail });
    let window = Window { since: moment(0), until: moment(until), first: moment(1), last: moment(until) };
    Report { window, events: vec![event], ..Report::default() }
}

/// Of the report's only event type.
fn over_time(report: &Report) -> OverTime<'_> {
    OverTime::new(report, 0, report.events[0].detail.as_ref().expect("a detail")).expect("steps")
}

fn outcomes(report: &Report) -> String {
    over_time(report).outcomes().into_string()
}

fn percentiles(report: &Report) -> String {
    over_time(report).percentiles().expect("durations").into_string()
}

const NO: &str = TimeStep::NO_OUTCOME;
const MIXED: [DrawnRows<'_>; 4] = [
    [&[("ok", 60)], &[("ok", 30), ("error", 10)], &[]],
    [&[(NO, 20)], &[(NO, 5)], &[("cancelled", 5), (NO, 2)]],
    [&[], &[], &[]],
    [&[("ok", 40)], &[], &[]],
];

#[test]
fn each_call_is_in_one_part_of_its_bar_and_each_part_is_named() {
    let report = report(&MIXED, 4 * HOUR);
    let drawn = outcomes(&report);
    let legend = [
        "share with success",
        "ok",
        "success, no outcome",
        "cancelled",
        "no outcome",
        "error",
        "no success, no outcome",
        "ok, no success",
    ];
    for name in legend {
        assert!(drawn.contains(&format!(">{name}</text>")), "{name}");
    }
    for (number, step) in report.events[0].detail.as_ref().expect("a detail").over_time.iter().enumerate() {
        let place = number as f64 + 0.5;
        let parts =
            COLOURS.iter().flat_map(|colour| paths(&drawn, "fill", colour)).filter(|path| path.contains('z'));
        // The samples of the legend are at the left of the plot, in pixels of the chart.
        let mut parts: Vec<_> =
            parts.filter(|path| !path.contains("h12v8h-12")).filter_map(|path| extent(path, place)).collect();
        parts.retain(|[top, bottom]| bottom > top);
        parts.sort_by(|one, other| other[1].total_cmp(&one[1]));
        let mut ground = HEIGHT;
        for [top, bottom] in parts {
            assert!(
                (bottom - ground).abs() < 0.11,
                "step {number}: a part begins at {bottom}, the one below ends at {ground}"
            );
            ground = top;
        }
        // A hundred calls are as high as the room below the line of the share.
        let calls = (HEIGHT - ground) / (HEIGHT - 52.0) * 100.0;
        assert!(
            (calls - step.calls as f64).abs() < 0.2,
            "step {number}: the bar is {calls} calls high, not {}",
            step.calls
        );
    }
}

#[test]
fn a_failure_has_a_colour_of_its_own() {
    let drawn = outcomes(&report(&MIXED, 4 * HOUR));
    let calls = |colour: &str| {
        let bars = paths(&drawn, "fill", colour).into_iter().filter(|path| !path.contains("h12v8h-12"));
        let heights = bars.filter_map(|path| extent(path, 0.5)).map(|[top, bottom]| bottom - top);
        (heights.sum::<f64>() / (HEIGHT - 52.0) * 100.0).round()
    };
    assert_eq!([BLUE, YELLOW, ORANGE].map(calls), [60.0, 30.0, 10.0], "ok, ok without success, error");
}

#[test]
fn each_part_has_a_colour_and_many_outcomes_are_counted_together() {
    let names: Vec<String> = (0..30).map(|number| format!("outcome {number}")).collect();
    let rows: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(1..).collect();
    let report = report(&[[&[("ok", 500)], &rows, &[]]], HOUR);
    let drawn = outcomes(&report);
    for colour in COLOURS {
        // One bar and its sample in the legend.
        assert_eq!(paths(&drawn, "fill", colour).len(), 2, "{colour}");
    }
    assert!(drawn.contains(">all others</text>"), "{drawn}");
    let table = over_time(&report).outcomes_table(9).draw().into_string();
    let others: u64 = (1..=23).sum();
    assert!(table.contains(&format!("<td>{others}</td>")), "{table}");
}

#[test]
fn more_success_is_higher() {
    let drawn = outcomes(&report(&MIXED, 4 * HOUR));
    let line = paths(&drawn, "stroke", "currentColor")
        .into_iter()
        .find(|path| path.starts_with("M0.5 "))
        .expect("a line");
    // 60 %, then 80 %.
    let [first, second] = [0.5, 1.5].map(|x| extent(line, x).expect("a line")[0]);
    let full = extent(&drawn_dot(&drawn), 3.5).map_or(0.0, |ends| ends[0]);
    assert!(second < first && full <= second, "{first} {second}");
    let label = |text: &str| {
        let (before, _) = drawn.split_once(&format!("\">{text}</text>")).expect(text);
        before.rsplit('"').next().expect("a place").parse::<f64>().expect("a number")
    };
    let share = |y: f64| (label("0%") - y) / (label("0%") - label("100%"));
    assert!((share(first) - 0.6).abs() < 0.01 && (share(second) - 0.8).abs() < 0.01, "{first} {second}");
}

fn drawn_dot(drawn: &str) -> String {
    paths(drawn, "stroke", "currentColor")
        .into_iter()
        .find(|path| path.ends_with("h0"))
        .expect("a dot")
        .to_owned()
}

/// Few rows at the end of a window are no collapse.
#[test]
fn a_step_that_the_window_has_in_part_is_an_outline_and_no_end_of_a_line() {
    let rows: DrawnRows<'_> = [&[("ok", 50)], &[], &[]];
    for (until, is_part) in [(4 * HOUR, false), (4 * HOUR - HOUR / 20, false), (3 * HOUR + HOUR / 4, true)] {
        let report = report(&[rows; 4], until);
        let (bars, lines) = (outcomes(&report), percentiles(&report));
        let table = over_time(&report).outcomes_table(9).draw().into_string();
        assert_eq!(table.matches(", in part</th>").count(), usize::from(is_part), "{table}");
        for drawn in [&bars, &lines] {
            assert_eq!(drawn.contains(">part of a step</text>"), is_part, "{until}");
        }
        let filled = paths(&bars, "fill", BLUE)
            .into_iter()
            .filter_map(|path| extent(path, 3.5))
            .find(|[top, bottom]| bottom > top);
        let outlined = paths(&bars, "stroke", BLUE).into_iter().filter_map(|path| extent(path, 3.5)).next();
        assert_eq!((filled.is_some(), outlined.is_some()), (!is_part, is_part), "{until}");
        let medians = paths(&lines, "stroke", BLUE);
        assert_eq!(
            medians.iter().any(|path| extent(path, 3.25).is_some() && path.starts_with("M0.5")),
            !is_part,
            "{medians:?}"
        );
        assert_eq!(
            medians.iter().any(|path| path.starts_with("M3.5") && path.ends_with("h0")),
            is_part,
            "{medians:?}"
        );
    }
}

#[test]
fn a_step_between_gaps_is_a_dot() {
    let drawn = percentiles(&report(&MIXED, 4 * HOUR));
    assert!(drawn.contains("stroke-linecap=\"round\""), "a line without length shows by its round ends");
    assert_eq!(
        paths(&drawn, "stroke", BLUE).into_iter().filter(|path| path.starts_with("M3.5")).count(),
        2,
        "{drawn}"
    );
}

#[test]
fn longer_durations_are_higher_and_a_p99_is_above_its_median() {
    let rows: DrawnRows<'_> = [&[("ok", 50)], &[], &[]];
    let drawn = percentiles(&report(&[rows; 4], 4 * HOUR));
    let lines: Vec<_> = drawn.split("<path ").filter_map(|tag| tag.strip_prefix("d=\"M0.5 ")).collect();
    let heights = |line: &&str| {
        let path = format!("M0.5 {}", line.split('"').next().expect("a path"));
        [0.5, 3.5].map(|x| extent(&path, x).expect("a line")[0])
    };
    let [p99, p95, median]: [[f64; 2]; 3] =
        lines.iter().map(heights).collect::<Vec<_>>().try_into().expect("three lines");
    for [from, to] in [p99, p95, median] {
        // Four times as long, from zero.
        assert!(((HEIGHT - to) / (HEIGHT - from) - 4.0).abs() < 0.02, "{from} {to}");
    }
    assert!(p99[0] < p95[0] && p95[0] < median[0]);
}

/// Where the paths of the bar of an interval begin.
fn bar_of(change: f64, within: [f64; 2], limit: f64, most: f64) -> (f64, [f64; 2], f64, Option<f64>) {
    let within = Interval { lo: within[0], hi: within[1] };
    let drawn = bar(change, within, Some(limit), most, BLUE, "a range").into_string();
    let number = |text: &str| {
        let end = text.find([' ', 'H', '"', '>']).unwrap_or(text.len());
        text[..end].parse::<f64>().expect("a number")
    };
    let interval = paths(&drawn, "stroke", BLUE)[0];
    let (from, to) = interval.strip_prefix('M').and_then(|path| path.split_once(" 9H")).expect("a line");
    let lines = paths(&drawn, "stroke", "currentColor");
    let begin = |end: &str| {
        lines.iter().find(|path| path.ends_with(end)).map(|path| number(&path[1..])).expect("a line")
    };
    let dot = drawn.split_once("cx=\"").map(|(_, rest)| number(rest));
    (begin("1v16"), [number(from), number(to)], begin("0v18"), dot)
}

#[test]
fn a_bar_of_an_interval_is_around_its_change_and_its_limit_on_its_own_side_of_zero() {
    for (change, within, limit) in
        [(0.3, [0.2, 0.4], 0.1), (-0.3, [-0.4, -0.2], -0.1), (0.0, [-0.2, 0.1], 0.05)]
    {
        let (zero, [lo, hi], at, dot) = bar_of(change, within, limit, 0.5);
        let value = |x: f64| (x - zero) / 69.0 * 0.5;
        let drawn = [lo, dot.expect("a dot"), hi, at].map(value);
        for (drawn, expected) in drawn.into_iter().zip([within[0], change, within[1], limit]) {
            assert!((drawn - expected).abs() < 0.002, "{drawn} is not {expected}");
        }
    }
}

#[test]
fn changes_of_a_half_have_different_places_and_one_beyond_the_scale_has_no_dot() {
    let changes = [-0.502_f64, -0.523, -0.535, 0.1].map(f64::ln_1p);
    let each =
        changes.iter().map(|change| (false, (*change, Interval { lo: change - 0.3, hi: change + 0.3 })));
    let most = Scales::of_changes(each).ratio;
    let dots =
        changes.map(|change| bar_of(change, [change - 0.3, change + 0.3], 0.1, most).3.expect("a dot"));
    assert!(dots.is_sorted_by(|one, other| one > other || *other > 75.0), "{dots:?}");
    assert!(dots[2] > 6.0, "{dots:?}");
    let tenth = 0.1_f64.ln();
    let most = Scales::of_changes([(false, (tenth, Interval { lo: -2.4, hi: -2.2 }))].into_iter()).ratio;
    assert!((most - 4.0_f64.ln()).abs() < 1e-9);
    assert_eq!(bar_of(tenth, [-2.4, -2.2], 0.1, most).3, None);
}

/// Of one side, with 60 calls of 0, none from 1 to 2 and the rest.
#[test]
fn durations_of_zero_have_a_bar_left_of_the_others() {
    let bucket = |from: f64, to: f64, n| Bucket { from, to, counts: vec![n] };
    let buckets = |least: f64| {
        vec![bucket(least, 0.0, 60), bucket(1.0, 2.0, 0), bucket(2.0, 4.0, 30), bucket(4.0, 8.0, 10)]
    };
    for (least, label) in [(0.0, ">0</text>"), (-5.0, ">≤ 0</text>")] {
        let durations = Durations {
            event_type: "cache.get".to_owned(),
            buckets: buckets(least),
            sides: &["calls"],
            at: String::new(),
            id: "d".to_owned(),
        };
        let [histogram, shares] = durations.charts().expect("durations").map(PreEscaped::into_string);
        let bars = paths(&histogram, "fill", BLUE)[0];
        let height = |x: f64| extent(bars, x).map_or(0.0, |[top, bottom]| bottom - top);
        assert!(height(5.0) > 100.0 && (height(5.0) / height(200.0) - 2.0).abs() < 0.02, "{bars}");
        assert!(height(30.0) == 0.0 && height(80.0) == 0.0, "{bars}");
        assert!(histogram.contains(label) && histogram.contains(">1 ms</text>"), "{histogram}");
        let line = paths(&shares, "stroke", BLUE)[0];
        let share = |x: f64| (140.0 - extent(line, x).expect("a line")[0]) / 136.0;
        assert!([30.0, 46.0, 100.0].iter().all(|x| (share(*x) - 0.6).abs() < 0.01), "{line}");
        assert!((share(324.0) - 1.0).abs() < 0.01, "{line}");
    }
}
