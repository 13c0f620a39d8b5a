//! `tracing-ledger compare` and `baseline save` over rows in Postgres: what they decide, and their exit status.

use std::fs;
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

/// Rows of no booking and no trace, which differ from day to day.
#[test]
fn figures_do_not_depend_on_the_order_of_the_rows() {
    let directory = TempDir::new().expect("a directory");
    let row = |i: u64| {
        let (day, duration) = (1 + i / 200, 0.1 * (50 + i * 7919 % 199 + i / 200 * 3) as f64);
        format!(
            "{{\"created_at\":\"2026-11-{day:02}T10:{:02}:{:02}Z\",\"event_type\":\"a\",\"source\":\"s\",\"severity\":\"info\",\
             \"context\":{{\"duration_ms\":{duration:.1},\"success\":{}}}}}\n",
            i % 60,
            i * 7 % 60,
            !i.is_multiple_of(37)
        )
    };
    let answers = |rows: Vec<String>| {
        let file = directory.path().join("rows.ndjson");
        fs::write(&file, rows.concat()).expect("written");
        let file = file.to_str().expect("UTF-8");
        let saved = directory.path().join("saved.json");
        let saved = saved.to_str().expect("UTF-8");
        let report = run(&["report", "--from-log", file, "--format", "json"]);
        let save = run(&["baseline", "save", saved, file]);
        assert!(report.status.success() && save.status.success(), "{report:?} {save:?}");
        let saved: serde_json::Value =
            serde_json::from_slice(&fs::read(saved).expect("saved")).expect("JSON");
        (String::from_utf8(report.stdout).expect("UTF-8"), saved["events"].clone())
    };
    let rows: Vec<_> = (0..1600).map(row).collect();
    let first = answers(rows.clone());
    assert!(first.0.contains("\"interval\": {\n"), "{}", first.0);
    assert!(first.1.is_array(), "{:?}", first.1);
    assert_eq!(answers(rows.iter().rev().cloned().collect()), first);
    let (even, odd): (Vec<_>, Vec<_>) = rows.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).unzip();
    assert_eq!(answers([odd, even].concat()), first);
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
        (&["version=1.0", "version=1.1", "--gate", "p50>=+10%"], "write p50<=+10%"),
        (&["version=1.0", "version=1.1", "--gate", "success<=-1pt"], "write success>=-1pt"),
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
    // No number of rows replaces the days.
    let (_, json) = compare(&[&sides[..], &["api.short", "--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let gate = &json["gates"][0];
    assert_eq!(
        (gate["why"].as_str(), &gate["needs_n"]),
        (Some("2 of 6 days before; 2 of 6 days after"), &serde_json::Value::Null)
    );
}

/// 100 calls a day of four event types: in the second week `api.gone` has no row, `api.bare` has rows without a duration,
/// `api.new` has the first rows, and `api.call` has one context a day that is no object.
fn changed() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let url = Cluster::shared().database();
        let rows = r#"INSERT INTO observability_events (created_at, event_type, source, severity, context)
            SELECT timestamptz '2026-11-01Z' + day * interval '1 day' + i * interval '7 minutes', event_type, 'test', 'info',
                CASE WHEN event_type = 'api.bare' AND day > 6 THEN '{}' WHEN event_type = 'api.call' AND day > 6 AND i = 3
                    THEN '[]' ELSE jsonb_build_object('duration_ms', 50 + (i * 7919 + day * 131) % 199) END
            FROM unnest(ARRAY['api.call', 'api.gone', 'api.bare', 'api.new']) AS event_type,
                generate_series(0, 13) AS day, generate_series(0, 99) AS i
            WHERE NOT (event_type = 'api.gone' AND day > 6) AND NOT (event_type = 'api.new' AND day < 7)"#;
        Cluster::shared().psql(&url, rows);
        url
    })
}

#[test]
fn a_gate_without_values_of_a_side_is_no_answer() {
    let sides = ["2026-11-01..2026-11-08", "2026-11-08..2026-11-15", "--database-url", changed()];
    let gate = ["--gate", "p50<=+60%", "--undecided", "pass"];
    let without = |names: &[&str]| {
        let conditions: Vec<_> = names.iter().map(|name| format!("--where=event_type!={name}")).collect();
        let conditions: Vec<_> = conditions.iter().map(String::as_str).collect();
        compare(&[&sides[..], &gate, &["--format", "json"], &conditions].concat())
    };
    // Beside an event type whose gate holds.
    for (others, why) in [
        (["api.bare", "api.new"], "no values after"),
        (["api.gone", "api.new"], "no values after"),
        (["api.gone", "api.bare"], "no values before"),
    ] {
        let (status, text) = without(&others);
        assert_eq!(status, 2, "without {others:?}: {text}");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let gates = json["gates"].as_array().expect("gates").iter();
        let gates: Vec<_> = gates.map(|gate| gate["result"].as_str().expect("a word")).collect();
        assert!(gates.contains(&"holds") && gates.contains(&"no answer"), "{text}");
        assert!(json["result"] == "no answer" && text.contains(why), "{text}");
    }
    let (status, text) = without(&["api.gone", "api.bare", "api.new"]);
    assert_eq!(status, 0, "{text}");
    // A limit for the value after needs no value before.
    let (status, text) = compare(
        &[&sides[..], &["--gate", "p50<=1s", "--where=event_type!=api.gone", "--where=event_type!=api.bare"]]
            .concat(),
    );
    assert_eq!(status, 0, "{text}");
}

#[test]
fn rows_that_cannot_be_read_are_counted_and_told() {
    let sides =
        ["2026-11-01..2026-11-08", "2026-11-08..2026-11-15", "--database-url", changed(), CALLS[0], CALLS[1]];
    assert_compared(&sides, 0, "7 rows cannot be read in full: the context is no JSON object");
    let (_, json) = compare(&[&sides[..], &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!([&json["before"]["unreadable"], &json["after"]["unreadable"]], [0, 7]);
}

#[test]
fn a_worse_group_behind_a_gate_that_holds_is_named() {
    let sides = [&["version=1.0", "version=2.0", "--gate", "p95<=+80%"], &CALLS[..]].concat();
    let part = "The gate p95<=+80% holds for all rows of api.call, but p95 is worse in 1 of its groups: /orders. To gate a group, select it with --where.";
    assert_compared(&[&sides[..], &["--by", "route"]].concat(), 0, part);
    assert!(!compare(&sides).1.contains("of its groups"));
    let same = ["version=1.0", "version=1.1", "--gate", "p95<=+10%", "--by", "route", CALLS[0], CALLS[1]];
    assert!(!compare(&same).1.contains("of its groups"));
}

#[test]
fn of_many_groups_a_table_has_the_largest_and_json_has_all() {
    let sides = ["version=1.0", "version=1.1", "--by", "trace_id", CALLS[0], CALLS[1]];
    let title = "Figures (of the 50 largest of 1600 groups; JSON and CSV have all)";
    assert_compared(&sides, 0, title);
    let (_, text) = compare(&sides);
    assert_eq!(
        text.lines().filter(|line| line.contains("not enough data") && line.contains("p50")).count(),
        50
    );
    let (_, json) = compare(&[&sides[..], &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let figures = json["figures"].as_array().expect("figures");
    assert_eq!(figures.iter().filter(|figure| figure["metric"] == "p50").count(), 1601);
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
fn a_key_that_no_row_has_is_told() {
    let note = "note: no row has the key rout: check its name\n";
    let sides = ["version=1.0", "version=1.1", CALLS[0], CALLS[1]];
    assert_compared(&[&sides[..], &["--by", "rout,route"]].concat(), 0, note);
    assert!(!compare(&[&sides[..], &["--by", "route,day"]].concat()).1.contains("has the key"));
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let saved = run(&["baseline", "save", file.to_str().expect("UTF-8"), "version=1.0", "--by", "rout"]);
    assert!(String::from_utf8_lossy(&saved.stderr).contains(note), "{saved:?}");
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
        "other event types, groups or conditions (before: --event api.call --by route; after: --where route=/menu)",
    );
    assert_compared(&[file, "2026-11-01..2026-11-03"], 2, "have rows in common");
    assert_compared(&[file, file], 2, "have rows in common");
    let again = directory.path().join("again.json");
    fs::copy(file, &again).expect("copied");
    assert_compared(&[file, again.to_str().expect("UTF-8")], 2, "have rows in common");
    let clash = fs::read_to_string(file).expect("readable").replacen("_baseline\": 1", "_baseline\": 99", 1);
    fs::write(file, clash).expect("writable");
    assert_compared(&[file, "version=1.1"], 2, "version 99");
    fs::write(file, "{}").expect("writable");
    assert_compared(&[file, "version=1.1"], 2, "no rows");
}

#[test]
fn rows_of_both_sides_decide_nothing() {
    for sides in [
        ["version=1.0", "version=1.0"],
        ["2026-11-01..2026-11-09", "2026-11-01..2026-11-09"],
        ["2026-11-01..2026-11-22", "2026-11-14..2026-11-22"],
        ["..", "version=2.0"],
        ["2026-11-01..2026-11-09", "version=1.0"],
    ] {
        let part = format!("{} and {} have rows in common", sides[0], sides[1]);
        assert_compared(&[&sides[..], &["--gate", "p50<=+10%"], &CALLS[..]].concat(), 2, &part);
    }
    let day = |day: u32| format!("2026-11-{day:02}..2026-11-{:02}", day + 1);
    let list = |days: [u32; 5]| days.map(day).join(",");
    for (before, after, twice) in [
        ([1, 1, 1, 1, 1], [11, 12, 13, 14, 15], "2026-11-01..2026-11-02"),
        ([1, 2, 3, 4, 5], [11, 12, 13, 14, 5], "2026-11-05..2026-11-06"),
    ] {
        let part = format!("{twice} and {twice} have rows in common");
        assert_compared(&["--runs", &list(before), &list(after)], 2, &part);
    }
}

#[test]
fn a_service_without_failures_passes_and_few_failures_break_a_gate() {
    let of = |after, gate| {
        compare(&["version=1.0", after, "--event", "api.sure", "--gate", gate, "--format", "json"])
    };
    for (after, gate, status) in [
        ("version=1.1", "success>=-1pt", 0),
        ("version=1.1", "success>=99%", 0),
        ("version=1.1", "success>=-0.1pt", 2),
        ("version=2.0", "success>=-1pt", 1),
    ] {
        let (code, text) = of(after, gate);
        assert_eq!(code, status, "{after} {gate}: {text}");
    }
    let (_, worse) = compare(&["version=1.0", "version=2.0", "--event", "api.sure"]);
    assert!(worse.lines().any(|line| line.contains("success") && line.contains("worse")), "{worse}");
    let needed = |gate| {
        let (_, text) = of("version=1.1", gate);
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        json["gates"][0]["needs_n"].as_f64()
    };
    assert!(needed("success>=-0.1pt").is_some_and(|n| (10_000.0..25_000.0).contains(&n)));
    // What holds needs nothing more, and no number shows an improvement where nothing changes.
    assert_eq!([needed("success>=-1pt"), needed("success>=+1pt"), needed("p50<=-5%")], [None; 3]);
}

#[test]
fn a_forgotten_file_is_named_and_a_saved_one_is_described() {
    for rows in ["2026-11-01..2026-11-08", "version=1.0", "7d.."] {
        let forgotten = run(&["baseline", "save", rows]);
        let text = String::from_utf8_lossy(&forgotten.stderr);
        assert!(text.contains("the file comes first") && !fs::exists(rows).expect("known"), "{text}");
        assert_eq!(forgotten.status.code(), Some(2));
    }
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let saved = |rows| {
        let saved = run(&["baseline", "save", file.to_str().expect("UTF-8"), rows, CALLS[0], CALLS[1]]);
        String::from_utf8(saved.stderr).expect("UTF-8")
    };
    let eight = "saved 1600 rows of version=1.0 from 2026-11-01T00:00:00Z to 2026-11-08T23:13:00Z, in 8 days";
    assert_eq!(saved("version=1.0"), format!("note: {eight}\n"));
    assert!(saved("2026-11-01..2026-11-02").ends_with(", in 1 day; a comparison needs 6 days to decide\n"));
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
    let (_, csv) = compare(&[&sides[..], &["--format", "csv"]].concat());
    for part in [
        ",p95_verdict,event_type=api.call,worse,,,change\n",
        ",p95<=+10%,event_type=api.call,broken,,,gate\n",
        ",p95_high,event_type=api.call,",
    ] {
        assert!(csv.contains(part), "{part}: {csv}");
    }
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
    // The keys of --by are looked at without a rule.
    assert_compared(&sides, 0, "The mix has moved: route of api.call, /orders from 50.0% to 90.0%.");
    assert_compared(&sides, 0, "At the mix before, p50 of api.call changes by +");
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

/// The rows of version 1.0 as one JSON object per line.
fn exported() -> String {
    let rows = "SELECT jsonb_build_object('created_at', created_at, 'event_type', event_type, 'source', source, \
        'severity', severity, 'context', context) FROM observability_events \
        WHERE event_type = 'api.call' AND context->>'version' = '1.0'";
    Cluster::shared().psql(url(), rows)
}

#[test]
fn a_log_is_a_side() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("rows.ndjson");
    fs::write(&file, format!("no row\n{}", exported())).expect("writable");
    let file = file.to_str().expect("UTF-8");
    let unread = format!("note: 1 line cannot be read; {file}:1: it has no level");
    for (after, status) in [("version=1.1", 0), ("version=2.0", 1)] {
        let arguments = [&[file, after, "--gate", "p95<=+10%"], &CALLS[..]].concat();
        assert_compared(&arguments, status, "api.call");
        assert_compared(&arguments, status, "Lines of its log that cannot be read: 1.");
        assert_compared(&arguments, status, &unread);
        assert_compared(&arguments, status, "One side is a log.");
    }
    fs::write(file, "no row\n").expect("writable");
    assert_compared(&[file, "version=1.1"], 2, "a log has no rows, and 1 line cannot be read");
}

#[test]
fn a_log_on_stdin_is_one_side() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("rows.ndjson");
    fs::write(&file, exported()).expect("writable");
    let piped = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
        let log = fs::File::open(&file).expect("readable");
        command.args(arguments).env("DATABASE_URL", url()).stdin(log).output().expect("it starts")
    };
    for sides in [["-", "version=2.0"], ["version=2.0", "-"]] {
        let output = piped(&[&["compare"], &sides[..], &["--gate", "p50<=+10%"], &CALLS[..]].concat());
        assert_eq!(output.status.code(), Some(i32::from(sides[0] == "-")), "{output:?}");
    }
    let saved = directory.path().join("saved.json");
    let output = piped(&["baseline", "save", saved.to_str().expect("UTF-8"), "-"]);
    assert_eq!((output.status.code(), saved.exists()), (Some(0), true), "{output:?}");
    for twice in [&["compare", "-", "-"][..], &["compare", "--runs", "7d..,-", "7d..,-"]] {
        let output = piped(twice);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("stdin can be read only once"),
            "{output:?}"
        );
    }
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
    for (metric, name) in [("p50", "median"), ("p95", "p95"), ("p99", "p99")] {
        let figures = compared["figures"].as_array().expect("figures");
        let figure = figures.iter().find(|figure| figure["metric"] == metric).expect("a figure");
        for end in [0, 1] {
            let own = event["duration_ms"]["interval"][name][end].as_f64().expect("a number");
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
