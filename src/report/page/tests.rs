//! Pages of reports that are made up: their size, their figures, and hostile texts.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::fit::without_contexts;
use super::*;
use crate::report::answer::{
    Attempts, AttemptsBar, EventFigures, Figures, FlowFigures, GroupFigures, JobAttempts, JobFigures, Reason,
    ResultFigures, RolledUp, Share, Spread,
};
use crate::report::detail::{Deploy, Detail, DurationBar, ListedCall, TimeStep, VersionRows};

const DAY: u64 = 86_400;

pub(super) fn moment(second: u64) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_824_000 + second))
}

fn spread(median: f64, n: u64) -> Spread {
    let of = |factor: f64| (n > 0).then_some(median * factor);
    Spread { n, median: of(1.0), p95: of(3.456_789), p99: of(7.1), max: of(21.7), interval: None }
}

fn figures(calls: u64, median: f64) -> Figures {
    let failed = calls / 20;
    let reason =
        |code: &str, count| Reason { category: Some("hard".to_owned()), code: Some(code.to_owned()), count };
    Figures {
        source: None,
        calls,
        success: Share { n: calls, rate: Some(1.0 - failed as f64 / calls as f64) },
        outcomes: BTreeMap::from([("error".to_owned(), failed), ("ok".to_owned(), calls - failed)]),
        duration_ms: spread(median, calls),
        rows_per_hour: Some(calls as f64 / 168.0),
        last: moment(7 * DAY - 1),
        reasons: vec![reason("hard.no_capacity", failed - failed / 3), reason("hard.closed", failed / 3)],
    }
}

/// A number between 0 and 1 that looks random.
fn noise(number: u64) -> f64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as f64 / (1_u64 << 24) as f64
}

fn time_step(number: u64, median: f64) -> TimeStep {
    let calls = if number == 20 { 0 } else { 40 + (30.0 * noise(number)) as u64 };
    let failed = (calls as f64 * 0.1 * noise(number + 1000)) as u64;
    let median = median * (if number > 50 { 0.7 } else { 1.0 }) * (0.9 + 0.2 * noise(number + 7));
    TimeStep {
        from: moment(number * 7200),
        to: moment((number + 1) * 7200),
        calls,
        success: Share { n: calls, rate: (calls > 0).then(|| 1.0 - failed as f64 / calls as f64) },
        outcomes: BTreeMap::from([
            ("ok".to_owned(), calls - failed),
            ("error".to_owned(), failed - failed / 3),
            ("cancelled".to_owned(), failed / 3),
        ]),
        succeeded: BTreeMap::from([("ok".to_owned(), calls - failed)]),
        failed: BTreeMap::from([
            ("error".to_owned(), failed - failed / 3),
            ("cancelled".to_owned(), failed / 3),
        ]),
        unknown: BTreeMap::new(),
        duration_ms: spread(median, calls),
        approximate: false,
    }
}

fn call(number: u64, context: &str) -> ListedCall {
    ListedCall {
        id: Some(format!("0198d0f0-0000-7000-8000-{number:012}")),
        created_at: moment(number * 977),
        duration_ms: Some(2345.678 - number as f64),
        outcome: Some("error".to_owned()),
        success: Some(false),
        reason: Some("hard.no_capacity".to_owned()),
        booking_id: Some(format!("0198d0f0-1111-7000-8000-{number:012}")),
        context: Map::from_iter([
            ("note".to_owned(), Value::from(context)),
            ("attempt".to_owned(), json!(number)),
        ]),
        ..ListedCall::default()
    }
}

fn detail(median: f64, context: &str) -> Detail {
    let edge = |place: i32| (median * 10_f64.powf(f64::from(place - 12) / 20.0) * 100.0).round() / 100.0;
    let bar = |place: i32| DurationBar {
        from: edge(place),
        to: edge(place + 1),
        n: (900.0 * (-f64::from((place - 14).pow(2)) / 90.0).exp()) as u64,
    };
    let version = |version: &str, first, last| VersionRows {
        version: version.to_owned(),
        first: moment(first),
        last: moment(last),
        calls: 2000,
    };
    Detail {
        histogram: (0..44).map(bar).collect(),
        over_time: (0..84).map(|number| time_step(number, median)).collect(),
        versions: vec![version("1.4.0", 0, 51 * 7200), version("1.5.0", 51 * 7200, 7 * DAY)],
        deploys: vec![Deploy { at: moment(51 * 7200), from: "1.4.0".to_owned(), to: "1.5.0".to_owned() }],
        slowest: (0..100).map(|number| call(number, context)).collect(),
        failed: (0..80).map(|number| call(number, context)).collect(),
    }
}

fn group(key: &str, value: &str, number: u64) -> GroupFigures {
    GroupFigures {
        by: vec![(key.to_owned(), Some(value.to_owned()))],
        figures: figures(4000 - number * 70, 8.0 + number as f64),
    }
}

pub(super) fn event(name: &str, calls: u64, median: f64, groups: u64) -> EventFigures {
    EventFigures {
        event_type: name.to_owned(),
        figures: figures(calls, median),
        groups: (0..groups).map(|number| group("strategy", &format!("maxTables={number}"), number)).collect(),
        detail: Some(detail(median, "a note on the call")),
    }
}

fn job() -> JobFigures {
    let bar =
        |attempts: u32, count, cumulative| AttemptsBar { attempts: f64::from(attempts), count, cumulative };
    let result = |name: &str, count| ResultFigures {
        result: Some(name.to_owned()),
        count,
        attempts: spread(2.0, count),
        duration_ms: spread(18_000.0, count),
    };
    JobFigures {
        event_type: "auto_assign.summary".to_owned(),
        of: "auto_assign.quote".to_owned(),
        jobs: 310,
        results: vec![result("succeeded", 250), result("cutoff", 60)],
        attempts: JobAttempts {
            n: 310,
            mean: Some(2.25),
            median: Some(2.0),
            p90: Some(4.0),
            max: Some(6.0),
            histogram: vec![bar(1, 120, 0.387), bar(2, 90, 0.677), bar(3, 60, 0.871), bar(6, 40, 1.0)],
        },
        calls_share: Share { n: 300, rate: Some(0.123_4) },
        flows: vec![FlowFigures {
            flow: "inline_auto_assign".to_owned(),
            timeouts: Share { n: 400, rate: Some(0.2) },
            handed_over: Share { n: 80, rate: Some(0.75) },
        }],
    }
}

pub(super) fn example() -> Report {
    let bar = |attempts: u32, count| AttemptsBar { attempts: f64::from(attempts), count, cumulative: 0.5 };
    let attempts = Attempts {
        per_booking: spread(2.0, 900),
        histogram: (1..9).map(|number| bar(number, 400 / u64::from(number))).collect(),
        calls_without_booking: 3,
    };
    Report {
        window: Window { since: moment(0), until: None, first: moment(10), last: moment(7 * DAY - 1) },
        events: vec![
            event("auto_assign.quote", 4000, 12.345_678, 5),
            event("http.request", 2100, 85.5, 6),
            event("auto_assign.summary", 310, 18_000.0, 0),
        ],
        jobs: vec![job()],
        attempts: BTreeMap::from([("auto_assign.quote".to_owned(), attempts)]),
        unreadable: 1,
        later: 0,
        losses: Some(Losses { rows: 2, lost: 17, by: BTreeMap::from([("queue_full".to_owned(), 17)]) }),
        rollup: None,
    }
}

/// Kept for eyes.
fn keep(name: &str, page: &str) {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join(name), page).expect("written");
}

#[test]
fn a_page_shows_the_figures_as_the_text_does() {
    let report = example();
    let html = page(&report, None);
    keep("report.html", &html);
    assert!(without_contexts(&html) <= 150_000);
    assert!(!html.contains("left out"), "three event types have room");
    let calls = html.matches("<pre>").count();
    assert!((195..=200).contains(&calls), "{calls}");
    let text = report.to_string();
    for figure in ["12.3 ms", "42.7 ms", "95.0%", "4000", "23.8"] {
        assert!(html.contains(&format!(">{figure}<")) && text.contains(figure), "{figure}");
    }
    assert!(html.contains(&format!("data-value={}>", 12.345_678 * 3.456_789)), "the raw value of the p95");
    assert!(html.contains("hard.no_capacity") && html.contains("Rows lost: <b>"));
}

/// The contexts of calls are no reason to leave out anything else.
#[test]
fn long_contexts_leave_the_tables_as_they_are() {
    let mut report = example();
    let rows = |html: &str| (html.matches("<tr").count(), html.matches("<pre>").count());
    let short = rows(&page(&report, None));
    for event in &mut report.events {
        event.detail = Some(detail(12.0, &"long ".repeat(700)));
    }
    let html = page(&report, None);
    assert!(html.len() > 600_000, "{} bytes", html.len());
    assert_eq!(rows(&html), short);
}

/// Their few durations are in the lists of calls.
#[test]
fn charts_of_few_durations_go_before_calls_do() {
    let mut report = example();
    report.events.extend((0..3).map(|number| event(&format!("few.{number}"), 12, 5.0, 0)));
    let html = page(&report, None);
    assert!(html.contains("No charts of so few durations") && !html.contains("The rest is left out"));
    let calls = html.matches("<pre>").count();
    assert!((180..=200).contains(&calls), "{calls}");
}

#[test]
fn each_chart_has_a_table_of_its_own() {
    let html = page(&example(), None);
    let figures: Vec<_> = html.split("<figure").skip(1).map(|part| part.split("</figure>").next()).collect();
    let charts: Vec<_> =
        figures.into_iter().flatten().filter(|figure| figure.contains("<title id=")).collect();
    assert_eq!(charts.len(), 14, "four of each event type, and two of attempts");
    for figure in charts {
        assert_eq!(figure.matches("<table").count(), 1, "{figure}");
        assert!(figure.find("</svg>") < figure.find("<details><summary>Table"), "{figure}");
    }
}

#[test]
fn a_page_stays_small() {
    let mut report = example();
    report.events.extend((0..30).map(|number| event(&format!("other.{number}"), 1000, 5.0, 50)));
    let html = page(&report, None);
    keep("large.html", &html);
    let size = without_contexts(&html);
    assert!(size <= 150_000, "{size} bytes");
    assert!(html.contains("The rest is left out"));
    assert!(html.contains("more event types are in the table above"));
    // No more than 200 single calls.
    assert!(html.matches("<pre>").count() <= 200);
}

/// Any writer of rows may choose these texts.
#[test]
fn hostile_texts_are_shown_and_do_nothing() {
    let hostile = "</script><script>alert(1)</script>\u{202e}\"'><img src=x onerror=alert(1)>";
    let mut report = example();
    report.events[0].event_type = hostile.to_owned();
    report.events[0].groups = vec![group(hostile, hostile, 1)];
    report.events[0].figures.reasons[0].code = Some("r".repeat(1 << 20));
    report.events[0].detail = Some(detail(5.0, hostile));
    report.losses = Some(Losses { rows: 1, lost: 1, by: BTreeMap::from([(hostile.to_owned(), 1)]) });
    let html = page(&report, None);
    keep("hostile.html", &html);
    // A pointer into the JSON has the key as it is; nobody reads it.
    let read: String =
        html.split("data-at=\"").map(|part| part.split_once("\">").map_or(part, |(_, text)| text)).collect();
    assert!(!html.contains("<img") && !html.contains("<script>alert") && !read.contains('\u{202e}'));
    assert_eq!(html.matches("<script").count(), 1, "the page's own");
    assert!(html.contains(r"\u{202e}"), "what is hidden is shown");
    assert!(html.contains("… (1048576 bytes)"), "a long reason is cut");
    assert!(without_contexts(&html) <= 150_000);
}

#[test]
fn a_page_from_a_rollup_says_so() {
    let (until, at) = (moment(0), moment(60));
    let notes = vec!["A note.".to_owned()];
    let rollup = RolledUp { until, at, error_bound: 1.0 / 128.0, rows_read: 7, notes };
    let html = page(&Report { rollup: Some(rollup), ..example() }, None);
    assert!(
        html.contains("percentiles are within 0.8 %. 7 other rows were read.") && html.contains("A note.")
    );
}

#[test]
fn a_page_without_rows_says_so() {
    let html = page(&Report::default(), None);
    assert!(html.contains("No row of the ledger is selected"));
    assert!(html.contains("What this page cannot tell"));
}

#[test]
fn without_details_the_figures_are_there() {
    let mut report = example();
    report.events.iter_mut().for_each(|event| event.detail = None);
    let html = page(&report, None);
    assert!(html.contains(">12.3 ms<") && !html.contains("over time"));
}

#[test]
fn the_page_says_what_it_cannot_tell() {
    let mut report = example();
    report.window.last = report.window.first;
    report.events[2].figures.duration_ms.n = 12;
    report.events[1].figures.success.n = 5;
    let html = page(&report, None);
    for sentence in [
        "1 row cannot be read in full",
        "All rows are of one day, 2026-11-28",
        "The p95 rests on fewer than 20 durations (auto_assign.summary)",
        "Success is not known for all rows (http.request)",
    ] {
        assert!(html.contains(sentence), "{sentence}");
    }
}
