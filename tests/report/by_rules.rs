//! The keys that rules with a pattern and rules for events name are read by each command.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use support::{Cluster, SqliteFile};
use tempfile::TempDir;
use tracing::{info_span, warn_span};
use tracing_ledger::report::{Question, report};
use tracing_ledger::store::{Attempt, Memory, Postgres, Sqlite, Store};
use tracing_ledger::{Row, Rules};
use tracing_subscriber::prelude::*;

const RULES: &str = r#"
[[rule]]
event = "db.*"
level = "error"

[[rule]]
span = "db.open"
duration = "open_ms"
error = "err_text"

[[rule]]
span = "db.*"
fields = ["rows"]
duration = "rows_ms"

[[rule]]
span = "db.close"
duration = "close_ms"

[[rule]]
span = "db.*"
duration = "took_ms"
success = "good"
reason = "why"
report_by = ["table"]

[[rule]]
span = ["db.insert", "insert"]
duration = "insert_ms"

[[rule]]
span = "*"
duration = "any_ms"

[[rule]]
span = "task"
event_type = { field = "name" }
duration = "task_ms"
report_by = ["tenant"]

[[rule]]
event = "mail.sent"
duration = { field = "elapsed", unit = "s", as = "mail_ms" }
report_by = ["kind"]

[[rule]]
event = "insert.done"
event_type = "insert"
duration = { field = "elapsed", unit = "s", as = "done_ms" }
"#;

fn rows() -> Vec<Row> {
    let contexts = [
        ("db.query", json!({"took_ms": 10, "any_ms": 1, "good": true, "table": "a"})),
        ("db.query", json!({"took_ms": 30, "any_ms": 1, "good": false, "why": "lock", "table": "b"})),
        ("db.open", json!({"took_ms": 10, "open_ms": 50})),
        // Of a span that names its event type in a field.
        ("db.open", json!({"duration_ms": 51, "success": false, "err_text": "disk full"})),
        ("db.close", json!({"took_ms": 10, "close_ms": 20})),
        ("db.close", json!({"took_ms": 10, "rows_ms": 40})),
        ("db.insert", json!({"took_ms": 65, "insert_ms": 10})),
        ("insert", json!({"insert_ms": 75})),
        ("insert", json!({"done_ms": 76})),
        ("task", json!({"task_ms": 85})),
        ("db_query", json!({"took_ms": 10, "any_ms": 60, "duration_ms": 2})),
        ("other", json!({"duration_ms": 70})),
        ("task.import", json!({"task_ms": 90})),
        ("mail.sent", json!({"mail_ms": 80, "kind": "invoice"})),
    ];
    let row = |(event_type, context): (&str, Value)| {
        let mut row = Row::new(std::time::SystemTime::now(), "app", event_type);
        row.context = context.to_string();
        row
    };
    contexts.into_iter().map(row).collect()
}

fn run(arguments: &[&str], directory: &TempDir) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command.args(arguments).current_dir(directory.path()).env_remove("DATABASE_URL");
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn directory_with_rules() -> TempDir {
    let directory = TempDir::new().expect("a directory");
    std::fs::write(directory.path().join("rules.toml"), RULES).expect("written");
    directory
}

fn assert_figures(report: &Value) {
    let event = |name: &str| {
        let mut events = report["events"].as_array().expect("events").iter();
        events.find(|event| event["event_type"] == name).expect("such an event")
    };
    for (event_type, longest) in [
        ("db.query", 30.0),
        ("db.open", 51.0),
        ("db.close", 40.0),
        ("db.insert", 65.0),
        ("insert", 76.0),
        ("task", 85.0),
        ("db_query", 60.0),
        ("other", 70.0),
        ("task.import", 90.0),
        ("mail.sent", 80.0),
    ] {
        assert_eq!(event(event_type)["duration_ms"]["max"], longest, "{event_type}: {report}");
    }
    let query = event("db.query");
    assert_eq!((&query["success"]["n"], &query["reasons"][0]["code"]), (&2.into(), &"lock".into()));
    assert_eq!(event("db.open")["reasons"][0]["code"], "disk full");
    let groups = |name: &str| {
        let groups = event(name)["groups"].as_array().expect("groups").iter();
        groups.map(|group| group["by"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(groups("db.query"), [json!({"table": "a"}), json!({"table": "b"})]);
    assert_eq!(groups("mail.sent"), [json!({"kind": "invoice"})]);
    assert_eq!(groups("db.open"), [Value::Null; 0]);
}

#[tokio::test]
async fn a_report_reads_the_keys_of_patterns_and_of_events() {
    let directory = directory_with_rules();
    let url = Cluster::shared().database();
    Postgres::from_url(&url).expect("readable").insert(&rows(), Attempt::First).await.expect("stored");
    let file = SqliteFile::new();
    let mut sqlite = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    sqlite.insert(&rows(), Attempt::First).await.expect("stored");
    let copy = "COPY (SELECT to_jsonb(o) FROM observability_events o) TO STDOUT";
    std::fs::write(directory.path().join("rows.json"), Cluster::shared().psql(&url, copy)).expect("written");
    for source in [["--database-url", &url], ["--database-url", &file.url()], ["--from-log", "rows.json"]] {
        let usual = ["report", "--rules", "rules.toml", "--format", "json"];
        assert_figures(&run(&[&usual[..], &source].concat(), &directory));
        let one = run(&[&usual[..], &source, &["--event", "db.query,mail.sent"]].concat(), &directory);
        assert_eq!(one["events"][0]["duration_ms"]["max"], 30.0, "{one}");
    }
}

#[tokio::test]
async fn a_rollup_and_a_baseline_read_them_too() {
    let directory = directory_with_rules();
    let url = Cluster::shared().database();
    Postgres::from_url(&url).expect("readable").insert(&rows(), Attempt::First).await.expect("stored");
    Cluster::shared().psql(&url, "UPDATE observability_events SET created_at = now() - interval '3 hours'");
    let usual = ["--database-url", &url, "--rules", "rules.toml"];
    run(&[&["rollup", "--create"], &usual[..]].concat(), &directory);
    let report = run(&[&["report", "--rollup", "--format", "json"], &usual[..]].concat(), &directory);
    assert_figures(&report);
    assert_eq!(report["rollup"]["rows_read"], 0, "{report}");
    run(&[&["baseline", "save", "saved.json", "1d.."], &usual[..]].concat(), &directory);
    let saved = std::fs::read_to_string(directory.path().join("saved.json")).expect("saved");
    let saved: Value = serde_json::from_str(&saved).expect("JSON");
    let event = |name: &str| {
        let mut events = saved["events"].as_array().expect("events").iter();
        events.find(|event| event["event_type"] == name).expect("such an event").clone()
    };
    for event_type in ["db.query", "mail.sent"] {
        let figures = event(event_type)["figures"].to_string();
        assert!(figures.contains("\"median\""), "{event_type}: {saved}");
    }
    assert!(event("db.query")["figures"].to_string().contains("success"), "{saved}");
    assert_eq!(saved["mix"]["mail.sent"]["kind"], json!({"invoice": 1}), "{saved}");
}

/// Rules that overlap in many ways.
fn random_rules(random: &mut StdRng) -> String {
    let count = random.random_range(1..5);
    let mut any = |choices: &[&str]| (*choices.choose(random).expect("some")).to_owned();
    let rule = |_| {
        [
            any(&["[[rule]]\nspan = \"db.open\"\n", "[[rule]]\nspan = [\"db.close\", \"job\"]\n"])
                .replace("db.open", &any(&["db.open", "db.close", "db.*", "*", "*o*", "*n"])),
            any(&["", "", "fields = [\"size\"]\n", "level = \"warn\"\n"]),
            any(&["", "", "event_type = \"db.open\"\n", "event_type = \"job\"\n"]),
            any(&["", "duration = \"a_ms\"\n", "duration = \"b_ms\"\n", "duration = \"c_ms\"\n"]),
        ]
        .concat()
    };
    (0..count).map(rule).collect()
}

#[tokio::test]
async fn a_report_reads_each_duration_that_the_layer_writes() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..100 {
        let text = random_rules(&mut random);
        let rules: Rules = text.parse().expect("rules");
        let memory = Memory::default();
        let builder = tracing_ledger::builder().rules(rules.clone()).on_notice(|_| {});
        let (layer, guard) = builder.build_with(memory.clone()).expect("a ledger");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            drop([info_span!("db.open"), info_span!("db.open", size = 1), warn_span!("db.open")]);
            drop([info_span!("db.close"), info_span!("db.close", size = 1), warn_span!("db.close")]);
            drop([info_span!("job"), info_span!("job", size = 1), warn_span!("job")]);
        });
        guard.shutdown(Duration::from_mins(5)).expect("all are written");
        let rows = memory.rows();
        let mut counts = BTreeMap::new();
        rows.iter().for_each(|row| *counts.entry(row.event_type.to_string()).or_default() += 1);
        let file = SqliteFile::new();
        let mut sqlite = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
        sqlite.insert(&rows, Attempt::First).await.expect("stored");
        let answer = report(&Question::new().rules(rules), &[file.url()]).await.expect("a report");
        let read = answer.events.iter().map(|event| (event.event_type.clone(), event.figures.duration_ms.n));
        assert_eq!(read.collect::<BTreeMap<_, u64>>(), counts, "{text}");
    }
}
