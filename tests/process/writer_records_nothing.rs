//! What the store emits on the writer's threads is not recorded, and goes to every other layer as ever. In a process
//! of its own, as it takes the global subscriber.

use std::sync::atomic::{AtomicUsize, Ordering};

use support::{DEADLINE, alone};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, InsertError, Store};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;

static HEARD: AtomicUsize = AtomicUsize::new(0);

/// Counts everything that anybody emits.
struct Ear;

impl<S: Subscriber> Layer<S> for Ear {
    fn on_new_span(&self, _: &tracing::span::Attributes<'_>, _: &tracing::span::Id, _: Context<'_, S>) {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }

    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }
}

/// One callsite, reached from the store first.
fn chatter() {
    tracing::info!(name: "auto_assign.started", "a rule names this one");
}

struct Chatterbox;

impl Store for Chatterbox {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        tracing::error_span!("auto_assign.quote").in_scope(|| tracing::trace!("no rule names this one"));
        chatter();
        tokio::task::spawn_blocking(chatter).await.expect("it does not panic");
        Ok(())
    }
}

#[test]
fn spans_and_events_of_the_store_are_not_recorded() {
    alone("writer_records_nothing::spans_and_events_of_the_store_are_not_recorded", write_to_a_chatterbox);
}

fn write_to_a_chatterbox() {
    let (ledger, guard) = tracing_ledger::builder().build_with(Chatterbox).expect("the options are right");
    let ear = Ear.with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(ledger).with(ear).init();

    let span = tracing::info_span!("auto_assign.job");
    drop(span);
    let stats = guard.flush(DEADLINE).expect("the store takes everything");
    assert_eq!(stats.offered, 1, "the job, and nothing of the store's");
    assert_eq!(HEARD.load(Ordering::Relaxed), 4, "the job, and all that the store says at this level");

    chatter();
    let stats = guard.shutdown(DEADLINE).expect("the store takes everything");
    assert_eq!(stats.offered, 2, "the same callsite, on another thread");
}
