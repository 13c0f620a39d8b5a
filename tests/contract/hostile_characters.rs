//! Control and bidi characters are stored as they came, but for NUL, and escaped where they are shown.

use std::panic::catch_unwind;
use std::time::SystemTime;

use sqlx::Connection as _;
use support::{Cluster, Ledger, SqliteFile};
use tracing::{info, info_span, instrument};
use tracing_ledger::report::{Question, report};
use tracing_ledger::store::{Attempt, Postgres, Sqlite, Store};
use tracing_ledger::{Row, Rule, Rules};
use tracing_subscriber::{Registry, prelude::*};

/// Clears a screen, turns the reading order, ends a line and a table's cell, hides itself, ends a statement; and NUL.
const HOSTILE: &str = "\u{1b}[2J\u{202e}|\r\n\u{2066}\u{85}\u{200b}\u{e0041}\u{7f}'); DROP TABLE x --\0";

/// As it is to be stored: Postgres has no place for NUL in `jsonb`.
fn stored() -> String {
    HOSTILE.replace('\0', "\u{fffd}")
}

#[instrument(name = "auto_assign.quote", err)]
fn failing() -> Result<(), String> {
    Err(HOSTILE.to_owned())
}

fn calls() {
    info_span!("auto_assign.job", trigger = HOSTILE, result = HOSTILE).in_scope(|| {
        info_span!("auto_assign.quote", flow = HOSTILE, strategy.kind = HOSTILE, shown = %HOSTILE, success = true)
            .in_scope(|| info!(name: "auto_assign.started", status = HOSTILE, "{HOSTILE}"));
        failing().expect_err("it fails");
        let panicking = || info_span!("auto_assign.quote").in_scope(|| panic!("{HOSTILE}"));
        catch_unwind(panicking).expect_err("it panics");
    });
}

#[test]
fn every_store_keeps_hostile_characters_unchanged() {
    Ledger::on_every_store(|ledger| {
        ledger.run(calls);
        let stored = stored();
        let [told, failed, panicked] = &ledger.quotes()[..] else { panic!("three calls") };
        for key in ["flow", "shown", "trigger"] {
            assert_eq!(told.get(key), stored.as_str(), "{key}");
        }
        assert_eq!(told.get("planner_strategy")["kind"], stored.as_str());
        assert_eq!(failed.get("planner_error"), stored.as_str());
        assert_eq!(panicked.get("planner_error"), stored.as_str());
        assert_eq!(ledger.summary().get("result"), stored.as_str());
        let point = &ledger.rows_of("auto_assign.started")[0];
        assert_eq!((point.get("status"), point.get("message")), (&stored.clone().into(), &stored.into()));
    });
}

#[test]
fn row_names_are_stored_as_far_as_postgres_accepts_them() {
    // Of more than the 2704 bytes that an index takes, however well it packs them.
    let long: String = ('\u{4e00}'..='\u{9fff}').step_by(7).collect();
    let rules = Rules::from_rules([Rule::span("*").source(&*long)]).expect("good rules");
    let url = Cluster::shared().database();
    let (layer, guard) = tracing_ledger::builder().rules(rules).build::<Registry>(&url).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("a\0b").in_scope(|| ());
    });
    let stats = guard.shutdown(support::DEADLINE).expect("all is written");
    assert_eq!((stats.written, stats.quarantined), (1, 0));
    let row = Cluster::shared().psql(&url, "SELECT event_type, source FROM observability_events");
    assert_eq!(row, format!("a\u{fffd}b|{}", &long[..long.floor_char_boundary(512)]));
}

/// Whether it is a character that shows nothing itself and changes how others are shown.
fn is_hidden(c: char) -> bool {
    c.is_control() && c != '\n' || "\u{202e}\u{2066}\u{200b}\u{e0041}".contains(c)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_of_the_report_escapes_hostile_characters() {
    let file = SqliteFile::new();
    for url in [file.url(), Cluster::shared().database()] {
        let (ledger, guard) =
            tracing_ledger::builder().create_table(true).build::<Registry>(&url).expect("a ledger");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), calls);
        guard.shutdown(support::DEADLINE).expect("all is written");

        let report = report(&Question::new(), &[&url]).await.expect("read");
        let (text, markdown, json) = (report.to_string(), report.to_markdown(), report.to_json());
        for form in [&text, &markdown, &json] {
            assert!(!form.contains(is_hidden), "{form:?}");
        }
        let escaped =
            r"\u{1b}[2J\u{202e}|\u{d}\u{a}\u{2066}\u{85}\u{200b}\u{e0041}\u{7f}'); DROP TABLE x --�";
        assert!(text.contains(escaped), "{text}");
        assert!(markdown.contains(r"| \\u{1b}\[2J\\u{202e}\|\\u{d}\\u{a}"), "{markdown}");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let events = json["events"].as_array().expect("events").iter();
        let groups = events.flat_map(|event| event["groups"].as_array().expect("groups"));
        let names = groups.map(|group| &group["by"]["flow"]);
        assert!(names.into_iter().any(|name| *name == stored()), "{json}");
    }
}

/// A trigger may quote what is in a row.
#[tokio::test]
async fn messages_of_a_server_are_escaped() {
    let url = Cluster::shared().database_after(
        r#"CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS
              $$BEGIN RAISE EXCEPTION E'refused "\x1b[2J\u202e\n' USING ERRCODE = '22000'; END$$;
          CREATE TRIGGER complain BEFORE INSERT ON observability_events
              FOR EACH ROW EXECUTE FUNCTION complain();"#,
    );
    let mut store = Postgres::from_url(&url).expect("readable");
    let batch = [Row::new(SystemTime::now(), "test", "test.event")];
    let error = store.insert(&batch, Attempt::First).await.expect_err("refused").to_string();
    assert!(!error.contains(|c: char| c == '\n' || is_hidden(c)), "{error:?}");
    assert!(error.contains(r#"refused "\u{1b}[2J\u{202e}\u{a}; correct the trigger"#), "{error}");
}

#[tokio::test]
async fn messages_of_sqlite_are_escaped() {
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    let batch = || [Row::new(SystemTime::now(), "test", "test.event")];
    store.insert(&batch(), Attempt::First).await.expect("stored");
    let mut connection = sqlx::SqliteConnection::connect(&file.url()).await.expect("opens");
    let trigger = "CREATE TRIGGER complain BEFORE INSERT ON observability_events
        BEGIN SELECT RAISE(ABORT, 'refused \u{1b}[2J\u{202e}'); END";
    sqlx::raw_sql(trigger).execute(&mut connection).await.expect("a trigger");
    let error = store.insert(&batch(), Attempt::First).await.expect_err("refused").to_string();
    assert!(error.contains(r"refused \u{1b}[2J\u{202e}") && !error.contains(is_hidden), "{error:?}");
}
