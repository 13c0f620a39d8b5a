//! Notices that a trigger raises do not reach the layers of the host.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use sqlx::{Connection as _, PgConnection};
use support::{Cluster, alone};
use tracing::Subscriber;
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Store};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;

/// Counts the driver's events of notices.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<usize>>);

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::postgres::notice" {
            *self.0.lock().expect("nobody panicked") += 1;
        }
    }
}

impl Ear {
    fn heard(&self) -> usize {
        std::mem::take(&mut *self.0.lock().expect("nobody panicked"))
    }
}

#[test]
fn notices_stay_with_the_server() {
    alone("store_notices::notices_stay_with_the_server", || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(insert_with_notices());
    });
}

async fn insert_with_notices() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    // One speaks at the insert, one at the commit.
    cluster.psql(
        &url,
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             RAISE NOTICE 'secret %', NEW.context; RAISE WARNING 'secret %', NEW.context; RETURN NEW; END$$;
         CREATE TRIGGER early BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION tell();
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON observability_events
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tell();",
    );
    let ear = Ear::default();
    tracing_subscriber::registry().with(ear.clone()).init();

    let mut other = PgConnection::connect(&url).await.expect("a connection");
    let insert = "INSERT INTO observability_events (source, event_type, severity) VALUES ('a', 'b', 'info')";
    sqlx::raw_sql(insert).execute(&mut other).await.expect("stored");
    assert_eq!(ear.heard(), 4, "a connection of another kind has its notice");

    let mut store = Postgres::from_url(&url).expect("readable");
    for rows in [1, Postgres::COPY_FROM_ROWS] {
        for attempt in [Attempt::First, Attempt::Retry] {
            let batch: Vec<_> =
                (0..rows).map(|_| Row::new(SystemTime::now(), "test", "test.event")).collect();
            store.insert(&batch, attempt).await.expect("stored");
            assert_eq!(ear.heard(), 0, "{rows} {attempt:?}");
        }
    }
}
