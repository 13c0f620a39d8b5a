//! A service whose database is down for its whole life loses nothing: the next process fills the table.

use std::net::TcpListener;
use std::time::Instant;

use support::{Cluster, DEADLINE, SOON, until, until_on_disk};
use tempfile::TempDir;
use tracing::Dispatch;
use tracing_ledger::{Builder, Guard};
use tracing_subscriber::prelude::*;

const ROWS: u64 = 3000;

struct SpoolFolder(TempDir);

impl SpoolFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn builder(&self) -> Builder {
        tracing_ledger::builder().batch_size(500).spool_dir(self.0.path().join("spool"))
    }

    fn open(&self, url: &str) -> (Dispatch, Guard) {
        let (layer, guard) = self.builder().build(url).expect("the URL is right");
        (tracing_subscriber::registry().with(layer).into(), guard)
    }
}

fn emit(dispatch: &Dispatch, rows: u64) {
    tracing::dispatcher::with_default(dispatch, || {
        (0..rows).for_each(|row| tracing::info!(name: "auto_assign.started", row));
    });
}

#[track_caller]
fn assert_rows(cluster: &Cluster, url: &str, rows: u64) {
    let count = "SELECT count(*), count(DISTINCT id) FROM observability_events";
    assert_eq!(cluster.psql(url, count).trim(), format!("{rows}|{rows}"));
}

#[test]
fn the_next_process_fills_the_table() {
    let cluster = Cluster::start();
    let (url, spool) = (cluster.database(), SpoolFolder::new());
    cluster.stop();
    for _ in 0..2 {
        let (dispatch, guard) = spool.open(&url);
        emit(&dispatch, ROWS);
        until_on_disk(&guard);
        let stats = guard.shutdown(SOON).expect("everything is on disk");
        assert_eq!((stats.written, stats.in_flight), (0, 0), "{stats}");
    }
    cluster.restart();
    let (dispatch, guard) = spool.open(&url);
    assert_eq!(guard.stats().spooled, 2 * ROWS);
    emit(&dispatch, ROWS);
    let stats = guard.shutdown(DEADLINE).expect("the server is back");
    assert_eq!((stats.written, stats.spooled), (3 * ROWS, 0), "{stats}");
    assert_rows(&cluster, &url, 3 * ROWS);
}

#[test]
fn a_server_that_crashes_costs_no_row_and_doubles_none() {
    let cluster = Cluster::start();
    let (url, spool) = (cluster.database(), SpoolFolder::new());
    for _ in 0..3 {
        let (dispatch, guard) = spool.open(&url);
        emit(&dispatch, ROWS);
        // Somewhere among the batches.
        cluster.kill9();
        emit(&dispatch, ROWS);
        until_on_disk(&guard);
        let stats = guard.shutdown(SOON).expect("what is not written is on disk");
        assert_eq!(stats.in_flight, 0, "{stats}");
        cluster.restart();
    }
    let (_dispatch, guard) = spool.open(&url);
    guard.shutdown(DEADLINE).expect("the server is back");
    assert_rows(&cluster, &url, 6 * ROWS);
}

/// A database behind a firewall that swallows everything: the connection is made, and nothing ever comes.
#[test]
fn a_database_that_never_answers_keeps_no_row_off_the_disk() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("127.0.0.1 has a free port");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    let spool = SpoolFolder::new();
    let (dispatch, guard) = spool.open(&format!("postgres://nobody@127.0.0.1:{port}/nothing"));
    emit(&dispatch, ROWS);
    until("all rows are on disk", || guard.stats().spooled == ROWS);
    let started = Instant::now();
    let stats = guard.shutdown(SOON).expect("everything is on disk");
    assert!(started.elapsed() < DEADLINE / 2);
    assert_eq!((stats.spooled, stats.in_flight), (ROWS, 0), "{stats}");
}
