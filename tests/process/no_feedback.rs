//! Writing rows makes no rows, whatever the rules and levels.

use support::{Cluster, DEADLINE, SqliteFile, alone};
use tracing::info_span;
use tracing_ledger::Rules;
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
