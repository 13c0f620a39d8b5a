//! The results of gates, and their exit status.

use std::sync::OnceLock;

use support::Cluster;

use super::{CALLS, assert_compared, compare};

#[test]
fn a_gate_holds_is_broken_or_is_undecided() {
    let same = [&["version=1.0", "version=1.1"], &CALLS[..]].concat();
    let worse = [&["version=1.0", "version=2.0"], &CALLS[..]].concat();
    for (gate, status, part) in [
        ("p95<=+10%", 0, "holds"),
        ("success>=-5pt", 0, "holds"),
        ("median<=1s", 0, "holds"),
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
fn rows_that_cannot_be_read_are_counted_and_reported() {
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
    // A gate that holds needs no more values, and no number of values shows an improvement where nothing changes.
    assert_eq!([needed("success>=-1pt"), needed("success>=+1pt"), needed("p50<=-5%")], [None; 3]);
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
    assert_compared(&[&sides[..], &["--gate", "success>=-10pt"]].concat(), 0, "median");
}
