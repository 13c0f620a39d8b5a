//! Rows are read from the table that is named, in Postgres and in SQLite.

use std::process::{Command, Output};
use std::time::SystemTime;

use support::{Cluster, SqliteFile};
use tempfile::TempDir;
use tracing_ledger::report::{Compare, Question, event_types, report};
use tracing_ledger::store::{Attempt, Postgres, Sqlite, Store};
use tracing_ledger::{Builder, Row};

const ODD: &str = "Log's.order \"x\" of observability_events; --";
const ODD_IN_SQLITE: &str = "order \"x\" of observability_events; --";

fn rows(event_type: &str, count: usize) -> Vec<Row> {
    let row = |number| {
        let mut row = Row::new(SystemTime::now(), "api", event_type);
        row.context = format!(
            r#"{{"observability_events": "x", "number": {number}, "duration_ms": 7, "success": true}}"#
        );
        row
    };
    (0..count).map(row).collect()
}

/// A database with three rows in the table of this name and one in the usual table.
async fn postgres(name: &str) -> String {
    let url = Cluster::shared().database_after("CREATE SCHEMA \"Log's\"; CREATE SCHEMA ledger");
    let usual = Postgres::from_url(&url).expect("a URL");
    let mut named = Postgres::from_url(&url).expect("a URL").table(name).expect("a name").create_table(true);
    insert(usual, "usual", 1).await;
    named.insert(&rows("named", 3), Attempt::First).await.expect("stored");
    url
}

/// The same in a file.
async fn sqlite(name: &str) -> SqliteFile {
    let file = SqliteFile::new();
    let open = || Sqlite::from_url(&file.url()).expect("a URL").create_table(true);
    insert(open(), "usual", 1).await;
    insert(open().table(name).expect("a name"), "named", 3).await;
    file
}

async fn insert(mut store: impl Store, event_type: &str, count: usize) {
    store.insert(&rows(event_type, count), Attempt::First).await.expect("stored");
}

/// Asks for counts, groups and conditions, and compares rows.
async fn assert_reads(name: &str, url: &str) {
    let of = |name: &str| Question::new().table(name).expect("a name");
    let question = of(name).by("observability_events").expect("a key");
    let question = question.condition("observability_events=x").expect("a condition");
    let answer = report(&question, &[url]).await.expect("a report");
    let calls: Vec<_> =
        answer.events.iter().map(|event| (event.event_type.as_str(), event.figures.calls)).collect();
    assert_eq!(calls, [("named", 3)], "{name}");
    assert_eq!(event_types(name, &[url]).await.expect("types"), [("named".to_owned(), 3)]);
    let usual = report(&of(Builder::DEFAULT_TABLE), &[url]).await.expect("a report");
    assert_eq!(usual.events[0].figures.calls, 1);
    let compare = Compare::new().database_url(url).table(name).expect("a name").event("named");
    let text = compare.compare("number=0", "number=1", &[]).await.expect("a comparison").to_json();
    assert!(text.contains("\"named\"") && !text.contains("\"usual\""), "{text}");
}

#[tokio::test]
async fn a_report_reads_the_table_of_that_name() {
    for name in ["ledger.calls", ODD] {
        assert_reads(name, &postgres(name).await).await;
    }
    assert_reads("main.calls", &sqlite("calls").await.url()).await;
    assert_reads(ODD_IN_SQLITE, &sqlite(ODD_IN_SQLITE).await.url()).await;
}

#[tokio::test]
async fn a_table_of_other_types_is_read_under_its_name() {
    let url = postgres(ODD).await;
    let table = "\"Log's\".\"order \"\"x\"\" of observability_events; --\"";
    Cluster::shared().psql(&url, &format!("ALTER TABLE {table} ALTER context TYPE json"));
    assert_reads(ODD, &url).await;
}

fn run(arguments: &[&str], url: &str, table: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command.args(arguments).env("DATABASE_URL", url).env_remove("TRACING_LEDGER_TABLE");
    command.envs(table.map(|table| ("TRACING_LEDGER_TABLE", table))).output().expect("it starts")
}

#[track_caller]
fn assert_ran(output: &Output, status: i32, part: &str) {
    let text = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    let text = text.concat();
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}

#[tokio::test]
async fn each_command_takes_the_table_as_an_option_or_from_the_environment() {
    let file = sqlite(ODD_IN_SQLITE).await;
    let dir = TempDir::new().expect("a folder");
    let saved = dir.path().join("before.json");
    let saved = saved.to_str().expect("UTF-8");
    for (name, url) in [(ODD, postgres(ODD).await), (ODD_IN_SQLITE, file.url())] {
        for (option, variable) in [(&["--table", name][..], None), (&[], Some(name))] {
            let run = |arguments: &[&str]| run(&[arguments, option].concat(), &url, variable);
            assert_ran(&run(&["report", "--format", "csv"]), 0, "event_type=named,3");
            assert_ran(&run(&["report", "--event", "usual"]), 3, "event types named (3)");
            assert_ran(
                &run(&["baseline", "save", saved, "number=0", "--event", "named"]),
                0,
                "saved 1 row of number=0",
            );
            // A file with the rows of one day can be read, too.
            assert_ran(&run(&["compare", saved, "number=1"]), 0, "named");
        }
    }
}

#[tokio::test]
async fn a_missing_table_is_reported_under_its_name() {
    let file = sqlite("calls").await;
    for url in [postgres("ledger.calls").await, file.url()] {
        let output = run(&["report", "--table", "missing"], &url, None);
        assert_ran(&output, 1, "error: cannot read missing from ");
        assert_ran(&output, 1, "--table missing");
        assert_ran(&run(&["report", "--table", "a.b.c"], &url, None), 1, "SCHEMA.TABLE");
        assert_ran(&run(&["compare", "..", "..", "--table", "a.b.c"], &url, None), 2, "SCHEMA.TABLE");
    }
}
