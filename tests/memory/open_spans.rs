//! Calls leave little in memory when they have ended. A process of its own, because it counts what all threads allocate.

use crate::counting::allocated;
use support::{DEADLINE, alone};
use tracing::{Span, Subscriber, info_span};
use tracing_ledger::store::{Attempt, InsertError, Store};
use tracing_ledger::{Guard, Row, builder};
use tracing_subscriber::{Layer, prelude::*};

const SPANS: usize = 1000;
const TEXT: &str = match str::from_utf8(&[b'x'; 8 * 1024]) {
    Ok(text) => text,
    Err(_) => "",
};

/// A store that keeps nothing.
struct Discard;

impl Store for Discard {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        Ok(())
    }
}

/// A layer that wants all spans.
struct Other;

impl<S: Subscriber> Layer<S> for Other {}

/// A job of 40 kB, which a call within it inherits.
fn job(text: &str) -> Span {
    info_span!("job", a = text, b = text, c = text, d = text, e = text)
}

/// Bytes that each of so many jobs leaves, which are open at the same time.
fn left_by_jobs(guard: &Guard) -> usize {
    let before = allocated();
    let jobs: Vec<_> = (0..SPANS).map(|_| job(TEXT)).collect();
    for (number, job) in jobs.into_iter().enumerate() {
        job.in_scope(|| info_span!("call").in_scope(|| ()));
        drop(job);
        // The queue is not measured.
        if number % 20 == 0 {
            guard.flush(DEADLINE).expect("the store takes everything");
        }
    }
    guard.flush(DEADLINE).expect("the store takes everything");
    (allocated() - before) / SPANS
}

/// Bytes that one call takes beside so many spans of another layer.
fn taken_beside(others: usize) -> usize {
    let others: Vec<_> = (0..others).map(|_| info_span!("of_others")).collect();
    let before = allocated();
    let call = info_span!("call");
    let taken = allocated() - before;
    drop((call, others));
    taken
}

/// One after the other, as both count what the whole program allocates.
#[test]
fn ended_spans_keep_little_memory_and_spans_of_other_layers_take_almost_none() {
    alone(
        "open_spans::ended_spans_keep_little_memory_and_spans_of_other_layers_take_almost_none",
        open_and_end_spans,
    );
}

fn open_and_end_spans() {
    let rules = r#"
        [[rule]]
        span = "job"
        [[rule]]
        span = "call"
        inherit = ["a", "b", "c", "d", "e"]
    "#;
    let rules = rules.parse().expect("they are sound");
    let (layer, guard) = builder().rules(rules).build_with(Discard).expect("the defaults are sound");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer).with(Other), || {
        let left = left_by_jobs(&guard);
        assert!(left < 12 * 1024, "{left} bytes for each");
        let taken = taken_beside(50_000);
        assert!(taken < 50_000 * 40, "{taken} bytes for one call");
    });
}
