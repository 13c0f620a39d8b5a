//! A store that panics outside of an insert costs no row.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, InsertError, Memory, Store};

use crate::books::{DEADLINE, assert_sums, emit, numbers, open, untimed};

/// A store whose futures panic as they are dropped, when the rows are stored already.
struct Sore {
    memory: Memory,
    panics: Arc<AtomicUsize>,
}

struct PanicsOnDrop(Arc<AtomicUsize>);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        let left = self.0.load(Ordering::Relaxed);
        if left > 0 && !thread::panicking() {
            self.0.store(left - 1, Ordering::Relaxed);
            panic!("as the test wants");
        }
    }
}

/// Holds what panics until the future itself is dropped.
struct Held<F>(F, #[expect(dead_code, reason = "it is there to be dropped")] PanicsOnDrop);

impl<F: Future + Unpin> Future for Held<F> {
    type Output = F::Output;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<F::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl Store for Sore {
    fn insert(&mut self, batch: &[Row], attempt: Attempt) -> impl Future<Output = Result<(), InsertError>> {
        Held(Box::pin(self.memory.insert(batch, attempt)), PanicsOnDrop(self.panics.clone()))
    }
}

#[test]
fn the_batch_in_hand_is_kept_and_the_work_goes_on() {
    let (memory, panics) = (Memory::default(), Arc::new(AtomicUsize::new(3)));
    let store = Sore { memory: memory.clone(), panics: panics.clone() };
    let (dispatch, guard) = open(untimed().batch_size(10), store);
    emit(&dispatch, 0..35);
    let stats = guard.shutdown(DEADLINE).expect("it goes on after each panic");
    assert_eq!(panics.load(Ordering::Relaxed), 0, "it panicked as often as it was to");
    assert_eq!((stats.written, stats.in_flight), (35, 0));
    assert_sums(&stats);
    assert_eq!(numbers(&memory.rows()), (0..35).collect::<Vec<_>>(), "and no row is there twice");
}
