//! `tracing-ledger compare` and `baseline save` over rows in Postgres: their verdicts, and their exit status.

mod baseline;
mod gates;
mod logs;
mod output;
mod zero;

use std::process::{Command, Output};
use std::sync::OnceLock;

use support::Cluster;
use tempfile::TempDir;

/// Eight days of each version: 1.0 and 1.1 are alike, 2.0 is 50 % slower and fails more often. The first version of
/// `api.unsteady` is fast on every other day. `api.rare` has few rows, and `api.short` few days. Of `api.sure` only version
/// 2.0 fails.
const ROWS: &str = r#"
    INSERT INTO observability_events (created_at, event_type, source, severity, context)
    SELECT timestamptz '2026-11-01Z' + (v.number * 10 + day) * interval '1 day' + i * interval '7 minutes',
        event_type, 'test', 'info', jsonb_build_object(
            'version', v.version, 'trace_id', v.version || day || '-' || i / 2,
            'route', CASE WHEN (i % 10) < v.orders THEN '/orders' ELSE '/menu' END,
            'duration_ms', v.slower * CASE WHEN event_type = 'api.unsteady' AND day % 2 = 0 THEN 0.2 ELSE 1 END
                * (50 + (i * 7919 + day * 131 + v.number * 17) % 199),
            'success', CASE WHEN event_type = 'api.sure' THEN v.number < 2 OR i % 33 <> 0
                ELSE (i * 37 + day * 11) % 100 >= v.failures END)
    FROM (VALUES (0, '1.0', 1.0, 10, 5), (1, '1.1', 1.0, 10, 5), (2, '2.0', 1.5, 30, 9))
            AS v (number, version, slower, failures, orders),
        unnest(ARRAY['api.call', 'api.unsteady', 'api.rare', 'api.short', 'api.sure']) AS event_type,
        generate_series(0, 7) AS day, generate_series(0, 199) AS i
    WHERE NOT (event_type = 'api.rare' AND i > 3) AND NOT (event_type = 'api.short' AND day > 1)"#;

fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| Cluster::shared().database_after(ROWS))
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
fn no_answer_is_status_2() {
    for (arguments, part) in [
        (&["missing.json", "7d.."][..], "the side before, missing.json: this is no file"),
        (&["version=1.0", "missing.json"], "the side after, missing.json: this is no file"),
        (
            &["2001-01-01..2001-01-02", "version=1.0"],
            "the side before, 2001-01-01..2001-01-02: there are no rows",
        ),
        (&["version=1.0", "version=1.1", "--event", "api.nothing"], "no rows"),
        (
            &["version=1.0", "version=1.1", "--event", "api.call,api.none"],
            "no rows of the event type api.none",
        ),
        (&["version=1.0", "version=1.1", "--gate", "p50>=+10%"], "write median<=+10%"),
        (&["version=1.0", "version=1.1", "--gate", "success<=-1pt"], "write success>=-1pt"),
        (&["version=1.0", "version=1.1", "--gate", "p97<=+5%"], "no metric has that name: use median"),
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
fn a_key_that_no_row_has_is_named() {
    let note = "note: no row has the key rout: check its name\n";
    let sides = ["version=1.0", "version=1.1", CALLS[0], CALLS[1]];
    assert_compared(&[&sides[..], &["--by", "rout,route"]].concat(), 0, note);
    assert!(!compare(&[&sides[..], &["--by", "route,day"]].concat()).1.contains("has the key"));
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let saved = run(&["baseline", "save", file.to_str().expect("UTF-8"), "version=1.0", "--by", "rout"]);
    assert!(String::from_utf8_lossy(&saved.stderr).contains(note), "{saved:?}");
}

/// Every other day has another version: `slow` is 50 % slower with it, and `same` is not.
const ALTERNATING: &str = r#"
    INSERT INTO observability_events (created_at, event_type, source, severity, context)
    SELECT timestamptz '2026-11-01Z' + day * interval '1 day' + i * interval '7 minutes', event_type, 'test', 'info',
        jsonb_build_object('trace_id', day || '-' || i / 2, 'duration_ms',
            CASE WHEN event_type = 'slow' AND day % 2 = 1 THEN 1.5 ELSE 1 END * (50 + (i * 7919 + day * 131) % 199))
    FROM unnest(ARRAY['same', 'slow']) AS event_type, generate_series(0, 11) AS day, generate_series(0, 199) AS i"#;

fn days(numbers: impl Iterator<Item = u32>) -> String {
    let day = |day: u32| format!("2026-11-{day:02}..2026-11-{:02}", day + 1);
    numbers.map(day).collect::<Vec<_>>().join(",")
}

#[test]
fn runs_of_an_experiment_are_blocks() {
    let url = Cluster::shared().database_after(ALTERNATING);
    let (before, after) = (days((1..12).step_by(2)), days((2..13).step_by(2)));
    let gate = ["--gate", "p50<=+15%", "--database-url", &url, "--event"];
    for (event_type, status) in [("same", 0), ("slow", 1)] {
        let arguments = [&["--runs", &before, &after], &gate[..], &[event_type]].concat();
        assert_compared(&arguments, status, "every other run");
    }
    let few = days((1..8).step_by(2));
    assert_compared(&[&["--runs", &few, &after], &gate[..], &["slow"]].concat(), 2, "4 of 5");
}

#[test]
fn a_run_without_rows_is_named() {
    let runs = format!("{},2030-01-01..2030-01-02", days((1..7).step_by(2)));
    let after = days((2..8).step_by(2));
    let arguments = [&["--runs", &runs, &after], &CALLS[..]].concat();
    assert_compared(&arguments, 2, "the run 2030-01-01..2030-01-02 has no rows");
}

#[test]
fn runs_one_after_the_other_or_beside_days_are_refused() {
    let (before, after) = (days(1..7), days(11..17));
    for runs in [[&before, &after], [&after, &before]] {
        assert_compared(&[&["--runs"], &runs.map(String::as_str)[..], &CALLS].concat(), 2, "alternate");
    }
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("runs.json");
    let file = file.to_str().expect("UTF-8");
    let saved = run(&[&["baseline", "save", file, "--runs", &before], &CALLS[..]].concat());
    assert!(saved.status.success(), "{saved:?}");
    for sides in [[file, "version=1.1"], ["version=1.1", file]] {
        assert_compared(&sides, 2, "compare runs with runs");
    }
}

#[test]
fn a_part_of_a_date_is_no_day() {
    let sides = ["2026-11-01..2026-11-06T06:00", "2026-11-11..2026-11-19", "--gate", "p50<=+15%"];
    let parts = [&sides[..], &["--accept-short-window"], &CALLS].concat();
    assert_compared(&parts, 0, "holds");
    for (before, status) in [
        ("2026-11-01T22:00..2026-11-06T20:00", 2),
        ("2026-11-01T12:00..2026-11-06T12:00", 2),
        ("2026-11-01..2026-11-06T06:00", 2),
        ("2026-11-01T12:00..2026-11-07T12:00", 0),
    ] {
        let arguments = [&[before, "2026-11-11..2026-11-19", "--gate", "p50<=+15%"], &CALLS[..]].concat();
        assert_compared(&arguments, status, if status == 2 { "5 of 6 days before" } else { "holds" });
    }
}

#[test]
fn a_short_baseline_says_how_to_save_it() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("short.json");
    let file = file.to_str().expect("UTF-8");
    let saved = run(&[&["baseline", "save", file, "2026-11-01..2026-11-03"], &CALLS[..]].concat());
    assert!(saved.status.success(), "{saved:?}");
    let gate = [file, "2026-11-11..2026-11-13", "--gate", "p50<=+15%", "--accept-short-window"];
    assert_compared(&gate, 2, "2 of 6 days before (read both sides with --accept-short-window");
}

#[test]
fn a_gate_without_values_hides_no_other_gate() {
    let sides = ["version=1.0", "version=2.0", "--gate", "attempts.mean<=2", "--gate", "p50<=+10%"];
    let arguments = [&sides[..], &CALLS].concat();
    assert_compared(&arguments, 1, "(no event type)  no answer  no values after");
    assert_compared(&arguments, 1, "broken");
}
