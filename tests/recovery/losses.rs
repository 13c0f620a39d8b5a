//! Losses during an outage of the database become rows in the table after it.

use support::{Cluster, DEADLINE};
use tracing_subscriber::prelude::*;

#[test]
fn losses_during_an_outage_become_rows_after_it() {
    let cluster = Cluster::start();
    let url = cluster.database();
    let (layer, guard) = tracing_ledger::builder().queue_capacity(100).build(&url).expect("the URL is right");
    let dispatch = tracing_subscriber::registry().with(layer).into();
    cluster.stop();
    tracing::dispatcher::with_default(&dispatch, || {
        (0..5000).for_each(|row| tracing::info!(name: "auto_assign.started", row));
    });
    let lost = guard.stats().refused.queue_full;
    assert!(lost > 0, "the queue is small");
    cluster.restart();
    let stats = guard.shutdown(DEADLINE).expect("the server is back");
    assert_eq!(stats.refused.queue_full, lost);

    let told = "SELECT source, severity, context ->> 'cause', sum((context ->> 'count')::int), \
                bool_and((context ->> 'first')::timestamptz <= (context ->> 'last')::timestamptz), \
                bool_and((context ->> 'last')::timestamptz = created_at) \
                FROM observability_events WHERE event_type = 'ledger.loss' GROUP BY 1, 2, 3";
    let expected = format!("tracing-ledger|warning|queue_full|{lost}|t|t");
    assert_eq!(cluster.psql(&url, told).trim(), expected);
    let rows = "SELECT count(*) FROM observability_events WHERE event_type <> 'ledger.loss'";
    assert_eq!(cluster.psql(&url, rows).trim(), stats.written.to_string());
}
