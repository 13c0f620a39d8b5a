//! Neither the ledger nor a filtered layer beside it loses a span when real queries run between spans.
//!
//! sqlx asks `log_enabled!`, which leaves another filter's answer behind on the thread: a layer whose filter
//! answers `always` then recorded 1 span of 1000 (tokio-rs/tracing#2519).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection as _, PgConnection};
use support::{Cluster, DEADLINE, alone};
use tracing::info_span;
use tracing_ledger::store::Memory;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer, Registry, layer};

#[derive(Clone, Default)]
struct Count(Arc<AtomicU32>);

impl<S: tracing::Subscriber> Layer<S> for Count {
    fn on_new_span(&self, attrs: &tracing::span::Attributes<'_>, _: &tracing::Id, _: layer::Context<'_, S>) {
        if attrs.metadata().name() == "quote_tables_for_booking" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_filtered_layer_and_the_ledger_see_a_thousand_spans_of_a_thousand() {
    alone("beside_sqlx::a_filtered_layer_and_the_ledger_see_a_thousand_spans_of_a_thousand", || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(count_spans());
    });
}

async fn count_spans() {
    let memory = Memory::default();
    let (ledger, guard) = tracing_ledger::builder().build_with::<Registry>(memory.clone()).expect("a ledger");
    let other = Count::default();
    tracing_subscriber::registry()
        .with(ledger)
        .with(other.clone().with_filter(EnvFilter::new("info,process::beside_sqlx=debug")))
        .init();

    let mut connection = PgConnection::connect(&Cluster::shared().database()).await.expect("a connection");
    for _ in 0..1000 {
        info_span!("quote_tables_for_booking", success = true).in_scope(|| ());
        sqlx::query("SELECT 1").execute(&mut connection).await.expect("a real query");
    }

    guard.flush(DEADLINE).expect("everything is written");
    let rows = memory.rows().iter().filter(|event| &*event.event_type == "auto_assign.quote").count();
    assert_eq!((rows, other.0.load(Ordering::Relaxed)), (1000, 1000));
}
