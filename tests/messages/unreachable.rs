//! A database that takes no rows is named before there is a row.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::mpsc;

use support::{ClosedPort, Cluster, DEADLINE, SqliteFile, this_test};
use tracing_ledger::NoticeKind;
use tracing_subscriber::{Registry, prelude::*};

/// Gives the child its database.
const CHILD: &str = "LEDGER_TEST_UNREACHABLE";

#[test]
fn the_child_process_has_no_row() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let (ledger, guard) = tracing_ledger::builder().build(&url).expect("a ledger");
    tracing_subscriber::registry().with(ledger).init();
    // Until the parent has read enough.
    std::io::stdin().read_to_end(&mut Vec::new()).expect("a pipe");
    guard.shutdown(DEADLINE).expect("nothing is lost");
}

#[test]
fn a_database_that_nobody_reaches_is_named_on_stderr_without_a_row() {
    let port = ClosedPort::new();
    let url = format!("postgres://ledger:s3cret@127.0.0.1:{}/app", port.number());
    let mut child = this_test("unreachable::the_child_process_has_no_row")
        .env(CHILD, url)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test starts itself");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut ledger_says =
        || lines.find_map(|line| line.expect("text").strip_prefix("tracing-ledger: ").map(str::to_owned));
    assert!(ledger_says().is_some_and(|line| line.starts_with("on: ")));
    let word = ledger_says().expect("a word before the end");
    let wanted = "there is no row yet, and the database would take none; rows will be kept: cannot connect to Postgres: ";
    assert!(word.starts_with(wanted) && !word.contains("s3cret"), "{word}");
    drop(child.stdin.take());
    let rest: Vec<_> = std::iter::from_fn(ledger_says).collect();
    assert!(!rest.iter().any(|line| line.contains("cannot connect")), "it is named once: {rest:?}");
    assert!(child.wait().expect("it ends").success());
}

/// The first word about the database, of a program without rows.
fn word_about(url: &str) -> String {
    let (said, hear) = mpsc::channel();
    let listener = move |notice: &tracing_ledger::Notice| {
        if notice.kind() == NoticeKind::Database {
            said.send(notice.to_string()).ok();
        }
    };
    let (_ledger, guard) =
        tracing_ledger::builder().on_notice(listener).build::<Registry>(url).expect("a ledger");
    let word = hear.recv_timeout(DEADLINE).expect("a word");
    guard.shutdown(DEADLINE).expect("nothing is lost");
    word
}

#[test]
fn a_table_that_is_missing_or_closed_is_named_without_a_row() {
    let cluster = Cluster::shared();
    let word = word_about(&cluster.empty_database());
    assert!(word.contains("the table observability_events does not exist; apply schema.sql"), "{word}");
    let url = cluster.database_after("CREATE ROLE silent_stranger LOGIN");
    let word = word_about(&url.replace("postgres@", "silent_stranger@"));
    assert!(word.contains("GRANT INSERT ON observability_events"), "{word}");
    let word = word_about(&SqliteFile::new().url());
    assert!(word.contains("cannot insert into SQLite: unable to open database file"), "{word}");
}
