//! A server that crashes under the writer costs no row and doubles none.

use support::{Cluster, DEADLINE, SOON, until_failing};
use tracing::Dispatch;
use tracing_subscriber::prelude::*;

const ROWS: u64 = 2000;

fn emit(dispatch: &Dispatch, rows: u64) {
    tracing::dispatcher::with_default(dispatch, || {
        (0..rows).for_each(|row| tracing::info!(name: "auto_assign.started", row));
    });
}

#[test]
fn every_row_is_there_once_after_crashes() {
    let cluster = Cluster::start();
    let url = cluster.database();
    let (ledger, guard) = tracing_ledger::builder().batch_size(50).build(&url).expect("the URL is right");
    let dispatch = tracing_subscriber::registry().with(ledger).into();
    for _ in 0..3 {
        emit(&dispatch, ROWS);
        // Somewhere among the batches.
        cluster.kill9();
        emit(&dispatch, ROWS);
        let error = guard.flush(SOON).expect_err("the server is gone");
        assert!(error.is_timeout(), "{error}");
        cluster.restart();
    }
    let stats = guard.shutdown(DEADLINE).expect("the server is back");
    assert_eq!((stats.written, stats.refused.total()), (6 * ROWS, 0), "{stats}");
    let count = "SELECT count(*), count(DISTINCT id) FROM observability_events";
    assert_eq!(cluster.psql(&url, count).trim(), format!("{0}|{0}", 6 * ROWS));
}

#[test]
fn a_shutdown_keeps_its_deadline_when_the_server_is_gone() {
    let cluster = Cluster::start();
    let url = cluster.database();
    let (ledger, guard) = tracing_ledger::layer(&url).expect("the URL is right");
    let dispatch = tracing_subscriber::registry().with(ledger).into();
    cluster.stop();
    emit(&dispatch, 10);
    until_failing(&guard);
    let error = guard.shutdown(SOON).expect_err("the server is gone");
    let message = error.to_string();
    assert!(error.is_timeout() && message.contains("10 are not written; the last failure: "), "{message}");
    assert!(!message.contains(&url), "{message}");
}
