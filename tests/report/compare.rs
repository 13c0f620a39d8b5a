//! `tracing-ledger compare` and `baseline save` over rows in Postgres: what they decide, and their exit status.

use std::fs;
use std::process::{Command, Output};
use std::sync::OnceLock;

use support::Cluster;
use tempfile::TempDir;

/// Eight days of each version: 1.0 and 1.1 are alike, 2.0 is 50 % slower and fails more often. The first version of
/// `api.unsteady` is fast on every other day. `api.rare` has few rows, and `api.short` few days.
const ROWS: &str = r#"
    INSERT INTO observability_events (created_at, event_type, source, severity, context)
    SELECT timestamptz '2026-11-01Z' + (v.number * 10 + day) * interval '1 day' + i * interval '7 minutes',
        event_type, 'test', 'info', jsonb_build_object(
            'version', v.version, 'trace_id', v.version || day || '-' || i / 2,
            'route', CASE WHEN (i % 10) < v.orders THEN '/orders' ELSE '/menu' END,
            'duration_ms', v.slower * CASE WHEN event_type = 'api.unsteady' AND day % 2 = 0 THEN 0.2 ELSE 1 END
                * (50 + (i * 7919 + day * 131 + v.number * 17) % 199),
            'success', (i * 37 + day * 11) % 100 >= v.failures)
    FROM (VALUES (0, '1.0', 1.0, 10, 5), (1, '1.1', 1.0, 10, 5), (2, '2.0', 1.5, 30, 9))
            AS v (number, version, slower, failures, orders),
        unnest(ARRAY['api.call', 'api.unsteady', 'api.rare', 'api.short']) AS event_type,
        generate_series(0, 7) AS day, generate_series(0, 199) AS i
    WHERE NOT (event_type = 'api.rare' AND i > 3) AND NOT (event_type = 'api.short' AND day > 1)"#;

fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let url = Cluster::shared().database();
        Cluster::shared().psql(&url, ROWS);
        url
    })
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command.args(arguments).env("DATABASE_URL", url()).output().expect("it starts")
}

/// The exit status, and everything that was printed.
fn compare(arguments: &[&str]) -> (i32, String) {
    let output = run(&[&["compare"], arguments].concat());
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("UTF-8"));
    (output.status.code().expect("no signal"), text.concat())
}

#[track_caller]
fn assert_compared(arguments: &[&str], status: i32, part: &str) {
    let (code, text) = compare(arguments);
    assert_eq!(code, status, "{arguments:?}: {text}");
    assert!(text.contains(part), "{arguments:?} lacks {part:?}: {text}");
}

const CALLS: [&str; 2] = ["--event", "api.call"];

#[test]
fn a_gate_holds_is_broken_or_is_undecided() {
    let same = [&["version=1.0", "version=1.1"], &CALLS[..]].concat();
    let worse = [&["version=1.0", "version=2.0"], &CALLS[..]].concat();
    for (gate, status, part) in [
        ("p95<=+10%", 0, "holds"),
        ("success>=-5pt", 0, "holds"),
        ("p50<=1s", 0, "holds"),
        ("p95<=+0.1%", 2, "undecided"),
        ("p50<=10ms", 1, "broken"),
    ] {
        assert_compared(&[&same[..], &["--gate", gate]].concat(), status, part);
    }
    for (gate, status, part) in
        [("p95<=+10%", 1, "broken"), ("success>=-1pt", 1, "broken"), ("p95<=+80%", 0, "holds")]
    {
        assert_compared(&[&worse[..], &["--gate", gate]].concat(), status, part);
    }
    // One that is broken outweighs one that is undecided.
    assert_compared(&[&worse[..], &["--gate", "p50<=+50%", "--gate", "p95<=+10%"]].concat(), 1, "broken");
}

#[test]
fn an_undecided_gate_passes_or_fails_by_choice() {
    let undecided = [&["version=1.0", "version=1.1", "--gate", "p95<=+0.1%"], &CALLS[..]].concat();
    for (choice, status) in [("pass", 0), ("fail", 1)] {
        assert_compared(&[&undecided[..], &["--undecided", choice]].concat(), status, "undecided");
    }
    // The choice is about gates, not about questions without an answer.
    assert_compared(
        &["version=1.0", "version=9.9", "--gate", "p95<=+5%", "--undecided", "pass"],
        2,
        "no rows",
    );
}

#[test]
fn no_answer_is_status_2() {
    for (arguments, part) in [
        (&["missing.json", "7d.."][..], "no file"),
        (&["2001-01-01..2001-01-02", "version=1.0"], "no rows"),
        (&["version=1.0", "version=1.1", "--event", "api.nothing"], "no rows"),
        (&["version=1.0", "version=1.1", "--gate", "p97<=+5%"], "no metric has that name: use p50"),
        (&["version=1.0", "version=1.1", "--gate", "attempts.mean<=2"], "no event type has attempts.mean"),
        (&["version=1.0", "version=1.1", "--where", "route"], "a condition is"),
        (&["version=1.0"], "required arguments were not provided"),
        (&["postgres://bob:hunter2@db/app", "7d.."], "no file"),
    ] {
        let (status, text) = compare(arguments);
        assert_eq!(status, 2, "{arguments:?}: {text}");
        assert!(text.contains(part) && !text.contains("hunter2"), "{arguments:?}: {text}");
    }
}

#[test]
fn few_rows_and_few_days_decide_nothing() {
    let sides = ["version=1.0", "version=2.0", "--gate", "p95<=+10%", "--event"];
    assert_compared(&[&sides[..], &["api.rare"]].concat(), 2, "independent values before");
    assert_compared(&[&sides[..], &["api.short"]].concat(), 2, "2 of 6 days");
    let accepted = [&sides[..], &["api.short", "--accept-short-window"]].concat();
    assert_compared(&accepted, 1, "A short window is accepted");
}

#[test]
fn a_baseline_that_differs_from_itself_decides_nothing() {
    let sides = ["version=1.0", "version=2.0", "--event", "api.unsteady", "--gate", "p50<=+10%"];
    assert_compared(&sides, 2, "your own baseline differs from itself");
}

#[test]
fn runs_of_an_experiment_are_blocks() {
    let runs = |number: u32| {
        let day = |day: u32| {
            let from = 1 + number * 10 + day;
            format!("2026-11-{from:02}..2026-11-{:02}", from + 1)
        };
        (0..6).map(day).collect::<Vec<_>>().join(",")
    };
    let (before, same, slow) = (runs(0), runs(1), runs(2));
    for (after, status) in [(&same, 0), (&slow, 1)] {
        let arguments = [&["--runs", &before, after, "--gate", "p50<=+15%"], &CALLS[..]].concat();
        assert_compared(&arguments, status, "every other run");
    }
    let few = before.split(',').take(4).collect::<Vec<_>>().join(",");
    assert_compared(&[&["--runs", &few, &slow, "--gate", "p50<=+15%"], &CALLS[..]].concat(), 2, "4 of 5");
}

#[test]
fn a_saved_baseline_decides_as_its_rows_do() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let file = file.to_str().expect("UTF-8");
    let saved = run(&["baseline", "save", file, "version=1.0", "--event", "api.call", "--by", "route"]);
    assert_eq!(saved.status.code(), Some(0), "{saved:?}");
    assert!(fs::metadata(file).expect("a file").len() < 60_000);
    for (after, status) in [("version=1.1", 0), ("version=2.0", 1)] {
        // The event type and the groups are those of the file.
        assert_compared(&[file, after, "--gate", "p95<=+10%"], status, "/orders");
    }
    assert_compared(
        &[file, "version=2.0", "--where", "route=/menu"],
        2,
        "other event types, groups or conditions",
    );
    let clash = fs::read_to_string(file).expect("readable").replacen("_baseline\": 1", "_baseline\": 99", 1);
    fs::write(file, clash).expect("writable");
    assert_compared(&[file, "version=1.1"], 2, "version 99");
    fs::write(file, "{}").expect("writable");
    assert_compared(&[file, "version=1.1"], 2, "no rows");
}

#[test]
fn an_empty_baseline_is_not_saved() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let saved = run(&["baseline", "save", file.to_str().expect("UTF-8"), "version=9.9"]);
    assert_eq!((saved.status.code(), file.exists()), (Some(2), false));
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
    let median = json["figures"].as_array().expect("figures").iter().find(|one| one["metric"] == "p50");
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
    assert_compared(&moved, 0, "At the mix before, p50 of api.call changes by +");
    assert_compared(&["version=1.0", "version=1.1"], 0, "The mix of calls has moved by at most 5 points.");
}

#[test]
fn the_output_goes_to_a_file_on_request() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("comparison.md");
    let file = file.to_str().expect("UTF-8");
    let sides = [&["version=1.0", "version=1.1", "--format", "md", "--out", file], &CALLS[..]].concat();
    assert_eq!(compare(&sides), (0, String::new()));
    assert!(fs::read_to_string(file).expect("a file").starts_with("## Comparison: holds"));
}

#[test]
fn the_built_in_rules_name_the_keys() {
    let url = Cluster::shared().database();
    let rows = r#"INSERT INTO observability_events (created_at, event_type, source, severity, context)
        SELECT timestamptz '2026-11-01Z' + i * interval '1 hour', 'auto_assign.quote', 'test', 'info',
            jsonb_build_object('planner_duration_ms', i % 7, 'planner_success', true)
        FROM generate_series(0, 399) AS i"#;
    Cluster::shared().psql(&url, rows);
    let sides = ["2026-11-01..2026-11-09", "2026-11-09..2026-11-17", "--database-url", &url];
    assert_compared(&[&sides[..], &["--gate", "success>=-10pt"]].concat(), 0, "p50");
}

#[test]
fn a_log_is_a_side() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("rows.ndjson");
    let rows = "SELECT jsonb_build_object('created_at', created_at, 'event_type', event_type, 'source', source, \
        'severity', severity, 'context', context) FROM observability_events \
        WHERE event_type = 'api.call' AND context->>'version' = '1.0'";
    fs::write(&file, Cluster::shared().psql(url(), rows)).expect("writable");
    let file = file.to_str().expect("UTF-8");
    for (after, status) in [("version=1.1", 0), ("version=2.0", 1)] {
        assert_compared(&[&[file, after, "--gate", "p95<=+10%"], &CALLS[..]].concat(), status, "api.call");
    }
}
