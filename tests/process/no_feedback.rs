//! Writing rows makes no rows, whatever the rules and levels.

use sqlx::{Connection as _, PgConnection, SqliteConnection};
use support::{Cluster, DEADLINE, SqliteFile, alone};
use tracing::info_span;
use tracing_ledger::Rules;
use tracing_ledger::report::{Question, report};
use tracing_subscriber::{Registry, prelude::*};

/// Everything there is, at every level.
const EVERYTHING: &str = r#"
    [[rule]]
    span = "*"
    event_type = "span"
    [[rule]]
    event = "*"
    event_type = "point"
"#;

#[test]
fn the_ledger_does_not_feed_itself() {
    alone("no_feedback::the_ledger_does_not_feed_itself", write_with_rules_for_everything);
}

fn write_with_rules_for_everything() {
    let file = SqliteFile::new();
    let rules: Rules = EVERYTHING.parse().expect("good rules");
    let builder = || tracing_ledger::builder().rules(rules.clone()).create_table(true);
    let (sqlite, sqlite_guard) = builder().build::<Registry>(&file.url()).expect("a ledger in SQLite");
    let url = Cluster::shared().database();
    // sqlx speaks through `log` and `tracing` on this thread and on those it starts: all of them listen here.
    tracing_subscriber::registry().with(sqlite).init();
    let (_, postgres_guard) = builder().build::<Registry>(&url).expect("a ledger in Postgres");

    for round in 1..=3 {
        for _ in 0..100 {
            info_span!("call").in_scope(|| ());
        }
        let stats = sqlite_guard.flush(DEADLINE).expect("everything is written");
        assert_eq!((stats.offered, stats.written), (round * 100, round * 100));
    }
    postgres_guard.shutdown(DEADLINE).expect("nothing to write");
    let stats = sqlite_guard.shutdown(DEADLINE).expect("nothing is left");
    assert_eq!(stats.offered, 300);
}

/// The application's queries, by the target of sqlx itself.
const QUERIES: &str = r#"
    [[rule]]
    event = "*"
    target = "sqlx::query"
    event_type = "db.query"
    duration = { field = "elapsed_secs", unit = "s" }
    redact = ["db.statement", "elapsed"]
"#;

#[test]
fn rows_of_queries_are_those_of_the_application_alone() {
    alone("no_feedback::rows_of_queries_are_those_of_the_application_alone", query_beside_two_ledgers);
}

fn query_beside_two_ledgers() {
    let (file, postgres) = (SqliteFile::new(), Cluster::shared().database());
    let rules: Rules = format!("{QUERIES}{EVERYTHING}").parse().expect("good rules");
    let builder = || tracing_ledger::builder().rules(rules.clone()).create_table(true);
    let (in_sqlite, sqlite_guard) = builder().build::<Registry>(&file.url()).expect("a ledger in SQLite");
    let (in_postgres, postgres_guard) = builder().build(&postgres).expect("a ledger in Postgres");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Before anybody listens: sqlx runs queries of its own when it opens a database.
    let mut server = runtime.block_on(PgConnection::connect(&postgres)).expect("a connection");
    let embedded = runtime.block_on(SqliteConnection::connect("sqlite::memory:"));
    let mut embedded = embedded.expect("a database in memory");
    tracing_subscriber::registry().with(in_sqlite).with(in_postgres).init();

    for round in 1..=3 {
        runtime.block_on(run_queries(&mut server, &mut embedded));
        for guard in [&sqlite_guard, &postgres_guard] {
            let stats = guard.flush(DEADLINE).expect("everything is written");
            assert_eq!((stats.offered, stats.written), (round * 20, round * 20));
        }
    }
    // The queries of a report in the same process are none of the application.
    let answer = runtime.block_on(report(&Question::new(), &[file.url(), postgres.clone()]));
    answer.expect("a report on both");
    for guard in [sqlite_guard, postgres_guard] {
        guard.shutdown(DEADLINE).expect("nothing is left");
    }
    // Where mio is built to log, it says by way of `log` that the report opens a connection.
    let rows = "SELECT count(*) FROM observability_events WHERE source <> 'log'";
    assert_eq!(Cluster::shared().psql(&postgres, rows), "60");
    let rows = "SELECT count(*) FROM observability_events WHERE event_type = 'db.query' AND \
        (context ->> 'duration_ms')::float8 >= 0 AND NOT context ?| array['elapsed_secs', 'elapsed', 'db.statement']";
    assert_eq!(Cluster::shared().psql(&postgres, rows), "60");
}

/// Ten queries through each driver. That of SQLite emits its events on a thread of its own.
async fn run_queries(server: &mut PgConnection, embedded: &mut SqliteConnection) {
    for _ in 0..10 {
        sqlx::query("SELECT 1").execute(&mut *server).await.expect("a real query");
        sqlx::query("SELECT 1").execute(&mut *embedded).await.expect("a real query");
    }
}
