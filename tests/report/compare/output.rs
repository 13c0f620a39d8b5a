//! The output of a comparison, and the intervals that a report shares with it.

use std::fs;

use support::Cluster;
use tempfile::TempDir;

use super::{CALLS, assert_compared, compare, run, url};

#[test]
fn of_many_groups_a_table_has_the_largest_and_json_has_all() {
    let sides = ["version=1.0", "version=1.1", "--by", "trace_id", CALLS[0], CALLS[1]];
    let title = "Figures (of the 50 largest of 1600 groups; JSON and CSV have all)";
    assert_compared(&sides, 0, title);
    let (_, text) = compare(&sides);
    assert_eq!(
        text.lines().filter(|line| line.contains("not enough data") && line.contains("median")).count(),
        50
    );
    let (_, json) = compare(&[&sides[..], &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let figures = json["figures"].as_array().expect("figures");
    assert_eq!(figures.iter().filter(|figure| figure["metric"] == "median").count(), 1601);
}

#[test]
fn of_many_event_types_a_pull_request_has_those_with_a_change() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = |name: &str, changed: u32| {
        let rows = (0..120 * 8 * 40_u32).map(|i| {
            let (event, day, call) = (i / 320, 1 + i % 320 / 40, i % 40);
            let took = (50 + (call * 17 + day * 7) % 41) * if event == changed { 3 } else { 1 };
            format!(
                "{{\"created_at\":\"2026-11-{day:02}T10:{call:02}:00Z\",\"event_type\":\"event.{event:03}\",\
                 \"context\":{{\"duration_ms\":{took},\"success\":true,\"side\":\"{name}\"}}}}\n"
            )
        });
        let file = directory.path().join(name);
        std::fs::write(&file, rows.collect::<String>()).expect("written");
        file.to_str().expect("UTF-8").to_owned()
    };
    let (before, after) = (log("before.ndjson", 999), log("after.ndjson", 117));
    let (_, text) = compare(&[&before, &after, "--gate", "p50<=+10%", "--format", "md"]);
    assert!(text.len() < 65_536, "{}", text.len());
    assert!(
        text.contains("- 70 more event types are left out here: 0 with a change or a broken gate."),
        "{text}"
    );
    assert!(text.contains("| event.117 | broken |") && !text.contains("event.060"), "{text}");
}

#[test]
fn without_gates_the_verdicts_are_the_headline() {
    for (sides, headline) in [
        (["version=1.0", "version=2.0", CALLS[0], CALLS[1]], "## Comparison: 5 worse\n"),
        (["version=1.0", "version=1.1", CALLS[0], CALLS[1]], "## Comparison: 5 no difference shown\n"),
        (["version=1.0", "version=2.0", "--event", "api.short"], "## Comparison: not enough data\n"),
    ] {
        assert_compared(&[&sides[..], &["--format", "md"]].concat(), 0, headline);
        assert_compared(&[&sides[..], &["--format", "json"]].concat(), 0, "\"result\": \"no gate\"");
    }
}

#[test]
fn every_format_has_the_verdicts() {
    let sides = [&["version=1.0", "version=2.0", "--gate", "p95<=+10%"], &CALLS[..]].concat();
    assert_compared(&[&sides[..], &["--format", "md"]].concat(), 1, "## Comparison: broken");
    let (_, json) = compare(&[&sides[..], &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (json["result"].as_str(), json["gates"][0]["result"].as_str()),
        (Some("broken"), Some("broken"))
    );
    let (_, csv) = compare(&[&sides[..], &["--format", "csv"]].concat());
    for part in [
        ",p95_verdict,event_type=api.call,worse,,,change\n",
        ",p95<=+10%,event_type=api.call,broken,,,gate\n",
        ",p95_high,event_type=api.call,",
    ] {
        assert!(csv.contains(part), "{part}: {csv}");
    }
    let median = json["figures"].as_array().expect("figures").iter().find(|one| one["metric"] == "median");
    let median = median.expect("a median");
    assert_eq!(median["verdict"], "worse");
    assert!((median["change"]["value"].as_f64().expect("a number") - 0.5).abs() < 0.05, "{median}");
    let exact = "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (context->>'duration_ms')::float8) \
        FROM observability_events WHERE event_type = 'api.call' AND context->>'version' = '1.0'";
    let exact: f64 = Cluster::shared().psql(url(), exact).trim().parse().expect("a number");
    assert_eq!(median["before"]["value"].as_f64(), Some(exact));
}

#[test]
fn a_mix_that_moved_is_shown_with_the_change_at_the_mix_before() {
    let rules = TempDir::new().expect("a directory");
    let file = rules.path().join("rules.toml");
    fs::write(&file, "[[rule]]\nspan = \"api.call\"\nreport_by = [\"route\"]\n").expect("writable");
    let sides = [&["version=1.0", "version=2.0", "--by", "route"], &CALLS[..]].concat();
    let moved = [&sides[..], &["--rules", file.to_str().expect("UTF-8")]].concat();
    assert_compared(&moved, 0, "The mix has moved: route of api.call, /orders from 50.0% to 90.0%.");
    assert_compared(&moved, 0, "At the mix before, median of api.call changes by +");
    // The keys of --by are looked at without a rule.
    assert_compared(&sides, 0, "The mix has moved: route of api.call, /orders from 50.0% to 90.0%.");
    assert_compared(&sides, 0, "At the mix before, median of api.call changes by +");
    let same = ["version=1.0", "version=1.1", "--by", "route,day", CALLS[0], CALLS[1]];
    assert_compared(&same, 0, "The mix of calls by route has moved by at most 5 points.");
    let unknown = "No key is known by which to look at the mix of calls: name keys with --by.";
    assert_compared(&["version=1.0", "version=1.1"], 0, unknown);
    assert!(!compare(&["version=1.0", "version=1.1"]).1.contains("has moved by"));
}

#[test]
fn the_output_goes_to_a_file_on_request() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("comparison.md");
    let file = file.to_str().expect("UTF-8");
    let sides = [&["version=1.0", "version=1.1", "--format", "md", "--out", file], &CALLS[..]].concat();
    assert_eq!(compare(&sides), (0, String::new()));
    assert!(fs::read_to_string(file).expect("a file").starts_with("## Comparison: 5 no difference shown"));
}

#[test]
fn the_report_has_the_intervals_of_a_comparison() {
    let (_, compared) = compare(&["version=1.0", "version=1.1", "--format", "json", CALLS[0], CALLS[1]]);
    let compared: serde_json::Value = serde_json::from_str(&compared).expect("JSON");
    let report = |more: &[&str]| {
        let output = run(&[&["report", "--where", "version=1.0"], &CALLS[..], more].concat());
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let json: serde_json::Value =
        serde_json::from_str(&report(&["--by", "route", "--format", "json"])).expect("JSON");
    let event = &json["events"][0];
    for metric in ["median", "p95", "p99"] {
        let figures = compared["figures"].as_array().expect("figures");
        let figure = figures.iter().find(|figure| figure["metric"] == metric).expect("a figure");
        for end in [0, 1] {
            let own = event["duration_ms"]["interval"][metric][end].as_f64().expect("a number");
            let other = figure["before"]["interval"][end].as_f64().expect("a number");
            assert!((own / other - 1.0).abs() < 0.01, "{metric}: {own} is not {other}");
        }
    }
    let groups = event["groups"].as_array().expect("groups");
    assert!(groups.iter().all(|group| group["duration_ms"]["interval"]["p95"][0].is_f64()), "{json}");
    assert_eq!(report(&[]).matches("95% interval").count(), 3);
    assert!(report(&["--format", "csv"]).contains(",duration_p99_high,event_type=api.call,"));
}

#[test]
fn the_report_has_no_interval_where_it_knows_too_little() {
    let interval = |arguments: &[&str]| {
        let output = run(&[&["report", "--format", "json", "--where", "version=1.0"], arguments].concat());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        json["events"][0]["duration_ms"]["interval"].clone()
    };
    let rare = interval(&["--event", "api.rare"]);
    assert!(rare["median"].is_array() && rare["p95"].is_null() && rare["p99"].is_null(), "{rare}");
    // Less than a day is divided into parts.
    let day =
        interval(&["--event", "api.call", "--from", "2026-11-01T00:00:00Z", "--to", "2026-11-02T00:00:00Z"]);
    assert!(day["p95"].is_array() && day["p99"].is_null(), "{day}");
    let few =
        interval(&["--event", "api.call", "--from", "2026-11-01T00:00:00Z", "--to", "2026-11-01T00:20:00Z"]);
    assert!(few.is_null(), "{few}");
}
