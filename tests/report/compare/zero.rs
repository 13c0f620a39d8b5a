//! Figures at the end of their range: shares of all and of none, durations of 0, and durations on one side only.

use std::sync::OnceLock;

use serde_json::Value;
use support::Cluster;
use tempfile::TempDir;

use super::{assert_compared, compare, run};

/// 500 calls a day in two weeks. `api.zero` takes 0 ms in the first week and 5 s in the second, and the first week of
/// `api.new` has no durations. Every call of `api.all` succeeds, and none of `api.none`.
fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let url = Cluster::shared().database();
        let rows = r#"INSERT INTO observability_events (created_at, event_type, source, severity, context)
            SELECT timestamptz '2026-11-01Z' + day * interval '1 day' + i * interval '2 minutes', event_type, 'test', 'info',
                CASE event_type
                    WHEN 'api.zero' THEN jsonb_build_object('duration_ms', CASE WHEN day > 6 THEN 5000 ELSE 0 END)
                    WHEN 'api.tiny' THEN jsonb_build_object('duration_ms', 0.0002 + i % 3 * 0.0001)
                    WHEN 'api.huge' THEN jsonb_build_object('duration_ms', CASE WHEN i % 10 = 3 THEN 1e300 ELSE 50 END)
                    WHEN 'api.new' THEN CASE WHEN day > 6 THEN jsonb_build_object('duration_ms', 50 + i % 7) ELSE '{}' END
                    ELSE jsonb_build_object('duration_ms', 50 + i % 7, 'success', event_type = 'api.all') END
            FROM unnest(ARRAY['api.zero', 'api.tiny', 'api.huge', 'api.new', 'api.all', 'api.none']) AS event_type,
                generate_series(0, 13) AS day, generate_series(0, 499) AS i"#;
        Cluster::shared().psql(&url, rows);
        url
    })
}

const WEEKS: [&str; 2] = ["2026-11-01..2026-11-08", "2026-11-08..2026-11-15"];

fn of(event: &'static str, more: &[&'static str]) -> Vec<&'static str> {
    [&WEEKS[..], &["--database-url", url(), "--event", event], more].concat()
}

fn json_of(event: &'static str, more: &[&'static str]) -> (i32, Value) {
    let (status, text) = compare(&[of(event, more), vec!["--format", "json"]].concat());
    (status, serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn no_gate_is_broken_where_every_call_succeeds() {
    // The number of calls decides how the end of the interval is rounded.
    for hour in 1..=16 {
        let until = format!("2026-11-08..2026-11-14T{hour:02}:00");
        let sides = [WEEKS[0], &until, "--database-url", url(), "--event", "api.all"];
        let (status, text) =
            compare(&[&sides[..], &["--gate", "success>=100%", "--format", "json"]].concat());
        let json: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((status, json["gates"][0]["result"].as_str()), (2, Some("undecided")), "{until}");
        let why = json["gates"][0]["why"].as_str().expect("a reason");
        assert!(why.ends_with(" to 100.0%, and no number of calls shows 100%: write a lower limit"), "{why}");
    }
    assert_compared(&of("api.all", &["--gate", "success>=99%"]), 0, "99.8% to 100.0%");
}

#[test]
fn the_interval_of_a_share_holds_the_share() {
    for (event, end, share) in [("api.all", 1, 1.0), ("api.none", 0, 0.0)] {
        let (_, json) = json_of(event, &[]);
        let figures = json["figures"].as_array().expect("figures");
        let success = figures.iter().find(|figure| figure["metric"] == "success").expect("a share");
        assert_eq!(success["after"]["value"], share);
        assert_eq!(success["after"]["interval"][end], share, "{success}");
    }
}

#[test]
fn a_ratio_to_0_is_none_and_its_gate_says_why() {
    let (status, text) = compare(&of("api.zero", &["--gate", "p95<=+10%"]));
    assert_eq!(status, 2, "{text}");
    assert!(!text.contains("inf") && !text.contains("no difference shown"), "{text}");
    let why = "the value before is 0, which has no ratio: write a limit for the value after";
    assert!(text.contains(why), "{text}");
    let line =
        "No change of median, p90, p95, p99 of api.zero is shown: the value before is 0, which has no ratio.";
    assert!(text.contains(line), "{text}");
    let (_, json) = json_of("api.zero", &["--gate", "p95<=+10%"]);
    assert_eq!((&json["figures"][0]["change"], &json["gates"][0]["needs_n"]), (&Value::Null, &Value::Null));
    assert_eq!(
        json["figures"][0]["why_undecided"],
        "the value before is 0, which has no ratio: write a limit for the value after"
    );
    let (_, csv) = compare(&of("api.zero", &["--format", "csv"]));
    assert!(csv.contains(",median_verdict,event_type=api.zero,not enough data,,,change"), "{csv}");
    assert!(!csv.contains(",ratio,3500,change"), "{csv}");
    assert_compared(&of("api.zero", &["--gate", "p95<=6s"]), 0, "holds");
    let page = of("api.zero", &["--format", "html"]);
    assert_compared(&page, 0, "no ratio: a value is not above 0");
}

#[test]
fn a_limit_for_the_value_after_needs_no_value_before() {
    for (gate, status, part) in [
        ("p95<=1s", 0, "holds"),
        ("p95<=1ms", 1, "broken"),
        ("p95<=+10%", 2, "no event type has p95 on both sides: its gate says nothing"),
    ] {
        assert_compared(&of("api.new", &["--gate", gate]), status, part);
    }
    let others = ["--where=event_type!=api.zero", "--where=event_type!=api.huge", "--gate", "p95<=1s"];
    let (status, text) = compare(&[&WEEKS[..], &["--database-url", url()], &others].concat());
    assert_eq!(status, 0, "{text}");
}

#[test]
fn a_baseline_keeps_durations_of_any_size() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let path = file.to_str().expect("UTF-8");
    for event in ["api.tiny", "api.huge", "api.zero"] {
        let saved = run(&["baseline", "save", path, WEEKS[0], "--database-url", url(), "--event", event]);
        assert_eq!(saved.status.code(), Some(0), "{saved:?}");
        let side = [path, WEEKS[1], "--database-url", url(), "--format", "json"];
        let json: Value = serde_json::from_str(&compare(&side).1).expect("JSON");
        for figure in json["figures"].as_array().expect("figures") {
            let (before, number) = (&figure["before"], |value: &Value| value.as_f64().expect("a number"));
            let [lo, hi] = [0, 1].map(|end| number(&before["interval"][end]));
            assert!((lo..=hi).contains(&number(&before["value"])), "{event}: {figure}");
        }
        if event != "api.zero" {
            assert_compared(&[path, WEEKS[1], "--database-url", url(), "--gate", "p95<=+10%"], 0, "holds");
        }
    }
}

#[test]
fn no_figure_has_hundreds_of_digits() {
    let event = ["--database-url", url(), "--event", "api.huge,api.tiny"];
    for format in ["text", "md", "csv"] {
        let compared = compare(&[&WEEKS[..], &event, &["--format", format]].concat()).1;
        let report = run(&[&["report", "--format", format], &event[..]].concat());
        for text in [compared, String::from_utf8(report.stdout).expect("UTF-8")] {
            assert!(text.contains("e300") || text.contains("e293"), "{format}: {text}");
            assert!(!text.contains("0000000000000000"), "{format}: {text}");
        }
    }
}
