//! A row that Postgres refuses is corrected and sent again by a person, with the commands of the manual.

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{Cluster, DEADLINE};
use tracing::Dispatch;
use tracing_ledger::Stats;
use tracing_subscriber::prelude::*;

const MANUAL: &str = include_str!("../../docs/reliability.md");

const KNOWN: &str = "00000000-0000-4000-8000-000000000001";
const GONE: &str = "00000000-0000-4000-8000-000000000002";
const ROWS: usize = 20;

/// The `Stats` of the ledger of one process.
fn run(url: &str, spool: &Path, calls: impl FnOnce()) -> Stats {
    let builder = tracing_ledger::builder().spool_dir(spool).flush_interval(DEADLINE);
    let (layer, guard) = builder.build(url).expect("a ledger");
    let dispatch: Dispatch = tracing_subscriber::registry().with(layer).into();
    tracing::dispatcher::with_default(&dispatch, calls);
    guard.shutdown(DEADLINE).expect("all is written or quarantined")
}

/// The commands that a person types in the spool directory: all but those that look, or need a service.
fn commands() -> Vec<&'static str> {
    let commands = MANUAL.lines().filter_map(|line| line.strip_prefix("$ "));
    commands.filter(|command| command.starts_with("mv ") || command.starts_with("sed ")).collect()
}

#[test]
fn a_refused_row_is_corrected_and_sent_by_the_commands_of_the_manual() {
    let cluster = Cluster::shared();
    let url = cluster
        .database_after(&format!("ALTER TABLE observability_events ADD CHECK (booking_id <> '{GONE}')"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spool = folder.path().join("spool");
    let stats = run(&url, &spool, || {
        for number in 0..ROWS {
            let booking_id = if number == 7 { GONE } else { KNOWN };
            tracing::info!(name: "auto_assign.started", number, booking_id);
        }
    });
    assert_eq!((stats.written, stats.quarantined), (ROWS as u64 - 1, 1), "{stats}");

    let line = fs::read_to_string(spool.join("quarantine.jsonl")).expect("the row is there");
    let quoted = r#"{"reason":"cannot insert into Postgres: new row for relation \"observability_events\" violates check constraint"#;
    assert!(line.starts_with(quoted) && MANUAL.contains(quoted), "{line}");
    let commands = commands();
    assert_eq!(commands.len(), 2, "{commands:?}");
    for command in commands {
        let status =
            Command::new("sh").args(["-ec", command]).current_dir(&spool).status().expect("sh starts");
        assert!(status.success(), "{command}");
    }

    let stats = run(&url, &spool, || ());
    assert_eq!((stats.written, stats.quarantined), (1, 0), "{stats}");
    let refused: serde_json::Value = serde_json::from_str(&line).expect("the line is JSON");
    let row = "SELECT id, booking_id IS NULL FROM observability_events WHERE context @> '{\"number\": 7}'";
    assert_eq!(cluster.psql(&url, row), format!("{}|t", refused["id"].as_str().expect("an id")));
    let left = ["quarantine.jsonl", "replay.jsonl"].map(|name| spool.join(name).exists());
    assert_eq!(left, [false, false], "nothing is left to do");
}
