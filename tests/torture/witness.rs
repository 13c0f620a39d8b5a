//! Counts the events that the ledger emits through `tracing`: there must be none. Its driver may emit the server's notices.

use std::sync::Mutex;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The subscriber of every thread that has none of its own.
struct Witness;

/// Makes the witness hear every thread of the process.
pub(crate) fn install() {
    tracing::subscriber::set_global_default(Witness).expect("the first and only one");
}

/// Panics if there was a notice since the last time.
pub(crate) fn assert_silence() {
    let heard = std::mem::take(&mut *HEARD.lock().expect("no witness panicked"));
    assert!(heard.is_empty(), "the ledger spoke through tracing: {heard:#?}");
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("tracing_ledger")
}

fn hear(metadata: &Metadata<'_>) {
    HEARD.lock().expect("no witness panicked").push(format!("{} {}", metadata.target(), metadata.name()));
}

impl Subscriber for Witness {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours(metadata)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        hear(attributes.metadata());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        hear(event.metadata());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
