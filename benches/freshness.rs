//! The time from the end of a call until other sessions see its row, at a low rate.
//!
//! `cargo bench -p tracing-ledger-benches --bench freshness -- --size 400`
//!
//! The bench starts its own PostgreSQL server, which looks for new rows every millisecond. The `created_at` of a row is
//! the end of its call, by the same clock.

#[expect(dead_code, reason = "the bench `ingest` uses more of it")]
mod postgres;

use std::thread;
use std::time::Duration;

use postgres::Server;
use tracing::Dispatch;
use tracing_ledger::builder;
use tracing_ledger_benches::options::BenchOptions;
use tracing_ledger_benches::workload::quote;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use uuid::Uuid;

fn main() {
    let options = BenchOptions::from_args(1, 400, "calls");
    let server = Server::start();
    let (layer, _guard) = builder().build::<Registry>(server.url()).expect("a sound URL");
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    server.psql("CREATE TABLE seen (id uuid PRIMARY KEY, at timestamptz NOT NULL)");
    thread::scope(|scope| {
        scope.spawn(|| server.psql(&watch(options.size)));
        tracing::dispatcher::with_default(&dispatch, || call(options.size));
    });
    let figures = server.psql(
        "SELECT format('| %s | %s | %s | %s |', count(*), \
             round(percentile_disc(0.5) WITHIN GROUP (ORDER BY age)), \
             round(percentile_disc(0.99) WITHIN GROUP (ORDER BY age)), round(max(age))) \
         FROM (SELECT 1000 * extract(epoch FROM at - created_at) AS age \
               FROM seen JOIN observability_events USING (id)) AS ages",
    );
    println!("| calls | median, ms | p99, ms | longest, ms |\n|---:|---:|---:|---:|\n{figures}");
}

/// Makes calls at a low rate, spread over the time between two ticks of the writer.
fn call(calls: u64) {
    for n in 0..calls {
        quote(Uuid::from_u64_pair(n, n));
        thread::sleep(Duration::from_millis(n * 37 % 90));
    }
}

/// Records when each row becomes visible. Every statement of the block sees all rows that are committed by then.
fn watch(rows: u64) -> String {
    format!(
        "DO $$ BEGIN \
             WHILE (SELECT count(*) FROM seen) < {rows} LOOP \
                 INSERT INTO seen SELECT id, clock_timestamp() FROM observability_events \
                     WHERE NOT EXISTS (SELECT FROM seen WHERE seen.id = observability_events.id); \
                 PERFORM pg_sleep(0.001); \
             END LOOP; \
         END $$"
    )
}
